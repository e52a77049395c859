"""Programs: heads trained on resident features are those that the plain way trains, every time."""

from __future__ import annotations

import gc
import pickle
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from joblib import Parallel, delayed
from sklearn.base import clone

from sktransfer import DenseHead, DenseHeadRegressor
from sktransfer.estimators import _program_pool
from sktransfer.estimators._architecture import architecture_of, network_of
from sktransfer.estimators._updates import UpdateRules


def head(**parameters):
    return DenseHead(**{"hidden_layer_sizes": (8,), "epochs": 2, "random_state": 0, **parameters})


@pytest.fixture(autouse=True)
def empty_pool(monkeypatch):
    """A pool of this test alone."""
    waiting = []
    monkeypatch.setattr(_program_pool, "_waiting", waiting)
    return waiting


def numbers_of(estimator):
    """All that training changes: weights, states, moments."""
    network = estimator.model_
    return [v.numpy() for v in (*network.variables, *network.optimizer.variables)]


def assert_same(one, other):
    for a, b in zip(numbers_of(one), numbers_of(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.history_ == other.history_


def plainly_trained(estimator, X, y, weights=None):
    """Train by Keras' `train_on_batch`, as slow and obvious as can be."""
    twin = clone(estimator)
    rows, targets = twin._check_data(X, y, reset=True)
    twin._start(rows)
    twin._compile(twin._trained, twin._new_optimizer())
    UpdateRules().install(twin._trained)
    network, rates = twin.model_, twin._rates_for(np.empty(len(X)), twin.epochs)
    step = 0
    for epoch in range(twin.epochs):
        order = np.random.default_rng((twin._seed, epoch)).permutation(len(X))
        for start in range(0, len(X), twin.batch_size):
            rows = order[start : start + twin.batch_size]
            network.train_on_batch(
                X[rows], targets[rows], None if weights is None else weights[rows]
            )
            step += 1
            if rates is not None:
                network.optimizer.learning_rate = rates[step]
    return network.get_weights()


CASES = {
    "short last batch": {"batch_size": 25},
    "full batches": {"batch_size": 20},
    "one batch, not full": {"batch_size": 100},
    "one row a batch": {"batch_size": 1, "epochs": 1},
    "penalty": {"l2": 0.1},
    "normalized": {"batch_normalization": True, "batch_size": 25},
    "cosine": {"learning_rate_schedule": "cosine", "learning_rate": 0.02},
    "descent": {"optimizer": "sgd", "learning_rate": 0.1},
    "dropout": {"dropout": 0.3, "batch_size": 20},
}


@pytest.mark.parametrize("case", CASES)
def test_training_is_that_of_keras_batch_by_batch(blobs, case):
    estimator = head(**CASES[case])
    expected = plainly_trained(estimator, *blobs)
    fitted = estimator.fit(*blobs).model_.get_weights()
    for weight, wanted in zip(fitted, expected, strict=True):
        np.testing.assert_allclose(weight, wanted, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("kind", ["weights", "labels", "numbers"])
def test_weighted_rows_labels_and_numbers_are_trained_on_as_by_keras(blobs, kind):
    X, y = blobs
    weights = np.linspace(0.5, 2, len(X)).astype(np.float32)
    labels = np.column_stack([y == "ant", y != "cat"]).astype(int)
    estimator, targets = {
        "weights": (head(), y),
        "labels": (head(), labels),
        "numbers": (DenseHeadRegressor((8,), epochs=2, random_state=0), X[:, :2]),
    }[kind]
    expected = plainly_trained(estimator, X, targets, weights)
    fitted = estimator.fit(X, targets, sample_weight=weights).model_.get_weights()
    for weight, wanted in zip(fitted, expected, strict=True):
        np.testing.assert_allclose(weight, wanted, rtol=2e-3, atol=2e-5)


DEMANDING = {
    "dropout": 0.3,
    "batch_normalization": True,
    "batch_size": 25,
    "learning_rate_schedule": "cosine",
    "validation_split": 0.2,
}


def test_a_used_program_trains_as_a_fresh_one(blobs, empty_pool):
    X, y = blobs
    fresh = head(**DEMANDING).fit(X, y)
    head(**{**DEMANDING, "random_state": 1, "batch_size": 7, "learning_rate": 0.3}).fit(
        -X[:50], y[:50]
    )
    assert len(empty_pool) == 1, "one program has trained both"
    assert_same(head(**DEMANDING).fit(X, y), fresh)


def test_an_estimator_keeps_its_numbers_while_others_train(blobs):
    fitted = head().fit(*blobs)
    before = numbers_of(fitted)
    head(random_state=1).fit(*blobs)
    for value, expected in zip(numbers_of(fitted), before, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_threads_train_as_one_after_the_other(blobs, empty_pool):
    seeds = [0, 1, 2, 3]
    alone = [head(**{**DEMANDING, "random_state": seed}).fit(*blobs) for seed in seeds]
    empty_pool.clear()
    with ThreadPoolExecutor(4) as threads:
        at_once = list(
            threads.map(lambda seed: head(**{**DEMANDING, "random_state": seed}).fit(*blobs), seeds)
        )
    for one, other in zip(at_once, alone, strict=True):
        assert_same(one, other)


def _probabilities(seed, X, y):
    return head(**{**DEMANDING, "random_state": seed}).fit(X, y).predict_proba(X)


def test_processes_train_as_one_after_the_other(blobs):
    alone, apart = (
        Parallel(n_jobs)(delayed(_probabilities)(seed, *blobs) for seed in (0, 1))
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(alone, apart)


def test_training_goes_on_behind_a_pickle_in_a_used_program(blobs):
    X, y = blobs
    fitted = head(dropout=0.3).fit(X, y)
    copied = pickle.loads(pickle.dumps(fitted))
    assert_same(copied.partial_fit(X, y), fitted.partial_fit(X, y))


def test_looking_at_batches_changes_nothing_and_happens_at_each(blobs, watch):
    seen = []
    looking = head(
        batch_size=25,
        callbacks=[watch(lambda model: seen.append(model.get_weights()), "batch_end")],
    ).fit(*blobs)
    assert len(seen) == 2 * 3
    assert not np.array_equal(seen[0][0], seen[1][0])
    assert_same(looking, head(batch_size=25).fit(*blobs))


def test_callbacks_may_predict_and_evaluate(blobs, watch):
    X, y = blobs
    seen = []
    targets = np.searchsorted(["ant", "bee", "cat"], y)
    fitted = head(
        epochs=1,
        callbacks=[
            watch(lambda model: seen.append((model.predict(X, verbose=0), model(X))), "epoch_end")
        ],
    ).fit(X, y)
    np.testing.assert_allclose(seen[0][0], fitted.predict_proba(X), rtol=1e-5)
    assert fitted.model_.evaluate(X, targets, verbose=0)[1] == pytest.approx(fitted.score(X, y))


def test_what_a_callback_saves_can_be_loaded(blobs, tmp_path):
    path = tmp_path / "head.keras"
    fitted = head(callbacks=[keras.callbacks.ModelCheckpoint(path)]).fit(*blobs)
    loaded = keras.models.load_model(path)
    np.testing.assert_allclose(loaded(blobs[0]), fitted.predict_proba(blobs[0]), rtol=1e-5)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_what_is_interrupted_leaves_estimator_and_pool_as_they_were(
    blobs, watch, empty_pool, error
):
    def interrupt(model):
        raise error("enough")

    X, y = blobs
    fitted = head(warm_start=True).fit(X, y)
    before, history = numbers_of(fitted), {k: list(v) for k, v in fitted.history_.items()}
    fitted.set_params(callbacks=[watch(interrupt, "batch_end")])
    with pytest.raises(error, match="enough"):
        fitted.partial_fit(X, y)
    for value, expected in zip(numbers_of(fitted), before, strict=True):
        np.testing.assert_array_equal(value, expected)
    assert fitted.history_ == history
    assert empty_pool == []
    assert_same(head(callbacks=None).fit(X, y), head().fit(X, y))


def test_the_rates_that_a_callback_sets_are_kept(blobs, watch):
    def halve(model):
        model.optimizer.learning_rate = 0.5 * float(model.optimizer.learning_rate)

    fitted = head(learning_rate=0.02, callbacks=[watch(halve, "epoch_end")]).fit(*blobs)
    assert float(fitted.model_.optimizer.learning_rate) == pytest.approx(0.005)


# The pool ----------------------------------------------------------------------------------------


def test_networks_that_differ_in_numbers_alone_share_an_architecture(blobs):
    one, other = (head(epochs=1, dropout=0.2, random_state=seed).fit(*blobs) for seed in (0, 1))
    wider = head(epochs=1, dropout=0.2, hidden_layer_sizes=(9,)).fit(*blobs)
    assert architecture_of(one.model_) == architecture_of(other.model_)
    assert architecture_of(one.model_) != architecture_of(wider.model_)
    assert architecture_of(network_of(architecture_of(one.model_))) == architecture_of(one.model_)


def test_what_is_compiled_otherwise_needs_a_program_of_its_own(blobs, empty_pool):
    X, y = blobs
    for parameters in ({}, {"learning_rate": 0.3}, {"optimizer": "sgd"}, {"activation": "tanh"}):
        head(epochs=1, **parameters).fit(X, y)
    assert len(empty_pool) == 3


def test_the_pool_keeps_the_programs_used_last(blobs, empty_pool, monkeypatch):
    monkeypatch.setattr(_program_pool, "MOST_PROGRAMS", 2)
    for size in (3, 4, 3, 5):
        head(epochs=1, hidden_layer_sizes=(size,)).fit(*blobs)
    sizes = [program.get_layer("hidden_1").units for _, program in empty_pool]
    assert sizes == [3, 5]
    monkeypatch.setattr(_program_pool, "MOST_BYTES", 1)
    head(epochs=1, hidden_layer_sizes=(3,)).fit(*blobs)
    assert [program.get_layer("hidden_1").units for _, program in empty_pool] == [3]


def test_a_program_that_is_dropped_leaves_no_graph_behind(blobs, monkeypatch):
    monkeypatch.setattr(_program_pool, "MOST_PROGRAMS", 1)

    def graphs_after_fit(units):
        head(hidden_layer_sizes=(units,)).fit(*blobs)
        gc.collect()
        return sum(isinstance(one, tf.Graph) for one in gc.get_objects())

    graphs = [graphs_after_fit(units) for units in (5, 6, 7)]
    assert graphs[2] <= graphs[0]


def test_a_waiting_program_holds_no_data(blobs, empty_pool):
    head(epochs=1).fit(*blobs)
    ((_, program),) = empty_pool
    assert [data.numpy().size for data in (*program._data, program._order)] == [0] * 4


def test_a_second_fit_traces_nothing(blobs, empty_pool, monkeypatch):
    head(epochs=1).fit(*blobs)

    def traced(*data):
        raise AssertionError("traced again")

    ((_, program),) = empty_pool
    for name in ("_take_step", "_take_steps", "train_step"):
        monkeypatch.setattr(type(program), name, traced)
    head(epochs=3, batch_size=7, learning_rate=0.2, random_state=5).fit(
        blobs[0][:44], blobs[1][:44]
    )


# Prediction --------------------------------------------------------------------------------------


def test_predictions_are_those_of_the_network(blobs):
    X, _ = blobs
    fitted = head(dropout=0.3, batch_normalization=True).fit(*blobs)
    expected = fitted.model_(X, training=False)
    np.testing.assert_allclose(fitted.predict_proba(X), expected, rtol=1e-5)


def test_a_prediction_does_not_depend_on_the_rows_beside_it(blobs):
    fitted = head(epochs=1).fit(*blobs)
    X = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)
    among = fitted.predict_proba(X)
    for rows in (slice(0, 1), slice(255, 257), slice(590, 600)):
        np.testing.assert_array_equal(fitted.predict_proba(X[rows]), among[rows])
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copied.predict_proba(X), among)
