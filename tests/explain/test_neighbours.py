from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransfer import BackboneFeatures, ImageReader, LinearProbe
from sktransfer.cache import open_store
from sktransfer.explain import nearest_training_images


@pytest.fixture
def features(small_images):
    return BackboneFeatures("residual", weights=None, random_state=0).fit(small_images)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbours_are_those_of_a_brute_force_search(features, small_images, metric):
    train, X = small_images[:18], small_images[18:]
    indices, distances = nearest_training_images(features, train, X, n_neighbors=4, metric=metric)
    search = NearestNeighbors(n_neighbors=4, metric=metric, algorithm="brute")
    search.fit(features.transform(train))
    expected_distances, expected_indices = search.kneighbors(features.transform(X))
    np.testing.assert_array_equal(indices, expected_indices)
    np.testing.assert_allclose(distances, expected_distances, atol=1e-6)


def test_a_training_image_is_its_own_neighbour(features, small_images):
    indices, distances = nearest_training_images(
        features, small_images, small_images[5:8], n_neighbors=1
    )
    np.testing.assert_array_equal(indices[:, 0], [5, 6, 7])
    np.testing.assert_allclose(distances, 0, atol=1e-6)


def test_of_pipelines_and_searches_the_backbone_counts(features, small_images, small_labels):
    expected = nearest_training_images(features, small_images[:9], small_images[9:])
    unfitted = BackboneFeatures("residual", weights=None, random_state=0)
    pipeline = make_pipeline(ImageReader(), unfitted, StandardScaler(), LinearProbe())
    search = GridSearchCV(pipeline, {"linearprobe__C": [0.1, 1.0]}, cv=2)
    search.fit(small_images, small_labels)
    for transformer in (search, search.best_estimator_):
        found = nearest_training_images(transformer, small_images[:9], small_images[9:])
        np.testing.assert_array_equal(found[0], expected[0])


def test_features_may_be_given(features, small_images):
    values = features.transform(small_images)
    found = nearest_training_images(None, values[:9], values[9:], n_neighbors=2)
    expected = nearest_training_images(features, small_images[:9], small_images[9:], n_neighbors=2)
    np.testing.assert_array_equal(found[0], expected[0])


def test_cached_features_are_not_extracted_anew(small_images, tmp_path, monkeypatch):
    cached = BackboneFeatures("residual", weights=None, random_state=0, cache=tmp_path)
    values = cached.fit_transform(small_images)
    assert open_store(tmp_path) is not None
    monkeypatch.setattr("sktransfer.backbones._extraction.run_padded", None)  # not to be called
    found = nearest_training_images(cached, small_images[:9], small_images[9:])
    expected = nearest_training_images(None, values[:9], values[9:])
    np.testing.assert_array_equal(found[0], expected[0])


def test_more_neighbours_than_images_are_refused(features, small_images):
    with pytest.raises(ValueError, match="n_neighbors"):
        nearest_training_images(features, small_images[:3], small_images, n_neighbors=4)


@pytest.mark.parametrize(
    "transformer", [LinearProbe(), make_pipeline(StandardScaler(), LinearProbe())]
)
def test_what_extracts_no_features_is_refused(transformer, small_images):
    with pytest.raises(TypeError, match="transformer must be a BackboneFeatures"):
        nearest_training_images(transformer, small_images, small_images)


def test_the_transformer_has_to_be_fitted(small_images):
    with pytest.raises(NotFittedError):
        nearest_training_images(BackboneFeatures("residual"), small_images, small_images)


def test_broken_features_are_named():
    with pytest.raises(ValueError, match="Input X_train contains NaN"):
        nearest_training_images(None, [[np.nan, 1.0]], [[1.0, 2.0]])
