"""Augmentations that choose from a list of changes, so that there is little or nothing to tune."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np

from sktransfer._validation import Interval, StrOptions
from sktransfer.images._augmentation_base import Augmentation
from sktransfer.images._draws import uniforms
from sktransfer.images._operations import OPERATIONS, SPACES, apply_operations
from sktransfer.images._photometry import check_rgb
from sktransfer.images._warp import FILL_MODES

__all__ = ["RandAugment", "TrivialAugment"]

# Strengths go from 0 to 1 in this many steps; the papers'.
_STEPS = 30

_FILL_CONSTRAINTS = {
    "fill_mode": [StrOptions(set(FILL_MODES))],
    "fill_value": [Interval(Real, 0, 255, closed="both")],
}


class TrivialAugment(Augmentation):
    """One change of a list for each image, of a random strength: nothing to tune.

    For each image one of 14 changes is drawn (none, auto contrast, equalize, rotate, solarize,
    color, posterize, contrast, brightness, sharpness, shear and translate along x and y), a
    strength from 31 steps, and a direction; all of them uniformly [1]_.

    Parameters
    ----------
    space : {"wide", "standard"}, default="wide"
        Ranges of the changes, at full strength (see Notes). "wide" is the paper's choice.
    fill_mode : {"constant", "nearest", "reflect", "wrap"}, default="constant"
        What fills the points beyond the border: `fill_value`, the nearest pixel, the mirrored
        image, or the image again.
    fill_value : float, default=0.0
        The fill of "constant", 0 to 255; the paper's is black.

    See Also
    --------
    RandAugment : Several changes from the same list, of a strength to be tuned.
    AugmentationSequence : Puts flips and crops before it, as the paper does.

    Notes
    -----
    ============================== ====================== =======================
    Change                         "wide"                 "standard"
    ============================== ====================== =======================
    rotate                         up to 135 degrees      up to 30 degrees
    shear x, y                     factor up to 0.99      factor up to 0.3
    translate x, y                 up to 32 pixels        up to 150 / 331 of side
    color, contrast, brightness,   factor within          factor within
    sharpness                      1 - 0.99 .. 1 + 0.99   1 - 0.9 .. 1 + 0.9
    posterize                      8 to 2 bits            8 to 4 bits
    solarize                       pixels from 256 .. 0   pixels from 256 .. 0
    ============================== ====================== =======================

    The changes of light and colour are those of Pillow's ``ImageOps`` and ``ImageEnhance``, without
    rounding to whole numbers except in equalize and posterize. Images are resampled bilinearly, all
    of the batch in one warp, where the paper takes the nearest pixel.

    References
    ----------
    .. [1] Müller and Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation",
           ICCV 2021, arXiv:2103.10158.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.images import TrivialAugment
    >>> images = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    >>> TrivialAugment().augment(images, seed=0, ids=[0, 1]).shape
    (2, 4, 6, 3)
    """

    _parameter_constraints = {"space": [StrOptions(set(SPACES))], **_FILL_CONSTRAINTS}

    needs_pixel_range = True

    def __init__(self, space: str = "wide", fill_mode: str = "constant", fill_value: float = 0.0):
        self.space = space
        self.fill_mode = fill_mode
        self.fill_value = fill_value

    def _augment(self, images: np.ndarray, seed: int, ids: np.ndarray) -> np.ndarray:
        check_rgb(images)
        operation, step, sign = uniforms(seed, ids, 3)
        return apply_operations(
            images,
            _choices(operation, len(OPERATIONS)),
            _choices(step, _STEPS + 1) / _STEPS,
            _signs(sign),
            space=self.space,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
        )


class RandAugment(Augmentation):
    """Several changes of a list for each image, one after another, of one common strength.

    Each change is drawn from the list of `TrivialAugment`, uniformly and whatever was drawn before,
    with a direction for each [1]_.

    Parameters
    ----------
    n_ops : int, default=2
        Number of changes, at least 1.
    magnitude : float, default=9
        Strength of all changes, 0 to 30, where 30 is the largest of the "standard" ranges of
        `TrivialAugment`, which are those of AutoAugment [2]_.
    fill_mode : {"constant", "nearest", "reflect", "wrap"}, default="constant"
        What fills the points beyond the border: `fill_value`, the nearest pixel, the mirrored
        image, or the image again.
    fill_value : float, default=0.0
        The fill of "constant", 0 to 255.

    See Also
    --------
    TrivialAugment : One change, of a random strength; lists the changes and their ranges.

    Notes
    -----
    The magnitude's scale is torchvision's. With some other implementations 10 is the largest: what
    is 9 with them is 27 here.

    References
    ----------
    .. [1] Cubuk et al., "RandAugment: Practical Automated Data Augmentation with a Reduced Search
           Space", NeurIPS 2020, arXiv:1909.13719.
    .. [2] Cubuk et al., "AutoAugment: Learning Augmentation Strategies from Data", CVPR 2019,
           arXiv:1805.09501.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.images import RandAugment
    >>> images = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    >>> RandAugment(n_ops=3, magnitude=15).augment(images, seed=0, ids=[0, 1]).shape
    (2, 4, 6, 3)
    """

    _parameter_constraints = {
        "n_ops": [Interval(Integral, 1, None, closed="left")],
        "magnitude": [Interval(Real, 0, _STEPS, closed="both")],
        **_FILL_CONSTRAINTS,
    }

    needs_pixel_range = True

    def __init__(
        self,
        n_ops: int = 2,
        magnitude: float = 9,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
    ):
        self.n_ops = n_ops
        self.magnitude = magnitude
        self.fill_mode = fill_mode
        self.fill_value = fill_value

    def _augment(self, images: np.ndarray, seed: int, ids: np.ndarray) -> np.ndarray:
        check_rgb(images)
        strengths = np.full(len(images), self.magnitude / _STEPS)
        for operation, sign in uniforms(seed, ids, 2 * self.n_ops).reshape(self.n_ops, 2, -1):
            images = apply_operations(
                images,
                _choices(operation, len(OPERATIONS)),
                strengths,
                _signs(sign),
                space="standard",
                fill_mode=self.fill_mode,
                fill_value=self.fill_value,
            )
        return images


def _choices(uniform: np.ndarray, n: int) -> np.ndarray:
    """Turn numbers in [0, 1) into 0 to n - 1, each as likely as another."""
    return (uniform * n).astype(np.intp)


def _signs(uniform: np.ndarray) -> np.ndarray:
    """Turn numbers in [0, 1) into 1 and -1."""
    return np.where(uniform < 0.5, 1.0, -1.0)
