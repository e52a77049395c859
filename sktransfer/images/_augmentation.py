"""Random changes to training images: which, how strong, and the same ones for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from sktransfer._errors import unknown_name
from sktransfer._validation import Interval, StrOptions
from sktransfer.images._affine import (
    about,
    centre,
    composed,
    in_pixels,
    linear,
    rotations,
    upper_left,
)
from sktransfer.images._augmentation_base import Augmentation
from sktransfer.images._draws import between, uniforms
from sktransfer.images._photometry import change_hue, change_saturation, check_rgb, per_image
from sktransfer.images._rectangles import masks, rectangle_sides, starts
from sktransfer.images._warp import FILL_MODES, affine_warp

__all__ = ["PRESETS", "ImageAugmentation"]

PRESETS: dict[str, dict[str, Any]] = {
    # The one of the CIFAR-10 study; the shear is in degrees, so there is hardly any.
    "study": {
        "rotation": 45,
        "width_shift": 0.3,
        "height_shift": 0.25,
        "shear": 0.25,
        "zoom": 0.25,
        "horizontal_flip": True,
        "fill_mode": "nearest",
    },
    # The usual flips and crops of CIFAR-10 (4 pixels of 32): nearly free of harm for photographs.
    "light": {
        "width_shift": 0.125,
        "height_shift": 0.125,
        "horizontal_flip": True,
        "fill_mode": "reflect",
    },
    # Adds what a hand-held camera and daylight vary; for most collections of photographs.
    "standard": {
        "rotation": 15,
        "width_shift": 0.125,
        "height_shift": 0.125,
        "zoom": 0.1,
        "horizontal_flip": True,
        "brightness": 0.2,
        "contrast": 0.2,
        "fill_mode": "reflect",
    },
    # For few images and long training: views may be hard to recognise, overfitting is worse.
    "strong": {
        "rotation": 30,
        "width_shift": 0.2,
        "height_shift": 0.2,
        "shear": 10,
        "zoom": 0.3,
        "horizontal_flip": True,
        "brightness": 0.4,
        "contrast": 0.4,
        "fill_mode": "reflect",
    },
}

# An image's random numbers, by position: to switch one change on leaves the other draws as they
# were, and to reorder the list would change every seeded result. New ones go to the end.
_DRAWS = (
    "rotation",
    "width_shift",
    "height_shift",
    "shear",
    "zoom_x",
    "zoom_y",
    "horizontal_flip",
    "vertical_flip",
    "brightness",
    "contrast",
    "crop_area",
    "crop_ratio",
    "crop_x",
    "crop_y",
    "saturation",
    "hue",
    "erasing",
    "erasing_area",
    "erasing_ratio",
    "erasing_x",
    "erasing_y",
)

# Width to height of erased rectangles; the paper's.
_ERASING_RATIO = (0.3, 1 / 0.3)


class ImageAugmentation(Augmentation):
    """Random changes of geometry, light and colour to images, drawn anew for each (seed, id).

    Crop, rotation, shifts, shear, zoom and flips are composed into one affine map for each image
    and carried out by one bilinear warp of the whole batch, so images are resampled once. Then come
    brightness, contrast, saturation and hue, and at last erasing. Each draw depends on nothing but
    `seed` and the image's id, never on the rest of the batch, and is uniform where nothing else is
    said.

    Parameters
    ----------
    rotation : float, default=0.0
        Largest angle in degrees, 0 to 180: drawn from [-rotation, rotation].
    width_shift, height_shift : float, default=0.0
        Largest shift sideways and up or down, as a fraction of the image's width and height; from
        1 on, in pixels. Drawn from [-shift, shift].
    shear : float, default=0.0
        Largest shear angle in **degrees**, from 0 to below 90: drawn from [-shear, shear].
    zoom : float, default=0.0
        From 0 to below 1: the width and the height of what is shown, relative to the image's, are
        drawn each on its own from [1 - zoom, 1 + zoom]. Less than 1 enlarges.
    horizontal_flip, vertical_flip : bool, default=False
        Mirror left and right, or top and bottom, in half of the draws.
    brightness : float, default=0.0
        From 0 to 1: pixels are multiplied by a factor drawn from [1 - brightness, 1 + brightness].
    contrast : float, default=0.0
        From 0 to 1: the distances of the pixels to the image's mean (over all channels) are
        multiplied by a factor drawn from [1 - contrast, 1 + contrast].
    fill_mode : {"constant", "nearest", "reflect", "wrap"}, default="nearest"
        What fills the points beyond the border: `fill_value`, the nearest pixel, the mirrored
        image, or the image again.
    fill_value : float, default=0.0
        The fill of "constant", on the pixels' scale.
    crop_scale : float, default=1.0
        From above 0 to 1: a part of the image is stretched to the whole, whose area, as a fraction
        of the image's, is drawn from [crop_scale, 1], and its place from all where it fits [2]_.
        0.08 is usual where much data is trained on for long.
    crop_ratio : (float, float), default=(3 / 4, 4 / 3)
        Range of the crop's width to its height, in pixels. The ratio is log-uniform over that part
        of the range with which the area fits into the image; if there is none, the nearest ratio
        that fits. Without effect where `crop_scale` is 1.
    saturation : float, default=0.0
        From 0 to 1: the distances of the pixels to their own grey (ITU-R BT.601) are multiplied by
        a factor drawn from [1 - saturation, 1 + saturation].
    hue : float, default=0.0
        From 0 to 0.5: a fraction of the circle of colours, drawn from [-hue, hue], is added to the
        pixels' hue (HSV).
    erasing : float, default=0.0
        Probability, 0 to 1, that a rectangle of the image is replaced by the image's mean colour
        [3]_.
    erasing_scale : (float, float), default=(0.02, 0.33)
        Range of the erased area, as a fraction of the image's. The rectangle's width to its height
        is log-uniform in [0.3, 3.33], as far as it fits; its sides are rounded to whole pixels.

    Notes
    -----
    Parameters and results of rotation, shifts, shear, zoom, flips and fill are those of Keras'
    ``ImageDataGenerator`` [1]_ with the same draws, for every fill mode, but for four points. Keras
    3 moves images sideways by `height_shift_range` and up or down by `width_shift_range`, here each
    does what its name says. Keras 3 exchanges height and width in the centre of rotation, here it
    is the image's own (for square images it is the same). Whole numbers and floats mean the same
    here in shifts of a pixel and more, where Keras draws whole pixels for an integer. And
    brightness is not rounded to whole numbers.

    "wrap" is carried out by SciPy, about three times slower than the other modes; like Keras' and
    SciPy's it takes an image's first and last pixel for the same place.

    The crop is of the image as it came. Rotations and shifts are those of the crop, and what they
    bring in from beyond it is the image itself, as far as that reaches, and only then the fill.
    Saturation and hue are those of torchvision's ``ColorJitter``, in a fixed order.

    References
    ----------
    .. [1] https://keras.io/api/data_loading/image/
    .. [2] Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, arXiv:1409.4842.
    .. [3] Zhong et al., "Random Erasing Data Augmentation", AAAI 2020, arXiv:1708.04896.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.images import ImageAugmentation
    >>> images = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    >>> augmentation = ImageAugmentation(rotation=10, horizontal_flip=True)
    >>> both = augmentation.augment(images, seed=0, ids=[0, 1])
    >>> both.shape, both.dtype
    ((2, 4, 6, 3), dtype('float32'))
    >>> second = augmentation.augment(images[1:], seed=0, ids=[1])
    >>> bool((both[1:] == second).all())
    True
    """

    _parameter_constraints = {
        "rotation": [Interval(Real, 0, 180, closed="both")],
        "width_shift": [Interval(Real, 0, None, closed="left")],
        "height_shift": [Interval(Real, 0, None, closed="left")],
        "shear": [Interval(Real, 0, 90, closed="left")],
        "zoom": [Interval(Real, 0, 1, closed="left")],
        "horizontal_flip": ["boolean"],
        "vertical_flip": ["boolean"],
        "brightness": [Interval(Real, 0, 1, closed="both")],
        "contrast": [Interval(Real, 0, 1, closed="both")],
        "fill_mode": [StrOptions(set(FILL_MODES))],
        "fill_value": [Interval(Real, None, None, closed="neither")],
        "crop_scale": [Interval(Real, 0, 1, closed="right")],
        "crop_ratio": [tuple, list],
        "saturation": [Interval(Real, 0, 1, closed="both")],
        "hue": [Interval(Real, 0, 0.5, closed="both")],
        "erasing": [Interval(Real, 0, 1, closed="both")],
        "erasing_scale": [tuple, list],
    }

    def __init__(
        self,
        rotation: float = 0.0,
        width_shift: float = 0.0,
        height_shift: float = 0.0,
        shear: float = 0.0,
        zoom: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        brightness: float = 0.0,
        contrast: float = 0.0,
        fill_mode: str = "nearest",
        fill_value: float = 0.0,
        crop_scale: float = 1.0,
        crop_ratio: Sequence[float] = (3 / 4, 4 / 3),
        saturation: float = 0.0,
        hue: float = 0.0,
        erasing: float = 0.0,
        erasing_scale: Sequence[float] = (0.02, 0.33),
    ):
        self.rotation = rotation
        self.width_shift = width_shift
        self.height_shift = height_shift
        self.shear = shear
        self.zoom = zoom
        self.horizontal_flip = horizontal_flip
        self.vertical_flip = vertical_flip
        self.brightness = brightness
        self.contrast = contrast
        self.fill_mode = fill_mode
        self.fill_value = fill_value
        self.crop_scale = crop_scale
        self.crop_ratio = crop_ratio
        self.saturation = saturation
        self.hue = hue
        self.erasing = erasing
        self.erasing_scale = erasing_scale

    @classmethod
    def preset(cls, name: str) -> ImageAugmentation:
        """Give the augmentation of a name.

        Parameters
        ----------
        name : {"study", "light", "standard", "strong"}
            "study": the one of the CIFAR-10 study that this library grew out of; "light": flips and
            small shifts; "standard": also small rotations, zoom, brightness and contrast; "strong":
            more of all, and shear, for few images and long training.

        Returns
        -------
        ImageAugmentation
            A new one, free to be changed by ``set_params``.

        Raises
        ------
        ValueError
            If there is no preset of this name.

        Examples
        --------
        >>> from sktransfer.images import ImageAugmentation
        >>> ImageAugmentation.preset("light").set_params(rotation=5)
        ImageAugmentation(fill_mode='reflect', height_shift=0.125, horizontal_flip=True,
                          rotation=5, width_shift=0.125)
        """
        if name not in PRESETS:
            raise unknown_name("augmentation preset", name, PRESETS)
        return cls(**PRESETS[name])

    def validate(self) -> None:
        """Check the parameters.

        Raises
        ------
        ValueError
            Names the first parameter of a wrong type or outside its range, and what is accepted.
        """
        super().validate()
        _check_range("crop_ratio", self.crop_ratio, largest=None)
        _check_range("erasing_scale", self.erasing_scale, largest=1)

    @property
    def needs_pixel_range(self) -> bool:
        """Whether light or colour is changed, which takes pixels for values from 0 to 255."""
        return any((self.brightness, self.contrast, self.saturation, self.hue))

    def _augment(self, images: np.ndarray, seed: int, ids: np.ndarray) -> np.ndarray:
        draws = dict(zip(_DRAWS, uniforms(seed, ids, len(_DRAWS)), strict=True))
        if self._is_geometric():
            images = affine_warp(
                images,
                self._matrices(draws, images.shape[1:3]),
                fill_mode=self.fill_mode,
                fill_value=self.fill_value,
            )
        if self.brightness or self.contrast:
            images = self._change_light(images, draws)
        if self.saturation or self.hue:
            images = self._change_colour(images, draws)
        if self.erasing:
            images = self._erase(images, draws)
        return images

    def _is_geometric(self) -> bool:
        """Whether pixels move at all."""
        return any(
            (
                self.rotation,
                self.width_shift,
                self.height_shift,
                self.shear,
                self.zoom,
                self.horizontal_flip,
                self.vertical_flip,
                self.crop_scale < 1,
            )
        )

    def _matrices(self, draws: dict[str, np.ndarray], size: tuple[int, int]) -> np.ndarray:
        """Compose each image's (2, 3) map from output to input pixels (x, y), about the centre.

        Flips come last in the image, hence first in the map, and the crop the other way round.
        """
        rotation = rotations(between(-self.rotation, self.rotation, draws["rotation"]))
        angle = np.deg2rad(between(-self.shear, self.shear, draws["shear"]))
        shear = linear(1, -np.sin(angle), 0, np.cos(angle))
        zoom = linear(
            between(1 - self.zoom, 1 + self.zoom, draws["zoom_x"]),
            0,
            0,
            between(1 - self.zoom, 1 + self.zoom, draws["zoom_y"]),
        )
        flip = linear(
            _signs(self.horizontal_flip, draws["horizontal_flip"]),
            0,
            0,
            _signs(self.vertical_flip, draws["vertical_flip"]),
        )
        height_shift, width_shift = map(in_pixels, (self.height_shift, self.width_shift), size)
        shift = np.stack(
            [
                between(-width_shift, width_shift, draws["width_shift"]),
                between(-height_shift, height_shift, draws["height_shift"]),
            ],
            axis=-1,
        )[..., None]
        matrices = about(centre(size), rotation @ shear @ zoom @ flip, rotation @ shift)
        if self.crop_scale < 1:
            matrices = composed(self._crops(draws, size), matrices)
        return matrices

    def _crops(self, draws: dict[str, np.ndarray], size: tuple[int, int]) -> np.ndarray:
        """Map the whole image to a part of it, for each image (n, 2, 3)."""
        height, width = size
        heights, widths = rectangle_sides(
            between(self.crop_scale, 1, draws["crop_area"]),
            self.crop_ratio,
            draws["crop_ratio"],
            size,
        )
        maps = linear(widths / width, 0, 0, heights / height)
        corners = np.stack(
            [draws["crop_x"] * (width - widths), draws["crop_y"] * (height - heights)], axis=-1
        )
        return about(upper_left(), maps, corners[..., None])

    def _change_light(self, images: np.ndarray, draws: dict[str, np.ndarray]) -> np.ndarray:
        """Draw and apply brightness, then contrast, and clip to 0..255."""
        brightness = per_image(_factors(self.brightness, draws["brightness"]))
        contrast = per_image(_factors(self.contrast, draws["contrast"]))
        mean = images.mean(axis=(1, 2, 3), keepdims=True)
        # contrast * (brightness * x - brightness * mean) + brightness * mean, in two passes.
        changed = images * (contrast * brightness)
        changed += (1 - contrast) * brightness * mean
        return np.clip(changed, 0, 255, out=changed)

    def _change_colour(self, images: np.ndarray, draws: dict[str, np.ndarray]) -> np.ndarray:
        """Draw and apply saturation, then hue."""
        check_rgb(images)
        if self.saturation:
            images = change_saturation(images, _factors(self.saturation, draws["saturation"]))
        if self.hue:
            images = change_hue(images, between(-self.hue, self.hue, draws["hue"]))
        return images

    def _erase(self, images: np.ndarray, draws: dict[str, np.ndarray]) -> np.ndarray:
        """Draw rectangles and fill them with the mean colour of their image."""
        size = images.shape[1:3]
        erased = draws["erasing"] < self.erasing
        smallest, largest = self.erasing_scale
        sides = rectangle_sides(
            between(smallest, largest, draws["erasing_area"]),
            _ERASING_RATIO,
            draws["erasing_ratio"],
            size,
        )
        heights, widths = (np.maximum(np.rint(lengths), 1) * erased for lengths in sides)
        top = starts(heights, size[0], draws["erasing_y"])
        left = starts(widths, size[1], draws["erasing_x"])
        patches = masks((top, top + heights), (left, left + widths), size)
        # One axis after the other: both at once take ten times longer.
        colours = images.mean(axis=1, keepdims=True).mean(axis=2, keepdims=True)
        return np.where(patches, colours, images)


def _check_range(name: str, value: Sequence[float], largest: float | None) -> None:
    """Raise ValueError unless a parameter is a pair 0 < low <= high, up to the largest."""
    numbers = len(value) == 2 and all(isinstance(end, Real) for end in value)
    limit = np.inf if largest is None else largest
    if not (numbers and 0 < value[0] <= value[1] <= limit and np.isfinite(value[1])):
        bound = "" if largest is None else f" <= {largest}"
        raise ValueError(
            f"The {name!r} parameter of ImageAugmentation must be a pair of numbers "
            f"0 < low <= high{bound}. Got {value!r} instead."
        )


def _signs(flips: bool, uniform: np.ndarray) -> np.ndarray:
    """-1 where an axis is mirrored, else 1."""
    return np.where(flips & (uniform < 0.5), -1.0, 1.0)


def _factors(strength: float, uniform: np.ndarray) -> np.ndarray:
    """One factor for each image, about 1."""
    return between(1 - strength, 1 + strength, uniform)
