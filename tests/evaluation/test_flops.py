"""Operations of whole pipelines: networks, linear algebra, and what is not known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransfer import (
    BackboneFeatures,
    ConvNetClassifier,
    DenseHead,
    ImageReader,
    LinearProbe,
    TTAClassifier,
)
from sktransfer.evaluation._flops import count_flops


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(30, 6)), np.tile(["a", "b", "c"], 10)


LINEAR = 3 * 6 * 2 + 3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("estimator", "flops"),
    [
        (LogisticRegression(), LINEAR),
        (LinearProbe(), LINEAR + 2 * 6),
        (make_pipeline(StandardScaler(), LogisticRegression()), LINEAR + 2 * 6),
        (make_pipeline(StandardScaler(with_mean=False), LogisticRegression()), LINEAR + 6),
        (make_pipeline(PCA(2), LogisticRegression()), 2 * 6 * 2 + 6 + 3 * 2 * 2 + 3),
        (KNeighborsClassifier(3), 2 * 30 * 6),
        (MLPClassifier((4,), max_iter=5), 2 * (6 * 4 + 4 * 3) + 2 * (4 + 3)),
        (GridSearchCV(LogisticRegression(), {"C": [1]}, cv=2), LINEAR),
        (make_pipeline("passthrough", RandomForestClassifier(2)), None),
        # hidden layer with ReLU, output layer with softmax
        (DenseHead((4,), epochs=1), 4 * (2 * 6 + 2) + 3 * (2 * 4 + 2)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_linear_algebra_is_counted(rows, estimator, flops):
    assert count_flops(estimator.fit(*rows)) == flops


def test_a_pipeline_needs_its_backbone_and_its_classifier(small_images, small_labels):
    features = BackboneFeatures("mobilenet", weights=None, input_size=32, random_state=0)
    pipeline = make_pipeline(ImageReader(size=(16, 16)), features, LogisticRegression())
    pipeline.fit(small_images, small_labels)
    assert count_flops(pipeline) == count_flops(features) + 3 * 1024 * 2 + 3
    assert count_flops(features) > 2e6


def test_views_are_counted_each(small_images, small_labels):
    network = ConvNetClassifier(1, filters=4, hidden_layer_sizes=(), epochs=1, random_state=0)
    views = TTAClassifier(network, n_views=3, random_state=0).fit(small_images, small_labels)
    assert count_flops(views) == 3 * count_flops(views.estimator_)
    assert count_flops(views.estimator_) > 16 * 16 * 4 * 2 * 27 / 2
