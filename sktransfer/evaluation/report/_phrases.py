"""Numbers and lists of names as a report writes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["counted", "fixed", "listed", "p_value", "quantity", "with_interval"]


def listed(names: Sequence[str]) -> str:
    """Join names: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def counted(number: int, noun: str) -> str:
    """Write a number of things: "1 cell", "1,200 cells"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def quantity(value: float) -> str:
    """Write an amount with three digits or all those before the point; nothing for NaN."""
    if np.isnan(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def fixed(value: float, digits: int) -> str:
    """Write a number with so many digits behind the point; nothing for NaN."""
    return "" if np.isnan(value) else f"{value:.{digits}f}"


def p_value(value: float) -> str:
    """Write a p-value to three digits; nothing for NaN."""
    return "< 0.001" if value < 0.001 else fixed(value, 3)


def with_interval(value: float, low: float, high: float) -> str:
    """Write a number with its interval, where it has one: "3.1 (1.9 to 4.3)"."""
    interval = "" if np.isnan(low) or np.isnan(high) else f" ({low:.1f} to {high:.1f})"
    return f"{value:.1f}{interval}"
