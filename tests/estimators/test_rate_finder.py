"""The learning-rate finder: rates grow, losses are those of the batches, nothing is left behind."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sktransfer import DenseHead, FineTuneClassifier, ImageAugmentation, find_learning_rate
from sktransfer.estimators import _base
from sktransfer.estimators._rate_finder import _Sweep


def head(**parameters):
    return DenseHead(**{"hidden_layer_sizes": (8,), "random_state": 0, **parameters})


def test_rates_grow_exponentially_and_good_ones_are_told_from_bad(blobs):
    found = find_learning_rate(head(), *blobs, smallest=1e-5, largest=10, n_steps=60)
    ratios = found.learning_rates[1:] / found.learning_rates[:-1]
    np.testing.assert_allclose(ratios, 1e6 ** (1 / 59))
    assert len(found.losses) == len(found.learning_rates) <= 60
    assert 1e-4 < found.suggestion < 3
    scores = [
        head(learning_rate=rate, epochs=5).fit(*blobs).score(*blobs)
        for rate in (found.suggestion, found.learning_rates[0])
    ]
    assert scores[0] > scores[1] + 0.2


def test_the_losses_of_single_batches_are_smoothed_without_bias():
    sweep = _Sweep(np.ones(4))
    sweep.set_model(keras.Sequential([keras.layers.Dense(1)]))
    sweep.model.compile("sgd", "mse")
    losses, smooth = [4.0, 2.0, 6.0], []
    sweep.on_epoch_begin(0)
    for batch in range(3):
        sweep.on_train_batch_end(batch, {"loss": np.mean(losses[: batch + 1])})
    average = 0.0
    for step, loss in enumerate(losses, start=1):
        average = 0.9 * average + 0.1 * loss
        smooth.append(average / (1 - 0.9**step))
    np.testing.assert_allclose(sweep.losses, smooth)


def test_it_stops_where_the_loss_explodes(blobs):
    X, y = blobs
    senseless = np.random.default_rng(0).permutation(y)  # nothing fits them, however large a step
    rough = head(optimizer="sgd", hidden_layer_sizes=())
    found = find_learning_rate(rough, X, senseless, smallest=1e-3, largest=1e6, n_steps=200)
    assert len(found.losses) < 200


def test_the_estimator_stays_as_it_was(blobs):
    estimator = head(epochs=7, learning_rate_schedule="cosine", early_stopping=True)
    before = estimator.get_params()
    find_learning_rate(estimator, *blobs, n_steps=5)
    assert estimator.get_params() == before
    assert not hasattr(estimator, "model_")


def test_of_several_stages_the_last_is_tried(numbered_images):
    tuner = FineTuneClassifier("tiny", weights=None, unfreeze={0: "head", 2: "all"}, batch_size=5)
    found = find_learning_rate(tuner.set_params(random_state=0), *numbered_images, n_steps=6)
    assert len(found.losses) == 6


def test_views_that_an_earlier_stage_freezes_are_left_out(numbered_images):
    tuner = FineTuneClassifier(
        "tiny",
        weights=None,
        unfreeze={0: "head", 2: "all"},
        augmentation=ImageAugmentation(horizontal_flip=True),
        frozen_views=2,
        random_state=0,
    )
    assert len(find_learning_rate(tuner, *numbered_images, n_steps=3).losses) == 3


def test_the_rate_of_the_backbone_keeps_its_ratio(numbered_images, not_trained, monkeypatch):
    rules = []
    train = _base.train

    def record(estimator, *arguments):
        rules.append(estimator._update_rules)
        return train(*arguments)

    monkeypatch.setattr(FineTuneClassifier, "_train_twin", record)
    monkeypatch.setattr("sktransfer.estimators._rate_finder._steepest", lambda *_: 0.0)
    tuner = FineTuneClassifier("tiny", weights=None, unfreeze="all", random_state=0)
    tuner.set_params(learning_rate=1e-2, backbone_learning_rate=1e-3)
    find_learning_rate(tuner, *numbered_images, smallest=1e-6, n_steps=3)
    assert [rule.backbone_rate for rule in rules] == [pytest.approx(0.1)]


def test_the_plot_shows_the_suggestion(blobs):
    display = find_learning_rate(head(), *blobs, n_steps=20).plot(color="tab:blue")
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.lines[1].get_xdata()[0] == display.suggestion
    other = display.figure_.add_subplot()
    assert display.plot(ax=other).ax_ is other


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"smallest": 0.0}, "smallest must be positive"),
        ({"smallest": 2.0}, "less than largest"),
        ({"n_steps": 2}, "n_steps must be at least 3"),
    ],
)
def test_impossible_rates_are_refused(blobs, not_trained, parameters, message):
    with pytest.raises(ValueError, match=message):
        find_learning_rate(head(), *blobs, **parameters)
    assert not_trained == []


def test_only_networks_have_a_learning_rate(blobs):
    with pytest.raises(TypeError, match="must be a network"):
        find_learning_rate(LogisticRegression(), *blobs)
