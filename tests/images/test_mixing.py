"""Mixing: images and targets in the same shares, of another row, by seed and step alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.base import clone

from sktransfer.images import Mixing


def labelled(n, height=3, width=4):
    """Images of their own number, and targets that name it: a mixture tells its sources."""
    images = np.broadcast_to(np.arange(n, dtype=float)[:, None, None, None], (n, height, width, 3))
    return images, np.eye(n)


def sources(targets):
    """The row whose label is missing from each one's own, and its share (n,)."""
    others = targets.copy()
    np.fill_diagonal(others, 0)
    return others.argmax(axis=1), others.max(axis=1)


@settings(max_examples=80)
@given(
    n=st.integers(2, 30),
    mixup=st.floats(0.05, 5),
    seed=st.integers(),
    step=st.integers(0, 2**40),
)
def test_mixup_adds_two_images_and_their_targets_in_the_same_shares(n, mixup, seed, step):
    images, targets = labelled(n)
    mixed, mixed_targets = Mixing(mixup).mix(images, targets, seed=seed, step=step)
    assert mixed.dtype == mixed_targets.dtype == np.float32
    np.testing.assert_allclose(mixed_targets.sum(axis=1), 1, atol=1e-6)
    assert mixed_targets.min() >= 0
    assert ((mixed_targets > 0).sum(axis=1) <= 2).all()
    expected = mixed_targets @ np.arange(n)
    np.testing.assert_allclose(
        mixed, np.broadcast_to(expected[:, None, None, None], mixed.shape), atol=1e-4
    )


@settings(max_examples=80)
@given(
    n=st.integers(2, 20),
    cutmix=st.floats(0.05, 5),
    height=st.integers(1, 17),
    width=st.integers(1, 17),
    seed=st.integers(),
)
def test_cutmix_gives_targets_the_exact_shares_of_pixels(n, cutmix, height, width, seed):
    images, targets = labelled(n, height, width)
    mixed, mixed_targets = Mixing(mixup=0, cutmix=cutmix).mix(images, targets, seed=seed, step=1)
    shares = (mixed[..., 0, None] == np.arange(n)).mean(axis=(1, 2))
    np.testing.assert_allclose(mixed_targets, shares, atol=1e-6)
    assert (mixed == mixed[..., :1]).all()


def test_cutmix_pastes_one_rectangle_into_the_same_place():
    rng = np.random.default_rng(0)
    images, targets = rng.uniform(0, 255, (200, 15, 20, 3)).astype(np.float32), np.eye(200)
    mixed, mixed_targets = Mixing(mixup=0, cutmix=1.0).mix(images, targets, seed=0, step=0)
    partners, pasted_shares = sources(mixed_targets)
    pasted = (mixed != images).any(axis=-1)
    np.testing.assert_array_equal(mixed[pasted], images[partners][pasted])
    for mask, share in zip(pasted, pasted_shares, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
            assert share == pytest.approx(mask.sum() / 300, abs=1e-6)


def test_cutmix_s_rectangles_have_the_images_ratio_and_are_anywhere():
    images, targets = labelled(4000, 24, 36)
    mixed, _ = Mixing(mixup=0, cutmix=1.0).mix(images, targets[:, :1], seed=0, step=0)
    pasted = mixed[..., 0] != images[..., 0]
    # Sides s, with s * s uniform in [0, 1], are cut to s - s * s / 4 on average.
    assert pasted.mean() == pytest.approx(1 / 2 - 1 / 5 + 1 / 48, abs=0.02)
    # Each pixel is as likely as the others of its distance from the border: symmetric.
    likely = pasted.mean(axis=0)
    np.testing.assert_allclose(likely, likely[::-1], atol=0.05)
    np.testing.assert_allclose(likely, likely[:, ::-1], atol=0.05)
    inside = ~(pasted[:, [0, -1]].any(axis=(1, 2)) | pasted[:, :, [0, -1]].any(axis=(1, 2)))
    heights, widths = pasted.any(axis=2).sum(axis=1), pasted.any(axis=1).sum(axis=1)
    uncut = inside & (heights > 0) & (widths > 0)
    assert uncut.sum() > 300
    assert np.abs(widths[uncut] - 1.5 * heights[uncut]).max() <= 1.25  # rounded to whole pixels


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_are_drawn_for_each_row_from_the_beta_distribution(alpha):
    n = 1500
    _, mixed = Mixing(alpha).mix(*labelled(n, 1, 1), seed=0, step=0)
    kept = np.diagonal(mixed)
    assert stats.kstest(kept, stats.beta(alpha, alpha).cdf).pvalue > 0.01


@settings(max_examples=50)
@given(n=st.integers(2, 40), seed=st.integers(), step=st.integers(0, 1000))
def test_each_row_gets_another_one_and_each_is_given_away_once(n, seed, step):
    _, mixed = Mixing(mixup=50).mix(*labelled(n, 1, 1), seed=seed, step=step)
    partners, _ = sources(mixed)
    assert sorted(partners) == list(range(n))
    assert (partners != np.arange(n)).all()


def test_every_other_row_is_as_likely_a_partner():
    images, targets = labelled(5, 1, 1)
    counts = np.zeros((5, 5))
    for step in range(800):
        partners, _ = sources(Mixing(mixup=50).mix(images, targets, seed=0, step=step)[1])
        counts[np.arange(5), partners] += 1
    assert np.diagonal(counts).sum() == 0
    assert np.abs(counts[~np.eye(5, dtype=bool)] - 200).max() < 70  # a standard deviation is 12


def test_a_batch_is_fixed_by_seed_and_step_and_differs_with_each():
    images, targets = labelled(8)
    mixing = Mixing()
    results = [
        mixing.mix(images, targets, seed=seed, step=step)[1].tobytes()
        for seed in (0, 1, -1, 2**64 + 5)
        for step in (0, 1, 2**35)
    ]
    assert len(set(results)) == 12
    again = clone(mixing).mix(images, targets, seed=1, step=0)
    assert again[1].tobytes() == results[3]


@pytest.mark.parametrize("entropy", [3, (3, 5)])
def test_a_step_draws_otherwise_than_a_generator_of_the_same_numbers(entropy):
    """Such a generator shuffles the rows of an epoch, say."""
    _, mixed = Mixing(1.0).mix(*labelled(64, 1, 1), seed=3, step=5)
    order = np.random.default_rng(entropy).permutation(64)
    partners, _ = sources(mixed)
    assert (partners[order] == np.roll(order, 1)).mean() < 0.2


def test_each_batch_draws_one_of_two_mixers():
    images, targets = labelled(6, 8, 8)
    both = Mixing(mixup=1.0, cutmix=1.0)
    added = 0
    for step in range(400):
        mixed, _ = both.mix(images, targets, seed=0, step=step)
        fractions = (mixed != np.rint(mixed)).any(axis=(1, 2, 3))
        assert fractions.all() or not fractions.any()
        added += fractions.all()
    assert 150 < added < 250


def test_weighted_targets_keep_their_weights():
    """The loss of a row is that of its two targets, each in its share and with its weight."""
    rng = np.random.default_rng(0)
    n = 40
    images, targets = labelled(n)
    weights = rng.uniform(0, 3, n)
    weights[::7] = 0
    _, plain = Mixing(1.0).mix(images, targets, seed=0, step=0)
    _, mixed, mixed_weights = Mixing(1.0).mix(images, targets, weights, seed=0, step=0)
    assert mixed_weights.dtype == mixed.dtype == np.float32
    partners, taken = sources(plain)
    kept = 1 - taken

    predicted = rng.dirichlet(np.ones(n), n)

    def losses(targets):
        return -(targets * np.log(predicted)).sum(axis=1)

    expected = kept * weights * losses(targets) + taken * weights[partners] * losses(
        targets[partners]
    )
    np.testing.assert_allclose(mixed_weights * losses(mixed), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        mixed_weights, kept * weights + taken * weights[partners], rtol=1e-5, atol=1e-6
    )
    assert np.isfinite(mixed).all()


def test_rows_of_no_weight_have_finite_targets():
    _, targets, weights = Mixing().mix(*labelled(4), np.zeros(4), seed=0, step=0)
    assert weights.tolist() == [0, 0, 0, 0]
    assert np.isfinite(targets).all()


def test_equal_weights_change_nothing():
    plain = Mixing(1.0).mix(*labelled(9), seed=0, step=0)
    weighted = Mixing(1.0).mix(*labelled(9), np.full(9, 2.0), seed=0, step=0)
    np.testing.assert_array_equal(weighted[0], plain[0])
    np.testing.assert_allclose(weighted[1], plain[1], atol=1e-6)
    np.testing.assert_allclose(weighted[2], 2, rtol=1e-6)


def test_numbers_are_mixed_like_classes():
    images, _ = labelled(6)
    mixed, numbers = Mixing(1.0).mix(images, np.arange(6.0)[:, None], seed=0, step=0)
    np.testing.assert_allclose(numbers[:, 0], mixed[:, 0, 0, 0], atol=1e-4)


@pytest.mark.parametrize(("mixing", "n"), [(Mixing(0.0), 5), (Mixing(), 1), (Mixing(), 0)])
def test_nothing_to_mix_comes_back_as_it_is(mixing, n):
    images, targets = labelled(n)
    mixed, mixed_targets, weights = mixing.mix(images, targets, np.ones(n), seed=0, step=0)
    np.testing.assert_array_equal(mixed, images)
    np.testing.assert_array_equal(mixed_targets, targets)
    assert weights.shape == (n,)
    assert mixed.dtype == mixed_targets.dtype == weights.dtype == np.float32


@pytest.mark.parametrize("mixing", [Mixing(1.0), Mixing(0.0, 1.0)])
def test_a_batch_of_one_image_repeated_stays_so_and_what_is_given_is_not_written_to(mixing):
    image = np.random.default_rng(0).uniform(0, 255, (6, 7, 3)).astype(np.float32)
    images, targets = np.repeat(image[None], 9, axis=0), np.ones((9, 1), np.float32)
    before = images.copy(), targets.copy()
    mixed, mixed_targets = mixing.mix(images, targets, seed=0, step=0)
    np.testing.assert_array_equal(mixed, images)
    np.testing.assert_array_equal(mixed_targets, targets)
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(targets, before[1])


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf, "0.2", None])
def test_parameters_out_of_their_range_are_named(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of Mixing must be"):
        Mixing(**{name: value}).mix(*labelled(3), seed=0, step=0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"images": np.zeros((3, 4, 4))}, ValueError, r"images must have shape .*\(3, 4, 4\)"),
        ({"targets": np.zeros(3)}, ValueError, r"targets must have shape \(3, k\).*\(3,\)"),
        ({"targets": np.eye(2)}, ValueError, r"targets must have shape \(3, k\).*\(2, 2\)"),
        ({"weights": np.ones(2)}, ValueError, r"weights must have shape \(3,\).*\(2,\)"),
        ({"seed": None}, TypeError, "seed must be an integer, got None"),
        ({"step": 0.5}, TypeError, r"step must be an integer, got 0\.5"),
        ({"step": -1}, ValueError, "step must be at least 0, got -1"),
    ],
)
def test_what_cannot_be_mixed_is_named(change, error, message):
    images, targets = labelled(3)
    batch = {"images": images, "targets": targets, "seed": 0, "step": 0, **change}
    with pytest.raises(error, match=message):
        Mixing().mix(**batch)
