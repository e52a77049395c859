"""What the parts of a report share that tell of one dataset after the other."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from sktransfer.evaluation.report._blocks import Block, Paragraph
from sktransfer.evaluation.report._study import Study

__all__ = ["by_dataset", "heading", "of_dataset"]


def of_dataset(frame: pd.DataFrame, systems: pd.DataFrame) -> pd.DataFrame:
    """Take the rows of the dataset and the training size that systems have in common."""
    first = systems.iloc[0]
    same = (frame["dataset"] == first["dataset"]) & (frame["train_size"] == first["train_size"])
    return frame[same]


def by_dataset(study: Study) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield what to add to the names of charts, and the leading systems of each dataset."""
    for number, dataset in enumerate(study.datasets, start=1):
        suffix = f"-{number}" if len(study.datasets) > 1 else ""
        yield suffix, study.leaders[study.leaders["dataset"] == dataset]


def heading(study: Study, systems: pd.DataFrame) -> Iterator[Block]:
    """Name the dataset where there are several."""
    if len(study.datasets) > 1:
        yield Paragraph(f"On {systems['dataset'].iloc[0]}:")
