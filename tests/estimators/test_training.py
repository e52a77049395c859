"""The training loop: which rows the network sees, when, in what order, and what goes wrong."""

from __future__ import annotations

from itertools import chain

import keras
import numpy as np
import pytest

from sktransfer._errors import ImageError
from sktransfer.estimators._training import (
    AugmentedRows,
    Examples,
    ImageRows,
    Plan,
    Rows,
    Subset,
    n_batches,
    train,
)
from sktransfer.images import ImageAugmentation
from sktransfer.images._batch import as_images

N_ROWS = 10
BATCH_SIZE = 4


class Witness(keras.layers.Layer):
    """Hand on its input, and write down the numbers of the rows in each batch."""

    def __init__(self):
        super().__init__()
        batches = {True: [], False: []}
        self.look = batches.__getitem__  # lists in an attribute would be wrapped by Keras

    def call(self, rows, training=False):
        if hasattr(rows, "numpy"):
            self.look(bool(training)).append(rows.numpy()[:, 0].astype(int).tolist())
        return rows


class NumberedRows(Rows):
    """Rows that hold their own number; remembers which have been gathered."""

    def __init__(self, n=N_ROWS, bad=(), first=0):
        self.n = n
        self.bad = bad
        self.first = first
        self.gathered = set()

    def __len__(self):
        return self.n

    def take(self, indices, epoch=0):
        self.gathered.update(indices.tolist())
        for index in indices:
            if index in self.bad:
                raise ImageError(f"X[{index}]: cut short")
        return (self.first + indices)[:, None].astype(np.float32)


def run(rows=None, *, validation=None, epochs=3, initial_epoch=0, seed=0, mixing=None):
    """Train on numbered rows; return batches of training and of validation, history, seconds."""
    rows = NumberedRows() if rows is None else rows
    witness = Witness()
    inputs = keras.Input((1,))
    network = keras.Model(inputs, keras.layers.Dense(1)(witness(inputs)))
    network.compile("sgd", "mse", run_eagerly=True)
    history, seconds = train(
        network,
        Examples(rows, np.zeros(len(rows), np.float32)),
        validation and Examples(validation, np.zeros(len(validation))),
        Plan(
            epochs=epochs,
            initial_epoch=initial_epoch,
            batch_size=BATCH_SIZE,
            seed=seed,
            mixing=mixing,
        ),
    )
    return witness.look(True), witness.look(False), history, seconds


def by_epoch(batches, n_epochs):
    """Concatenate the batches of each epoch."""
    per_epoch = len(batches) // n_epochs
    return [list(chain(*batches[per_epoch * e : per_epoch * (e + 1)])) for e in range(n_epochs)]


@pytest.fixture(scope="module")
def three_epochs():
    return run()


def test_every_row_is_trained_on_once_an_epoch(three_epochs):
    batches = three_epochs[0]
    assert [len(batch) for batch in batches] == [4, 4, 2] * 3
    for epoch in by_epoch(batches, 3):
        assert sorted(epoch) == list(range(N_ROWS))


def test_each_epoch_has_an_order_of_its_own(three_epochs):
    orders = by_epoch(three_epochs[0], 3)
    assert len({tuple(order) for order in orders}) == 3


def test_the_order_is_fixed_by_the_seed(three_epochs):
    assert run()[0] == three_epochs[0]
    assert run(seed=1)[0] != three_epochs[0]


def test_training_that_goes_on_goes_on_with_the_next_order(three_epochs):
    assert by_epoch(run(epochs=1, initial_epoch=2)[0], 1) == by_epoch(three_epochs[0], 3)[2:]


def test_the_books_have_an_entry_an_epoch(three_epochs):
    _, _, history, seconds = three_epochs
    assert len(seconds) == len(history["loss"]) == 3
    assert all(second > 0 for second in seconds)
    assert all(isinstance(loss, float) for loss in history["loss"])


def test_validation_rows_are_looked_at_in_order_each_epoch_and_never_trained_on():
    trained, validated, history, _ = run(validation=NumberedRows(5, first=100), epochs=2)
    assert validated == [[100, 101, 102, 103], [104]] * 2
    assert max(max(batch) for batch in trained) < N_ROWS
    assert len(history["val_loss"]) == 2


def test_only_the_rows_of_a_subset_are_gathered():
    rows = NumberedRows(bad=(3, 7))
    weights = np.arange(N_ROWS, dtype=np.float32)
    examples = Examples(rows, 10 * np.arange(N_ROWS), weights).subset(np.array([9, 1, 4]))
    ((taken, targets, taken_weights),) = examples.batches(np.array([0, 2, 1]), 3, epoch=0)
    assert taken.ravel().tolist() == [9, 4, 1]
    assert targets.tolist() == [90, 40, 10]
    assert taken_weights.tolist() == [9, 4, 1]
    assert rows.gathered == {9, 4, 1}


@pytest.mark.parametrize("bad", [0, 9])
def test_an_error_in_a_training_batch_comes_out_as_itself(bad):
    with pytest.raises(ImageError, match=rf"^X\[{bad}\]: cut short$"):
        run(NumberedRows(bad=(bad,)))


def test_an_error_in_a_validation_batch_comes_out_as_itself():
    with pytest.raises(ImageError, match=r"^X\[4\]: cut short$"):
        run(validation=NumberedRows(5, bad=(4,)))


def test_an_error_of_the_network_is_not_taken_for_one_of_the_batches():
    inputs = keras.Input((1,))
    network = keras.Model(inputs, keras.ops.reshape(inputs, (3, -1)))
    network.compile("sgd", "mse")
    examples = Examples(NumberedRows(), np.zeros(N_ROWS))
    with pytest.raises(Exception, match="reshape") as caught:
        train(network, examples, None, Plan(epochs=1, batch_size=BATCH_SIZE, seed=0))
    assert not isinstance(caught.value, ImageError)


@pytest.mark.parametrize(("n", "batches"), [(1, 1), (4, 1), (5, 2), (8, 2)])
def test_a_shorter_last_batch_counts(n, batches):
    assert n_batches(Examples(NumberedRows(n), np.zeros(n)), 4) == batches


def test_a_subset_counts_its_rows_from_zero():
    rows = Subset(NumberedRows(), np.array([5, 7, 9]))
    assert len(rows) == 3
    assert rows.take(np.array([2, 0])).ravel().tolist() == [9, 5]


@pytest.fixture
def augmented(small_images):
    rows = ImageRows(as_images(small_images))
    return AugmentedRows(rows, ImageAugmentation(rotation=30, brightness=0.3), seed=4)


def test_an_image_has_another_view_in_each_epoch(augmented):
    views = [augmented.take(np.array([3]), epoch) for epoch in range(4)]
    for one in range(4):
        for other in range(one):
            assert np.abs(views[one] - views[other]).max() > 1


def test_two_images_never_share_a_draw(small_images):
    rows = ImageRows(as_images(np.repeat(small_images[:1], 6, axis=0)))
    views = AugmentedRows(rows, ImageAugmentation(rotation=30), seed=0)
    taken = np.concatenate([views.take(np.arange(6), epoch) for epoch in range(3)])
    assert len(np.unique(taken.reshape(18, -1), axis=0)) == 18


def test_a_view_depends_on_seed_epoch_and_image_alone(augmented):
    np.testing.assert_array_equal(
        augmented.take(np.array([3, 8, 1]), epoch=2)[1:2], augmented.take(np.array([8]), epoch=2)
    )
    other_seed = AugmentedRows(augmented.rows, augmented.augmentation, seed=5)
    assert not np.array_equal(
        augmented.take(np.array([3]), epoch=2), other_seed.take(np.array([3]), epoch=2)
    )


def test_views_are_those_of_the_augmentation(augmented, small_images):
    np.testing.assert_array_equal(
        augmented.take(np.array([3, 8]), epoch=2),
        augmented.augmentation.augment(
            small_images[[3, 8]], seed=4, ids=np.array([3, 8]) + 2 * len(small_images)
        ),
    )


def test_views_leave_the_images_alone(augmented, small_images):
    before = small_images.copy()
    augmented.take(np.arange(len(small_images)), epoch=1)
    np.testing.assert_array_equal(small_images, before)


class Numbering:
    """Stands for what mixes batches: rows become the number of their step."""

    def mix(self, rows, targets, *, seed, step):
        return np.full(rows.shape, 100 * seed + step, np.float32), targets


def test_batches_are_mixed_by_seed_and_step_in_training_alone():
    training, validation, *_ = run(
        validation=NumberedRows(5), epochs=2, initial_epoch=1, seed=7, mixing=Numbering()
    )
    assert [set(batch) for batch in training] == [{700 + step} for step in range(3, 9)]
    assert list(chain(*validation[:2])) == list(range(5))
