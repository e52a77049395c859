"""Fine-tuning: what moves and what stays, and that a frozen backbone's short cut is exact."""

from __future__ import annotations

import pickle

import keras
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from sktransfer import (
    BackboneFeatures,
    DenseHead,
    FineTuneClassifier,
    FineTuneRegressor,
    ImageAugmentation,
)
from sktransfer._errors import ImageError
from sktransfer.backbones._network import build_network
from sktransfer.cache import memory_store
from sktransfer.estimators import _boundary, _frozen, _program_pool

STEM = {"stem_conv/kernel", "stem_bn/gamma", "stem_bn/beta"}
BLOCK = {"block_conv/kernel", "block_bn/gamma", "block_bn/beta"}
STATISTICS = {
    f"{part}_bn/moving_{moment}" for part in ("stem", "block") for moment in ("mean", "variance")
}


def tuner(cls=FineTuneClassifier, backbone="tiny", **parameters):
    return cls(
        **{
            "backbone": backbone,
            "weights": None,
            "epochs": 2,
            "batch_size": 10,
            "learning_rate": 0.01,
            "random_state": 0,
            **parameters,
        }
    )


@pytest.fixture(scope="module")
def images():
    """24 images of flat colours and noise, uint8 (24, 16, 16, 3), in three classes."""
    rng = np.random.default_rng(0)
    y = np.tile(["ant", "bee", "cat"], 8)
    colours = {"ant": (190, 80, 60), "bee": (70, 160, 60), "cat": (90, 140, 220)}
    X = np.array([colours[name] for name in y])[:, None, None]
    noisy = X + rng.normal(scale=15, size=(24, 16, 16, 3))
    return noisy.clip(0, 255).astype(np.uint8), y


@pytest.fixture(scope="module")
def tuned(images):
    """Fitted classifiers by `unfreeze` and `batch_norm`, each fitted once."""
    fitted = {}

    def get(unfreeze, batch_norm="inference"):
        key = unfreeze, batch_norm
        if key not in fitted:
            fitted[key] = tuner(unfreeze=unfreeze, batch_norm=batch_norm).fit(*images)
        return fitted[key]

    return get


@pytest.fixture(autouse=True, scope="module")
def clean_store():
    """Features of the tiny networks are of no use to other tests."""
    yield
    memory_store().clear()


def untrained(estimator):
    """The pixels-to-features network that an estimator began with."""
    return build_network(estimator._recipe)


def moved(estimator):
    """The weights of the backbone that training has changed."""
    before = untrained(estimator).get_layer("backbone").weights
    after = estimator.model_.get_layer("backbone").weights
    return {
        new.path
        for old, new in zip(before, after, strict=True)
        if not np.array_equal(old.numpy(), new.numpy())
    }


def distance(estimator):
    """How far training has moved the weights of a backbone that trains as a whole, squared."""
    pairs = zip(
        untrained(estimator).get_layer("backbone").trainable_weights,
        estimator.model_.get_layer("backbone").trainable_weights,
        strict=True,
    )
    return sum(float(np.square(old.numpy() - new.numpy()).sum()) for old, new in pairs)


def head_weights(estimator):
    return estimator.model_.get_layer("head").get_weights()


@pytest.fixture
def extracted(monkeypatch):
    """The numbers of images that pass through a backbone before training, call by call."""
    calls = []
    extract = _frozen.extract

    def counting(recipe, images, **options):
        calls.append(len(images))
        return extract(recipe, images, **options)

    monkeypatch.setattr(_frozen, "extract", counting)
    return calls


# What moves --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unfreeze", "batch_norm", "expected"),
    [
        ("head", "inference", set()),
        ("head", "train", set()),
        (3, "inference", BLOCK - {"block_conv/kernel"}),
        ("last_block", "inference", BLOCK),
        ("last_block", "train", BLOCK | {"block_bn/moving_mean", "block_bn/moving_variance"}),
        ("all", "inference", STEM | BLOCK),
        ("all", "train", STEM | BLOCK | STATISTICS),
    ],
)
def test_exactly_what_is_unfrozen_moves(tuned, unfreeze, batch_norm, expected):
    assert moved(tuned(unfreeze, batch_norm)) == expected


@pytest.mark.parametrize(
    ("unfreeze", "n_trainable"),
    [("head", 0), ("last_block", 288 + 16), ("all", 108 + 8 + 288 + 16)],
)
def test_parameters_are_counted_as_they_train(tuned, unfreeze, n_trainable):
    head = 8 * 3 + 3
    assert tuned(unfreeze).parameter_counts_ == {
        "total": 444 + head,
        "trainable": n_trainable + head,
        "non_trainable": 444 - n_trainable,
    }


def test_the_table_of_layers_tells_what_is_frozen(tuned):
    table = tuned("last_block").layer_table().set_index("name")
    assert not table.loc[["stem_conv", "stem_bn", "stem_relu"], "trainable"].any()
    assert table.loc[["block_conv", "block_bn", "block_relu"], "trainable"].all()
    assert "block_conv" in tuned("last_block").summary()


# Stages ------------------------------------------------------------------------------------------


def test_stages_train_what_they_name_when_they_begin(images, not_trained):
    stages = {3: "all", 0: "head", 1: "last_block"}
    fitted = tuner(unfreeze=stages, epochs=5, learning_rate_schedule="cosine").fit(*images)
    assert [call.epochs for call in not_trained] == [1, 2, 2]
    assert [call.initial_epoch for call in not_trained] == [0, 1, 3]
    assert [len(call.network.trainable_weights) for call in not_trained] == [2, 5, 8]
    for call in not_trained:  # a schedule of its own each
        assert call.rates[0] == 0.01
        assert call.rates[-1] == 0
    assert fitted.n_iter_ == 5


def test_the_head_is_trained_on_features_before_all_is(images, extracted):
    X, y = images
    fitted = tuner(unfreeze={0: "head", 2: "all"}, epochs=3).fit(X, y)
    assert extracted == [24]
    assert moved(fitted) == STEM | BLOCK
    head_alone = tuner(unfreeze="head", epochs=2).fit(X, y)
    np.testing.assert_allclose(fitted.history_["loss"][:2], head_alone.history_["loss"], rtol=1e-6)
    assert fitted.parameter_counts_ == tuner(unfreeze="all", epochs=1).fit(X, y).parameter_counts_


@pytest.mark.parametrize("batch_norm", ["inference", "adapt"])
@pytest.mark.parametrize("first", ["head", "last_block"])
def test_what_a_later_stage_unfreezes_has_the_rate_of_the_backbone(images, first, batch_norm):
    def stem(rate):
        stages = {0: first, 1: "all"}
        fitted = tuner(
            unfreeze=stages, batch_norm=batch_norm, epochs=2, backbone_learning_rate=rate
        ).fit(*images)
        return fitted.model_.get_layer("backbone").get_layer("stem_conv").get_weights()[0]

    still, moved_by_little, moved_by_much = map(stem, (1e-12, 1e-4, 1e-2))
    little, much = (np.abs(moved - still).max() for moved in (moved_by_little, moved_by_much))
    assert 0 < little < much / 10


def test_partial_fits_go_through_the_stages(images):
    X, y = images
    fitted = tuner(unfreeze={0: "head", 1: "last_block"})
    fitted.partial_fit(X, y)
    assert moved(fitted) == set()
    fitted.partial_fit(X, y)
    assert moved(fitted) == BLOCK


@pytest.mark.parametrize("how", ["partial_fit", "fit"])
def test_a_stage_that_ended_early_does_not_come_again(images, watch, how):
    stop = watch(lambda model: setattr(model, "stop_training", True), "epoch_end")
    fitted = tuner(unfreeze={0: "head", 5: "all"}, epochs=8, callbacks=[stop]).fit(*images)
    assert fitted.n_iter_ == 2
    fitted.set_params(callbacks=None, warm_start=True, epochs=1)
    getattr(fitted, how)(*images)
    assert len(fitted.model_.trainable_weights) == 8


def test_a_warm_start_may_unfreeze_more(images):
    X, y = images
    fitted = tuner(unfreeze="head", warm_start=True).fit(X, y)
    fitted.set_params(unfreeze="last_block").fit(X, y)
    assert moved(fitted) == BLOCK
    assert fitted.n_iter_ == 4


def test_no_more_is_unfrozen_where_batches_normalize(images):
    """What was frozen would go on with the statistics of the file, which nothing fits then."""
    X, y = images
    fitted = tuner(unfreeze="head", batch_norm="train", warm_start=True, epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"batch_norm='train' and unfreeze='head' .*'all'"):
        fitted.set_params(unfreeze="all").fit(X, y)


def test_what_has_been_trained_is_not_taken_for_pretrained(images, extracted):
    """Frozen again, the block is no longer the one of the file: nothing is computed ahead."""
    X, y = images
    fitted = tuner(unfreeze={0: "all", 1: "head"}, epochs=2).fit(X, y)
    assert extracted == []
    np.testing.assert_allclose(fitted.model_(X), fitted.predict_proba(X), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "unfreeze", [{}, {1: "all"}, {0: "head", -1: "all"}, {0: "head", "2": "all"}, {0: 0}, {0: None}]
)
def test_impossible_stages_are_refused(images, not_trained, unfreeze):
    with pytest.raises(ValueError, match="unfreeze"):
        tuner(unfreeze=unfreeze).fit(*images)
    assert not_trained == []


@pytest.mark.parametrize("part", ["nonsense", 99])
def test_a_stage_of_no_such_layers_is_refused_before_the_first_is_trained(
    images, not_trained, part
):
    with pytest.raises(ValueError, match=f"unfreeze.*{part}"):
        tuner(unfreeze={0: "head", 1: part}).fit(*images)
    assert not_trained == []


def test_the_backbone_stays_near_where_it_started(images):
    free = tuner(unfreeze="all", epochs=10).fit(*images)
    pulled = tuner(unfreeze="all", epochs=10, optimizer="sgd", l2_sp=50.0).fit(*images)

    same_way = tuner(unfreeze="all", epochs=10, optimizer="sgd").fit(*images)
    assert distance(pulled) < 0.3 * distance(same_way)
    assert distance(free) > 0


def test_a_pull_may_be_set_behind_a_fit(images):
    fitted = tuner(unfreeze="all", warm_start=True).fit(*images)
    away = distance(fitted)
    fitted.set_params(optimizer="sgd", l2_sp=50.0, epochs=10).fit(*images)
    assert distance(fitted) < 0.3 * away


def test_a_pull_survives_a_pickle_and_the_short_way(images):
    X, y = images
    fitted = tuner(unfreeze="last_block", l2_sp=1.0, epochs=1).fit(X, y)
    copied = pickle.loads(pickle.dumps(fitted))
    for estimator in (fitted, copied):
        estimator.partial_fit(X, y)
    np.testing.assert_array_equal(copied.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize(
    "parameters",
    [{"unfreeze": "head"}, {"unfreeze": {0: "head", 1: "last_block"}}, {"batch_norm": "train"}],
    ids=str,
)
def test_branches_are_dropped_where_all_of_the_backbone_trains(images, not_trained, parameters):
    with pytest.raises(ValueError, match=r"stochastic_depth=0\.2 needs unfreeze='all'"):
        tuner(stochastic_depth=0.2, **{"unfreeze": "all", **parameters}).fit(*images)
    with pytest.raises(ValueError, match="branches to drop"):
        tuner(stochastic_depth=0.2, unfreeze="all").fit(*images)
    assert not_trained == []


# Batch normalization -----------------------------------------------------------------------------


def statistics(network, layer):
    norm = network.get_layer("backbone").get_layer(layer)
    return norm.moving_mean.numpy(), norm.moving_variance.numpy()


def test_adapted_statistics_are_those_of_the_training_images(images):
    X, y = images
    fitted = tuner(batch_norm="adapt", epochs=1).fit(X, y)
    plain = untrained(fitted)
    stem = keras.Model(
        plain.get_layer("backbone").input, plain.get_layer("backbone").get_layer("stem_conv").output
    )
    maps = stem(X / 127.5 - 1).numpy()
    mean, variance = statistics(fitted.model_, "stem_bn")
    np.testing.assert_allclose(mean, maps.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(variance, maps.var(axis=(0, 1, 2)), rtol=1e-3)
    assert moved(fitted) == STATISTICS


def test_adapted_statistics_are_averaged_over_batches(images, monkeypatch):
    X, y = images
    monkeypatch.setattr("sktransfer.estimators._adapting.BATCH", 6)
    mean, _ = statistics(tuner(batch_norm="adapt", epochs=1).fit(X, y).model_, "stem_bn")
    monkeypatch.setattr("sktransfer.estimators._adapting.BATCH", 24)
    at_once, _ = statistics(tuner(batch_norm="adapt", epochs=1).fit(X, y).model_, "stem_bn")
    np.testing.assert_allclose(mean, at_once, rtol=1e-3, atol=1e-5)


def test_adapted_statistics_hold_in_training_and_prediction(images):
    X, y = images
    fitted = tuner(batch_norm="adapt", unfreeze="all", epochs=1).fit(X, y)
    before = statistics(fitted.model_, "block_bn")
    fitted.partial_fit(X, y)
    np.testing.assert_array_equal(before, statistics(fitted.model_, "block_bn"))
    np.testing.assert_allclose(fitted.model_(X), fitted.predict_proba(X), rtol=1e-4, atol=1e-6)


def test_images_of_validation_leave_adapted_statistics_alone(images):
    X, y = images
    alone = tuner(batch_norm="adapt", epochs=1).fit(X, y)
    beside = tuner(batch_norm="adapt", epochs=1).fit(X, y, X_val=255 - X, y_val=y)
    np.testing.assert_array_equal(
        statistics(alone.model_, "stem_bn"), statistics(beside.model_, "stem_bn")
    )


@pytest.mark.parametrize("batch_norm", ["inference", "train"])
@pytest.mark.parametrize("unfreeze", ["head", "all"])
def test_the_loss_is_that_of_the_mode_of_batch_normalization(images, unfreeze, batch_norm):
    """One batch that does not move the weights: its loss can be written out."""
    X, y = images
    fitted = tuner(
        backbone="tiny_plain",
        unfreeze=unfreeze,
        batch_norm=batch_norm,
        batch_size=24,
        epochs=1,
        optimizer="sgd",
        learning_rate=1e-12,
    ).fit(X, y)
    targets = np.searchsorted(fitted.classes_, y)

    def loss(training):
        tensor = keras.ops.convert_to_tensor(X.astype(np.float32) / 127.5 - 1)
        initial = untrained(fitted).get_layer("backbone")
        for layer in initial.layers[1:]:
            if isinstance(layer, keras.layers.BatchNormalization) and training:
                mean, variance = keras.ops.moments(tensor, axes=(0, 1, 2))
                tensor = (tensor - mean) / keras.ops.sqrt(variance + layer.epsilon)
            else:
                tensor = layer(tensor)
        kernel, bias = head_weights(fitted)
        scores = keras.ops.mean(tensor, axis=(1, 2)).numpy() @ kernel + bias
        scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
        return -scores[np.arange(24), targets].mean()

    assert fitted.history_["loss"][0] == pytest.approx(loss(batch_norm == "train"), rel=1e-4)
    assert abs(loss(True) - loss(False)) > 0.01


def test_dropout_within_the_backbone_follows_the_mode(tuned, images):
    X, _ = images
    pixels = X.astype(np.float32)
    for batch_norm, varies in (("inference", False), ("train", True)):
        network = tuned("all", batch_norm).model_
        first, second = (network(pixels, training=True).numpy() for _ in range(2))
        assert np.array_equal(first, second) != varies


def one_step(images, backbone_learning_rate, **parameters):
    fitted = tuner(
        backbone="tiny_plain",
        unfreeze="all",
        optimizer="sgd",
        batch_size=24,
        epochs=1,
        backbone_learning_rate=backbone_learning_rate,
        **parameters,
    ).fit(*images)
    before = untrained(fitted).get_layer("backbone").get_weights()
    after = fitted.model_.get_layer("backbone").get_weights()
    return fitted, [new - old for old, new in zip(before, after, strict=True)]


def test_the_backbone_takes_shorter_steps(images):
    plain, steps = one_step(images, None)
    slowed, short_steps = one_step(images, 0.001)
    for step, short in zip(steps, short_steps, strict=True):
        np.testing.assert_allclose(short, 0.1 * step, rtol=0.01, atol=1e-7)
    assert max(np.abs(step).max() for step in steps) > 1e-4
    for weight, same in zip(head_weights(plain), head_weights(slowed), strict=True):
        np.testing.assert_allclose(weight, same, rtol=1e-5, atol=1e-7)


def test_shorter_steps_survive_a_pickle(images):
    X, y = images
    fitted, _ = one_step(images, 0.001)
    copied = pickle.loads(pickle.dumps(fitted))
    for estimator in (fitted, copied):
        estimator.partial_fit(X, y)
    np.testing.assert_array_equal(copied.predict_proba(X), fitted.predict_proba(X))


# What is deployed --------------------------------------------------------------------------------


@pytest.mark.parametrize(("unfreeze", "batch_norm"), [("head", "inference"), ("all", "train")])
def test_the_network_alone_predicts_the_same(tuned, images, tmp_path, unfreeze, batch_norm):
    X, _ = images
    estimator = tuned(unfreeze, batch_norm)
    expected = estimator.predict_proba(X)
    np.testing.assert_allclose(estimator.model_(X), expected, rtol=1e-5, atol=1e-6)
    estimator.model_.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    np.testing.assert_allclose(loaded(X), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("unfreeze", ["head", "all"])
def test_a_warm_fit_that_failed_early_leaves_what_was_fitted(images, monkeypatch, unfreeze):
    X, y = images
    fitted = tuner(warm_start=True, cache=None, hidden_layer_sizes=(6,)).fit(X, y)
    expected = fitted.predict_proba(X)

    def fail(*args, **kwargs):
        raise RuntimeError("out of luck")

    with monkeypatch.context() as broken:
        broken.setattr(type(fitted), "_training_rows", fail)
        with pytest.raises(RuntimeError, match="out of luck"):
            fitted.set_params(unfreeze=unfreeze).fit(X, y)
    for estimator in (fitted, pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_allclose(estimator.predict_proba(X), expected, rtol=1e-4)
        assert estimator.partial_fit(X, y).n_iter_ == 3


def test_a_fit_that_failed_early_can_be_pickled(images, monkeypatch):
    X, y = images
    estimator = tuner()
    with monkeypatch.context() as broken:
        broken.setattr(type(estimator), "_training_rows", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            estimator.fit(X, y)
    copied = pickle.loads(pickle.dumps(estimator))
    with pytest.raises(NotFittedError):
        copied.predict(X)
    assert copied.fit(X, y).n_iter_ == 2


@pytest.mark.parametrize("unfreeze", ["head", "last_block"])
def test_pickles_predict_the_same_and_go_on_the_same(images, unfreeze):
    X, y = images
    fitted = tuner(unfreeze=unfreeze, batch_norm="train", hidden_layer_sizes=(6,), dropout=0.3).fit(
        X, y
    )
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copied.predict_proba(X), fitted.predict_proba(X))
    assert copied.parameter_counts_ == fitted.parameter_counts_
    for estimator in (fitted, copied):
        estimator.partial_fit(X, y)
    np.testing.assert_array_equal(copied.predict_proba(X), fitted.predict_proba(X))
    assert moved(copied) == moved(fitted)


@pytest.mark.parametrize("unfreeze", ["head", "all"])
def test_parameters_set_behind_a_fit_wait_for_the_next(images, unfreeze):
    X, y = images
    fitted = tuner(unfreeze=unfreeze, epochs=1).fit(X, y)
    expected = fitted.predict_proba(X)
    fitted.set_params(
        backbone="tiny_plain",
        unfreeze="all" if unfreeze == "head" else "head",
        batch_norm="train",
        backbone_learning_rate=0.5,
        input_size=8,
        pooling="max",
        preprocessing="rescale",
        precision="bfloat16",
        engine="openvino",
        layers="stem_relu",
    )
    np.testing.assert_array_equal(fitted.predict_proba(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), expected)


def test_images_are_resized_within_the_network(images, not_trained):
    X, y = images
    fitted = tuner(unfreeze="all", input_size=(8, 12)).fit(X, y)
    assert fitted.input_size_ == (8, 12)
    assert fitted.model_.get_layer("backbone").input.shape[1:3] == (8, 12)
    np.testing.assert_allclose(fitted.model_(X), fitted.predict_proba(X), rtol=1e-5, atol=1e-6)


# Activations at the boundary ---------------------------------------------------------------------


@pytest.fixture
def without_boundary(monkeypatch):
    """Make fine-tuning take the long way: every image through all layers in every epoch."""

    def forbid():
        monkeypatch.setattr(_boundary, "MOST_BYTES", 0)

    return forbid


@pytest.mark.parametrize("options", [{}, {"backbone_learning_rate": 1e-3}], ids=str)
@pytest.mark.parametrize("unfreeze", ["last_block", 3])
def test_short_way_trains_as_the_long_one(images, without_boundary, extracted, unfreeze, options):
    X, y = images
    options = {"validation_split": 0.25, "l2": 0.01, "pooling": "max", **options}
    short = tuner(unfreeze=unfreeze, **options).fit(X, y)
    assert extracted == [18, 6]
    without_boundary()
    long = tuner(unfreeze=unfreeze, **options).fit(X, y)
    assert extracted == [18, 6]
    assert moved(short) == moved(long) != set()
    np.testing.assert_allclose(short.predict_proba(X), long.predict_proba(X), atol=1e-5)
    for name, values in long.history_.items():
        np.testing.assert_allclose(short.history_[name], values, rtol=1e-4)


def test_short_way_goes_on_where_it_was(images, without_boundary):
    X, y = images
    short = tuner(unfreeze="last_block").fit(X, y)
    copy = pickle.loads(pickle.dumps(short))
    without_boundary()
    long = tuner(unfreeze="last_block").fit(X, y)
    for fitted in (short, copy, long):
        fitted.partial_fit(X, y)
    np.testing.assert_array_equal(copy.predict_proba(X), short.predict_proba(X))
    np.testing.assert_allclose(long.predict_proba(X), short.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"unfreeze": "all"},
        {"unfreeze": "last_block", "batch_norm": "train"},
        {"unfreeze": "last_block", "augmentation": ImageAugmentation(rotation=10)},
    ],
    ids=str,
)
def test_images_take_the_long_way_where_activations_change(images, extracted, options):
    tuner(**options).fit(*images)
    assert extracted == []


# Twins that have been traced before --------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"unfreeze": "all"},
        {"unfreeze": "all", "batch_norm": "train", "augmentation": ImageAugmentation(rotation=9)},
        {"unfreeze": "last_block", "batch_norm": "train"},
        {"unfreeze": "all", "backbone_learning_rate": 1e-3, "optimizer": "adamw"},
    ],
    ids=str,
)
def test_a_fit_in_a_used_twin_is_bit_equal_to_one_in_a_fresh_one(images, monkeypatch, options):
    monkeypatch.setattr(_program_pool, "_waiting", [])
    fresh = tuner(**options).fit(*images)
    (waiting,) = _program_pool._waiting
    tuner(**{**options, "random_state": 1}).fit(*images)
    used = tuner(**options).fit(*images)
    assert [id(twin) for _, twin in _program_pool._waiting] == [id(waiting[1])]
    assert all(map(np.array_equal, used.model_.get_weights(), fresh.model_.get_weights()))
    assert used.history_ == fresh.history_


def test_networks_that_train_otherwise_get_twins_of_their_own(images, monkeypatch):
    monkeypatch.setattr(_program_pool, "_waiting", [])
    variants = [
        {"unfreeze": "all"},
        {"unfreeze": 5, "augmentation": ImageAugmentation(rotation=9)},
        {"unfreeze": "all", "batch_norm": "train"},
        {"unfreeze": "all", "backbone_learning_rate": 1e-3},
        {"unfreeze": "all", "optimizer": "sgd"},
    ]
    for options in variants:
        tuner(**options, epochs=1).fit(*images)
    assert len(_program_pool._waiting) == len(variants)


def test_an_interrupted_fit_leaves_no_twin_and_the_network_as_it_was(images, monkeypatch, watch):
    monkeypatch.setattr(_program_pool, "_waiting", [])
    fitted = tuner(unfreeze="all", warm_start=True).fit(*images)
    before = fitted.model_.get_weights()

    def interrupt(model):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted.set_params(callbacks=[watch(interrupt, "batch_end")]).fit(*images)
    assert _program_pool._waiting == []
    assert all(map(np.array_equal, fitted.model_.get_weights(), before))


# Precision and depths ----------------------------------------------------------------------------


def test_bfloat16_computes_products_in_it_and_keeps_weights_in_float32(images, tuned):
    fitted = tuner(unfreeze="all", precision="bfloat16").fit(*images)
    layers = fitted.model_.get_layer("backbone").layers
    short = {layer.name for layer in layers if layer.compute_dtype == "bfloat16"}
    assert short == {layer.name for layer in layers if isinstance(layer, keras.layers.Conv2D)}
    assert {weight.dtype for weight in fitted.model_.weights} == {"float32"}
    assert moved(fitted) == STEM | BLOCK
    proba = fitted.predict_proba(images[0])
    assert proba.dtype == np.float32
    np.testing.assert_allclose(proba, tuned("all").predict_proba(images[0]), atol=0.1)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(fitted)).predict_proba(images[0]), proba
    )


@pytest.mark.parametrize("unfreeze", ["head", "last_block"])
def test_the_head_sees_all_depths(images, unfreeze):
    fitted = tuner(unfreeze=unfreeze, layers=["stem_relu", "block_relu"]).fit(*images)
    assert fitted.model_.get_layer("head").input_shape == (None, 4 + 8)
    assert moved(fitted) == (BLOCK if unfreeze == "last_block" else set())


def test_depths_before_the_last_block_leave_nothing_of_it_to_train(images):
    with pytest.raises(ValueError, match=r"last_block.*'block_conv'.*behind all of `layers`"):
        tuner(unfreeze="last_block", layers="stem_relu").fit(*images)


# A frozen backbone -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "backbone", [{}, {"layers": ("stem_relu", "block_relu")}, {"precision": "bfloat16"}], ids=str
)
def test_a_frozen_backbone_is_a_head_on_its_features(images, backbone):
    X, y = images
    options = {"hidden_layer_sizes": (6,), "dropout": 0.3, "validation_split": 0.25}
    training = {"epochs": 3, "batch_size": 10, "learning_rate": 0.01, "random_state": 0}
    fitted = tuner(**options, **training, **backbone).fit(X, y)
    features = BackboneFeatures("tiny", weights=None, random_state=0, **backbone).fit_transform(X)
    head = DenseHead(**options, **training).fit(features, y)
    np.testing.assert_allclose(fitted.predict_proba(X), head.predict_proba(features), rtol=1e-5)
    assert set(fitted.history_) == set(head.history_)
    for name, values in fitted.history_.items():
        np.testing.assert_allclose(values, head.history_[name], rtol=1e-5)


AUGMENTATION = ImageAugmentation(rotation=30, horizontal_flip=True, brightness=0.2)


def features_of_view(estimator, X, epoch):
    """Features of the augmented images of an epoch, by the plain way."""
    ids = np.arange(len(X)) + epoch * len(X)
    views = AUGMENTATION.augment(X, seed=estimator._seed, ids=ids)
    return untrained(estimator)(views).numpy()


def test_frozen_views_are_extracted_once_and_taken_in_turn(images, not_trained, extracted):
    X, y = images
    fitted = tuner(augmentation=AUGMENTATION, frozen_views=3, epochs=7).fit(X, y)
    assert extracted == [24] * 3
    rows = not_trained[0].training.rows
    for epoch in range(7):
        np.testing.assert_allclose(
            rows.take(np.arange(24), epoch),
            features_of_view(fitted, X, epoch % 3),
            rtol=1e-4,
            atol=1e-5,
        )
    assert extracted == [24] * 3
    views = [rows.take(np.arange(24), epoch) for epoch in range(3)]
    assert not np.allclose(views[0], views[1]) and not np.allclose(views[1], views[2])


def test_fresh_views_are_new_in_every_epoch(images, not_trained, extracted):
    X, y = images
    fitted = tuner(augmentation=AUGMENTATION, epochs=7).fit(X, y)
    assert extracted == [], "views are extracted as they are trained on"
    rows = not_trained[0].training.rows
    assert len(rows) == 24
    for epoch in (0, 5):
        np.testing.assert_allclose(
            rows.take(np.arange(24), epoch),
            features_of_view(fitted, X, epoch),
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize("frozen_views", [None, 2])
def test_views_train_a_head_that_is_evaluated_and_predicts_without_them(
    numbered_images, marking, not_trained, frozen_views
):
    X, y = numbered_images
    options = {"validation_split": 0.25, "epochs": 1}
    fitted = tuner(augmentation=marking, frozen_views=frozen_views, **options).fit(X, y)
    plain = tuner(**options).fit(X, y)
    augmented_call, plain_call = not_trained
    validation, expected = (call.validation for call in (augmented_call, plain_call))
    np.testing.assert_array_equal(
        validation.rows.take(np.arange(len(validation))),
        expected.rows.take(np.arange(len(expected))),
    )
    marking.seen.clear()
    np.testing.assert_array_equal(fitted.predict_proba(X), plain.predict_proba(X))
    assert marking.seen == []
    trained = augmented_call.training.rows.take(np.arange(len(augmented_call.training)))
    assert not np.array_equal(
        trained, plain_call.training.rows.take(np.arange(len(plain_call.training)))
    )


@pytest.mark.parametrize("frozen_views", [None, 2])
def test_heads_learn_from_views(images, frozen_views):
    X, y = images
    fitted = tuner(
        augmentation=ImageAugmentation(horizontal_flip=True, width_shift=0.1),
        frozen_views=frozen_views,
        epochs=25,
        learning_rate=0.05,
    ).fit(X, y)
    assert fitted.score(X, y) > 0.9
    assert moved(fitted) == set()


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"augmentation": AUGMENTATION, "unfreeze": "all"},
        {"augmentation": AUGMENTATION, "batch_norm": "train"},
    ],
)
def test_frozen_views_need_something_frozen_to_view(images, not_trained, parameters):
    with pytest.raises(ValueError, match="frozen_views=2 needs an augmentation, unfreeze='head'"):
        tuner(frozen_views=2, **parameters).fit(*images)


@pytest.mark.parametrize(
    "parameters", [{}, {"unfreeze": "all"}, {"augmentation": AUGMENTATION}], ids=str
)
def test_a_damaged_image_is_named_in_training(images_one_damaged, parameters):
    with pytest.raises(ImageError, match=r"X\[7\]"):
        tuner(**parameters).fit(*images_one_damaged)


# Going on, and numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize("unfreeze", ["head", "all"])
def test_partial_fits_are_the_epochs_of_one_fit(images, unfreeze):
    X, y = images
    parameters = {"unfreeze": unfreeze, "augmentation": AUGMENTATION}
    in_one = tuner(**parameters).fit(X, y)
    one_by_one = tuner(**parameters).partial_fit(X, y).partial_fit(X, y)
    np.testing.assert_array_equal(one_by_one.predict_proba(X), in_one.predict_proba(X))
    np.testing.assert_allclose(one_by_one.history_["loss"], in_one.history_["loss"])


def test_a_warm_start_keeps_what_was_tuned(images, watch):
    X, y = images
    starts = []
    callback = watch(lambda model: starts.append(model.get_weights()), "train_begin")
    fitted = tuner(unfreeze="all", warm_start=True, callbacks=[callback], epochs=1).fit(X, y)
    ended = fitted.model_.get_weights()
    fitted.fit(X, y)
    for weight, expected in zip(starts[1], ended, strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert fitted.n_iter_ == 2


def test_numbers_are_learned_from_images(images):
    X, _ = images
    brightness = X.mean(axis=(1, 2, 3)) / 255
    fitted = tuner(FineTuneRegressor, epochs=120, learning_rate=0.05).fit(X, brightness)
    assert fitted.score(X, brightness) > 0.9
    assert fitted.predict(X[:1]).shape == (1,) and fitted.predict(X).dtype == np.float64
    np.testing.assert_allclose(fitted.model_(X)[:, 0], fitted.predict(X), rtol=1e-4)


def test_several_numbers_are_learned_by_the_whole_network(images):
    X, _ = images
    colours = X.mean(axis=(1, 2)) / 255
    fitted = tuner(FineTuneRegressor, unfreeze="all", epochs=3).fit(X, colours)
    assert fitted.predict(X).shape == (24, 3)
    assert fitted.history_["loss"][-1] < fitted.history_["loss"][0]
    assert moved(fitted) == STEM | BLOCK
