"""What a report tells of the scores: who leads, what that costs, what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from sktransfer.evaluation.report._blocks import Block, Bullets, Paragraph, Table
from sktransfer.evaluation.report._by_dataset import by_dataset, heading, of_dataset
from sktransfer.evaluation.report._conclusions import conclude, conclude_ranks
from sktransfer.evaluation.report._figures import ChartFolder
from sktransfer.evaluation.report._phrases import counted, fixed, quantity, with_interval
from sktransfer.evaluation.report._study import Study

__all__ = ["tell_costs", "tell_ranks", "tell_scores", "tell_sizes", "tell_verdict"]


def tell_verdict(study: Study, charts: ChartFolder) -> Iterator[Block]:
    """Say what follows from all of it."""
    if study.rankings:
        yield Bullets(conclude_ranks(study.rankings))
    for _, systems in by_dataset(study):
        yield from heading(study, systems)
        comparisons, factors = (
            of_dataset(frame, systems) for frame in (study.comparisons, study.factors)
        )
        yield Bullets(conclude(systems, comparisons, factors))
    if study.entries and not study.datasets:
        yield Paragraph("All cells failed, so there is nothing to compare.")
    elif study.failures:
        n_failed = len(study.failures)
        count = "counts" if n_failed == 1 else "count"
        yield Paragraph(f"{counted(n_failed, 'cell')} failed and {count} for nothing here.")


def tell_scores(study: Study, charts: ChartFolder) -> Iterator[Block]:
    """Show all scores."""
    for suffix, systems in by_dataset(study):
        yield from heading(study, systems)
        yield charts.leaderboard(f"leaderboard{suffix}", systems)
        yield _score_table(systems)
    if study.datasets:
        yield Paragraph(
            "Test accuracies are means over the cells, in percent, with 95 % intervals. Time to "
            "train is that of one cell. Parameters are all numbers that are needed to predict, "
            "the backbone's included. F1 and calibration error are fractions: the best F1 is 1, "
            "the best calibration error 0."
        )


def _score_table(systems: pd.DataFrame) -> Table:
    """Put the scores and costs of systems side by side."""
    columns: dict[str, Callable[[Any], str]] = {
        "system": lambda row: row["system"],
        "test accuracy": lambda row: with_interval(
            row["test_accuracy"], row["test_low"], row["test_high"]
        ),
        "validation accuracy": lambda row: fixed(row["val_accuracy"], 1),
        "macro F1": lambda row: fixed(row["f1_macro"], 3),
        "calibration error": lambda row: fixed(row["expected_calibration_error"], 3),
        "seconds to train": lambda row: quantity(row["fit_seconds"]),
        "images a second": lambda row: quantity(row["images_per_second"]),
        "parameters": lambda row: quantity(row["deployed_params"]),
        "cells": lambda row: str(row["cells"]),
    }
    if systems["failed"].any():
        columns["failed"] = lambda row: str(row["failed"])
    rows = [[write(row) for write in columns.values()] for _, row in systems.iterrows()]
    return Table(list(columns), rows, frozenset(columns) - {"system"})


def tell_costs(study: Study, charts: ChartFolder) -> Iterator[Block]:
    """Show what accuracy costs, to train and to predict."""
    for suffix, systems in by_dataset(study):
        costs = {
            "seconds to train": ("training", systems["fit_seconds"]),
            "milliseconds to predict an image": (
                "prediction",
                1000 / systems["images_per_second"],
            ),
        }
        pictures = []
        for name, (kind, cost) in costs.items():
            known = np.isfinite(cost) & (cost > 0)
            if known.sum() > 1:
                chart = f"cost-{kind}{suffix}"
                pictures.append(charts.costs(chart, systems[known], cost[known], name))
        if pictures:
            yield from heading(study, systems)
            yield from pictures


def tell_sizes(study: Study, charts: ChartFolder) -> Iterator[Block]:
    """Show accuracies against the number of images to train on."""
    for suffix, systems in by_dataset(study):
        scored = study.scored[study.scored["dataset"] == systems["dataset"].iloc[0]]
        if scored["images"].nunique() > 1:
            yield from heading(study, systems)
            yield charts.sizes(f"training-size{suffix}", scored)


def tell_ranks(study: Study, charts: ChartFolder) -> Iterator[Block]:
    """Show mean ranks over several datasets."""
    for train_size, ranking in study.rankings.items():
        if train_size:
            yield Paragraph(f"With {train_size:,} training images:")
        yield charts.ranks(f"ranks-{train_size}" if train_size else "ranks", ranking)
