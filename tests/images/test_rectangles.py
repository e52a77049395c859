"""Rectangles: the area that was asked for, within the image, of a ratio as near as it can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sktransfer.images._rectangles import masks, rectangle_sides, starts

SIDES = st.integers(1, 400)
FRACTIONS = st.floats(0, 1, exclude_max=True)


@given(
    area=st.floats(0.001, 1),
    ratios=st.lists(st.floats(0.05, 20), min_size=2, max_size=2).map(sorted),
    uniform=FRACTIONS,
    height=SIDES,
    width=SIDES,
)
def test_sides_make_the_area_fit_and_have_the_nearest_ratio(area, ratios, uniform, height, width):
    sides = rectangle_sides(np.array([area]), tuple(ratios), np.array([uniform]), (height, width))
    found_height, found_width = (side.item() for side in sides)
    assert 0 < found_height <= height
    assert 0 < found_width <= width
    assert found_height * found_width == pytest.approx(area * height * width, rel=1e-9)
    ratio = found_width / found_height
    if ratio < ratios[0] * (1 - 1e-9):
        assert found_width == pytest.approx(width)
    elif ratio > ratios[1] * (1 + 1e-9):
        assert found_height == pytest.approx(height)


def test_ratios_are_log_uniform():
    uniform = (np.arange(1000) + 0.5) / 1000
    heights, widths = rectangle_sides(np.full(1000, 0.1), (0.5, 2), uniform, (100, 100))
    logs = np.log2(widths / heights)
    np.testing.assert_allclose(logs, 2 * uniform - 1, atol=1e-9)


@given(length=st.integers(0, 50), rest=st.integers(0, 50), uniform=FRACTIONS)
def test_starts_keep_intervals_within_the_side(length, rest, uniform):
    start = starts(np.array([float(length)]), length + rest, np.array([uniform])).item()
    assert start == int(start)
    assert 0 <= start <= rest


def test_starts_are_equally_likely():
    found = starts(np.full(6000, 3.0), 8, (np.arange(6000) + 0.5) / 6000)
    assert np.bincount(found.astype(int)).tolist() == [1000] * 6


def test_masks_mark_rows_and_columns_and_may_reach_beyond_the_image():
    rows = np.array([1, -2, 0]), np.array([3, 1, 0])
    columns = np.array([0, 3, 0]), np.array([2, 9, 5])
    marked = masks(rows, columns, (3, 5))[..., 0].astype(int)
    assert marked.tolist() == [
        [[0, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 0, 0, 0]],
        [[0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
        [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
    ]
