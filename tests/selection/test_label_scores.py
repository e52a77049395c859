"""LEEP, NCE and N-LEEP against loops, figures by hand and scikit-learn's parts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.metrics import mutual_info_score
from sklearn.mixture import GaussianMixture

from sktransfer.selection import leep, n_leep, nce


def naive_leep(source: np.ndarray, y: np.ndarray) -> float:
    """LEEP, sum by sum, as the paper writes it."""
    n, n_source = source.shape
    labels = sorted(set(y))
    joint = {
        (label, z): sum(source[i, z] for i in range(n) if y[i] == label) / n
        for label in labels
        for z in range(n_source)
    }
    marginal = [sum(joint[label, z] for label in labels) for z in range(n_source)]
    total = 0.0
    for i in range(n):
        total += math.log(
            sum(joint[y[i], z] / marginal[z] * source[i, z] for z in range(n_source) if marginal[z])
        )
    return total / n


@pytest.fixture
def said() -> np.ndarray:
    """Probabilities of six source classes for 40 images."""
    return np.random.default_rng(0).dirichlet([0.3] * 6, size=40)


@pytest.fixture
def classes() -> np.ndarray:
    return np.random.default_rng(1).choice(["ant", "bee", "cat"], size=40)


# LEEP ------------------------------------------------------------------------------------------


def test_leep_is_the_paper_s_sums(said, classes):
    assert leep(said, classes) == pytest.approx(naive_leep(said, classes), abs=1e-12)


def test_leep_by_hand():
    # P(a | first) = (0.8 + 0.6) / 1.8, P(a | second) = (0.2 + 0.4) / 1.2.
    source = [[0.8, 0.2], [0.6, 0.4], [0.4, 0.6]]
    first, second = 1.4 / 1.8, 0.6 / 1.2
    right = [
        0.8 * first + 0.2 * second,
        0.6 * first + 0.4 * second,
        0.4 * (1 - first) + 0.6 * (1 - second),
    ]
    assert leep(source, ["a", "a", "b"]) == pytest.approx(np.log(right).mean())


def test_leep_of_a_source_class_that_is_never_said(said, classes):
    never = np.hstack([said, np.zeros((len(said), 1))])
    assert leep(never, classes) == pytest.approx(leep(said, classes))


def test_leep_of_a_classifier_that_says_the_same_is_the_entropy(classes):
    _, counts = np.unique(classes, return_counts=True)
    assert leep(np.full((40, 5), 0.2), classes) == pytest.approx(-entropy(counts))


def test_leep_of_certain_classifiers_is_nce(classes):
    source = np.random.default_rng(2).integers(0, 5, 40)
    assert leep(np.eye(5)[source], classes) == pytest.approx(nce(source, classes))


def test_leep_accepts_probabilities_of_half_precision(said, classes):
    assert leep(said.astype(np.float16), classes) == pytest.approx(leep(said, classes), abs=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda said: -said, "source_probabilities must be probabilities"),
        (lambda said: 2 * said, "rows that add up to 2 to 2"),
        (lambda said: np.where(said > 0.5, np.nan, said), "source_probabilities contains NaN"),
        (lambda said: said[:-1], "source_probabilities has 39 samples, but y has 40"),
    ],
)
def test_leep_refuses_what_is_no_probabilities(said, classes, change, message):
    with pytest.raises(ValueError, match=message):
        leep(change(said), classes)


# NCE -------------------------------------------------------------------------------------------


def test_nce_by_hand():
    # Of "pet", three are cats and one is a dog; of "wild", both are dogs.
    source = ["pet"] * 4 + ["wild"] * 2
    y = ["cat"] * 3 + ["dog"] * 3
    expected = (3 * math.log(3 / 4) + math.log(1 / 4)) / 6
    assert nce(source, y) == pytest.approx(expected)


def test_nce_is_information_less_entropy(classes):
    source = np.random.default_rng(2).integers(0, 4, 40)
    _, counts = np.unique(classes, return_counts=True)
    expected = mutual_info_score(source, classes) - entropy(counts)
    assert nce(source, classes) == pytest.approx(expected)


def test_nce_is_not_symmetric():
    fine, coarse = [0, 1, 2, 3, 0, 1, 2, 3], [0, 0, 1, 1, 0, 0, 1, 1]
    assert nce(fine, coarse) == 0
    assert nce(coarse, fine) == pytest.approx(-math.log(2))


def test_nce_refuses_labels_that_do_not_pair(classes):
    with pytest.raises(ValueError, match="source_labels has 39 samples, but y has 40"):
        nce([1] * 39, classes)


# N-LEEP ----------------------------------------------------------------------------------------


@pytest.fixture
def blobs():
    """90 points of 12 features in three classes that overlap."""
    return make_blobs(90, n_features=12, centers=3, cluster_std=6.0, random_state=0)


def test_n_leep_is_the_leep_of_a_mixture_of_principal_components(blobs):
    X, y = blobs
    components = PCA(0.8).fit_transform(X)
    components /= components[:, 0].std()
    mixture = GaussianMixture(6, covariance_type="diag", random_state=0).fit(components)
    expected = naive_leep(mixture.predict_proba(components), y)
    assert n_leep(X, y, n_components=6, random_state=0) == pytest.approx(expected, abs=1e-6)


def test_n_leep_has_five_components_a_class_but_ten_rows_for_each(blobs):
    X, y = blobs
    assert n_leep(X, y, random_state=0) == n_leep(X, y, n_components=9, random_state=0)
    few = X[:12], y[:12]
    assert n_leep(*few, random_state=0) == n_leep(*few, n_components=3, random_state=0)
    many = np.repeat(X, 3, axis=0), np.repeat(y, 3)
    assert n_leep(*many, random_state=0) == n_leep(*many, n_components=15, random_state=0)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_n_leep_does_not_depend_on_the_scale(blobs, factor):
    X, y = blobs
    scaled = n_leep(factor * X, y, random_state=0)
    assert scaled == pytest.approx(n_leep(X, y, random_state=0), abs=1e-9)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 91}, "n_components == 91, must be <= 90"),
        ({"n_components": 0}, "n_components == 0, must be >= 1"),
        ({"explained_variance": 1.0}, "explained_variance == 1.0, must be < 1"),
    ],
)
def test_n_leep_refuses(blobs, parameters, message):
    with pytest.raises(ValueError, match=message):
        n_leep(*blobs, **parameters)
