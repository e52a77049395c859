"""Random changes to training images: which, how strong, and the same ones for the same seed."""

from __future__ import annotations

import operator
from numbers import Real
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator

from sktransfer._errors import unknown_name
from sktransfer._validation import Interval, StrOptions, validate_parameters
from sktransfer.images._batch import as_images
from sktransfer.images._warp import FILL_MODES, affine_warp

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

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
# were, and to reorder the list would change every seeded result.
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
)


class ImageAugmentation(BaseEstimator):
    """Random geometric and photometric changes to images, drawn anew for each (seed, id).

    Rotation, shifts, shear, zoom and flips are composed into one affine map for each image and
    carried out by one bilinear warp of the whole batch, so images are resampled once. Then come
    brightness and contrast. Each draw is uniform and depends on nothing but `seed` and the image's
    id, never on the rest of the batch.

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

    Notes
    -----
    Parameters and results are those of Keras' ``ImageDataGenerator`` [1]_ with the same draws, for
    every fill mode, but for four points. Keras 3 moves images sideways by `height_shift_range` and
    up or down by `width_shift_range`, here each does what its name says. Keras 3 exchanges height
    and width in the centre of rotation, here it is the image's own (for square images it is the
    same). Whole numbers and floats mean the same here in shifts of a pixel and more, where Keras
    draws whole pixels for an integer. And brightness is not rounded to whole numbers.

    "wrap" is carried out by SciPy, about three times slower than the other modes; like Keras' and
    SciPy's it takes an image's first and last pixel for the same place.

    References
    ----------
    .. [1] https://keras.io/api/data_loading/image/

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
            Also a TypeError (scikit-learn's ``InvalidParameterError``): names the first parameter
            of a wrong type or outside its range, and what is accepted.
        """
        validate_parameters(self)

    def augment(self, images: np.ndarray, *, seed: int, ids: np.ndarray) -> np.ndarray:
        """Change each image at random, as its id and the seed determine.

        Parameters
        ----------
        images : ndarray of shape (n, height, width, channels)
            Pixels on any scale, unless brightness or contrast are in use: those take 0..255.
        seed : int
            For all images together, such as one for each epoch; any whole number.
        ids : array-like of int of shape (n,)
            What tells the images apart, such as their positions in the data set.

        Returns
        -------
        ndarray of shape (n, height, width, channels), float32
            Within 0..255 if brightness or contrast are in use, else within each image's own range
            (`fill_value` aside). With nothing switched on these are the images as they came, not
            copied where they are float32.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or the shape of `images` or `ids` doesn't fit.
        TypeError
            If `seed` or the `ids` are not whole numbers.
        """
        self.validate()
        images = np.asarray(images, dtype=np.float32)
        if images.ndim != 4:
            raise ValueError(
                f"images must have shape (n, height, width, channels), got shape {images.shape}"
            )
        seed, ids = _checked_seed(seed), _checked_ids(ids, len(images))
        if len(images) == 0:
            return images
        uniforms = dict(zip(_DRAWS, _uniforms(seed, ids), strict=True))
        if self._is_geometric():
            images = affine_warp(
                images,
                self._matrices(uniforms, images.shape[1:3]),
                fill_mode=self.fill_mode,
                fill_value=self.fill_value,
            )
        if self.brightness or self.contrast:
            images = self._change_light(images, uniforms)
        return images

    def plot(self, image: np.ndarray | str | PathLike | Image, n: int = 5, seed: int = 0) -> Figure:
        """Draw an image beside augmented versions of it.

        Parameters
        ----------
        image : ndarray of shape (height, width) or (height, width, 3), path or PIL image
            Pixels 0..255, also as floats.
        n : int, default=5
            How many versions: those of the ids 0 to n - 1.
        seed : int, default=0
            As in `augment`.

        Returns
        -------
        matplotlib.figure.Figure
            One row of n + 1 pictures, the original first. It needs no display; save it with
            ``savefig``.

        Raises
        ------
        ValueError
            If `n` is not positive, a parameter is out of its range, or it is no such image.
        """
        from matplotlib.figure import Figure

        if n < 1:
            raise ValueError(f"n must be at least 1, got {n!r}")
        original = _as_rgb(image)
        copies = np.repeat(original[None], n, axis=0)
        versions = self.augment(copies, seed=seed, ids=np.arange(n))

        height, width = original.shape[:2]
        figure = Figure(figsize=(1.6 * (n + 1), 1.6 * height / width + 0.3), layout="constrained")
        titles = ["original", *(f"version {i}" for i in range(1, n + 1))]
        pictures = [original, *versions]
        for axes, title, picture in zip(figure.subplots(1, n + 1), titles, pictures, strict=True):
            axes.imshow(picture.clip(0, 255).astype(np.uint8))
            axes.set_title(title, fontsize="medium")
            axes.set_axis_off()
        return figure

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
            )
        )

    def _matrices(self, uniforms: dict[str, np.ndarray], size: tuple[int, int]) -> np.ndarray:
        """Compose each image's (2, 3) map from output to input pixels (x, y), about the centre.

        Flips come last in the image, hence first in the map.
        """
        height, width = size
        angle = np.deg2rad(_between(-self.rotation, self.rotation, uniforms["rotation"]))
        rotation = _matrix(np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle))
        angle = np.deg2rad(_between(-self.shear, self.shear, uniforms["shear"]))
        shear = _matrix(1, -np.sin(angle), 0, np.cos(angle))
        zoom = _matrix(
            _between(1 - self.zoom, 1 + self.zoom, uniforms["zoom_x"]),
            0,
            0,
            _between(1 - self.zoom, 1 + self.zoom, uniforms["zoom_y"]),
        )
        flip = _matrix(
            _signs(self.horizontal_flip, uniforms["horizontal_flip"]),
            0,
            0,
            _signs(self.vertical_flip, uniforms["vertical_flip"]),
        )
        width_shift = _pixels(self.width_shift, width)
        height_shift = _pixels(self.height_shift, height)
        shift = np.stack(
            [
                _between(-width_shift, width_shift, uniforms["width_shift"]),
                _between(-height_shift, height_shift, uniforms["height_shift"]),
            ],
            axis=-1,
        )[..., None]

        linear = rotation @ shear @ zoom @ flip
        centre = np.array([[width / 2 - 0.5], [height / 2 - 0.5]])
        return np.concatenate([linear, rotation @ shift + centre - linear @ centre], axis=-1)

    def _change_light(self, images: np.ndarray, uniforms: dict[str, np.ndarray]) -> np.ndarray:
        """Draw and apply brightness, then contrast, and clip to 0..255."""
        brightness = _factors(self.brightness, uniforms["brightness"])
        contrast = _factors(self.contrast, uniforms["contrast"])
        mean = images.mean(axis=(1, 2, 3), keepdims=True)
        # contrast * (brightness * x - brightness * mean) + brightness * mean, in two passes.
        changed = images * (contrast * brightness)
        changed += (1 - contrast) * brightness * mean
        return np.clip(changed, 0, 255, out=changed)


def _checked_seed(seed: int) -> int:
    """Return the seed as an unsigned 64-bit integer."""
    try:
        return operator.index(seed) % 2**64
    except TypeError:
        raise TypeError(f"seed must be an integer, got {seed!r}") from None


def _checked_ids(ids: np.ndarray, n: int) -> np.ndarray:
    """Return the ids as (n,) unsigned 64-bit integers."""
    ids = np.asarray(ids)
    if ids.shape != (n,):
        raise ValueError(f"ids must have shape ({n},), one for each image; got shape {ids.shape}")
    if ids.dtype.kind not in "iu" and n > 0:
        raise TypeError(f"ids must be integers, got dtype {ids.dtype}")
    return ids.astype(np.uint64)


def _uniforms(seed: int, ids: np.ndarray) -> np.ndarray:
    """Random numbers (len(_DRAWS), n) in [0, 1): a hash of the seed, the id and the position."""
    key = _splitmix64(np.array([seed], dtype=np.uint64))
    key = _splitmix64(key + ids)
    positions = np.arange(1, len(_DRAWS) + 1, dtype=np.uint64)[:, None]
    bits = _splitmix64(key + positions * _GOLDEN_GAMMA)
    return (bits >> np.uint64(11)) * 2.0**-53


_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def _splitmix64(state: np.ndarray) -> np.ndarray:
    """Mix 64 bits thoroughly (Steele, Lea and Flood 2014), for each number on its own."""
    mixed = state + _GOLDEN_GAMMA
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _as_rgb(image: np.ndarray | str | PathLike | Image) -> np.ndarray:
    """Read one image as an array (height, width, 3) of pixels 0..255."""
    if isinstance(image, np.ndarray):
        return as_images(image[None], pixel_range=(0, 255)).take([0])[0]
    return as_images([image]).take([0])[0]


def _between(low: float, high: float, uniform: np.ndarray) -> np.ndarray:
    """Stretch numbers in [0, 1) to [low, high); exact where the two are one."""
    return low + (high - low) * uniform


def _pixels(shift: float, side: int) -> float:
    """Give a shift in pixels: below 1 it is a fraction of the side."""
    return shift * side if shift < 1 else shift


def _signs(flips: bool, uniform: np.ndarray) -> np.ndarray:
    """-1 where an axis is mirrored, else 1."""
    return np.where(flips & (uniform < 0.5), -1.0, 1.0)


def _factors(strength: float, uniform: np.ndarray) -> np.ndarray:
    """One float32 factor (n, 1, 1, 1) for each image."""
    return _between(1 - strength, 1 + strength, uniform).astype(np.float32)[:, None, None, None]


def _matrix(a, b, c, d) -> np.ndarray:
    """Stack numbers and (n,) arrays to matrices [[a, b], [c, d]] of shape (n, 2, 2)."""
    return np.stack(np.broadcast_arrays(a, b, c, d), axis=-1).reshape(-1, 2, 2)
