"""Ranking backbones: tiny networks of random weights, and real ones where they are at hand."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import LabelEncoder

from sktransfer import BackboneFeatures
from sktransfer._errors import MissingWeightsError
from sktransfer.backbones import _extraction, _registry, _weights
from sktransfer.backbones._registry import WeightsFile
from sktransfer.cache import memory_store
from sktransfer.selection import h_score, log_me, rank_backbones
from sktransfer.selection._ranking import METRICS, consensus
from tests._tiny_backbones import registered, tiny_spec

CHEAP = {"weights": None, "input_size": 16, "metrics": ["log_me", "h_score"]}
TINY = ["tiny_blind", "tiny_ranked"]


def build_tiny(include_top, weights, input_shape):
    images = keras.Input(input_shape)
    return keras.Model(images, keras.layers.Conv2D(12, 3, 2, activation="relu")(images))


def build_blind(include_top, weights, input_shape):
    """A network that sees nothing but the brightness of a single pixel's red."""
    images = keras.Input(input_shape)
    corner = keras.layers.Cropping2D(((0, input_shape[0] - 1), (0, input_shape[1] - 1)))(images)
    return keras.Model(images, keras.layers.Conv2D(12, 1, use_bias=False)(corner[..., :1]))


@pytest.fixture(scope="module", autouse=True)
def tiny_backbones():
    """Register "tiny_ranked", which sees the images, and "tiny_blind" while these tests run."""
    tiny = tiny_spec(
        "tiny_ranked",
        f"{__name__}:build_tiny",
        n_features=12,
        n_parameters=336,
        last_block="conv2d",
        weights=WeightsFile("tiny_ranked.weights.h5", None, None, "md5"),
    )
    blind = replace(
        tiny,
        name="tiny_blind",
        builder=f"{__name__}:build_blind",
        weights=None,
        min_size=12,
        recommended_size=12,
        n_parameters=12,
    )
    with registered(tiny, blind):
        yield


@pytest.fixture
def extracted(monkeypatch) -> list[int]:
    """The numbers of images of each batch that goes through a network; the cache is emptied."""
    batches = []

    def counted(run, rows, batch_size):
        batches.append(len(rows))
        return run_padded(run, rows, batch_size)

    run_padded = _extraction.run_padded
    monkeypatch.setattr(_extraction, "run_padded", counted)
    memory_store().clear()
    yield batches
    memory_store().clear()


@pytest.fixture
def nothing_at_hand(monkeypatch, tmp_path):
    """No weights on this machine, in a registry of the tiny backbones, and no way to get any."""

    def no_download(*arguments):
        raise AssertionError("nothing may be downloaded")

    tiny = {name: _registry._REGISTRY[name] for name in TINY}
    monkeypatch.setattr(_registry, "_REGISTRY", tiny)
    monkeypatch.setattr(_weights, "_fetch", no_download)
    monkeypatch.setenv("SKTRANSFER_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path


# The table -------------------------------------------------------------------------------------


def test_one_row_a_backbone_the_best_first(small_images, small_labels):
    ranking = rank_backbones(small_images, small_labels, TINY, **CHEAP)
    assert list(ranking.index) == ["tiny_ranked", "tiny_blind"]
    assert ranking.index.name == "backbone"
    assert list(ranking.columns) == [
        *("log_me", "h_score", "consensus"),
        *("seconds", "images_per_second", "parameters"),
    ]
    assert ranking["consensus"].tolist() == [1.0, 0.0]
    assert ranking["parameters"].tolist() == [336, 12]
    assert (ranking["seconds"] > 0).all()
    np.testing.assert_allclose(ranking["images_per_second"] * ranking["seconds"], 24)


def test_scores_are_those_of_the_features(small_images, small_labels):
    weights = np.random.RandomState(3)
    seed = int(weights.randint(2**31 - 1))
    features = BackboneFeatures("tiny_ranked", weights=None, input_size=16, random_state=seed)
    rows = features.fit_transform(small_images)
    ranking = rank_backbones(small_images, small_labels, ["tiny_ranked"], **CHEAP, random_state=3)
    assert ranking.loc["tiny_ranked", "log_me"] == log_me(rows, small_labels)
    assert ranking.loc["tiny_ranked", "h_score"] == h_score(rows, small_labels)
    assert ranking.loc["tiny_ranked", "consensus"] == 1.0


def test_all_scores_by_default(small_images, small_labels):
    settings = {**CHEAP, "metrics": None}
    ranking = rank_backbones(small_images, small_labels, TINY, **settings)
    assert list(ranking.columns[: len(METRICS)]) == list(METRICS)
    assert ranking.notna().all(axis=None)
    assert ranking.index[0] == "tiny_ranked"


@pytest.mark.parametrize("random_state", [5, "instance"])
def test_the_same_again(small_images, small_labels, random_state):
    def ranked():
        state = np.random.RandomState(0) if random_state == "instance" else random_state
        settings = {**CHEAP, "metrics": None, "max_samples": 18, "cache": None}
        ranking = rank_backbones(small_images, small_labels, TINY, **settings, random_state=state)
        return ranking[[*METRICS, "consensus"]]

    pd.testing.assert_frame_equal(ranked(), ranked())


def test_consensus_is_the_share_of_others_that_are_beaten():
    scores = pd.DataFrame({"one": [3, 2, 1], "two": [0.5, 0.9, 0.5]}, index=["a", "b", "c"])
    expected = {"a": (1 + 0.25) / 2, "b": (0.5 + 1) / 2, "c": (0 + 0.25) / 2}
    assert consensus(scores).to_dict() == pytest.approx(expected)


# Images ----------------------------------------------------------------------------------------


def test_the_cache_serves_what_was_extracted(extracted, small_images, small_labels):
    first = rank_backbones(small_images, small_labels, TINY, **CHEAP)
    assert sum(extracted) == 2 * len(small_images)
    again = rank_backbones(small_images, small_labels, TINY[::-1], **CHEAP)
    assert sum(extracted) == 2 * len(small_images)
    pd.testing.assert_frame_equal(
        first[["log_me", "h_score"]], again[["log_me", "h_score"]], check_exact=True
    )
    rank_backbones(small_images, small_labels, ["tiny_ranked"], **CHEAP, cache=None)
    assert sum(extracted) == 3 * len(small_images)


def test_a_sample_is_stratified(monkeypatch, small_images, small_labels):
    seen = []

    def remember(features, y, seed):
        seen.append(y)
        return 0.0

    monkeypatch.setitem(METRICS, "log_me", remember)
    X, y = np.concatenate([small_images] * 2), np.concatenate([small_labels] * 2)
    rank_backbones(X, y, ["tiny_ranked"], **CHEAP, max_samples=12)
    rank_backbones(X, y, ["tiny_ranked"], **CHEAP, max_samples=None)
    rank_backbones(X, y, ["tiny_ranked"], **CHEAP, max_samples=48)
    assert [len(classes) for classes in seen] == [12, 48, 48]
    assert np.unique(seen[0], return_counts=True)[1].tolist() == [4, 4, 4]
    np.testing.assert_array_equal(seen[1], y)
    np.testing.assert_array_equal(seen[2], y)


@pytest.mark.parametrize("kind", ["list", "frame of rows", "Series of classes"])
def test_images_of_all_kinds(kind, small_images, small_labels):
    X, y, settings = small_images, small_labels, CHEAP
    if kind == "list":
        X = list(small_images)
    elif kind == "frame of rows":
        X, settings = (
            pd.DataFrame(small_images.reshape(24, -1)),
            {**CHEAP, "image_shape": (16, -1, 3)},
        )
    else:
        y = pd.Series(small_labels, index=np.arange(24)[::-1])
    ranking = rank_backbones(X, y, TINY, **settings, max_samples=18)
    expected = rank_backbones(small_images, small_labels, TINY, **CHEAP, max_samples=18)
    pd.testing.assert_frame_equal(ranking[["log_me", "h_score"]], expected[["log_me", "h_score"]])


def test_numbers_as_classes(small_images, small_labels):
    codes = LabelEncoder().fit_transform(small_labels)
    ranking = rank_backbones(small_images, codes, TINY, **CHEAP)
    assert list(ranking.index) == ["tiny_ranked", "tiny_blind"]


# Which backbones -------------------------------------------------------------------------------


def test_without_names_those_whose_weights_are_at_hand(nothing_at_hand, small_images, small_labels):
    network = _registry.get_backbone("tiny_ranked").build((16, 16, 3))
    network.save_weights(nothing_at_hand / "tiny_ranked.weights.h5")
    ranking = rank_backbones(small_images, small_labels, metrics=["h_score"])
    assert list(ranking.index) == ["tiny_ranked"]


def test_without_names_and_weights_it_says_what_to_do(nothing_at_hand, small_images, small_labels):
    with pytest.raises(MissingWeightsError, match="there are none: name backbones"):
        rank_backbones(small_images, small_labels)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbones": ["tiny_ranked", "tiny_blnd"]}, "Unknown backbone 'tiny_blnd'.*tiny_blind"),
        ({"backbones": "tiny_ranked"}, "backbones must be a list of one or more different names"),
        ({"backbones": []}, r"backbones must be a list of .*got \[\]"),
        ({"backbones": ["tiny_ranked"] * 2}, "backbones must be a list of .* different names"),
        ({"backbones": None}, "with weights=None, name the backbones"),
        ({"metrics": ["log_mee"]}, "Unknown metric 'log_mee'; did you mean 'log_me'"),
        ({"metrics": []}, "metrics must be a list of one or more"),
        ({"metrics": "log_me"}, "metrics must be a list of one or more"),
        ({"input_size": 8}, "input_size=8 is smaller than tiny_blind takes: at least 12"),
        ({"input_size": "big"}, "input_size"),
        ({"pooling": "median"}, "'pooling' parameter"),
        ({"max_samples": 3}, "max_samples == 3, must be >= 4"),
        ({"pixel_range": (0, 1)}, "pixel_range"),
        ({"weights": "imagenet"}, "weights of backbone 'tiny_ranked' are not on this machine"),
        ({"weights": "imagenet", "backbones": TINY}, "'tiny_blind' has no ImageNet weights"),
        ({"weights": "none.h5"}, "weights must be .* for several backbones, got 'none.h5'"),
        (
            {"weights": "none.h5", "backbones": ["tiny_ranked"]},
            "weights='none.h5': there is no such file",
        ),
    ],
)
def test_refused_before_anything_is_extracted(
    extracted, small_images, small_labels, settings, message
):
    parameters = {"backbones": ["tiny_ranked", "tiny_blind"], **CHEAP, **settings}
    with pytest.raises(ValueError, match=message):
        rank_backbones(small_images, small_labels, **parameters)
    assert extracted == []


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["sky"] * 24, "y must hold at least two classes"),
        (["sky", "sea"] * 11, "X has 24 samples, but y has 22"),
        (np.linspace(0, 1, 24), "continuous"),
    ],
)
def test_classes_are_refused_before_anything_is_extracted(extracted, small_images, y, message):
    with pytest.raises(ValueError, match=message):
        rank_backbones(small_images, y, TINY, **CHEAP)
    assert extracted == []


# Real weights ----------------------------------------------------------------------------------


def test_real_features_rank_above_a_blind_network(photo_patches, shared_weights_dir, monkeypatch):
    monkeypatch.setenv("SKTRANSFER_WEIGHTS", str(shared_weights_dir))
    ranking = rank_backbones(photo_patches.X_train, photo_patches.y_train, input_size=48)
    assert {"vgg16", "mobilenet"} <= {*ranking.index}
    assert "tiny_blind" not in ranking.index
    assert ranking["consensus"].is_monotonic_decreasing
    # MobileNet's last map is a single position of 48 pixels, and mostly padding.
    assert ranking.index[-1] == "mobilenet"
    assert ranking.loc["vgg16", "knn_accuracy"] > 0.5
