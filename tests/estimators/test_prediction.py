"""What scikit-learn adds to predictions from images: calibration, and several backbones at once."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from sktransfer import BackboneFeatures, FineTuneClassifier, LinearProbe, TTAClassifier
from sktransfer.backbones import _extraction
from sktransfer.cache import memory_store

needs_temperature = pytest.mark.skipif(
    tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 8),
    reason="scikit-learn has temperature scaling from 1.8 on",
)

# scikit-learn's temperature adds probabilities of float32 up in float64.
pytestmark = pytest.mark.filterwarnings("ignore:The y_prob values do not sum to one")

RANDOM = {"weights": None, "random_state": 0}


@pytest.fixture(scope="module")
def ambiguous():
    """Images of two colours that overlap, so that whoever is certain is often wrong."""
    rng = np.random.default_rng(0)
    y = np.array(["dark", "light"] * 120)
    means = np.where(y == "light", 140, 115)[:, None] + rng.normal(scale=25, size=(240, 3))
    noise = rng.normal(scale=20, size=(240, 16, 16, 3))
    X = (means[:, None, None] + noise).clip(0, 255).astype(np.uint8)
    return X[:80], y[:80], X[80:160], y[80:160], X[160:], y[160:]


def certain_network() -> FineTuneClassifier:
    """A network that has learned its training images by heart."""
    return FineTuneClassifier(
        "tiny", unfreeze="all", epochs=40, learning_rate=0.02, batch_size=8, **RANDOM
    )


def certain_pipeline() -> Pipeline:
    """Features whose probe knows no penalty."""
    return make_pipeline(BackboneFeatures("tiny", pooling="flatten", **RANDOM), LinearProbe(C=1e6))


@needs_temperature
@pytest.mark.parametrize("make", [certain_network, certain_pipeline])
def test_temperature_of_a_fitted_model_makes_it_honest(ambiguous, make):
    X, y, X_held, y_held, X_test, y_test = ambiguous
    fitted = make().fit(X, y)
    calibrated = CalibratedClassifierCV(FrozenEstimator(fitted), method="temperature")
    calibrated.fit(X_held, y_held)
    before, after = fitted.predict_proba(X_test), calibrated.predict_proba(X_test)
    assert log_loss(y_test, after) < 0.8 * log_loss(y_test, before)
    np.testing.assert_array_equal(after.argmax(axis=1), before.argmax(axis=1))
    assert calibrated.predict(X_test).dtype == y.dtype


@needs_temperature
@pytest.mark.parametrize("ensemble", [True, False])
@pytest.mark.parametrize("make", [certain_network, certain_pipeline])
def test_temperature_by_cross_validation_makes_a_model_honest(ambiguous, make, ensemble):
    X, y, _, _, X_test, y_test = ambiguous
    before = make().fit(X, y).predict_proba(X_test)
    calibrated = CalibratedClassifierCV(make(), method="temperature", cv=2, ensemble=ensemble)
    after = calibrated.fit(X, y).predict_proba(X_test)
    assert log_loss(y_test, after) < 0.8 * log_loss(y_test, before)
    assert after.shape == (80, 2)


@needs_temperature
def test_the_mean_over_views_is_calibrated_too(ambiguous):
    X, y, X_held, y_held, X_test, y_test = ambiguous
    views = TTAClassifier(certain_pipeline(), n_views=3, random_state=0).fit(X, y)
    calibrated = CalibratedClassifierCV(FrozenEstimator(views), method="temperature")
    calibrated.fit(X_held, y_held)
    before, after = views.predict_proba(X_test), calibrated.predict_proba(X_test)
    assert log_loss(y_test, after) < log_loss(y_test, before)


@pytest.fixture
def extracted(monkeypatch) -> Counter:
    """How many images go through each network."""
    counts: Counter = Counter()
    run_padded = _extraction.run_padded

    def counted(run, rows, batch_size):
        counts[id(run)] += len(rows)
        return run_padded(run, rows, batch_size)

    memory_store().clear()
    monkeypatch.setattr(_extraction, "run_padded", counted)
    yield counts
    memory_store().clear()


def two_backbones() -> Pipeline:
    """The features of two backbones, each scaled in a way of its own, before one probe."""
    union = FeatureUnion(
        [
            ("tiny", make_pipeline(BackboneFeatures("tiny", **RANDOM), Normalizer())),
            (
                "mobilenet",
                make_pipeline(
                    BackboneFeatures("mobilenet", input_size=32, **RANDOM),
                    PCA(4, random_state=0),
                ),
            ),
        ]
    )
    return Pipeline([("features", union), ("scale", StandardScaler()), ("probe", LinearProbe())])


def test_two_backbones_side_by_side(small_images, small_labels, extracted):
    pipeline = two_backbones().fit(small_images, small_labels)
    features = pipeline[:-1].transform(small_images)
    assert features.shape == (24, 8 + 4)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-5)
    assert pipeline.score(small_images, small_labels) > 0.6
    tiny = Normalizer().fit_transform(
        BackboneFeatures("tiny", **RANDOM).fit_transform(small_images)
    )
    np.testing.assert_allclose(features[:, :8], StandardScaler().fit_transform(tiny), atol=1e-4)
    names = pipeline[:-1].get_feature_names_out()
    assert names[0] == "tiny__backbonefeatures0" and names[8] == "mobilenet__pca0"


def test_a_search_extracts_each_image_once_for_each_backbone(small_images, small_labels, extracted):
    search = GridSearchCV(
        clone(two_backbones()),
        {
            "probe__C": [0.01, 1.0],
            "features__mobilenet__pca__n_components": [2, 4],
            "features__transformer_weights": [None, {"tiny": 2.0}],
        },
        cv=3,
    ).fit(small_images, small_labels)
    assert sorted(extracted.values()) == [24, 24]
    score = accuracy_score(small_labels, search.predict(small_images))
    assert score > 0.6
