"""Patches of the photographs that come inside scikit-learn and scikit-image."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from sklearn.datasets import load_sample_images
from sklearn.utils import Bunch, check_random_state, check_scalar
from sklearn.utils.random import sample_without_replacement

__all__ = ["load_photo_patches"]

# Those that are in the wheel itself: scikit-image downloads its other pictures.
_SCIKIT_IMAGE_PHOTOGRAPHS = (
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "page",
    "retina",
    "rocket",
)

# Shares of a photograph's width, from the left; what lies between them is used by neither.
_TRAIN_ENDS = 0.60
_TEST_BEGINS = 0.62

_DESCR = """\
Photo patches
-------------
Square patches cut at random from {n_classes} photographs that are distributed with scikit-learn
and scikit-image. The label of a patch is the name of its photograph. Training patches come from
the left {train:.0%} of each photograph and test patches from the right {test:.0%}: no pixel is in
both. They still show the same scene under the same light, so scores flatter: they compare
methods, and do not tell how well a method knows new photographs.

:Classes: {n_classes} ({names})
:Training patches: {train_per_class} a class
:Test patches: {test_per_class} a class
:Patch: {size} x {size} pixels, RGB, uint8 (grey photographs repeated in all three channels)
"""


def load_photo_patches(
    *,
    size: int = 48,
    train_per_class: int = 60,
    test_per_class: int = 40,
    random_state: int | np.random.RandomState | None = 0,
) -> Bunch:
    """Cut a small image classification task out of packaged photographs, without a download.

    The task is to tell from which of 17 real photographs (bricks, a cat, a rocket, a page of
    text, ...) a patch was cut. Training patches come from the left 60 % of each photograph and
    test patches from the right 38 %, so that no pixel is in both. Both still show the same
    scene: scores flatter. Use them to compare methods, not as a measure of how well a method
    would do on new photographs.

    Parameters
    ----------
    size : int, default=48
        Height and width of a patch in pixels.
    train_per_class, test_per_class : int, default=60 and 40
        Patches cut from each photograph. Patches of one part may overlap, but no two are equal
        in position.
    random_state : int, RandomState instance or None, default=0
        Where the patches are cut. The test patches for one seed are the same whatever
        `train_per_class` is.

    Returns
    -------
    Bunch
        With the keys

        - ``X_train``, ``X_test``: uint8 arrays of shape (n, size, size, 3), values 0 to 255,
        - ``y_train``, ``y_test``: str arrays of shape (n,), the names of the photographs,
        - ``target_names``: sorted list of str,
        - ``DESCR``: str.

        Patches are sorted by class: shuffle before taking the first or the last ones.

    Raises
    ------
    ImportError
        If scikit-image is not installed.
    ValueError
        If a photograph is too small for so many different patches of that size.

    Examples
    --------
    >>> from sktransfer.datasets import load_photo_patches
    >>> patches = load_photo_patches(train_per_class=20, test_per_class=5)
    >>> patches.X_train.shape, patches.X_test.shape
    ((340, 48, 48, 3), (85, 48, 48, 3))
    >>> patches.target_names[:3]
    ['astronaut', 'brick', 'camera']
    """
    check_scalar(size, "size", Integral, min_val=1)
    check_scalar(train_per_class, "train_per_class", Integral, min_val=1)
    check_scalar(test_per_class, "test_per_class", Integral, min_val=1)
    rng = check_random_state(random_state)

    photographs = _photographs()
    # The test patches come first, so that they do not depend on the number of training patches.
    right, left = _strips(photographs, _TEST_BEGINS, 1), _strips(photographs, 0, _TRAIN_ENDS)
    X_test, y_test = _cut_all(right, size, test_per_class, rng)
    X_train, y_train = _cut_all(left, size, train_per_class, rng)
    return Bunch(
        X_train=X_train,
        y_train=y_train,
        X_test=X_test,
        y_test=y_test,
        target_names=list(photographs),
        DESCR=_DESCR.format(
            n_classes=len(photographs),
            names=", ".join(photographs),
            train=_TRAIN_ENDS,
            test=1 - _TEST_BEGINS,
            train_per_class=train_per_class,
            test_per_class=test_per_class,
            size=size,
        ),
    )


def _photographs() -> dict[str, np.ndarray]:
    """Read the photographs, uint8 (h, w, 3), sorted by name."""
    try:
        from skimage import data
    except ImportError as error:
        raise ImportError(
            "load_photo_patches needs the photographs of scikit-image: "
            'pip install "sktransfer[demo]"'
        ) from error

    photographs = {name: getattr(data, name)() for name in _SCIKIT_IMAGE_PHOTOGRAPHS}
    photographs["motorcycle"] = data.stereo_motorcycle()[0]
    china, flower = load_sample_images().images
    photographs |= {"china": china, "flower": flower}
    return {name: _as_rgb(photographs[name]) for name in sorted(photographs)}


def _as_rgb(photograph: np.ndarray) -> np.ndarray:
    """Repeat a grey photograph in three channels."""
    if photograph.ndim == 2:
        return np.repeat(photograph[..., np.newaxis], 3, axis=2)
    return photograph


def _strips(photographs: dict[str, np.ndarray], begin: float, end: float) -> dict[str, np.ndarray]:
    """Return the columns between two shares of each photograph's width."""
    return {
        name: photograph[:, int(begin * photograph.shape[1]) : int(end * photograph.shape[1])]
        for name, photograph in photographs.items()
    }


def _cut_all(
    strips: dict[str, np.ndarray], size: int, per_class: int, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Cut `per_class` patches from each strip, and label them."""
    patches = [_cut(name, strip, size, per_class, rng) for name, strip in strips.items()]
    return np.concatenate(patches), np.repeat(list(strips), per_class)


def _cut(
    name: str, strip: np.ndarray, size: int, count: int, rng: np.random.RandomState
) -> np.ndarray:
    """Cut `count` patches at different positions in one strip of the photograph `name`."""
    rows, columns = (max(0, length - size + 1) for length in strip.shape[:2])
    if count > rows * columns:
        raise ValueError(
            f"size={size} with {count} patches a class does not fit: the {strip.shape[0]} x "
            f"{strip.shape[1]} pixels of {name!r} hold {rows * columns} different patches"
        )
    corners = sample_without_replacement(rows * columns, count, random_state=rng)
    tops, lefts = np.unravel_index(corners, (rows, columns))
    return np.stack(
        [strip[top : top + size, left : left + size] for top, left in zip(tops, lefts, strict=True)]
    )
