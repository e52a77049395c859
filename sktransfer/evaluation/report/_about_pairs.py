"""What a report tells of the comparisons of systems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from sktransfer.evaluation.report._blocks import Block, Bullets, Details, Paragraph, Table
from sktransfer.evaluation.report._by_dataset import by_dataset, heading, of_dataset
from sktransfer.evaluation.report._figures import ChartFolder
from sktransfer.evaluation.report._phrases import fixed, listed, p_value, with_interval
from sktransfer.evaluation.report._study import Study
from sktransfer.evaluation.verdicts._wording import LEVELS

__all__ = ["tell_comparisons"]

MOST_ROWS = 10
"""Of a table of comparisons; a longer one is shown when it is asked for."""


def tell_comparisons(study: Study, charts: ChartFolder) -> Iterator[Block]:
    """Show all comparisons, those of the best system in words."""
    told = []
    for _, systems in by_dataset(study):
        comparisons = of_dataset(study.comparisons, systems)
        if comparisons.empty:
            continue
        yield from heading(study, systems)
        of_best = comparisons["first"] == systems["system"].iloc[0]
        if of_best.any():
            yield Bullets(comparisons.loc[of_best, "sentence"].tolist())
        table = list(_comparison_table(comparisons))
        if len(comparisons) > MOST_ROWS:
            table = [Details(f"All {len(comparisons)} comparisons", table)]
        yield from table
        told += comparisons["level"].tolist()
        factors = of_dataset(study.factors, systems)
        if not factors.empty:
            yield Paragraph("Systems that differ in one thing and in nothing else:")
            yield from _comparison_table(factors)
            told += factors["level"].tolist()
    if told:
        meanings = [f"{level}: {text}." for level, text in LEVELS.items() if level in told]
        yield Details(
            "What the words and columns mean",
            [
                Bullets(meanings),
                Paragraph(
                    "The difference is in percentage points, with its 95 % interval. Probability "
                    "is that of a true difference above 1 point. The p-value is how often chance "
                    "alone would make as large a difference; adjusted, it counts how many are "
                    "compared. Systems are compared on the same images. The corrected t-test knows "
                    "that the training images of folds overlap; McNemar's test counts the images "
                    "that one system gets right and the other wrong; the t-test over images counts "
                    "the chance of training besides."
                ),
            ],
        )


def _comparison_table(comparisons: pd.DataFrame) -> Iterator[Block]:
    """Put comparisons below each other, and the names of their tests above."""
    tests = [test for test in comparisons["test"].unique() if test]
    if tests:
        yield Paragraph(f"Compared by: {listed(tests)}.")
    columns: dict[str, Callable[[Any], str]] = {
        "better": lambda row: row["first"],
        "than": lambda row: row["second"],
        "difference": lambda row: with_interval(row["difference"], row["low"], row["high"]),
        "probability": lambda row: fixed(row["first_better"], 2),
        "p-value": lambda row: p_value(row["p_value"]),
        "adjusted": lambda row: p_value(row["p_adjusted"]),
        "verdict": lambda row: row["level"],
    }
    if "systems" in comparisons and comparisons["systems"].max() > 1:
        columns["systems"] = lambda row: str(row["systems"])
    rows = [[write(row) for write in columns.values()] for _, row in comparisons.iterrows()]
    numeric = {"difference", "probability", "p-value", "adjusted", "systems"}
    yield Table(list(columns), rows, frozenset(numeric))
