"""Changes of light and colour: pixels take other values and stay where they are.

All functions take images (n, height, width, 3), float32 with values 0..255, and give new ones. How
much an image is changed is a number of its own, in an array (n,).
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "auto_contrast",
    "change_brightness",
    "change_contrast",
    "change_hue",
    "change_saturation",
    "change_sharpness",
    "check_rgb",
    "equalize",
    "per_image",
    "posterize",
    "solarize",
]

# How much red, green and blue add to the light that is seen (ITU-R BT.601).
_LUMA = (0.299, 0.587, 0.114)


def check_rgb(images: np.ndarray) -> None:
    """Raise ValueError unless the images have the three channels that colour is about."""
    if images.shape[-1] != 3:
        raise ValueError(
            "images must have 3 channels (red, green, blue) for changes of colour; "
            f"got shape {images.shape}"
        )


def per_image(numbers: np.ndarray) -> np.ndarray:
    """Shape numbers (n,) as float32 (n, 1, 1, 1), which goes with images."""
    return np.asarray(numbers, dtype=np.float32)[:, None, None, None]


def change_brightness(images: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Multiply pixels by factors (n,); 0 is black."""
    return np.minimum(images * per_image(factors), 255)


def change_contrast(images: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Multiply the distances of pixels to the mean of the grey image; 0 is grey all over."""
    means = _grey(images).mean(axis=(1, 2, 3), keepdims=True)
    return _blended(images, means, factors)


def change_saturation(images: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Multiply the distances of pixels to their own grey; 0 is the grey image."""
    return _blended(images, _grey(images), factors)


def change_sharpness(images: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Multiply the distances of pixels to the smoothed image, which is what 0 gives.

    Smoothed is by a kernel of 3 x 3 that weighs the pixel five times; border pixels are left.
    """
    rows = images[:, :-2] + images[:, 1:-1] + images[:, 2:]
    boxes = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    inner = images[:, 1:-1, 1:-1]
    sharpened = images.copy()
    sharpened[:, 1:-1, 1:-1] = _blended(inner, (boxes + 4 * inner) / 13, factors)
    return sharpened


def change_hue(images: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Add turns (n,), fractions of the circle of colours, to the hue of HSV (Smith 1978)."""
    red, green, blue = np.ascontiguousarray(np.moveaxis(images, -1, 0))
    largest = np.maximum(np.maximum(red, green), blue)
    smallest = np.minimum(np.minimum(red, green), blue)
    chroma = largest - smallest
    # Greys have no hue: a chroma of 1 in the place of 0 gives them 0, which is as good as any.
    divisor = np.where(chroma > 0, chroma, 1)
    hue = np.where(
        largest == red,
        (green - blue) / divisor,
        np.where(largest == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    hue += 6 * per_image(turns)[..., 0]
    hue -= 6 * np.floor(hue / 6)
    colours = (np.abs(hue - 3) - 1, 2 - np.abs(hue - 2), 2 - np.abs(hue - 4))
    shares = np.clip(np.stack(colours, axis=-1), 0, 1)
    return smallest[..., None] + chroma[..., None] * shares


def auto_contrast(images: np.ndarray) -> np.ndarray:
    """Stretch each channel of each image to the full range; one of a single value is left."""
    # One axis after the other: both at once take ten times longer.
    low = images.min(axis=1, keepdims=True).min(axis=2, keepdims=True)
    spans = images.max(axis=1, keepdims=True).max(axis=2, keepdims=True) - low
    scales = np.divide(255, spans, out=np.ones_like(spans), where=spans > 0)
    stretched = (images - low * (spans > 0)) * scales
    return np.clip(stretched, 0, 255, out=stretched)


def equalize(images: np.ndarray) -> np.ndarray:
    """Flatten the histogram of each channel of each image, after rounding to whole numbers.

    A channel of a single value, or of too few pixels to fill 255 steps, is only rounded.
    """
    n_histograms = len(images) * images.shape[-1]
    first_bins = 256 * np.arange(n_histograms).reshape(len(images), 1, 1, -1)
    bins = np.clip(np.rint(images), 0, 255).astype(np.int64) + first_bins
    counts = np.bincount(bins.ravel(), minlength=256 * n_histograms).reshape(n_histograms, 256)
    below = counts.cumsum(axis=1) - counts
    # The brightest value's pixels don't count: they come out as white by themselves.
    last = 255 - (counts[:, ::-1] > 0).argmax(axis=1)
    steps = below[np.arange(n_histograms), last][:, None] // 255
    tables = np.minimum((steps // 2 + below) // np.maximum(steps, 1), 255)
    tables = np.where(steps == 0, np.arange(256), tables).astype(np.float32)
    return tables.ravel()[bins]


def solarize(images: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Invert the pixels from thresholds (n,) on; 256 leaves all as they are."""
    return np.where(images < per_image(thresholds), images, 255 - images)


def posterize(images: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Keep the highest bits of pixels, of numbers of bits (n,) from 1 to 8."""
    steps = per_image(2 ** (8 - bits))
    return np.floor(images / steps) * steps


def _grey(images: np.ndarray) -> np.ndarray:
    """Give the light (n, height, width, 1) of the pixels."""
    red, green, blue = (images[..., channel, None] for channel in range(3))
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def _blended(images: np.ndarray, others: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Multiply the distances of `images` to `others` by factors (n,), within 0..255."""
    blended = (images - others) * per_image(factors)
    blended += others
    return np.clip(blended, 0, 255, out=blended)
