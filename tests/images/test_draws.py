"""Draws: even, independent, and a function of the seed, the id and the position."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sktransfer.images import _draws
from sktransfer.images._draws import checked_ids, checked_seed, derived_seed, uniforms


def test_the_draws_of_a_seed_stay_the_same_from_version_to_version():
    draws = uniforms(7, np.array([0, 41], dtype=np.uint64), 21)
    expected = [[0.409179, 0.641296], [0.996737, 0.201214], [0.101393, 0.697608]]
    np.testing.assert_allclose(draws[:3], expected, rtol=0, atol=5e-7)


def test_the_hash_is_splitmix64():
    # The first outputs of the published generator for the seed 1234567.
    gamma = int(_draws._GOLDEN_GAMMA)
    states = np.array([(1234567 + i * gamma) % 2**64 for i in range(3)], dtype=np.uint64)
    assert _draws._splitmix64(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(), first=st.integers(0, 2**63 - 5000))
def test_draws_fill_their_ranges_evenly_whatever_the_seed_and_the_ids(seed, first):
    ids = first + np.arange(4000, dtype=np.uint64)
    draws = uniforms(checked_seed(seed), ids, 21)
    assert draws.min() >= 0
    assert draws.max() < 1
    # Each bin expects 400, with a standard deviation of 19.
    counts = np.stack([np.histogram(row, bins=10, range=(0, 1))[0] for row in draws])
    assert np.abs(counts - 400).max() < 120
    correlations = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlations).max() < 0.1
    assert np.abs(np.mean((draws[:, 1:] - 0.5) * (draws[:, :-1] - 0.5))) < 0.01


@pytest.mark.parametrize("kind", ["i8", "u1", "u8"])
def test_ids_are_whole_numbers_one_for_each_image(kind):
    ids = checked_ids(np.array([5, 3], dtype=kind), 2)
    assert (ids.tolist(), ids.dtype) == ([5, 3], np.uint64)
    with pytest.raises(ValueError, match=r"ids must have shape \(3,\).*got shape \(2,\)"):
        checked_ids(ids, 3)


@pytest.mark.parametrize("ids", [[0.5, 1.0], ["a", "b"], [True, False]])
def test_ids_of_another_kind_are_refused(ids):
    with pytest.raises(TypeError, match="ids must be integers, got dtype"):
        checked_ids(ids, 2)


def test_no_images_need_no_ids():
    assert checked_ids([], 0).dtype == np.uint64


def test_more_draws_leave_the_first_ones_as_they_were():
    ids = np.arange(5, dtype=np.uint64)
    np.testing.assert_array_equal(uniforms(3, ids, 9)[:4], uniforms(3, ids, 4))


def test_derived_seeds_differ_by_position_and_by_seed_and_are_seeds():
    derived = [derived_seed(seed, position) for seed in range(50) for position in range(50)]
    assert len({*derived, *range(50)}) == 2550
    assert all(checked_seed(seed) == seed for seed in derived)
    assert derived_seed(0, 0) == 0xB382A305F4414F5E


def test_draws_of_derived_seeds_are_not_those_of_their_seed_nor_of_one_another():
    ids = np.arange(4000, dtype=np.uint64)
    seeds = [7, derived_seed(7, 0), derived_seed(7, 1)]
    draws = np.concatenate([uniforms(seed, ids, 3) for seed in seeds])
    correlations = np.corrcoef(draws) - np.eye(9)
    assert np.abs(correlations).max() < 0.1
