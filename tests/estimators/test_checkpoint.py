"""A fit that is cut off goes on where it was, and ends with the bits of one that was not."""

from __future__ import annotations

import pickle
import random
import signal
import subprocess
import sys
import time
import warnings
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sktransfer import (
    ConvNetClassifier,
    DenseHead,
    DenseHeadRegressor,
    FineTuneClassifier,
    find_learning_rate,
)
from tests._counters import record
from tests.estimators._long_fits import (
    FITS,
    IMAGES,
    KINDS,
    LABELS,
    OF_POINTS,
    POINTS,
    WEIGHTS,
    At,
    data_of,
    numbers_of,
)

ROOT = Path(__file__).parents[2]


def head(**parameters):
    return DenseHead(**{**OF_POINTS, "epochs": 3, **parameters})


def fitted(estimator):
    data, more = data_of(estimator)
    return clone(estimator).fit(*data, **more)


@cache
def undisturbed(name):
    return numbers_of(fitted(FITS[name]))


def interrupt():
    raise KeyboardInterrupt


def cut_off(estimator, epoch, data=(POINTS, KINDS), **more):
    """Fit a copy of an estimator until Ctrl-C in the middle of an epoch, and return the copy."""
    estimator = clone(estimator).set_params(callbacks=[At(epoch, 1, interrupt)])
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(*data, **more)
    return estimator


def assert_same(numbers, expected):
    assert numbers.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(numbers[name], values)


class Epochs(keras.callbacks.Callback):
    """Remembers the epochs that are trained."""

    def __init__(self):
        super().__init__()
        self.begun = []

    def __deepcopy__(self, memo):
        return self

    def on_epoch_begin(self, epoch, logs=None):
        self.begun.append(epoch)


# Cut off and taken up ----------------------------------------------------------------------------

LATE = {"early stopping": 4, "early stopping of averages": 4, "stages": 3}
"""Epochs in which there is something to be remembered: of the best epoch, of stages."""


@pytest.mark.parametrize("name", FITS)
def test_an_interrupted_fit_ends_with_the_same_bits(name, tmp_path):
    estimator = clone(FITS[name]).set_params(checkpoint=tmp_path)
    data, more = data_of(estimator)
    cut_off(estimator, LATE.get(name, 2), data, **more)
    assert len(list(tmp_path.iterdir())) == 1
    assert_same(numbers_of(fitted(estimator)), undisturbed(name))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FITS)
def test_a_fit_that_is_interrupted_in_every_epoch_ends_with_the_same_bits(name, tmp_path):
    estimator = clone(FITS[name]).set_params(checkpoint=tmp_path)
    data, more = data_of(estimator)
    for epoch in range(len(undisturbed(name)["loss"])):
        cut_off(estimator, epoch, data, **more)
    assert_same(numbers_of(fitted(estimator)), undisturbed(name))


def test_no_epoch_is_trained_twice(tmp_path):
    epochs = Epochs()
    cut_off(head(checkpoint=tmp_path), 1)
    finished = fitted(head(checkpoint=tmp_path, callbacks=[epochs]))
    assert epochs.begun == [1, 2]
    assert finished.n_iter_ == len(finished.epoch_seconds_) == len(finished.history_["loss"]) == 3


def test_a_seed_that_was_drawn_is_kept(tmp_path):
    estimator = head(checkpoint=tmp_path, random_state=None, validation_split=0.3, dropout=0.3)
    cut_off(estimator, 1)
    (file,) = tmp_path.iterdir()
    facts = np.load(file)["facts"].item()
    seed = int(facts.split('"seed": ')[1].split(",")[0])
    same = numbers_of(fitted(clone(estimator).set_params(random_state=seed, checkpoint=None)))
    assert_same(numbers_of(fitted(estimator)), same)


def test_a_backbone_of_random_weights_is_kept(tmp_path):
    estimator = clone(FITS["fresh views"]).set_params(random_state=None, checkpoint=tmp_path)
    data, more = data_of(estimator)
    begun = cut_off(estimator, 1, data, **more).model_.get_layer("backbone").get_weights()
    resumed = fitted(estimator)
    assert resumed.n_iter_ == 5 and list(tmp_path.iterdir()) == []
    went_on = resumed.model_.get_layer("backbone").get_weights()
    for weight, before in zip(went_on, begun, strict=True):
        np.testing.assert_array_equal(weight, before)


def test_a_fit_that_starts_warm_goes_on_from_the_estimator_as_it_was(tmp_path):
    first = fitted(head(warm_start=True, checkpoint=tmp_path))
    saved = pickle.dumps(first)
    first.set_params(callbacks=[At(4, 1, interrupt)])
    with pytest.raises(KeyboardInterrupt):
        first.fit(POINTS, KINDS)
    resumed, twice = pickle.loads(saved), pickle.loads(saved).set_params(checkpoint=None)
    assert_same(numbers_of(resumed.fit(POINTS, KINDS)), numbers_of(twice.fit(POINTS, KINDS)))
    assert resumed.n_iter_ == 6 and list(tmp_path.iterdir()) == []


def test_an_interrupted_estimator_is_not_fitted_and_can_be_fitted_again(tmp_path):
    estimator = cut_off(head(checkpoint=tmp_path, warm_start=True), 1)
    with pytest.raises(NotFittedError):
        estimator.predict(POINTS)
    assert_same(
        numbers_of(estimator.set_params(callbacks=None).fit(POINTS, KINDS)),
        numbers_of(fitted(head())),
    )


# Killed ------------------------------------------------------------------------------------------


def start(folder, results, moment, *names):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.estimators._long_fits", folder, results, moment, *names],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def folders(tmp_path):
    for name in ("checkpoints", "results"):
        (tmp_path / name).mkdir()
        yield str(tmp_path / name)


def test_killed_fits_end_with_the_same_bits_in_another_process(tmp_path):
    checkpoints, results = folders(tmp_path)
    killed = {"dropout and a schedule": "3.2", "augmentation and mixing": "2.1", "stages": "2.1"}
    for name, moment in killed.items():
        with start(checkpoints, results, moment, name) as process:
            assert process.wait() == -signal.SIGKILL
    assert len(list(Path(checkpoints).iterdir())) == len(killed)  # which share the folder
    with start(checkpoints, results, "never", *killed) as process:
        assert process.wait() == 0
    for name in killed:
        assert_same(dict(np.load(Path(results, f"{name}.npz"))), undisturbed(name))
    assert list(Path(checkpoints).iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dropout and a schedule", "augmentation and mixing"])
def test_ten_kills_at_random_moments_change_nothing(name, tmp_path):
    checkpoints, results = folders(tmp_path)
    moments = random.Random(0)
    n_kills = 0
    while n_kills < 10:
        with start(checkpoints, results, "never", name) as process:
            process.stdout.readline()
            time.sleep(moments.uniform(0.2, 2))
            process.kill()
        n_kills += process.wait() == -signal.SIGKILL
        for finished in Path(results).iterdir():
            with np.load(finished) as numbers:
                assert_same(dict(numbers), undisturbed(name))
            finished.unlink()
    with start(checkpoints, results, "never", name) as process:
        assert process.wait() == 0
    assert_same(dict(np.load(Path(results, f"{name}.npz"))), undisturbed(name))
    assert list(Path(checkpoints).iterdir()) == []
    record(f"fit_kills_{name.replace(' ', '_')}", tried=n_kills, equal_to_the_bit=n_kills, seed=0)


# What a file belongs to --------------------------------------------------------------------------


def convnet(**parameters):
    return ConvNetClassifier(
        **{
            "n_blocks": 1,
            "filters": 2,
            "hidden_layer_sizes": (),
            "batch_size": 12,
            "epochs": 2,
            "random_state": 0,
            **parameters,
        }
    )


def name_of_file(tmp_path, estimator, *data, **more):
    """The name of the file of a fit, which is cut off at once."""
    before = set(tmp_path.iterdir())
    cut_off(clone(estimator).set_params(checkpoint=tmp_path), 0, data, **more)
    new = set(tmp_path.iterdir()) - before
    return new.pop().name if new else None


def test_what_decides_what_comes_out_has_a_file_of_its_own(tmp_path):
    def brighter(images):
        images = images.copy()
        images[-1, 0, 0, 0] ^= 1
        return images

    other = LABELS.copy()
    other[0] = "night"
    validation = {"X_val": IMAGES[:8], "y_val": LABELS[:8]}
    fits = [
        (convnet(), (IMAGES, LABELS), {}),
        (convnet(random_state=1), (IMAGES, LABELS), {}),
        (convnet(random_state=np.random.RandomState(0)), (IMAGES, LABELS), {}),
        (convnet(random_state=np.random.RandomState(1)), (IMAGES, LABELS), {}),
        (convnet(epochs=3), (IMAGES, LABELS), {}),
        (convnet(class_weight={"night": 2}), (IMAGES, LABELS), {}),
        (convnet(), (brighter(IMAGES), LABELS), {}),
        (convnet(), (IMAGES[::-1], LABELS), {}),
        (convnet(), (IMAGES, other), {}),
        (convnet(), (IMAGES, LABELS), {"sample_weight": WEIGHTS}),
        (convnet(), (IMAGES, LABELS), validation),
        (convnet(), (IMAGES, LABELS), {**validation, "X_val": brighter(IMAGES[:8])}),
        (convnet(), (IMAGES, LABELS), {**validation, "y_val": other[:8]}),
    ]
    names = [name_of_file(tmp_path, estimator, *data, **more) for estimator, data, more in fits]
    assert None not in names and len(set(names)) == len(fits)


def test_what_decides_nothing_finds_the_same_file(tmp_path):
    assert name_of_file(tmp_path, convnet(), IMAGES, LABELS)
    assert not name_of_file(tmp_path, convnet(verbose=2), IMAGES, LABELS)
    assert not name_of_file(tmp_path, convnet(warm_start=True), list(IMAGES), list(LABELS))


# The file ----------------------------------------------------------------------------------------


def damaged(file, how):
    content = bytearray(file.read_bytes())
    if how == "cut short":
        del content[len(content) // 2 :]
    elif how == "a flipped bit":
        content[len(content) // 2] ^= 1
    elif how == "no zip file":
        content = b"what was here before?"
    file.write_bytes(content)
    if how == "a pickle":
        with file.open("wb") as stream:
            np.savez(stream, np.array([Trap()], dtype=object), facts=np.array('{"numbers": 1}'))


class Trap:
    """Notices when it is unpickled."""

    sprung = False

    def __reduce__(self):
        return setattr, (Trap, "sprung", True)


@pytest.mark.parametrize("how", ["cut short", "a flipped bit", "no zip file", "a pickle"])
def test_a_damaged_file_is_warned_of_and_training_starts_anew(how, tmp_path):
    estimator, epochs = head(checkpoint=tmp_path), Epochs()
    cut_off(estimator, 2)
    (file,) = tmp_path.iterdir()
    damaged(file, how)
    with pytest.warns(UserWarning, match=rf"{file.name} is damaged"):
        again = fitted(estimator.set_params(callbacks=[epochs]))
    assert epochs.begun == [0, 1, 2] and not Trap.sprung
    assert_same(numbers_of(again), numbers_of(fitted(head())))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_warned_of_and_training_goes_on(tmp_path, monkeypatch):
    def full(file, *arrays, **named):
        file.write(b"no more than this")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.warns(UserWarning, match="could not be written.*No space left"):
        finished = fitted(head(checkpoint=tmp_path))
    assert_same(numbers_of(finished), numbers_of(fitted(head())))
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_changes_nothing(tmp_path):
    folder = tmp_path / "made" / "for it"
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        kept = fitted(head(checkpoint=str(folder)))
    assert_same(numbers_of(kept), numbers_of(fitted(head())))
    assert kept.checkpoint == str(folder) and list(folder.iterdir()) == []


def test_an_unusable_folder_is_refused_before_anything_else(tmp_path, not_trained):
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "below"):
        with pytest.raises(ValueError, match=r"checkpoint=.*must be a folder that can be written"):
            head(checkpoint=folder).fit(POINTS, KINDS)
    with pytest.raises(ValueError, match=r"checkpoint must be the path of a folder.*empty"):
        head(checkpoint="").fit(POINTS, KINDS)
    with pytest.raises(ValueError, match="'checkpoint' parameter"):
        head(checkpoint=3).fit(POINTS, KINDS)
    assert not_trained == []


def test_partial_fit_keeps_nothing(tmp_path):
    estimator = head(checkpoint=tmp_path, callbacks=[At(0, 1, interrupt)])
    with pytest.raises(KeyboardInterrupt):
        estimator.partial_fit(POINTS, KINDS)
    assert list(tmp_path.iterdir()) == []


# Divergence --------------------------------------------------------------------------------------

HUGE = 1e30
DIVERGING = {
    "features": (DenseHeadRegressor(**OF_POINTS), (POINTS, HUGE * POINTS[:, 0])),
    "images": (convnet(optimizer="sgd", learning_rate=HUGE, epochs=5), (IMAGES, LABELS)),
    "stages": (
        FineTuneClassifier(
            "tiny",
            weights=None,
            unfreeze={0: "head", 1: "all"},
            optimizer="sgd",
            learning_rate=1e-3,
            backbone_learning_rate=HUGE,
            epochs=4,
            random_state=0,
        ),
        (IMAGES, LABELS),
    ),
}


@pytest.mark.parametrize("name", DIVERGING)
def test_a_loss_that_is_no_number_ends_the_fit(name):
    estimator, data = DIVERGING[name]
    epochs = Epochs()
    estimator = clone(estimator).set_params(callbacks=[epochs])
    with pytest.raises(FloatingPointError) as caught:
        estimator.fit(*data)
    for part in (
        rf"loss is (nan|inf) in epoch {epochs.begun[-1] + 1}:",
        "learning_rate",
        "global_clipnorm=1",
        "targets",
    ):
        caught.match(part)
    assert len(epochs.begun) < estimator.epochs
    with pytest.raises(NotFittedError):
        estimator.predict(data[0])


def test_a_good_fit_does_not_hide_that_the_next_one_diverged():
    estimator = DenseHeadRegressor(**OF_POINTS).fit(POINTS, POINTS[:, 0])
    with pytest.raises(FloatingPointError):
        estimator.fit(POINTS, HUGE * POINTS[:, 0])
    with pytest.raises(NotFittedError):
        estimator.predict(POINTS)


def test_a_part_that_diverges_leaves_what_was_learned_before():
    estimator = DenseHeadRegressor(**OF_POINTS).fit(POINTS, POINTS[:, 0])
    before = estimator.predict(POINTS)
    with pytest.raises(FloatingPointError, match="epoch 6"):
        estimator.partial_fit(POINTS, HUGE * POINTS[:, 0])
    np.testing.assert_array_equal(estimator.predict(POINTS), before)


def test_rates_that_let_a_network_diverge_are_found_all_the_same():
    found = find_learning_rate(
        head(optimizer="sgd", hidden_layer_sizes=(8, 8)), POINTS, KINDS, largest=1e30, n_steps=60
    )
    assert 1e-6 <= found.suggestion < 1e6
