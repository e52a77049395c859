"""Nothing of the images that a strategy is judged by gets into what it has learned.

Each check compares bits, with and without a marker in the images to validate or test with. Leaks
that are planted on purpose show that each of them would be noticed.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import StratifiedKFold, cross_validate, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sktransfer import (
    ImageAugmentation,
    TTAClassifier,
    list_strategies,
    make_strategy,
)
from sktransfer._nesting import steps_of
from sktransfer.backbones import _engine, _extraction
from sktransfer.cache import memory_store
from sktransfer.estimators import _base, _finetune, _forward, _images, _program_pool
from sktransfer.estimators._training import AugmentedRows
from sktransfer.evaluation._measuring import fit
from tests._tiny_backbones import registered, tiny_spec

NAMES = list(list_strategies()["name"])
NETWORKS = [name for name in NAMES if name not in ("linear_probe", "knn")]
ON_IMAGES = [name for name in NETWORKS if name != "features"]
AUGMENTED = [name for name in NAMES if name.endswith("+augment")]

every_name = pytest.mark.parametrize("name", NAMES)
every_strategy = pytest.mark.parametrize(
    ("name", "recipe"),
    [
        *((name, "best") for name in NAMES),
        # Frozen batch normalization that normalizes by the batch.
        *((name, "study") for name in ("features+augment", "finetune+augment")),
    ],
)
every_network = pytest.mark.parametrize("name", NETWORKS)


def build_tiny(include_top, weights, input_shape):
    images = keras.Input(input_shape)
    tensor = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="stem")(images)
    tensor = keras.layers.BatchNormalization(
        moving_mean_initializer=keras.initializers.RandomNormal(stddev=0.3), name="stem_bn"
    )(tensor)
    tensor = keras.layers.ReLU(name="stem_relu")(tensor)
    tensor = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="block")(tensor)
    return keras.Model(images, keras.layers.BatchNormalization(name="block_bn")(tensor))


@pytest.fixture(scope="module", autouse=True)
def tiny_backbone():
    spec = tiny_spec(
        "tiny_leakage",
        f"{__name__}:build_tiny",
        n_features=8,
        n_parameters=456,
        last_block="block",
    )
    with registered(spec):
        yield


def images_of(y: np.ndarray, seed: int) -> np.ndarray:
    """Make images of 8x8 pixels whose colour tells their class, more or less."""
    rng = np.random.default_rng(seed)
    means = {"ant": (90, 60, 50), "bee": (60, 90, 50), "cow": (50, 60, 90)}
    noise = rng.normal(scale=25, size=(len(y), 8, 8, 3))
    colours = np.array([means[name] for name in y])[:, None, None]
    return np.clip(colours + noise, 0, 255).astype(np.uint8)


def marked(images: np.ndarray) -> np.ndarray:
    """Turn images into others that no training image is like: bright, of stripes."""
    bright = 255 - images // 4
    bright[:, ::2, :, 0] = 255
    return bright


Y, Y_VAL = np.array(["ant", "bee", "cow"] * 8), np.array(["ant", "bee", "cow"] * 4)
Y_MARKED = np.roll(Y_VAL, 1)  # every one of them wrong
X, X_VAL, X_TEST = images_of(Y, 0), images_of(Y_VAL, 1), images_of(Y_VAL, 2)


def strategy(name: str, **overrides):
    """Make a strategy on a tiny backbone that trains for a moment."""
    small = {"batch_size": 8, "random_state": 0, "input_size": 8}
    if name in NETWORKS:
        small |= {"epochs": 2, "hidden_layer_sizes": (8,)}
    if name.startswith("cnn"):
        small |= {"n_blocks": 1, "convs_per_block": 1, "filters": 4}
    return make_strategy(name, "tiny_leakage", weights=None, **{**small, **overrides})


def fitted(estimator, *validation):
    """Fit a clone as the evaluation does."""
    estimator = clone(estimator)
    fit(estimator, X, Y, *validation)
    return estimator


def learned(part, path: str = "") -> dict[str, np.ndarray]:
    """Return all numbers in a fitted estimator, but for times and what validation has shown."""
    if isinstance(part, BaseEstimator):
        part = {**part.__getstate__(), "epoch_seconds_": None}
    if isinstance(part, dict):
        items = part.items()
    elif isinstance(part, (list, tuple)):
        items = enumerate(part)
    elif isinstance(part, (np.ndarray, np.generic, float)):
        return {path: np.asarray(part)}
    else:
        return {}
    kept = {key: value for key, value in items if not str(key).startswith("val_")}
    return {
        name: array
        for key, value in kept.items()
        for name, array in learned(value, f"{path}/{key}").items()
    }


def assert_learned_the_same(one, other) -> None:
    expected = learned(other)
    found = learned(one)
    assert expected and found.keys() == expected.keys()
    for path, array in expected.items():
        np.testing.assert_array_equal(found[path], array, err_msg=path, strict=True)


def start_afresh() -> None:
    """Forget everything that one fit leaves to the next."""
    memory_store().clear()
    _engine._shared.clear()
    _program_pool._waiting.clear()
    _forward._forward.cache_clear()


# Validation images -----------------------------------------------------------------------------


def check_validation_leaves_no_trace(estimator) -> None:
    plain = fitted(estimator, X_VAL, Y_VAL)
    other = fitted(estimator, marked(X_VAL), Y_MARKED)
    last = steps_of(plain)[-1]
    if hasattr(last, "history_"):
        losses = (step.history_["val_loss"] for step in (last, steps_of(other)[-1]))
        assert not np.array_equal(*losses), "the marker has not been looked at"
    assert_learned_the_same(other, plain)
    assert_learned_the_same(fitted(estimator), plain)


@every_strategy
def test_validation_images_leave_no_trace(name, recipe):
    check_validation_leaves_no_trace(strategy(name, recipe=recipe))


FINE_TUNED = {
    "adapted": {"batch_norm": "adapt", "unfreeze": "all"},
    "adapted frozen": {"batch_norm": "adapt", "unfreeze": "head"},
    "fresh views": {"augmentation": ImageAugmentation(rotation=20), "unfreeze": "head"},
    "not cached": {"cache": None, "unfreeze": {0: "head", 1: "last_block"}},
}


@pytest.mark.parametrize("parameters", FINE_TUNED.values(), ids=FINE_TUNED)
def test_validation_images_leave_no_trace_however_one_fine_tunes(parameters):
    check_validation_leaves_no_trace(strategy("finetune", **parameters))


def held_out_rows() -> np.ndarray:
    """Return the rows that ``validation_split=0.25`` with seed 0 sets aside."""
    codes = np.unique(Y, return_inverse=True)[1]
    rows = train_test_split(np.arange(len(Y)), test_size=0.25, stratify=codes, random_state=0)
    return rows[1]


def check_held_out_rows_leave_no_trace(estimator) -> None:
    with_marker = X.copy()
    with_marker[held_out_rows()] = marked(X[held_out_rows()])
    plain, other = clone(estimator).fit(X, Y), clone(estimator).fit(with_marker, Y)
    losses = [steps_of(fitted)[-1].history_["val_loss"] for fitted in (plain, other)]
    assert losses[0] != losses[1], "the marker has not been looked at"
    assert_learned_the_same(other, plain)


@pytest.mark.parametrize("name", ON_IMAGES)
def test_rows_that_validation_sets_aside_leave_no_trace(name):
    check_held_out_rows_leave_no_trace(strategy(name, validation_split=0.25))


def test_a_head_that_normalizes_sees_nothing_of_the_rows_that_it_sets_aside():
    estimator = strategy("features", validation_split=0.25, batch_normalization=True)
    check_held_out_rows_leave_no_trace(estimator.set_params(scale="passthrough"))


def test_a_scaler_sees_the_rows_that_the_head_behind_it_sets_aside():
    with notices():
        check_held_out_rows_leave_no_trace(strategy("features", validation_split=0.25))


def test_batch_norm_is_not_adapted_to_rows_that_are_set_aside():
    estimator = strategy("finetune", batch_norm="adapt", validation_split=0.25)
    check_held_out_rows_leave_no_trace(estimator)


@pytest.mark.parametrize("name", ["features", "linear_probe", "knn"])
def test_scale_is_that_of_the_training_images(name):
    pipeline = fitted(strategy(name), marked(X_VAL), Y_MARKED)
    features = pipeline["features"].transform(X).astype(np.float64)
    np.testing.assert_allclose(pipeline["scale"].mean_, features.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(pipeline["scale"].var_, features.var(axis=0), rtol=1e-5)


# Early stopping --------------------------------------------------------------------------------


class Diary(keras.callbacks.Callback):
    """Write down what has been learned after each epoch; copies of it write in the same book."""

    def __init__(self, write) -> None:
        super().__init__()
        self.write = write

    def on_epoch_end(self, epoch, logs=None) -> None:
        variables = [*self.model.weights, *self.model.optimizer.variables]
        self.write([variable.numpy() for variable in variables])


def stopped(name: str, X_val, y_val, callbacks=()):
    """Fit with early stopping; return the estimator and what it had learned after each epoch."""
    epochs: list[list[np.ndarray]] = []
    in_one_stage = {"unfreeze": "all"} if name.startswith("finetune") else {}
    estimator = strategy(
        name,
        epochs=8,
        learning_rate=0.02,
        early_stopping=True,
        patience=2,
        callbacks=[Diary(epochs.append), *callbacks],
        **in_one_stage,
    )
    return fitted(estimator, X_val, y_val), epochs


def check_early_stopping_takes_the_epoch_alone(name: str, callbacks=()) -> None:
    plain, epochs = stopped(name, X_VAL, Y_VAL, callbacks)
    other, other_epochs = stopped(name, marked(X_VAL), Y_MARKED, callbacks)
    # As long as both train, every number is the same ...
    for one, another in zip(epochs, other_epochs, strict=False):
        for number, same in zip(one, another, strict=True):
            np.testing.assert_array_equal(number, same)
    # ... and what is kept in the end are the weights of the best of these epochs.
    for estimator, passed in ((plain, epochs), (other, other_epochs)):
        network = steps_of(estimator)[-1]
        losses = network.history_["val_loss"]
        assert len(passed) == len(losses) == network.n_iter_ > 1
        weights = network._trained.weights
        best = passed[int(np.argmin(losses))][: len(weights)]
        for weight, expected in zip(weights, best, strict=True):
            np.testing.assert_array_equal(weight.numpy(), expected)


@every_network
def test_early_stopping_takes_nothing_but_the_epoch(name):
    check_early_stopping_takes_the_epoch_alone(name)


def test_early_stopping_on_misleading_images_is_another_epoch():
    n_epochs = {
        len(stopped("features", *validation)[1])
        for validation in ((X_VAL, Y_VAL), (marked(X_VAL), Y_MARKED))
    }
    assert len(n_epochs) == 2


# Augmentation ----------------------------------------------------------------------------------


class Witness(ImageAugmentation):
    """An augmentation that keeps what it is given, and makes it a little brighter."""

    seen: list[np.ndarray] = []

    def augment(self, images, *, seed, ids):
        self.seen.extend(np.asarray(images, dtype=np.uint8))
        return np.asarray(images, dtype=np.float32) + 1


def check_training_images_alone_are_augmented(name: str) -> None:
    Witness.seen.clear()
    fitted(strategy(name, augmentation=Witness()), X_VAL, Y_VAL).predict(X_TEST)
    seen, trained_on = ({image.tobytes() for image in images} for images in (Witness.seen, X))
    assert seen == trained_on, "the images that are augmented are not those that are trained on"


@pytest.mark.parametrize("name", AUGMENTED)
def test_training_images_alone_are_augmented(name):
    check_training_images_alone_are_augmented(name)


def test_views_of_test_images_are_not_learned():
    plain = fitted(strategy("cnn"))
    averaged = TTAClassifier(strategy("cnn"), n_views=3, random_state=0).fit(X, Y)
    assert_learned_the_same(averaged.estimator_, plain)
    check_test_images_keep_to_themselves(averaged)
    assert_learned_the_same(averaged.estimator_, plain)


# Test images -----------------------------------------------------------------------------------


def check_test_images_keep_to_themselves(estimator) -> None:
    """Check that test images change neither the estimator nor what it says of others."""
    before = learned(estimator)
    alone = estimator.predict_proba(X_TEST)
    beside = estimator.predict_proba(np.concatenate([X_TEST, marked(X_TEST)]))
    np.testing.assert_array_equal(beside[: len(X_TEST)], alone)
    assert not np.array_equal(beside[len(X_TEST) :], alone), "the marker makes no difference"
    np.testing.assert_array_equal(estimator.predict_proba(X_TEST), alone)
    after = learned(estimator)
    for path, array in before.items():
        np.testing.assert_array_equal(after[path], array, err_msg=path)


@every_strategy
def test_test_images_keep_to_themselves(name, recipe):
    check_test_images_keep_to_themselves(fitted(strategy(name, recipe=recipe)))


# Folds -----------------------------------------------------------------------------------------


def check_folds_know_nothing_of_each_other(estimator) -> None:
    """Compare the fits of a cross-validation to fits on the rows of each fold alone."""
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    results = cross_validate(
        estimator, X, Y, cv=folds, return_estimator=True, return_indices=True, error_score="raise"
    )
    start_afresh()
    # In the other order: the last fold finds nothing of the first.
    for fold in (1, 0):
        rows, others = results["indices"]["train"][fold], results["indices"]["test"][fold]
        by_hand = clone(estimator).fit(X[rows], Y[rows])
        assert_learned_the_same(results["estimator"][fold], by_hand)
        assert results["test_score"][fold] == by_hand.score(X[others], Y[others])


@every_name
def test_folds_know_nothing_of_each_other(name):
    check_folds_know_nothing_of_each_other(strategy(name))


def test_warm_caches_make_no_difference():
    estimator = strategy("finetune+augment", unfreeze="head", frozen_views=2)
    start_afresh()
    cold = fitted(estimator, X_VAL, Y_VAL)
    for parameters in ({"epochs": 3}, {"random_state": 1}, {"batch_size": 5}):
        fitted(clone(estimator).set_params(**parameters), marked(X_VAL), Y_MARKED)
    assert_learned_the_same(fitted(estimator, X_VAL, Y_VAL), cold)


# Leaks that are planted ------------------------------------------------------------------------


class ScaleOfAll(StandardScaler):
    """A scaler that is fitted on all rows that it has ever been fitted on."""

    rows: list[np.ndarray] = []

    def fit(self, X, y=None):
        self.rows.append(np.asarray(X))
        return super().fit(np.concatenate(self.rows))


class ScaleOfValidation(StandardScaler):
    """A scaler that is fitted anew on what it transforms: validation images come last."""

    def transform(self, X):
        self.__dict__.update(vars(StandardScaler().fit(X)))
        return super().transform(X)


@pytest.fixture
def clean() -> Iterator[None]:
    """Leave nothing of a planted leak to other tests."""
    ScaleOfAll.rows.clear()
    start_afresh()
    yield
    ScaleOfAll.rows.clear()
    start_afresh()


def with_scaler(scaler: StandardScaler) -> Pipeline:
    return strategy("features").set_params(scale=scaler)


def notices():
    """Expect a check to fail by what it compares, and not because it compared nothing."""
    return pytest.raises(AssertionError, match=r"Arrays are not equal|that are augmented are not")


@pytest.mark.usefixtures("clean")
def test_a_scaler_of_all_rows_is_noticed():
    with notices():
        check_folds_know_nothing_of_each_other(with_scaler(ScaleOfAll()))


@pytest.mark.usefixtures("clean")
def test_a_scaler_of_the_rows_in_question_is_noticed():
    with notices():
        check_validation_leaves_no_trace(with_scaler(ScaleOfValidation()))
    with notices():
        check_test_images_keep_to_themselves(fitted(with_scaler(ScaleOfValidation())))


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("name", ["cnn+augment", "features", "features+augment"])
def test_training_on_validation_images_is_noticed(monkeypatch, name):
    for name_of_loop in ("train", "train_on_features"):
        loop = getattr(_base, name_of_loop)

        def leaking(network, training, validation, plan, loop=loop):
            return loop(network, validation or training, validation, plan)

        monkeypatch.setattr(_base, name_of_loop, leaking)
    with notices():
        check_validation_leaves_no_trace(strategy(name))


@pytest.mark.usefixtures("clean")
def test_batch_norm_adapted_to_all_rows_is_noticed(monkeypatch):
    adapt = _finetune.adapt_statistics
    monkeypatch.setattr(
        _finetune, "adapt_statistics", lambda network, rows: adapt(network, rows.rows)
    )
    with notices():
        test_batch_norm_is_not_adapted_to_rows_that_are_set_aside()


@pytest.mark.usefixtures("clean")
def test_a_rate_that_follows_validation_is_noticed():
    follow = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=0)
    with notices():
        check_early_stopping_takes_the_epoch_alone("features", [follow])


@pytest.mark.usefixtures("clean")
def test_augmented_validation_images_are_noticed(monkeypatch):
    monkeypatch.setattr(
        _images.ImageNetwork,
        "_inference_rows",
        lambda self, rows: AugmentedRows(rows, self.augmentation, 0),
    )
    with notices():
        check_training_images_alone_are_augmented("cnn+augment")


@pytest.mark.usefixtures("clean")
def test_a_cache_that_knows_images_by_their_places_is_noticed(monkeypatch):
    def keys(images, context):
        return [f"{context}{place}".encode() for place in range(len(images))]

    monkeypatch.setattr(_extraction, "row_keys", keys)
    with notices():
        check_folds_know_nothing_of_each_other(strategy("knn"))


@pytest.mark.usefixtures("clean")
def test_a_norm_of_the_batch_in_question_is_noticed(monkeypatch):
    run_padded = _forward.run_padded
    monkeypatch.setattr(
        _forward, "run_padded", lambda run, rows, size: run_padded(run, rows - rows.mean(0), size)
    )
    with notices():
        check_test_images_keep_to_themselves(fitted(strategy("cnn")))
