"""A restored estimator uses the very weights that it was fitted with, or none."""

from __future__ import annotations

import hashlib
import pickle

import keras
import numpy as np
import pytest

from sktransfer import BackboneFeatures, FineTuneClassifier, make_strategy
from sktransfer.backbones import _engine
from sktransfer.exceptions import MissingWeightsError, WeightsError
from sktransfer.persistence import load, save
from sktransfer.strategies import list_strategies
from tests.persistence.conftest import build_tiny

HEAD = {"hidden_layer_sizes": (4,), "epochs": 1, "random_state": 0}


@pytest.fixture
def weights(tmp_path):
    """A file of weights of the tiny backbone."""
    path = tmp_path / "mine.weights.h5"
    keras.utils.set_random_seed(0)
    build_tiny(False, None, (8, 8, 3)).save_weights(path)
    return path


def from_archive(estimator, folder):
    save(estimator, folder / "estimator.zip")
    return load(folder / "estimator.zip")


def from_pickle(estimator, folder):
    return pickle.loads(pickle.dumps(estimator))


@pytest.fixture(params=[from_archive, from_pickle])
def restored(request, tmp_path, monkeypatch):
    """Save and load an estimator, as in a process that has built no network yet."""

    def restore(estimator):
        found = request.param(estimator, tmp_path)
        monkeypatch.setattr(_engine, "_shared", type(_engine._shared)())
        return found

    return restore


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' saving
def test_files_are_checked_by_their_hash(weights, images, restored, tmp_path, monkeypatch):
    fitted = BackboneFeatures("tiny_saved", weights=weights, cache=None).fit(images)
    expected = fitted.transform(images)
    content, sha256 = weights.read_bytes(), hashlib.sha256(weights.read_bytes()).hexdigest()
    np.testing.assert_array_equal(restored(fitted).transform(images), expected)

    build_tiny(False, None, (8, 8, 3)).save_weights(weights)
    changed = hashlib.sha256(weights.read_bytes()).hexdigest()
    with pytest.raises(WeightsError, match=f"{sha256}; {weights} has SHA-256 {changed}"):
        restored(fitted).transform(images)

    weights.unlink()
    with pytest.raises(MissingWeightsError, match=rf"{sha256}.*{weights}.*SKTRANSFER_WEIGHTS"):
        restored(fitted).transform(images)

    moved = tmp_path / "elsewhere" / weights.name
    moved.parent.mkdir()
    moved.write_bytes(content)
    monkeypatch.setenv("SKTRANSFER_WEIGHTS", str(moved.parent))
    np.testing.assert_array_equal(restored(fitted).transform(images), expected)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' saving
def test_what_was_trained_needs_no_file(weights, images, labels, restored):
    tuned = FineTuneClassifier("tiny_saved", weights=weights, unfreeze="all", **HEAD)
    tuned.fit(images, labels)
    expected = tuned.predict_proba(images)
    weights.unlink()
    np.testing.assert_array_equal(restored(tuned).predict_proba(images), expected)


@pytest.mark.parametrize("name", list_strategies()["name"])
@pytest.mark.parametrize("recipe", ["best", "study"])
def test_every_strategy_can_be_saved(name, recipe, tmp_path):
    strategy = make_strategy(name, recipe=recipe)
    save(strategy, tmp_path / "strategy.zip")
    assert repr(load(tmp_path / "strategy.zip")) == repr(strategy)
