"""The decomposition that the scores share, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from sktransfer.selection import h_score, log_me
from sktransfer.selection._spectrum import Spectrum


@pytest.mark.parametrize("shape", [(50, 7), (20, 20), (9, 40)])
@pytest.mark.parametrize("rank", [3, None])
def test_it_is_the_singular_value_decomposition(shape, rank):
    rng = np.random.default_rng(0)
    X = rng.normal(size=shape)
    if rank is not None:
        X = X[:, :rank] @ rng.normal(size=(rank, shape[1]))
    rank = rank or min(shape)
    left, values, _ = np.linalg.svd(X)
    spectrum = Spectrum.of(X)
    np.testing.assert_allclose(spectrum.squares, values[:rank] ** 2, rtol=1e-9)
    signs = np.sign((spectrum.left * left[:, :rank]).sum(axis=0))
    np.testing.assert_allclose(spectrum.left * signs, left[:, :rank], atol=1e-7)


def graded(shape: tuple[int, int], smallest: float, seed: int) -> np.ndarray:
    """A matrix of singular values from one down to `smallest`."""
    rng = np.random.default_rng(seed)
    size = min(shape)
    left, _ = np.linalg.qr(rng.normal(size=(shape[0], size)))
    right, _ = np.linalg.qr(rng.normal(size=(shape[1], size)))
    return left * np.geomspace(1, smallest, size) @ right.T


@pytest.mark.parametrize("shape", [(60, 20), (20, 60)])
def test_directions_are_orthonormal(shape):
    left = Spectrum.of(graded(shape, 1e-4, seed=0)).left
    np.testing.assert_allclose(left.T @ left, np.eye(20), atol=1e-6)


@pytest.mark.parametrize("shape", [(60, 20), (20, 60)])
def test_what_is_within_rounding_is_left_out(shape):
    spectrum = Spectrum.of(graded(shape, 1e-12, seed=0))
    assert 8 < len(spectrum.squares) < 14
    assert spectrum.left.shape == (shape[0], len(spectrum.squares))


@pytest.mark.parametrize("score", [log_me, h_score])
@pytest.mark.parametrize("smallest", [1e-5, 1e-8])
def test_inexact_directions_do_not_matter_to_scores(score, smallest, monkeypatch):
    def exactly(X):
        left, values, _ = np.linalg.svd(X, full_matrices=False)
        return Spectrum(left, values**2)

    X = graded((120, 40), smallest, seed=1)
    y = np.linalg.svd(X, full_matrices=False)[0][:, -1] > 0  # what the weakest tells apart
    found = score(X, y)
    monkeypatch.setattr(Spectrum, "of", exactly)
    assert found == pytest.approx(score(X, y), abs=1e-9)
