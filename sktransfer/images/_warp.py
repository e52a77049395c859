"""The affine warp: a whole batch of images, each through its own matrix, in one call."""

from __future__ import annotations

import numpy as np

__all__ = ["FILL_MODES", "affine_warp"]

FILL_MODES = ("constant", "nearest", "reflect", "wrap")


def affine_warp(
    images: np.ndarray, matrices: np.ndarray, *, fill_mode: str, fill_value: float
) -> np.ndarray:
    """Resample each image bilinearly at the points that its matrix maps the output's pixels to.

    The result equals ``scipy.ndimage.affine_transform(..., order=1)`` on each channel, for each of
    the four fill modes, to the rounding of float32. Pixel centres lie at whole numbers.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels), float32
    matrices : ndarray of shape (n, 2, 3), float64
        From a pixel ``(x, y, 1)`` of the output to a point ``(x, y)`` of the input, where ``x``
        counts columns and ``y`` rows.
    fill_mode : {"constant", "nearest", "reflect", "wrap"}
        What lies beyond the border: `fill_value` (nothing is blended across the border), the
        nearest pixel, the mirrored image with its edge repeated, or the image again, with a period
        of one pixel less than its side.
    fill_value : float
        Only used with "constant".

    Returns
    -------
    ndarray of shape (n, height, width, channels), float32
        Within the range of each image, `fill_value` aside.
    """
    if fill_mode == "wrap":
        return _wrap_with_scipy(images, matrices)
    warped = _warp_with_tensorflow(
        images, matrices, "REFLECT" if fill_mode == "reflect" else "NEAREST"
    )
    _clip_to_range_of_each(warped, images)
    if fill_mode == "constant":
        warped[_is_outside(matrices, images.shape[1:3])] = fill_value
    return warped


def _warp_with_tensorflow(images: np.ndarray, matrices: np.ndarray, fill_mode: str) -> np.ndarray:
    """Warp by TensorFlow's op, whose "NEAREST" and "REFLECT" are scipy's."""
    import tensorflow as tf

    projective = np.zeros((len(images), 8), np.float32)
    projective[:, :6] = matrices.reshape(len(images), 6)
    # The images come from and go back to NumPy: a trip to a GPU would cost more than the warp.
    with tf.device("CPU:0"):
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=projective,
            output_shape=images.shape[1:3],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode=fill_mode,
        ).numpy()


def _clip_to_range_of_each(warped: np.ndarray, images: np.ndarray) -> None:
    """Take back, in place, what rounding added: 255 can come out of the op as 255.00003."""
    axes = (1, 2, 3)
    low = images.min(axis=axes, keepdims=True)
    high = images.max(axis=axes, keepdims=True)
    np.clip(warped, low, high, out=warped)


def _is_outside(matrices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Mask (n, height, width) of the output's pixels whose points lie outside the input.

    TensorFlow's "CONSTANT" blends the fill into the border; scipy's doesn't, hence the mask.
    """
    rows = np.arange(size[0], dtype=np.float64)[:, None]
    columns = np.arange(size[1], dtype=np.float64)
    # One number per image, against (height, width): coefficient[axis][term] is (n, 1, 1).
    coefficients = matrices.transpose(1, 2, 0)[..., None, None]
    outside = np.zeros((len(matrices), *size), dtype=bool)
    for (per_column, per_row, offset), side in zip(coefficients, size[::-1], strict=True):
        point = per_column * columns + (per_row * rows + offset)
        outside |= (point < 0) | (point > side - 1)
    return outside


def _wrap_with_scipy(images: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Warp by scipy, whose "wrap" no mode of TensorFlow's op equals; as fast as Keras' own."""
    from scipy.ndimage import affine_transform

    warped = np.empty_like(images)
    for image, matrix, out in zip(images, matrices, warped, strict=True):
        rows_first = matrix[::-1, [1, 0, 2]]
        for channel in range(images.shape[-1]):
            affine_transform(
                image[..., channel],
                rows_first[:, :2],
                rows_first[:, 2],
                order=1,
                mode="wrap",
                output=out[..., channel],
            )
    return warped
