"""Policies: every operation does what the papers' Pillow code does, and is drawn as they say."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone

from sktransfer.images import RandAugment, TrivialAugment
from sktransfer.images._operations import OPERATIONS, SPACES, apply_operations
from sktransfer.images._warp import FILL_MODES

POSITIONS = {operation.name: position for position, operation in enumerate(OPERATIONS)}
POLICIES = [TrivialAugment(), TrivialAugment("standard"), RandAugment(), RandAugment(4, 30)]


def smooth(n, height=40, width=50):
    """Images of smooth colours, float32, so that half a pixel is a small difference."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (n, 5, 6, 3), dtype=np.uint8)
    resized = [Image.fromarray(image).resize((width, height), 3) for image in coarse]
    return np.stack([np.asarray(image) for image in resized]).astype(np.float32)


def applied(name, images, strengths, sign=1, space="wide", **fill):
    fill = {"fill_mode": "constant", "fill_value": 0.0, **fill}
    return apply_operations(
        images,
        np.full(len(images), POSITIONS[name]),
        np.broadcast_to(strengths, len(images)).astype(float),
        np.full(len(images), sign),
        space=space,
        **fill,
    )


def test_the_list_is_the_papers():
    assert set(POSITIONS) == {
        *("identity", "auto_contrast", "equalize", "rotate", "solarize", "color", "posterize"),
        *("contrast", "brightness", "sharpness"),
        *("shear_x", "shear_y", "translate_x", "translate_y"),
    }
    assert len(OPERATIONS) == 14


@pytest.mark.parametrize(
    ("name", "space", "expected"),
    [
        ("rotate", "wide", [-135, 0, 67.5, 135]),
        ("rotate", "standard", [-30, 0, 15, 30]),
        ("shear_x", "wide", [-0.99, 0, 0.495, 0.99]),
        ("shear_y", "standard", [-0.3, 0, 0.15, 0.3]),
        ("translate_x", "wide", [-32, 0, 16, 32]),
        ("translate_y", "wide", [-32, 0, 16, 32]),
        ("translate_x", "standard", [-150, 0, 75, 150]),
        ("translate_y", "standard", [-50, 0, 25, 50]),
        ("color", "wide", [0.01, 1, 1.495, 1.99]),
        ("contrast", "standard", [0.1, 1, 1.45, 1.9]),
        ("posterize", "wide", [2, 8, 5, 2]),
        ("posterize", "standard", [4, 8, 6, 4]),
        ("solarize", "wide", [0, 256, 128, 0]),
    ],
)
def test_values_are_those_of_the_papers(name, space, expected):
    operation = OPERATIONS[POSITIONS[name]]
    strengths, signs = np.array([1, 0, 0.5, 1]), np.array([-1, 1, 1, 1])
    # 331 and 110.33 pixels, for translations by up to 150 / 331 of a side.
    values = operation.values(strengths, signs, space, (331 / 3, 331))
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-9)


AFFINE = {
    "shear_x": lambda value: (1, value, 0, 0, 1, 0),
    "shear_y": lambda value: (1, 0, 0, value, 1, 0),
    "translate_x": lambda value: (1, 0, value, 0, 1, 0),
    "translate_y": lambda value: (1, 0, 0, 0, 1, value),
}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ["rotate", *AFFINE])
def test_pixels_are_moved_as_by_pillow(name, sign):
    images = smooth(8)
    strengths = np.linspace(0.05, 1, 8)
    moved = applied(name, images, strengths, sign, fill_value=128.0)
    ranges = OPERATIONS[POSITIONS[name]].wide
    for image, strength, found in zip(images, strengths, moved, strict=True):
        value = sign * strength * ranges[1]
        bilinear = Image.Resampling.BILINEAR
        expected = []
        for channel in np.moveaxis(image, -1, 0):
            floats = Image.fromarray(channel)
            if name == "rotate":
                changed = floats.rotate(value, bilinear, fillcolor=128)
            else:
                changed = floats.transform(
                    floats.size,
                    Image.Transform.AFFINE,
                    AFFINE[name](value),
                    bilinear,
                    fillcolor=128,
                )
            expected.append(np.asarray(changed))
        expected = np.stack(expected, axis=-1)
        # Pillow fills from the border of the outer pixels on, here it is from their centres on.
        filled = (found == 128).all(axis=-1) | (expected == 128).all(axis=-1)
        differing_fill = (found == 128).all(axis=-1) ^ (expected == 128).all(axis=-1)
        assert differing_fill.mean() < 0.05
        assert filled.mean() < 0.9
        np.testing.assert_allclose(found[~filled], expected[~filled], rtol=0, atol=0.1)


def test_images_of_all_operations_at_once_are_those_of_each_alone():
    n = len(OPERATIONS)
    images = smooth(n)
    strengths, signs = np.linspace(0.2, 1, n), np.where(np.arange(n) % 2, 1, -1)
    how = {"space": "wide", "fill_mode": "reflect", "fill_value": 0.0}
    together = apply_operations(images, np.arange(n), strengths, signs, **how)
    for i, operation in enumerate(OPERATIONS):
        alone = apply_operations(
            images[i : i + 1], np.array([i]), strengths[i : i + 1], signs[i : i + 1], **how
        )
        np.testing.assert_array_equal(alone[0], together[i])
        assert (operation.name == "identity") == np.array_equal(together[i], images[i])


@pytest.mark.parametrize("name", sorted(set(POSITIONS) - {"auto_contrast", "equalize"}))
def test_no_strength_is_no_change(name):
    images = smooth(3)
    for space in SPACES:
        np.testing.assert_allclose(applied(name, images, 0, space=space), images, atol=1e-4)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("policy", POLICIES)
def test_an_image_does_not_depend_on_its_neighbours_or_their_order(policy, fill_mode):
    policy = clone(policy).set_params(fill_mode=fill_mode)
    images, ids = smooth(60, 11, 14), np.arange(100, 160)
    together = policy.augment(images, seed=3, ids=ids)
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_array_equal(
        policy.augment(images[order], seed=3, ids=ids[order]), together[order]
    )
    for i in range(0, 60, 3):
        alone = policy.augment(images[i : i + 1], seed=3, ids=ids[i : i + 1])
        np.testing.assert_array_equal(alone[0], together[i])


@pytest.mark.parametrize("policy", POLICIES)
def test_values_stay_within_0_to_255_and_the_caller_s_images_as_they_were(policy):
    images = np.random.default_rng(0).choice([0, 255], (300, 8, 9, 3)).astype(np.float32)
    before = images.copy()
    augmented = policy.augment(images, seed=0, ids=np.arange(300))
    assert augmented.dtype == np.float32
    assert augmented.shape == images.shape
    assert augmented.min() >= 0
    assert augmented.max() <= 255
    np.testing.assert_array_equal(images, before)


def recorded(monkeypatch, policy, n):
    """Each call's choices, strengths and signs while a policy augments n images."""
    calls = []

    def record(images, choices, strengths, signs, **how):
        calls.append((choices, strengths, signs))
        return images

    monkeypatch.setattr("sktransfer.images._policies.apply_operations", record)
    policy.augment(np.zeros((n, 1, 1, 3)), seed=0, ids=np.arange(n))
    return calls


def assert_evenly(numbers, expected_values):
    values, counts = np.unique(numbers, return_counts=True)
    np.testing.assert_allclose(values, expected_values)
    expected = len(numbers) / len(expected_values)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_trivial_augment_draws_operations_strengths_and_directions_evenly(monkeypatch):
    ((choices, strengths, signs),) = recorded(monkeypatch, TrivialAugment(), 20000)
    assert_evenly(choices, range(14))
    assert_evenly(strengths, np.arange(31) / 30)
    assert_evenly(signs, [-1, 1])
    correlations = np.corrcoef([choices, strengths, signs]) - np.eye(3)
    assert np.abs(correlations).max() < 0.04


def test_rand_augment_draws_operations_for_each_turn_and_keeps_the_strength(monkeypatch):
    calls = recorded(monkeypatch, RandAugment(n_ops=3, magnitude=12), 20000)
    assert len(calls) == 3
    for choices, strengths, signs in calls:
        assert_evenly(choices, range(14))
        assert_evenly(signs, [-1, 1])
        np.testing.assert_allclose(strengths, 0.4)
    first, second, third = (choices for choices, _, _ in calls)
    assert np.mean(first == second) == pytest.approx(1 / 14, abs=0.01)
    assert np.mean(second == third) == pytest.approx(1 / 14, abs=0.01)


def test_one_more_operation_leaves_the_draws_of_the_others(monkeypatch):
    two, three = (recorded(monkeypatch, RandAugment(n_ops=n), 50) for n in (2, 3))
    np.testing.assert_array_equal(three[:2], two)


def test_operations_follow_one_another():
    images, ids = smooth(60), np.arange(60)
    one, two = (RandAugment(n_ops=n).augment(images, seed=0, ids=ids) for n in (1, 2))
    unchanged = [np.array_equal(a, b) for a, b in zip(one, two, strict=True)]
    assert 0 < sum(unchanged) < 20  # those whose second is the identity, or does nothing to them


def test_what_lies_beyond_the_border_is_filled_as_asked_for():
    images, ids = np.full((200, 12, 12, 3), 100, np.uint8), np.arange(200)
    moved = {"fill_mode": "constant", "fill_value": 255}
    for policy in (TrivialAugment(**moved), RandAugment(**moved)):
        filled = (policy.augment(images, seed=0, ids=ids) == 255).any(axis=(1, 2, 3))
        assert 20 < filled.sum() < 150
    geometric = [operation.maps is not None for operation in OPERATIONS]
    for name in np.array(list(POSITIONS))[geometric]:
        nearest = applied(name, images.astype(np.float32), 1.0, fill_mode="nearest")
        assert (nearest == 100).all()


def test_results_of_a_seed_stay_the_same_from_version_to_version(monkeypatch):
    ((choices, strengths, signs),) = recorded(monkeypatch, TrivialAugment(), 6)
    names = [OPERATIONS[choice].name for choice in choices]
    assert names == ["translate_y", "equalize", "color", "brightness", "contrast", "sharpness"]
    np.testing.assert_allclose(strengths * 30, [8, 30, 7, 25, 29, 10])
    assert signs.tolist() == [-1, -1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("policy", "name", "bad", "good"),
    [
        (TrivialAugment, "space", ["narrow", None], SPACES),
        (TrivialAugment, "fill_mode", ["mirror"], FILL_MODES),
        (TrivialAugment, "fill_value", [-1, 256, "black"], [0, 255]),
        (RandAugment, "n_ops", [0, 1.5, "2"], [1, 5]),
        (RandAugment, "magnitude", [-1, 31, None, np.nan], [0, 30, 4.5]),
        (RandAugment, "fill_mode", [None], FILL_MODES),
        (RandAugment, "fill_value", [-1, np.nan], [0, 127.5]),
    ],
)
def test_parameters_out_of_their_range_are_named(policy, name, bad, good):
    for value in good:
        policy(**{name: value}).validate()
    for value in bad:
        with pytest.raises(ValueError, match=f"'{name}' parameter of {policy.__name__} must be"):
            policy(**{name: value}).augment(np.zeros((1, 4, 4, 3)), seed=0, ids=[0])


@pytest.mark.parametrize("policy", POLICIES)
def test_policies_are_estimators_that_need_colours_of_a_known_range(policy):
    assert policy.needs_pixel_range is True
    assert clone(policy).get_params() == policy.get_params()
    with pytest.raises(
        ValueError, match=r"images must have 3 channels .* got shape \(1, 4, 4, 1\)"
    ):
        policy.augment(np.zeros((1, 4, 4, 1)), seed=0, ids=[0])
    assert policy.augment(np.zeros((0, 4, 4, 3)), seed=0, ids=[]).shape == (0, 4, 4, 3)
