"""What a training step may be made of: averages of weights and of gradients, clipping, mixing."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from sktransfer import ConvNetClassifier, DenseHead, FineTuneClassifier, Mixing, average_weights
from sktransfer.images import ImageAugmentation


def head(**parameters):
    defaults = {
        "hidden_layer_sizes": (),
        "optimizer": "sgd",
        "momentum": 0.0,
        "learning_rate": 0.1,
        "batch_size": 20,
        "epochs": 2,
        "random_state": 0,
    }
    return DenseHead(**{**defaults, **parameters})


class Steps(keras.callbacks.Callback):
    """Keeps the weights behind each step."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def __deepcopy__(self, memo):
        return self

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append([weight.numpy() for weight in self.model.trainable_weights])


# Averaged weights --------------------------------------------------------------------------------


def test_the_average_of_the_weights_is_kept(blobs):
    steps = Steps()
    fitted = head(ema_momentum=0.8, callbacks=[steps]).fit(*blobs)
    average = steps.weights[0]
    for weights in steps.weights[1:]:
        average = [0.8 * old + 0.2 * new for old, new in zip(average, weights, strict=True)]
    for kept, expected in zip(fitted.model_.get_weights(), average, strict=True):
        np.testing.assert_allclose(kept, expected, rtol=1e-5, atol=1e-7)


def test_the_average_is_what_is_evaluated(blobs):
    X, y = blobs
    fitted = head(ema_momentum=0.8).fit(X, y, X_val=X, y_val=y)
    truth = np.searchsorted(fitted.classes_, y)
    loss = -np.log(fitted.predict_proba(X)[np.arange(len(y)), truth]).mean()
    assert fitted.history_["val_loss"][-1] == pytest.approx(loss, rel=1e-5)


def test_early_stopping_goes_back_to_the_best_average(blobs):
    X, y = blobs
    fitted = head(
        ema_momentum=0.9, early_stopping=True, patience=1, epochs=8, learning_rate=30.0
    ).fit(X, y, X_val=X[::2], y_val=y[::2])
    truth = np.searchsorted(fitted.classes_, y[::2])
    probabilities = fitted.predict_proba(X[::2])[np.arange(len(truth)), truth]
    loss = -np.log(np.maximum(probabilities, 1e-7)).mean()
    assert min(fitted.history_["val_loss"]) == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True, "learning_rate": 30.0}])
def test_a_part_averages_from_the_weights_that_there_are(blobs, parameters):
    X, y = blobs
    fitted = head(ema_momentum=0.9, epochs=6, **parameters).fit(X, y, X_val=X[::2], y_val=y[::2])
    before = fitted.model_.get_weights()
    fitted.set_params(learning_rate=1e-9).partial_fit(X, y)
    for weight, kept in zip(fitted.model_.get_weights(), before, strict=True):
        np.testing.assert_allclose(weight, kept, atol=1e-6)


def test_the_average_of_heads_goes_on_from_their_average(blobs):
    heads = [head(ema_momentum=0.9, random_state=seed).fit(*blobs) for seed in range(2)]
    soup = average_weights(heads)
    before = soup.model_.get_weights()
    soup.set_params(learning_rate=1e-9).partial_fit(*blobs)
    for weight, kept in zip(soup.model_.get_weights(), before, strict=True):
        np.testing.assert_allclose(weight, kept, atol=1e-6)


# Gradients ---------------------------------------------------------------------------------------


def test_gradients_of_small_batches_make_those_of_a_large_one(blobs):
    small = head(batch_size=15, gradient_accumulation_steps=4, epochs=1).fit(*blobs)
    large = head(batch_size=60, epochs=1).fit(*blobs)
    for one, other in zip(small.model_.get_weights(), large.model_.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_gradients_that_would_make_no_update_are_refused(blobs, not_trained):
    for batch_size, n_steps in ((20, 6), (60, 2)):
        never = head(batch_size=batch_size, epochs=2, gradient_accumulation_steps=n_steps + 1)
        with pytest.raises(ValueError, match=f"is more than the {n_steps} steps of the fit"):
            never.fit(*blobs)
    assert not_trained == []


def test_gradients_are_not_accumulated_over_devices(stripes, not_trained):
    spread = convnet(distribution="mirrored", gradient_accumulation_steps=2)
    with pytest.raises(ValueError, match=r"'mirrored' needs gradient_accumulation_steps=1.*got.*2"):
        spread.fit(*stripes[:2])
    assert not_trained == []


def test_a_long_gradient_is_shortened_to_the_norm(blobs):
    steps = Steps()
    start = head(learning_rate=1e-12, epochs=1).fit(*blobs).model_.get_weights()
    head(global_clipnorm=1e-3, epochs=1, batch_size=60, callbacks=[steps]).fit(*blobs)
    moves = [new - old for old, new in zip(start, steps.weights[0], strict=True)]
    norm = np.sqrt(sum(np.square(move).sum() for move in moves))
    assert norm == pytest.approx(0.1 * 1e-3, rel=1e-2)


@pytest.mark.parametrize("number", [np.float32, np.float64, int])
def test_parameters_may_be_any_kind_of_number(blobs, number):
    names = ("learning_rate", "weight_decay", "global_clipnorm", "l2")
    kinds = {name: number(1) for name in names} | {"momentum": number(0), "ema_momentum": number(0)}
    plain = {name: float(value) for name, value in kinds.items()}
    of_kind, of_floats = (head(epochs=1, **numbers).fit(*blobs) for numbers in (kinds, plain))
    np.testing.assert_array_equal(
        of_kind.predict_proba(blobs[0]), of_floats.predict_proba(blobs[0])
    )


def test_momentum_is_that_of_descent(blobs):
    """Without momentum, Keras' own default, the second step differs."""
    one, other = (head(momentum=momentum).fit(*blobs) for momentum in (0.0, 0.9))
    assert not np.array_equal(one.model_.get_weights()[0], other.model_.get_weights()[0])
    assert other.model_.optimizer.nesterov


# Warm-up -----------------------------------------------------------------------------------------


def test_a_warm_up_lasts_the_epochs_it_says(blobs):
    rates = []

    class Rates(keras.callbacks.Callback):
        def __deepcopy__(self, memo):
            return self

        def on_train_batch_begin(self, batch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    head(warmup_epochs=1.0, batch_size=15, callbacks=[Rates()]).fit(*blobs)
    np.testing.assert_allclose(rates, [0.02, 0.04, 0.06, 0.08, 0.1, 0.1, 0.1, 0.1], rtol=1e-5)


@pytest.mark.parametrize(
    "parameters",
    [{"warmup_epochs": 3}, {"warmup_epochs": 1, "learning_rate_schedule": "one_cycle"}],
)
def test_an_impossible_warm_up_is_refused(blobs, not_trained, parameters):
    with pytest.raises(ValueError, match="warmup_epochs"):
        head(**parameters).fit(*blobs)
    assert not_trained == []


# Mixing ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stripes():
    """40 images, uint8 (40, 12, 12, 3), of upright or lying stripes."""
    rng = np.random.default_rng(0)
    pattern = np.tile([0, 0, 160, 160], 3)[:, None] * np.ones((1, 12))
    y = np.tile(["lying", "upright"], 20)
    X = np.array([pattern if name == "lying" else pattern.T for name in y])[..., None]
    return (X + rng.integers(0, 90, (40, 12, 12, 3))).astype(np.uint8), y


def convnet(**parameters):
    return ConvNetClassifier(
        **{
            "n_blocks": 1,
            "filters": 8,
            "hidden_layer_sizes": (),
            "epochs": 6,
            "batch_size": 8,
            "learning_rate": 0.01,
            "random_state": 0,
            **parameters,
        }
    )


@pytest.mark.parametrize("mixing", [Mixing(mixup=0.4), Mixing(mixup=0.0, cutmix=1.0)], ids=str)
def test_networks_learn_from_mixed_images(stripes, mixing):
    X, y = stripes
    fitted = convnet(mixing=mixing).fit(X, y, X_val=X, y_val=y)
    assert fitted.score(X, y) > 0.9
    assert fitted.history_["val_accuracy"][-1] == pytest.approx(fitted.score(X, y))
    assert fitted.history_["val_loss"][-1] < fitted.history_["loss"][-1]  # not mixed


def test_mixed_images_count_with_their_weights(stripes):
    X, y = stripes
    weights = np.where(y == "lying", 3.0, 1.0)
    mixing = Mixing(mixup=0.4)
    fitted = convnet(mixing=mixing, augmentation=ImageAugmentation(horizontal_flip=True))
    assert fitted.fit(X, y, sample_weight=weights).predict_proba(X).mean(axis=0)[0] > 0.5


def test_a_head_on_a_frozen_backbone_has_no_images_to_mix(stripes, not_trained):
    with pytest.raises(ValueError, match=r"mixing.*unfreeze='head'"):
        FineTuneClassifier("tiny", weights=None, mixing=Mixing()).fit(*stripes)
    assert not_trained == []
