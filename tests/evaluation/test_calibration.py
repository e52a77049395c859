"""Bins of confidence: bounds, means, and the expected calibration error."""

from __future__ import annotations

import numpy as np
import pytest

from sktransfer.evaluation._calibration import bin_confidences


def test_a_bin_holds_its_upper_bound_and_the_first_one_zero():
    bins = bin_confidences(np.array([0.0, 0.2, 0.2000001, 0.4, 1.0]), np.ones(5, bool), n_bins=5)
    assert bins.counts.tolist() == [2, 2, 0, 0, 1]
    np.testing.assert_allclose(bins.edges, [0, 0.2, 0.4, 0.6, 0.8, 1])


def test_bounds_hold_for_every_multiple_of_a_fifteenth():
    edges = np.linspace(0, 1, 16)
    bins = bin_confidences(edges[1:], np.ones(15, bool))
    assert bins.counts.tolist() == [1] * 15


def test_means_are_those_of_the_bins():
    confidence = np.array([0.6, 0.7, 0.9, 0.95])
    bins = bin_confidences(confidence, np.array([True, False, True, True]), n_bins=4)
    assert bins.counts.tolist() == [0, 0, 2, 2]
    np.testing.assert_allclose(bins.confidence, [np.nan, np.nan, 0.65, 0.925])
    np.testing.assert_allclose(bins.accuracy, [np.nan, np.nan, 0.5, 1])
    assert bins.expected_error == pytest.approx((2 * 0.15 + 2 * 0.075) / 4)


@pytest.mark.filterwarnings("error")
def test_a_single_prediction_has_means_and_a_bin_without_any_has_none():
    bins = bin_confidences(np.array([0.3, 0.9, 0.8]), np.array([False, True, True]), n_bins=4)
    assert bins.counts.tolist() == [0, 1, 0, 2]
    np.testing.assert_allclose(bins.confidence, [np.nan, 0.3, np.nan, 0.85])
    np.testing.assert_allclose(bins.accuracy, [np.nan, 0, np.nan, 1])


def test_one_bin_compares_the_means_of_all():
    bins = bin_confidences(np.array([0.0, 0.6, 0.9]), np.array([False, True, True]), n_bins=1)
    assert bins.counts.tolist() == [3]
    assert bins.expected_error == pytest.approx(2 / 3 - 0.5)


def test_the_error_of_honest_confidence_is_small():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.1, 1, 50_000)
    is_right = rng.random(50_000) < confidence
    assert bin_confidences(confidence, is_right).expected_error < 0.01
    boastful = np.sqrt(confidence)  # on average 0.15 to 0.2 too high
    expected = np.mean(boastful - confidence)
    assert bin_confidences(boastful, is_right).expected_error == pytest.approx(expected, abs=0.01)


def test_no_bins_are_refused():
    with pytest.raises(ValueError, match="n_bins must be at least 1, got 0"):
        bin_confidences(np.array([0.5]), np.array([True]), n_bins=0)
