"""The tables that are made of a record, at any time, also while a run is under way."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest, norm

from sktransfer.evaluation._record import Cell, Record
from sktransfer.evaluation._statistics import score_interval

__all__ = [
    "RESULT_COLUMNS",
    "format_results",
    "read_results",
    "results_table",
    "summarize_results",
]

RESULT_COLUMNS = (
    "dataset",
    "strategy",
    "backbone",
    "recipe",
    "train_size",
    "repeat",
    "fold",
    "seed",
    "train_images",
    "validation_images",
    "test_images",
    "train_accuracy",
    "val_accuracy",
    "test_accuracy",
    "balanced_accuracy",
    "f1_micro",
    "f1_macro",
    "roc_auc_ovr",
    "roc_auc_ovo",
    "top_k_accuracy",
    "log_loss",
    "brier",
    "expected_calibration_error",
    "total_params",
    "trainable_params",
    "non_trainable_params",
    "deployed_params",
    "flops",
    "epochs",
    "seconds_per_epoch",
    "fit_seconds",
    "predict_seconds",
    "images_per_second",
    "peak_memory_mib",
    "error",
)
TEXT_COLUMNS = ("dataset", "strategy", "backbone", "recipe", "error")
INTEGER_COLUMNS = (
    "train_size",
    "repeat",
    "fold",
    "seed",
    "train_images",
    "validation_images",
    "test_images",
    "total_params",
    "trainable_params",
    "non_trainable_params",
    "deployed_params",
    "flops",
    "epochs",
)
SYSTEM_COLUMNS = ["dataset", "strategy", "backbone", "train_size"]
"""What is compared: all cells that have these in common are repetitions of each other."""
MEASURED_COLUMNS = RESULT_COLUMNS[RESULT_COLUMNS.index("train_images") : -1]
SUMMARY_COLUMNS = (
    *SYSTEM_COLUMNS,
    "cells",
    "failed",
    *MEASURED_COLUMNS,
    "test_low",
    "test_high",
)
PRINTED_COLUMNS = (
    "strategy",
    "backbone",
    "train_accuracy",
    "val_accuracy",
    "test_accuracy",
    "f1_macro",
    "roc_auc_ovr",
    "log_loss",
    "trainable_params",
    "deployed_params",
    "epochs",
    "seconds_per_epoch",
    "fit_seconds",
)
"""What fits on a screen; the file has all of it."""


def read_results(output: str | Path) -> pd.DataFrame:
    """Read the results of a benchmark, as far as it has come.

    Parameters
    ----------
    output : str or Path
        The folder of the run.

    Returns
    -------
    DataFrame
        A row for each finished cell, by dataset, strategy, backbone, training size, repeat and
        fold, with the columns `RESULT_COLUMNS`: a `train_size` of 0 is all images; accuracies in
        percent; F1, ROC AUC, top-k accuracy and calibration error, as fractions, the Brier score
        and the log loss, in nats, of the test part; floating point operations of the prediction of
        one image; times in seconds, an epoch's as the mean of all. What a cell does not have is
        missing: the epochs of a model that is no network, or all scores of a cell that failed,
        whose ``error`` says why.

    Raises
    ------
    FileNotFoundError
        If `output` is not the folder of a run.
    ValueError
        If the record is of another version.

    Examples
    --------
    >>> from sktransfer.evaluation import read_results
    >>> read_results("no-such-run")
    Traceback (most recent call last):
    FileNotFoundError: 'no-such-run' is not the folder of a benchmark: it has no run.json
    """
    record = Record(output)
    record.existing_header()
    return results_table(record.entries())


def results_table(entries: dict[Cell, dict]) -> pd.DataFrame:
    """Put the results of cells into one table, with the same types of columns in every run."""
    results = [entries[cell]["result"] for cell in sorted(entries)]
    table = pd.DataFrame(results, columns=list(RESULT_COLUMNS))
    types = {column: "float64" for column in RESULT_COLUMNS}
    types |= {column: "object" for column in TEXT_COLUMNS}
    types |= {column: "Int64" for column in INTEGER_COLUMNS}
    return table.astype(types).fillna({column: "" for column in TEXT_COLUMNS})


def summarize_results(table: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Average the repeats and folds of a benchmark.

    Parameters
    ----------
    table : DataFrame
        As from `read_results`.
    confidence : float, default=0.95
        Of the intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        A row for each dataset, strategy, backbone and training size, the best mean validation
        accuracy first: ``cells`` that succeeded, ``failed`` ones, the means of all that was
        measured, and ``test_low`` and ``test_high``, the interval of the test accuracy in percent.
        Of several folds it is that of `score_interval`. Of repeats on one test set it adds up the
        variance of training and that of the test images; of a single cell it is that of Wilson
        (1927), which knows of the test images alone.

    Examples
    --------
    >>> import pandas as pd
    >>> from sktransfer.evaluation import RESULT_COLUMNS, summarize_results
    >>> cells = [
    ...     {"dataset": "d", "strategy": "knn", "fold": fold, "test_accuracy": 80.0 + fold,
    ...      "train_images": 80, "validation_images": 20, "test_images": 25}
    ...     for fold in range(5)
    ... ]
    >>> table = pd.DataFrame(cells, columns=RESULT_COLUMNS).assign(error="")
    >>> summary = summarize_results(table)
    >>> summary[["strategy", "cells", "test_accuracy"]].values.tolist()
    [['knn', 5, 82.0]]
    """
    rows = [
        _summary(key, group, confidence)
        for key, group in table.groupby(SYSTEM_COLUMNS, sort=False, dropna=False)
    ]
    columns = ["val_accuracy", "deployed_params"]
    summary = pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
    return summary.sort_values(columns, ascending=[False, True], ignore_index=True)


def _summary(key: Hashable, group: pd.DataFrame, confidence: float) -> dict:
    """Average the cells of one system."""
    done = group[group["error"] == ""]
    means = done[list(MEASURED_COLUMNS)].astype(float).mean()
    low, high = _interval(done, confidence)
    return {
        **dict(zip(SYSTEM_COLUMNS, key, strict=True)),  # type: ignore[call-overload]
        "cells": len(done),
        "failed": len(group) - len(done),
        **means,
        "test_low": low,
        "test_high": high,
    }


def _interval(done: pd.DataFrame, confidence: float) -> tuple[float, float]:
    """Return the confidence interval of the mean test accuracy, in percent."""
    scores = done["test_accuracy"].to_numpy(dtype=float)
    if len(scores) == 0:
        return np.nan, np.nan
    n_test = float(done["test_images"].mean())
    if len(scores) == 1:
        hits = round(scores[0] / 100 * n_test)
        exact = binomtest(hits, round(n_test)).proportion_ci(confidence, method="wilson")
        return 100 * exact.low, 100 * exact.high
    if (done["fold"] == 0).all():  # the same test images in all repeats
        mean = scores.mean()
        variance = scores.var(ddof=1) / len(scores) + mean * (100 - mean) / n_test
        half = norm.ppf((1 + confidence) / 2) * np.sqrt(variance)
        return max(mean - half, 0.0), min(mean + half, 100.0)
    n_train = float((done["train_images"] + done["validation_images"]).mean())
    return score_interval(scores, test_fraction=n_test / n_train, confidence=confidence)


def format_results(table: pd.DataFrame) -> str:
    """Write results as text: the columns that matter most, and below them what failed.

    Parameters
    ----------
    table : DataFrame
        As from `read_results`.

    Returns
    -------
    str
        Means, where there are repeats or folds; the dataset and the number of training images
        where there are several. Of a benchmark that has just begun, that there are no results yet.

    Examples
    --------
    >>> import pandas as pd
    >>> from sktransfer.evaluation import RESULT_COLUMNS, format_results
    >>> failed = {"strategy": "cnn", "backbone": "", "error": "MemoryError: no memory"}
    >>> print(format_results(pd.DataFrame([failed], columns=RESULT_COLUMNS)).splitlines()[-1])
    failed: cnn: MemoryError: no memory
    """
    if table.empty:
        return "no results yet"
    summary = summarize_results(table)
    varied = [name for name in ("dataset", "train_size") if summary[name].nunique() > 1]
    repeated = ["cells"] if summary["cells"].max() > 1 else []
    shown = summary[[*varied, *PRINTED_COLUMNS, *repeated]]
    shown = shown.rename(columns=lambda column: column.replace("_accuracy", "_%"))
    shown = shown.rename(columns={"seconds_per_epoch": "s/epoch", "fit_seconds": "fit_s"})
    whole = ["trainable_params", "deployed_params"]
    # Folds may differ: a projection keeps as many components as its images ask for.
    shown[whole] = shown[whole].astype(float).map("{:.0f}".format, na_action="ignore")
    text = shown.to_string(index=False, na_rep="", float_format="{:.3f}".format)
    errors = table.loc[table["error"] != "", ["strategy", "backbone", "error"]].drop_duplicates()
    lines = [
        f"failed: {Cell('', strategy, backbone).system}: {error}"
        for strategy, backbone, error in errors.to_numpy()
    ]
    return "\n".join([text, *lines])
