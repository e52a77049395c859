"""The protocol of every network: data set aside, weights, callbacks, going on, pickles."""

from __future__ import annotations

import pickle

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sktransfer import DenseHead, DenseHeadRegressor


def head(**parameters):
    return DenseHead(**{"hidden_layer_sizes": (8,), "epochs": 2, "random_state": 0, **parameters})


@pytest.fixture(scope="module")
def numbered():
    """60 rows that hold their own number, in three classes of 30, 20 and 10 rows."""
    rows = np.arange(60, dtype=np.float32)[:, None]
    return rows, np.repeat(["ant", "bee", "cat"], [30, 20, 10])


def numbers(examples):
    """The numbers of the rows that are trained on or evaluated."""
    return examples.rows.take(np.arange(len(examples))).ravel().astype(int)


# Validation data ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "n_held_out"),
    [
        ({}, 0),
        ({"validation_split": 0}, 0),
        ({"validation_split": 0.25}, 15),
        ({"early_stopping": True}, 6),
        ({"early_stopping": True, "validation_split": 0.5}, 30),
    ],
)
def test_what_is_set_aside(numbered, not_trained, parameters, n_held_out):
    head(**parameters).fit(*numbered)
    (call,) = not_trained
    if n_held_out:
        assert len(numbers(call.validation)) == n_held_out
    else:
        assert call.validation is None
    assert len(numbers(call.training)) == 60 - n_held_out


def test_what_is_set_aside_is_stratified_and_not_trained_on(numbered, not_trained):
    X, y = numbered
    head(validation_split=0.2).fit(X, y)
    (call,) = not_trained
    held_out, trained = numbers(call.validation), numbers(call.training)
    assert sorted([*held_out, *trained]) == list(range(60))
    assert np.unique(y[held_out], return_counts=True)[1].tolist() == [6, 4, 2]
    np.testing.assert_array_equal(
        y[held_out], np.array(["ant", "bee", "cat"])[call.validation.targets]
    )


def test_what_is_set_aside_is_drawn_by_the_seed(numbered, not_trained):
    for seed in (0, 0, 1):
        head(validation_split=0.2, random_state=seed).fit(*numbered)
    first, again, other = (set(numbers(call.validation)) for call in not_trained)
    assert first == again != other


def test_given_validation_data_replace_what_would_be_set_aside(numbered, not_trained):
    X, y = numbered
    head(validation_split=0.2, early_stopping=True).fit(X, y, X_val=X[:3] + 100, y_val=y[:3])
    (call,) = not_trained
    assert numbers(call.validation).tolist() == [100, 101, 102]
    assert numbers(call.training).tolist() == list(range(60))


def test_given_validation_data_are_what_is_evaluated(blobs):
    X, y = blobs
    fitted = head(epochs=3).fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    assert {name: len(values) for name, values in fitted.history_.items()} == {
        "loss": 3,
        "accuracy": 3,
        "val_loss": 3,
        "val_accuracy": 3,
    }
    right = fitted.predict_proba(X[40:])[range(20), np.searchsorted(fitted.classes_, y[40:])]
    assert fitted.history_["val_loss"][-1] == pytest.approx(-np.log(right).mean(), rel=1e-4)
    assert fitted.history_["val_accuracy"][-1] == pytest.approx(fitted.score(X[40:], y[40:]))


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ({"X_val": np.zeros((2, 1))}, "X_val and y_val must be given together"),
        ({"y_val": ["ant"]}, "X_val and y_val must be given together"),
        ({"X_val": np.zeros((2, 1)), "y_val": ["ant", "dog"]}, "y_val holds labels .*dog"),
        ({"X_val": np.zeros((2, 1)), "y_val": ["ant"]}, "X_val has 2 samples, but y_val has 1"),
        ({"X_val": np.zeros((2, 3)), "y_val": ["ant", "bee"]}, "X has 3 features"),
    ],
)
def test_validation_data_that_do_not_fit_are_refused(numbered, not_trained, validation, message):
    with pytest.raises(ValueError, match=message):
        head().fit(*numbered, **validation)
    assert not not_trained


def test_early_stopping_needs_something_to_watch(numbered, not_trained):
    with pytest.raises(ValueError, match="early_stopping=True needs validation data"):
        head(early_stopping=True, validation_split=0).fit(*numbered)


def test_early_stopping_goes_back_to_the_best_epoch(blobs, watch):
    X, y = blobs
    wrong = np.roll(y[40:], 1)  # so that the more is learned, the worse it gets
    after_each_epoch = []
    callback = watch(lambda model: after_each_epoch.append(model.get_weights()), "epoch_end")
    stopped = head(
        epochs=50, learning_rate=0.05, early_stopping=True, patience=2, callbacks=[callback]
    ).fit(X[:40], y[:40], X_val=X[40:], y_val=wrong)
    losses = stopped.history_["val_loss"]
    best = int(np.argmin(losses))
    assert stopped.n_iter_ == len(losses) == best + 3 < 50
    for weight, at_best in zip(stopped.model_.get_weights(), after_each_epoch[best], strict=True):
        np.testing.assert_array_equal(weight, at_best)
    assert not np.array_equal(after_each_epoch[best][0], after_each_epoch[-1][0])


# Weights of rows and classes ---------------------------------------------------------------------


def step_of_descent(X, targets, kernel, bias, weights, rate):
    """One step of gradient descent of a weighted softmax regression, written out."""
    scores = X @ kernel + bias
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    errors = (probabilities - np.eye(3)[targets]) * weights[:, None] / len(X)
    return kernel - rate * X.T @ errors, bias - rate * errors.sum(axis=0)


def one_step(rate=0.5, **parameters):
    return DenseHead(
        (),
        optimizer="sgd",
        momentum=0.0,
        learning_rate=rate,
        epochs=1,
        batch_size=60,
        random_state=0,
        **parameters,
    )


@pytest.mark.parametrize("kind", ["none", "rows", "classes", "both", "balanced"])
def test_a_step_is_that_of_the_weighted_loss(blobs, kind):
    X, y = blobs[0][:45], np.repeat(["ant", "bee", "cat"], [9, 18, 18])
    of_rows = np.random.default_rng(0).uniform(0.5, 2, len(X))
    of_classes = {"ant": 3.0, "bee": 1.0, "cat": 0.5}
    targets = np.searchsorted(["ant", "bee", "cat"], y)
    expected_weights = {
        "none": np.ones(len(X)),
        "rows": of_rows,
        "classes": np.array([of_classes[name] for name in y]),
        "both": of_rows * np.array([of_classes[name] for name in y]),
        "balanced": np.repeat([45 / 27, 45 / 54, 45 / 54], [9, 18, 18]),
    }[kind]
    parameters = {"both": of_classes, "classes": of_classes, "balanced": "balanced"}
    sample_weight = of_rows if kind in ("rows", "both") else None

    initial = one_step(rate=1e-12).fit(X, y).model_.get_weights()
    fitted = one_step(class_weight=parameters.get(kind)).fit(X, y, sample_weight=sample_weight)

    expected = step_of_descent(X, targets, *initial, expected_weights, 0.5)
    for weight, wanted in zip(fitted.model_.get_weights(), expected, strict=True):
        np.testing.assert_allclose(weight, wanted, rtol=1e-4, atol=1e-6)


def test_a_step_of_weighted_rows_is_keras_own(blobs):
    X, y = blobs
    weights = np.random.default_rng(1).uniform(0.5, 2, len(X))
    before = one_step(rate=1e-12).fit(X, y)
    network = keras.models.clone_model(before.model_)
    network.set_weights(before.model_.get_weights())
    network.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    network.train_on_batch(X, np.searchsorted(before.classes_, y), sample_weight=weights)
    fitted = one_step().fit(X, y, sample_weight=weights)
    for weight, wanted in zip(fitted.model_.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_allclose(weight, wanted, rtol=1e-5, atol=1e-7)


def test_weights_that_are_given_stay_as_they_are(blobs, not_trained):
    X, y = blobs
    weights = np.linspace(0, 2, len(X)).astype(np.float32)
    before = weights.copy()
    head(class_weight="balanced", validation_split=0.2).fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(weights, before)
    assert not np.shares_memory(not_trained[0].training.sample_weight, weights)


def test_rows_of_weight_zero_are_neither_trained_on_nor_set_aside(numbered, not_trained):
    X, y = numbered
    weights = np.ones(60)
    weights[::3] = 0
    head(validation_split=0.2).fit(X, y, sample_weight=weights)
    (call,) = not_trained
    looked_at = [*numbers(call.training), *numbers(call.validation)]
    assert sorted(looked_at) == np.flatnonzero(weights).tolist()


def test_held_out_rows_keep_their_weights(numbered, not_trained):
    X, y = numbered
    head(validation_split=0.2).fit(X, y, sample_weight=np.arange(1, 61))
    validation = not_trained[0].validation
    np.testing.assert_array_equal(validation.sample_weight, numbers(validation) + 1)


@pytest.mark.parametrize(
    ("weights", "message"),
    [(np.full(60, -1.0), "negative"), (np.zeros(60), "zero"), (np.ones(3), "shape")],
)
def test_weights_that_make_no_sense_are_refused(numbered, not_trained, weights, message):
    with pytest.raises(ValueError, match=message):
        head().fit(*numbered, sample_weight=weights)
    assert not not_trained


@pytest.mark.parametrize("class_weight", [{0: 2.0, 1: 1.0}, "effective"])
def test_weights_of_classes_are_none_of_labels(blobs, not_trained, class_weight):
    labels = np.column_stack([blobs[1] == "ant", blobs[1] != "cat"])
    with pytest.raises(ValueError, match='"balanced" or None where y holds label indicators, got'):
        head(class_weight=class_weight).fit(blobs[0], labels)
    assert not not_trained


# Callbacks ---------------------------------------------------------------------------------------


class Counter(keras.callbacks.Callback):
    """Count the epochs that it has seen; `counts` is shared by all copies."""

    counts: list[int] = []

    def __init__(self):
        super().__init__()
        self.count = 0

    def on_epoch_end(self, epoch, logs=None):
        self.count += 1
        self.counts.append(self.count)


def test_callbacks_are_copied_for_each_fit(blobs):
    counter = Counter()
    Counter.counts.clear()
    estimator = head(callbacks=[counter])
    for _ in range(2):
        estimator.fit(*blobs)
    clone(estimator).fit(*blobs)
    assert Counter.counts == [1, 2] * 3, "each fit begins with a callback that has seen nothing"
    assert counter.count == 0
    assert counter.model is None
    assert estimator.callbacks == [counter]
    assert pickle.loads(pickle.dumps(estimator)).predict(blobs[0]).shape == (60,)


def test_a_callback_can_end_the_training(blobs, watch):
    stop = watch(lambda model: setattr(model, "stop_training", True), "epoch_end")
    fitted = head(epochs=20, callbacks=[stop]).fit(*blobs)
    assert fitted.n_iter_ == 1


def test_what_is_no_callback_is_named(blobs, not_trained):
    with pytest.raises(TypeError, match=r"callbacks\[1\] must be a keras.callbacks.Callback"):
        head(callbacks=[Counter(), print]).fit(*blobs)


# Learning rate -----------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_learning_rate_follows_its_schedule(blobs, watch, schedule):
    rates = []
    callback = watch(lambda model: rates.append(float(model.optimizer.learning_rate)), "batch_end")
    head(
        epochs=3,
        batch_size=25,
        learning_rate=0.02,
        learning_rate_schedule=schedule,
        callbacks=[callback],
    ).fit(*blobs)
    steps = np.arange(1, 10)
    expected = 0.01 * (1 + np.cos(np.pi * steps / 9)) if schedule == "cosine" else 0.02 + 0 * steps
    np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-8)


# Going on ----------------------------------------------------------------------------------------


def test_a_second_fit_starts_anew(blobs):
    estimator = head()
    first = estimator.fit(*blobs).predict_proba(blobs[0])
    np.testing.assert_array_equal(estimator.fit(*blobs).predict_proba(blobs[0]), first)
    assert estimator.n_iter_ == len(estimator.epoch_seconds_) == 2


def test_a_warm_start_goes_on_from_the_weights(blobs, watch):
    starts = []
    callback = watch(lambda model: starts.append(model.get_weights()), "train_begin")
    estimator = head(warm_start=True, callbacks=[callback]).fit(*blobs)
    ended = estimator.model_.get_weights()
    estimator.set_params(epochs=3).fit(*blobs)
    for weight, expected in zip(starts[1], ended, strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert estimator.n_iter_ == 5
    assert len(estimator.epoch_seconds_) == len(estimator.history_["accuracy"]) == 5
    assert estimator.history_["loss"][2] < estimator.history_["loss"][0]


def test_a_warm_start_keeps_the_classes_that_it_has(blobs):
    X, y = blobs
    estimator = head(warm_start=True, epochs=1).fit(X, y)
    estimator.fit(X[y != "cat"], y[y != "cat"])
    assert estimator.classes_.tolist() == ["ant", "bee", "cat"]
    with pytest.raises(ValueError, match="dog"):
        estimator.fit(X, np.where(y == "cat", "dog", y))


def test_partial_fit_goes_on_with_another_order(numbered, not_trained):
    X, y = numbered
    estimator = head(epochs=2).fit(X, y)
    estimator.partial_fit(X, y).partial_fit(X, y)
    assert [(call.initial_epoch, call.epochs) for call in not_trained] == [(0, 2), (2, 1), (3, 1)]
    assert len({call.seed for call in not_trained}) == 1


def test_partial_fits_are_the_epochs_of_one_fit(blobs):
    X, y = blobs
    in_one = head(epochs=3).fit(X, y)
    one_by_one = head()
    for _ in range(3):
        one_by_one.partial_fit(X, y)
    np.testing.assert_array_equal(one_by_one.predict_proba(X), in_one.predict_proba(X))
    assert one_by_one.n_iter_ == len(one_by_one.epoch_seconds_) == 3
    np.testing.assert_allclose(one_by_one.history_["loss"], in_one.history_["loss"])


def test_partial_fit_learns_of_classes_that_are_still_to_come(blobs):
    X, y = blobs
    estimator = head().partial_fit(X[y == "ant"], y[y == "ant"], classes=["ant", "bee", "cat"])
    estimator.partial_fit(X, y)
    assert estimator.predict_proba(X).shape == (60, 3)


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.2), (0.2, 0.0)])
def test_a_part_has_the_loss_that_is_set_by_then(blobs, before, after):
    X, y = blobs
    estimator = head(epochs=1, label_smoothing=before).fit(X, y)
    probabilities = estimator.predict_proba(X)
    estimator.set_params(label_smoothing=after, learning_rate=1e-9).partial_fit(X, y)
    targets = np.eye(3)[np.searchsorted(estimator.classes_, y)] * (1 - after) + after / 3
    expected = -(targets * np.log(probabilities)).sum(axis=1).mean()
    assert estimator.history_["loss"][-1] == pytest.approx(expected, rel=1e-4)


def test_a_regressor_goes_on_too(blobs):
    X, _ = blobs
    in_one = DenseHeadRegressor((4,), epochs=2, random_state=0).fit(X, X[:, 0])
    one_by_one = DenseHeadRegressor((4,), random_state=0).partial_fit(X, X[:, 0])
    one_by_one.partial_fit(X, X[:, 0], sample_weight=np.ones(60))
    np.testing.assert_allclose(one_by_one.predict(X), in_one.predict(X), rtol=1e-5)


def test_a_fit_that_failed_leaves_an_estimator_that_can_be_fitted(blobs, watch):
    def fail(model):
        raise RuntimeError("out of luck")

    X, y = blobs
    estimator = head(callbacks=[watch(fail, "batch_end")])
    with pytest.raises(RuntimeError, match="out of luck"):
        estimator.fit(X, y)
    with pytest.raises(ValueError, match="not fitted"):
        estimator.predict(X)
    estimator.set_params(callbacks=None).partial_fit(X, y)
    assert estimator.n_iter_ == 1


def test_a_fit_on_data_that_do_not_fit_does_not_give_new_names_to_old_answers(blobs):
    X, y = blobs
    estimator = head(epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="negative"):
        estimator.fit(X, np.char.upper(y), sample_weight=np.full(60, -1.0))
    with pytest.raises(NotFittedError):
        estimator.predict(X)


def test_classes_of_a_fit_that_failed_do_not_bind_the_first_part(blobs, watch):
    X, y = blobs
    estimator = head(callbacks=[watch(lambda model: 1 / 0, "batch_end")])
    with pytest.raises(ZeroDivisionError):
        estimator.fit(X, y)
    estimator.set_params(callbacks=None).partial_fit(X, y, classes=["ant", "bee", "cat", "dog"])
    assert estimator.predict_proba(X).shape == (60, 4)


# Pickles and parameters --------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_training_goes_on_behind_a_pickle_as_if_there_were_none(blobs, optimizer):
    X, y = blobs
    fitted = head(
        optimizer=optimizer, dropout=0.4, batch_normalization=True, hidden_layer_sizes=(6, 5)
    ).fit(X, y)
    stored = pickle.dumps(fitted)
    copies = [pickle.loads(stored) for _ in range(2)]
    np.testing.assert_array_equal(copies[0].predict_proba(X), fitted.predict_proba(X))
    after = [estimator.partial_fit(X, y).predict_proba(X) for estimator in (fitted, *copies)]
    np.testing.assert_array_equal(after[1], after[0])
    np.testing.assert_array_equal(after[2], after[0])
    assert copies[0].n_iter_ == 3


@pytest.mark.parametrize(
    "parameters",
    [
        {"hidden_layer_sizes": (3, 3), "dropout": 0.5, "batch_normalization": True},
        {"optimizer": "sgd", "learning_rate": 1.0, "learning_rate_schedule": "cosine"},
        {"batch_size": 7, "epochs": 9, "validation_split": 0.5, "early_stopping": True},
        {"epochs": -1, "dropout": 3, "random_state": "none"},
    ],
    ids=["layers", "optimizer", "training", "nonsense"],
)
def test_parameters_set_behind_a_fit_wait_for_the_next(blobs, parameters):
    X, y = blobs
    fitted = head(epochs=1).fit(X, y)
    expected = fitted.predict_proba(X)
    fitted.set_params(**parameters)
    np.testing.assert_array_equal(fitted.predict_proba(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), expected)


def test_a_clone_is_not_fitted(blobs):
    fitted = head(epochs=1).fit(*blobs)
    assert not hasattr(clone(fitted), "model_")
    assert clone(fitted).get_params() == fitted.get_params()
