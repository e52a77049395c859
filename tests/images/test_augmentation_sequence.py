"""Sequences: each augmentation after the other, with draws of its own and names of its own."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from sktransfer.images import Augmentation, AugmentationSequence, ImageAugmentation, TrivialAugment
from sktransfer.images._draws import derived_seed

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 10, 11, 3), dtype=np.uint8)
IDS = np.arange(12)


class Adding(Augmentation):
    """Adds a number, and multiplies the image by two before: to see in which order it comes."""

    needs_pixel_range = False

    def __init__(self, number=1):
        self.number = number

    def _augment(self, images, seed, ids):
        return 2 * images + self.number


def sequence():
    return AugmentationSequence(
        [("flip", ImageAugmentation(horizontal_flip=True)), ("policy", TrivialAugment())]
    )


def test_augmentations_come_one_after_another():
    both = AugmentationSequence([("one", Adding(1)), ("hundred", Adding(100))])
    np.testing.assert_array_equal(both.augment(IMAGES, seed=0, ids=IDS), 4.0 * IMAGES + 102)


def test_each_has_the_draws_of_its_position():
    flip, policy = (augmentation for _, augmentation in sequence().augmentations)
    flipped = flip.augment(IMAGES, seed=derived_seed(5, 0), ids=IDS)
    expected = policy.augment(flipped, seed=derived_seed(5, 1), ids=IDS)
    np.testing.assert_array_equal(sequence().augment(IMAGES, seed=5, ids=IDS), expected)


def test_two_of_a_kind_differ():
    images = np.repeat(IMAGES[:1], 400, axis=0)
    flips = [(name, ImageAugmentation(horizontal_flip=True)) for name in "ab"]
    twice = AugmentationSequence(flips).augment(images, seed=0, ids=np.arange(400))
    mirrored = (twice == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert 150 < mirrored.sum() < 250


def test_sequences_can_be_nested_and_an_image_depends_on_nothing_but_its_id():
    nested = AugmentationSequence([("first", sequence()), ("second", sequence())])
    together = nested.augment(IMAGES, seed=-3, ids=IDS)
    for i in range(12):
        alone = nested.augment(IMAGES[i : i + 1], seed=-3, ids=IDS[i : i + 1])
        np.testing.assert_array_equal(alone[0], together[i])
    once = sequence().augment(IMAGES, seed=-3, ids=IDS)
    assert not np.array_equal(together, once)


def test_the_pixel_range_counts_if_it_does_for_any():
    assert sequence().needs_pixel_range is True
    assert AugmentationSequence([("one", Adding())]).needs_pixel_range is False


def test_parameters_are_named_as_in_a_pipeline():
    parameters = sequence().get_params()
    assert parameters["policy__space"] == "wide"
    assert parameters["flip__rotation"] == 0
    assert isinstance(parameters["policy"], TrivialAugment)
    assert set(sequence().get_params(deep=False)) == {"augmentations"}

    changed = (
        sequence().set_params(flip__rotation=10, policy=Adding(3)).set_params(policy__number=4)
    )
    assert changed.get_params()["flip__rotation"] == 10
    assert [name for name, _ in changed.augmentations] == ["flip", "policy"]
    np.testing.assert_array_equal(
        changed.set_params(flip__rotation=0, flip__horizontal_flip=False).augment(
            IMAGES, seed=0, ids=IDS
        ),
        2.0 * IMAGES + 4,
    )
    with pytest.raises(ValueError, match="Invalid parameter 'polcy'"):
        sequence().set_params(polcy__space="wide")


def test_clones_share_nothing():
    original = sequence()
    copy = clone(original).set_params(flip__rotation=30)
    assert original.get_params()["flip__rotation"] == 0
    assert copy.get_params()["flip__rotation"] == 30
    assert repr(original) == repr(clone(original))


@pytest.mark.parametrize(
    ("augmentations", "error", "message"),
    [
        (None, TypeError, r"augmentations must be a list of \(name, augmentation\).*got None"),
        ([TrivialAugment()], TypeError, r"list of \(name, augmentation\).*TrivialAugment\(\)"),
        ([("policy", "trivial")], TypeError, "'trivial'"),
        ([("policy", TrivialAugment)], TypeError, "TrivialAugment"),
        ([(1, TrivialAugment())], TypeError, "list of"),
        ([], ValueError, "at least one augmentation"),
        ([("a", TrivialAugment()), ("a", TrivialAugment())], ValueError, "not unique"),
        ([("a__b", TrivialAugment())], ValueError, "must not contain __"),
        ([("augmentations", TrivialAugment())], ValueError, "conflict with constructor"),
        ([("a", TrivialAugment("narrow"))], ValueError, "'space' parameter of TrivialAugment"),
    ],
)
def test_what_is_no_sequence_is_refused(augmentations, error, message):
    with pytest.raises(error, match=message):
        AugmentationSequence(augmentations).augment(IMAGES, seed=0, ids=IDS)


def test_an_augmentation_says_what_it_needs_and_does():
    with pytest.raises(TypeError, match="abstract"):
        Augmentation()
    assert Adding().augment(IMAGES[:0], seed=0, ids=[]).shape == (0, 10, 11, 3)
    assert len(Adding(-20).plot(IMAGES[0], n=2).axes) == 3
