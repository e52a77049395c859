from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from sktransfer import BackboneFeatures, LinearProbe
from sktransfer.explain import find_label_errors


@pytest.fixture(autouse=True)
def cleanlab():
    pytest.importorskip("cleanlab", reason="cleanlab is an extra of the package")


@pytest.fixture(scope="module")
def flipped():
    """300 points in 4 clouds that touch, their labels, the right ones, and which are wrong."""
    X, codes = make_blobs(300, centers=4, n_features=6, cluster_std=2.5, random_state=0)
    names = np.array(["ant", "bee", "cat", "dog"])
    rng = np.random.default_rng(0)
    wrong = rng.choice(300, 15, replace=False)
    noisy = codes.copy()
    noisy[wrong] = (codes[wrong] + rng.integers(1, 4, 15)) % 4
    return X, names[noisy], names[codes], set(wrong.tolist())


def test_planted_errors_are_found(flipped):
    X, y, truth, wrong = flipped
    found = find_label_errors(LogisticRegression(max_iter=500), X, y)
    hits = wrong & set(found["index"])
    assert len(hits) / len(found) > 0.6, "precision; by chance it is 0.05"
    assert len(hits) / len(wrong) > 0.7, "recall"
    rows = found[found["index"].isin(wrong)]
    assert (rows["suggested"] == truth[rows["index"]]).mean() > 0.9


def test_numbers_are_those_of_held_out_predictions(flipped):
    X, y, _, _ = flipped
    folds = StratifiedKFold(4, shuffle=True, random_state=1)
    found = find_label_errors(LogisticRegression(max_iter=500), X, y, cv=folds)
    probabilities = cross_val_predict(
        LogisticRegression(max_iter=500), X, y, cv=folds, method="predict_proba"
    )[found["index"]]
    classes = np.unique(y)
    codes = np.searchsorted(classes, found["given"])
    given = probabilities[np.arange(len(found)), codes]
    others = np.where(np.arange(4) == codes[:, None], 0, probabilities).max(axis=1)
    np.testing.assert_array_equal(found["given"], y[found["index"]])
    np.testing.assert_array_equal(found["suggested"], classes[probabilities.argmax(axis=1)])
    np.testing.assert_allclose(found["probability"], given)
    np.testing.assert_allclose(found["score"], (1 + given - others) / 2)
    assert found["score"].is_monotonic_increasing


def test_mislabelled_images_are_found(small_images, small_labels):
    noise = np.random.default_rng(0).normal(scale=6, size=(4, *small_images.shape))
    X = np.clip(small_images + noise, 0, 255).astype(np.uint8).reshape(96, 16, 16, 3)
    y = np.tile(small_labels, 4)
    wrong = [5, 31, 40, 62, 77]
    y[wrong] = np.where(y[wrong] == "sky", "grass", "sky")
    backbone = BackboneFeatures("residual", weights=None, pooling="flatten", random_state=0)
    judge = make_pipeline(backbone, LinearProbe())
    found = find_label_errors(judge, list(X), pd.Series(y))
    assert set(found["index"]) == set(wrong)
    assert not hasattr(judge[-1], "classes_"), "the estimator itself is not fitted"


def test_right_labels_are_left_alone():
    X, y = make_blobs(60, centers=3, cluster_std=0.1, random_state=0)
    found = find_label_errors(LogisticRegression(max_iter=500), X, y)
    assert len(found) == 0
    assert list(found.columns) == ["index", "given", "suggested", "probability", "score"]


def test_without_cleanlab_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    with pytest.raises(ImportError, match=r"pip install \"sktransfer\[explain\]\""):
        find_label_errors(LogisticRegression(), [[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1, 1], "X has 4 samples, but y has 3"),
        ([[0, 1], [1, 1], [1, 0], [0, 0]], "y should be a 1d array"),
        ([0.5, 1.5, 2.5, 0.1], "Unknown label type"),
    ],
)
def test_labels_have_to_be_one_class_an_image(y, message):
    with pytest.raises(ValueError, match=message):
        find_label_errors(LogisticRegression(), np.eye(4), y)


def test_the_judge_has_to_tell_probabilities():
    with pytest.raises(TypeError, match="predict_proba"):
        find_label_errors(RidgeClassifier(), np.eye(4), [0, 1, 0, 1])
