"""Every random choice comes from `random_state`, and nothing global is seeded."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf

from sktransfer import DenseHead, FineTuneClassifier, ImageAugmentation
from sktransfer._seeding import seeded_build


def initial_kernel(seed):
    with seeded_build(seed):
        layer = keras.layers.Dense(3)
        layer.build((None, 2))
    return layer.kernel.numpy()


def head(random_state=0, **parameters):
    return DenseHead((8,), epochs=2, dropout=0.3, random_state=random_state, **parameters)


def global_numbers():
    """Numbers from every generator that a program may have seeded."""
    return (random.random(), float(np.random.rand()), float(tf.random.uniform(())))  # noqa: NPY002


def seed_globally():
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    tf.random.set_seed(5)


@pytest.fixture
def global_seeds():
    """Leave the global generators as they were."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    yield
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    tf.random.set_seed(None)


def test_a_seeded_build_fixes_the_initial_weights():
    np.testing.assert_array_equal(initial_kernel(1), initial_kernel(1))
    assert not np.array_equal(initial_kernel(1), initial_kernel(2))


def test_a_seeded_build_leaves_pythons_generator_alone_even_when_it_fails():
    before = random.getstate()
    with pytest.raises(RuntimeError, match="halfway"), seeded_build(3):
        random.random()
        raise RuntimeError("halfway")
    assert random.getstate() == before


def test_a_fit_moves_no_global_generator(blobs, global_seeds):
    seed_globally()
    expected = global_numbers()
    seed_globally()
    head(validation_split=0.2).fit(*blobs)
    assert global_numbers() == expected


def test_unseeded_random_ops_still_work_and_vary_after_a_seeded_fit(blobs):
    head().fit(*blobs)
    draw = tf.function(lambda: tf.random.uniform((4,)))
    assert not np.array_equal(draw(), draw())
    assert not np.array_equal(tf.random.uniform((4,)), tf.random.uniform((4,)))
    assert sorted(tf.random.shuffle(tf.range(4)).numpy()) == [0, 1, 2, 3]


def test_the_same_seed_gives_the_same_bits(blobs):
    X, y = blobs
    first, second = (head(validation_split=0.2).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert first.history_ == second.history_


@pytest.mark.parametrize(
    "seeds",
    [(0, 1), (np.random.RandomState(1), np.random.RandomState(2)), (None, None)],
    ids=["integers", "instances", "none"],
)
def test_other_seeds_give_other_networks(blobs, seeds):
    X, y = blobs
    first, second = (head(seed).fit(X, y).predict_proba(X) for seed in seeds)
    assert np.abs(first - second).max() > 1e-3


def test_a_random_state_instance_is_a_seed_too(blobs):
    X, y = blobs
    first, second = (head(np.random.RandomState(3)).fit(X, y).predict_proba(X) for _ in "ab")
    np.testing.assert_array_equal(first, second)


def test_fits_in_threads_equal_those_one_after_another(blobs):
    X, y = blobs

    def fit(seed):
        return head(seed).fit(X, y).predict_proba(X)

    with ThreadPoolExecutor(2) as pool:
        at_once = list(pool.map(fit, [0, 1]))
    for seed in (0, 1):
        np.testing.assert_array_equal(at_once[seed], fit(seed))


def test_fine_tuning_with_dropout_and_augmentation_is_fixed_by_the_seed(small_images, small_labels):
    first, second = (
        FineTuneClassifier(
            "tiny",
            weights=None,
            unfreeze="all",
            batch_norm="train",
            augmentation=ImageAugmentation(rotation=20, horizontal_flip=True),
            hidden_layer_sizes=(8,),
            dropout=0.3,
            epochs=2,
            batch_size=10,
            random_state=0,
        ).fit(small_images, small_labels)
        for _ in range(2)
    )
    assert first.history_ == second.history_
    np.testing.assert_array_equal(
        first.predict_proba(small_images), second.predict_proba(small_images)
    )
