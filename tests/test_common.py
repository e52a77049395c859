"""One list of checks over all estimators: scikit-learn's own, and what images ask for beyond it."""

from __future__ import annotations

import copy
import hashlib
import io
import pickle
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

import joblib
import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

import sktransfer
from tests._tiny_backbones import registered, tiny_spec

ROOT = Path(__file__).resolve().parents[1]

# Rows of numbers stand for images one pixel high: that is how scikit-learn's checks, which know
# rows only, reach the image estimators instead of skipping them.
ROWS = {"image_shape": (1, -1, 1), "pixel_range": None, "input_size": 8}
TINY = {"backbone": "tiny_common", "weights": None, "random_state": 0}
TTA = {
    "augmentation": sktransfer.ImageAugmentation(width_shift=0.02),
    "image_shape": (1, -1, 1),
    "pixel_range": None,
    "n_views": 3,
    "random_state": 0,
}
FAST = {"hidden_layer_sizes": (16,), "epochs": 25, "learning_rate": 0.02, "random_state": 0}

EXPECTED_FAILURES = {
    "check_mixin_order": "scikeras' classes, which are bases by design, have mixins on the right",
    "check_estimator_tags_renamed": "scikeras defines _more_tags for older scikit-learn, too",
    "check_sample_weight_equivalence_on_dense_data": (
        "minibatches differ when rows are repeated; scikit-learn expects it of its MLP, too"
    ),
}
LEAVING_OUT_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "a row is left out with all of its weight, of repeated rows one, and the others tell of it"
    ),
}


def build_tiny(include_top, weights, input_shape):
    images = keras.Input(input_shape)
    tensor = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="stem")(images)
    tensor = keras.layers.BatchNormalization(name="stem_bn")(tensor)
    tensor = keras.layers.Conv2D(24, 3, padding="same", activation="tanh", name="block")(tensor)
    return keras.Model(images, tensor)


@pytest.fixture(scope="module", autouse=True)
def tiny_backbone():
    """Register a network of 2,000 parameters while these tests run."""
    spec = tiny_spec(
        "tiny_common",
        f"{__name__}:build_tiny",
        n_features=24,
        n_parameters=2008,
        last_block="block",
    )
    with registered(spec):
        yield


def expected_failures(estimator) -> dict[str, str]:
    """Allow networks what scikeras' bases bring about, and probes what leaving out rows does."""
    if hasattr(estimator, "partial_fit"):
        return EXPECTED_FAILURES
    leaves_out = isinstance(estimator, sktransfer.RidgeProbe) or "C='auto'" in repr(estimator)
    return LEAVING_OUT_FAILURES if leaves_out else {}


@parametrize_with_checks(
    [
        sktransfer.DenseHead(**FAST),
        sktransfer.DenseHeadRegressor(**FAST),
        sktransfer.LinearProbe(C=1.0),
        sktransfer.LinearProbe(C="auto", random_state=0),
        sktransfer.RidgeProbe(),
        sktransfer.LDAProbe(),
        sktransfer.KNNProbe(),
        sktransfer.BackboneFeatures(**TINY, **ROWS),
        sktransfer.ConvNetClassifier(1, filters=8, **FAST, **ROWS),
        sktransfer.FineTuneClassifier(**{**TINY, **FAST, **ROWS}),
        sktransfer.FineTuneClassifier(unfreeze="all", **{**TINY, **FAST, **ROWS}),
        sktransfer.FineTuneRegressor(pooling="flatten", **{**TINY, **FAST, **ROWS}),
        sktransfer.TTAClassifier(LogisticRegression(), **TTA),
        sktransfer.TTARegressor(Ridge(), **TTA),
        sktransfer.ImageReader(),
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn(estimator, check):
    check(estimator)


AUGMENTATION = sktransfer.ImageAugmentation(rotation=10, horizontal_flip=True)
TRAINED = {"epochs": 2, "random_state": 0}
IMAGE_ESTIMATORS = {
    "features": sktransfer.BackboneFeatures(**TINY),
    "convnet": sktransfer.ConvNetClassifier(1, filters=4, hidden_layer_sizes=(8,), **TRAINED),
    "convnet augmented": sktransfer.ConvNetClassifier(
        1, filters=4, hidden_layer_sizes=(8,), augmentation=AUGMENTATION, **TRAINED
    ),
    "head": sktransfer.FineTuneClassifier(**{**TINY, **TRAINED}),
    "head augmented": sktransfer.FineTuneClassifier(
        augmentation=AUGMENTATION, dropout=0.2, hidden_layer_sizes=(8,), **{**TINY, **TRAINED}
    ),
    "head views": sktransfer.FineTuneClassifier(
        augmentation=AUGMENTATION, frozen_views=2, **{**TINY, **TRAINED}
    ),
    "fine-tuned": sktransfer.FineTuneClassifier(
        unfreeze="all", batch_norm="train", augmentation=AUGMENTATION, **{**TINY, **TRAINED}
    ),
    "regressor": sktransfer.FineTuneRegressor(unfreeze="last_block", **{**TINY, **TRAINED}),
}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Twelve images of smooth colours, which JPEG keeps well enough."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (12, 4, 4, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(image).resize((16, 16))) for image in coarse])


def targets(estimator, n: int) -> np.ndarray:
    """Make labels, or numbers for a regressor."""
    return np.linspace(0, 1, n) if is_regressor(estimator) else np.array(["cat", "dog"] * (n // 2))


def answer(estimator, X) -> np.ndarray:
    """Return what an estimator says of images, as numbers."""
    if is_classifier(estimator):
        return estimator.predict_proba(X)
    return estimator.predict(X) if is_regressor(estimator) else estimator.transform(X)


@pytest.fixture(scope="module", params=list(IMAGE_ESTIMATORS))
def fitted(request, tiny_backbone, images):
    """Each image estimator, fitted on uint8 arrays."""
    estimator = clone(IMAGE_ESTIMATORS[request.param])
    return estimator.fit(images, targets(estimator, len(images)))


def encoded(image: np.ndarray, **how) -> bytes:
    """Encode an image as the bytes of a file."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, **how)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("pixel_range", "convert"),
    [
        ((0, 1), lambda X: X / 255),
        ((0, 1), lambda X: (X / 255).astype(np.float32)),
        ((0, 255), lambda X: X.astype(float)),
        ("auto", lambda X: X.astype(int)),
        ("auto", lambda X: [encoded(image, format="PNG") for image in X]),
        ("auto", lambda X: [Image.fromarray(image) for image in X]),
        ("auto", list),
    ],
    ids=["0..1", "float32", "0..255", "int", "bytes", "pillow", "list of arrays"],
)
def test_the_kind_of_input_does_not_matter(fitted, images, pixel_range, convert):
    declared = copy.deepcopy(fitted).set_params(pixel_range=pixel_range)

    found = answer(declared, convert(images))

    np.testing.assert_allclose(found, answer(fitted, images), rtol=1e-4, atol=1e-5)


def test_flat_rows_are_images(fitted, images):
    estimator = clone(fitted).set_params(image_shape=(16, -1, 3))
    rows = images.reshape(len(images), -1)
    estimator.fit(rows, targets(fitted, len(images)))

    np.testing.assert_array_equal(answer(estimator, rows), answer(fitted, images))
    assert estimator.n_features_in_ == 16 * 16 * 3


def test_grey_is_three_equal_channels(fitted, images):
    grey = images[..., 0]

    found = answer(fitted, grey)

    np.testing.assert_array_equal(found, answer(fitted, grey[..., None]))
    np.testing.assert_array_equal(found, answer(fitted, np.repeat(grey[..., None], 3, axis=-1)))


def test_files_are_what_is_in_them(fitted, images, tmp_path):
    paths = [tmp_path / f"{position}.jpg" for position in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(encoded(image, format="JPEG"))
    decoded = np.stack([np.asarray(Image.open(path)) for path in paths])

    np.testing.assert_array_equal(answer(fitted, paths), answer(fitted, decoded))
    on_files = clone(fitted).fit(paths, targets(fitted, len(images)))
    on_arrays = clone(fitted).fit(decoded, targets(fitted, len(images)))
    np.testing.assert_array_equal(answer(on_files, paths), answer(on_arrays, paths))


def test_images_are_not_changed(fitted, images):
    before = images.copy()

    clone(fitted).fit(images, targets(fitted, len(images)))

    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("name", ["features", "convnet augmented", "fine-tuned"])
def test_images_are_not_copied_as_a_whole(name):
    X = np.zeros((4000, 32, 32, 3), dtype=np.uint8)
    X[:, 0, 0, 0] = np.arange(4000) % 251
    estimator = clone(IMAGE_ESTIMATORS[name])
    if hasattr(estimator, "epochs"):
        estimator.set_params(epochs=1, batch_size=64)
    y = targets(estimator, len(X))
    estimator.fit(X[:500], y[:500])  # what is imported and traced the first time is no copy

    tracemalloc.start()
    estimator.fit(X, y)
    answer(estimator, X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < X.nbytes / 2


def test_copies_give_the_same_bits(fitted, images, tmp_path):
    expected = answer(fitted, images)
    joblib.dump(fitted, tmp_path / "estimator.joblib")

    for twin in (
        pickle.loads(pickle.dumps(fitted)),
        joblib.load(tmp_path / "estimator.joblib"),
        copy.deepcopy(fitted),
    ):
        np.testing.assert_array_equal(answer(twin, images), expected)


def test_a_clone_is_fitted_to_the_same_bits(fitted, images):
    again = clone(fitted).fit(images, targets(fitted, len(images)))

    np.testing.assert_array_equal(answer(again, images), answer(fitted, images))


def test_an_answer_does_not_depend_on_the_other_images(fitted, images):
    together = answer(fitted, images)

    np.testing.assert_array_equal(answer(fitted, images[3:4]), together[3:4])
    np.testing.assert_array_equal(answer(fitted, images[::-1]), together[::-1])


def test_images_of_another_size_are_refused_unless_the_size_was_chosen(fitted, images):
    with pytest.raises(ValueError, match=r"\(8, 16\).*fitted on images of \(16, 16\)"):
        answer(fitted, images[:, :8])

    resizing = clone(fitted).set_params(input_size=16).fit(images, targets(fitted, len(images)))
    assert len(answer(resizing, images[:, :8])) == len(images)


FITS_ELSEWHERE = """
    import hashlib
    import numpy as np
    import sktransfer

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    labels = np.array(["cat", "dog"] * 6)
    random = {"random_state": 0, "epochs": 2}
    network = {"backbone": "mobilenet", "weights": None, "input_size": 32}
    augmentation = sktransfer.ImageAugmentation.preset("standard")
    features = sktransfer.BackboneFeatures(**network, random_state=0).fit_transform(images)
    answers = [
        features,
        sktransfer.DenseHead((8,), dropout=0.5, **random).fit(features, labels)
        .predict_proba(features),
        sktransfer.ConvNetClassifier(augmentation=augmentation, conv_dropout=0.2, **random)
        .fit(images, labels).predict_proba(images),
        sktransfer.FineTuneClassifier(unfreeze="all", augmentation=augmentation, **network,
        **random).fit(images, labels).predict_proba(images),
    ]
    print([hashlib.sha256(values.tobytes()).hexdigest() for values in answers])
"""


def test_a_new_process_fits_to_the_same_bits():
    script = textwrap.dedent(FITS_ELSEWHERE)
    here = io.StringIO()
    exec(script, {"print": lambda *values: print(*values, file=here)})

    there = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert there.stdout.splitlines()[-1] == here.getvalue().splitlines()[-1]
    assert len(hashlib.sha256().hexdigest()) * 4 < len(here.getvalue())
