"""Which systems a report tells of first, and what they predicted."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from sktransfer.evaluation._record import Cell, Record
from sktransfer.evaluation._results import summarize_results
from sktransfer.evaluation.verdicts._predictions import (
    Predictions,
    join_predictions,
    read_predictions,
)

__all__ = ["first_predictions", "leading_systems", "scored_systems"]


def scored_systems(table: pd.DataFrame) -> pd.DataFrame:
    """Summarize the systems that have a score, the highest test accuracy of each dataset first.

    Adds to `summarize_results` the columns ``system`` and ``images``, the number of images that
    systems were given to train on at that training size, and keeps intervals within 0 and 100
    percent.
    """
    if table.empty:
        return pd.DataFrame(columns=["dataset", "train_size", "system", "images"])
    summary = summarize_results(table)
    scored = summary[summary["cells"] > 0]
    means = scored["train_images"] + scored["validation_images"]
    # Folds may differ in size, and with them the means of systems that miss a fold.
    images = means.groupby([scored["dataset"], scored["train_size"]]).transform("max")
    return scored.assign(
        system=[Cell("", *names).system for names in scored[["strategy", "backbone"]].to_numpy()],
        images=images.round().astype(int),
        test_low=scored["test_low"].clip(lower=0),
        test_high=scored["test_high"].clip(upper=100),
    ).sort_values(
        ["dataset", "test_accuracy"], ascending=[True, False], kind="stable", ignore_index=True
    )


def leading_systems(table: pd.DataFrame) -> pd.DataFrame:
    """Take from `scored_systems` those that were given the most images of their dataset."""
    scored = scored_systems(table)
    most = scored.groupby("dataset")["images"].transform("max")
    return scored[scored["images"] == most].reset_index(drop=True)


def first_predictions(
    record: Record, entries: Mapping[Cell, dict], system: pd.Series
) -> Predictions | None:
    """Read what a system, a row of a summary, predicted in its first repeat: each image once."""
    cells = [
        cell
        for cell in sorted(entries)
        if entries[cell].get("traceback") is None
        and all(
            getattr(cell, name) == system[name]
            for name in ("dataset", "strategy", "backbone", "train_size")
        )
    ]
    first = [cell for cell in cells if cell.repeat == cells[0].repeat]
    return join_predictions([read_predictions(record, entries, cell) for cell in first])
