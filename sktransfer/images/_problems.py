"""What is wrong with images that cannot be read: as text, as a table and as a warning."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from sktransfer._errors import UnreadableImagesWarning
from sktransfer.images._decode import describe

__all__ = ["Problem", "as_table", "summarize", "warn_of"]

_NAMED = 3


@dataclass(frozen=True)
class Problem:
    """Why an image cannot be read."""

    position: int
    item: object
    error: str

    @property
    def file(self) -> str:
        """The image's path, or what it is."""
        if isinstance(self.item, (str, os.PathLike)):
            return os.fsdecode(self.item)
        return describe(self.item)

    def __str__(self) -> str:
        return f"X[{self.position}] ({describe(self.item)}): {self.error}"


def summarize(problems: Sequence[Problem], n_images: int) -> str:
    """Say how many images cannot be read, and which the first of them are."""
    more = len(problems) - _NAMED
    named = [str(problem) for problem in problems[:_NAMED]]
    if more > 0:
        named.append(f"and {more} more")
    return f"{len(problems)} of {n_images} images cannot be read: {'; '.join(named)}"


def as_table(problems: Iterable[Problem]) -> pd.DataFrame:
    """Return the position, file and error of each problem."""
    problems = list(problems)
    return pd.DataFrame(
        {
            "position": pd.Series([each.position for each in problems], dtype=int),
            "file": pd.Series([each.file for each in problems], dtype=str),
            "error": pd.Series([each.error for each in problems], dtype=str),
        }
    )


def warn_of(problems: Iterable[Problem], n_images: int, consequence: str) -> None:
    """Warn once of all problems, and say what they lead to; say nothing if there are none."""
    ordered = sorted(problems, key=lambda problem: problem.position)
    if ordered:
        message = f"{summarize(ordered, n_images)}; {consequence}"
        warnings.warn(UnreadableImagesWarning(message, as_table(ordered)), stacklevel=3)
