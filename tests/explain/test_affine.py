from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest
from sklearn.preprocessing import (
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from sktransfer.explain import _affine
from sktransfer.explain._affine import find_affine_map


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(3, 2, size=(60, 9))
    return X, np.arange(60) % 3


@pytest.mark.parametrize(
    "step",
    [
        StandardScaler(),
        RobustScaler(),
        MinMaxScaler(),
        PCA(4, whiten=True),
        SelectKBest(k=9),
        SelectKBest(k=3),
        LinearDiscriminantAnalysis(),
    ],
)
def test_linear_steps_are_found_out(step, rows):
    step.fit(*rows)
    found = find_affine_map(step.transform, 9)
    np.testing.assert_allclose(found(rows[0]), step.transform(rows[0]), rtol=1e-4, atol=1e-4)
    assert found.n_outputs == step.transform(rows[0]).shape[1]


@pytest.mark.parametrize(
    "step",
    [
        Normalizer(),
        MinMaxScaler(clip=True),
        PolynomialFeatures(2),
        QuantileTransformer(n_quantiles=10),
    ],
)
def test_other_steps_are_not_taken_for_linear(step, rows):
    step.fit(rows[0])
    assert find_affine_map(step.transform, 9) is None


def test_scalers_of_many_columns_need_no_matrix(rows):
    assert find_affine_map(StandardScaler().fit(rows[0]).transform, 9).scale.shape == (9,)


def test_the_matrix_is_learned_in_blocks(rows, monkeypatch):
    monkeypatch.setattr(_affine, "BLOCK", 4)
    step = PCA(5).fit(rows[0])
    sizes = []

    def transform(X):
        sizes.append(len(X))
        return step.transform(X)

    found = find_affine_map(transform, 9)
    assert sizes[-3:] == [4, 4, 1]
    np.testing.assert_allclose(found.scale, step.components_.T, atol=1e-6)
