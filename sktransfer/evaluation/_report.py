"""The folder of a benchmark: a record for each finished cell, and what is made of the records.

``run.json`` says what was run, where and with which versions; ``cells/`` has one file for each
strategy and backbone. The table, the pictures, the layers and the summaries are made from these
files alone, so they can be made again at any time, also while a run is under way.
"""

from __future__ import annotations

import json
import math
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from datetime import datetime
from importlib import import_module, metadata
from pathlib import Path

import numpy as np
import pandas as pd

from sktransfer.evaluation._plots import plot_bars, plot_learning_curves

__all__ = [
    "RESULT_COLUMNS",
    "cell_name",
    "cell_path",
    "describe_environment",
    "format_results",
    "read_json",
    "read_results",
    "write_json",
    "write_report",
]

RESULT_COLUMNS = (
    "strategy",
    "backbone",
    "recipe",
    "train_accuracy",
    "val_accuracy",
    "test_accuracy",
    "f1_micro",
    "f1_macro",
    "roc_auc_ovr",
    "log_loss",
    "total_params",
    "trainable_params",
    "non_trainable_params",
    "deployed_params",
    "epochs",
    "seconds_per_epoch",
    "fit_seconds",
    "predict_seconds",
    "seed",
    "error",
)
TEXT_COLUMNS = ("strategy", "backbone", "recipe", "error")
INTEGER_COLUMNS = (
    "total_params",
    "trainable_params",
    "non_trainable_params",
    "deployed_params",
    "epochs",
    "seed",
)
# What fits on a screen; the file has all of it.
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
PACKAGES = ("tensorflow", "keras", "scikit-learn", "numpy", "sktransfer")


def cell_name(strategy: str, backbone: str) -> str:
    """Name a cell; the strategies that have no backbone have an empty one."""
    return f"{strategy}-{backbone}" if backbone else strategy


def cell_path(output: Path, name: str) -> Path:
    """Return where the record of a cell is kept."""
    return output / "cells" / f"{name}.json"


def read_json(path: Path) -> dict:
    """Read a record; an empty one where there is none yet."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_json(path: Path, record: Mapping) -> None:
    """Write a record at once: a reader finds the old file or the new one, never half of it."""
    text = json.dumps(_jsonable(record), indent=1, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)


def _jsonable(value):
    """Turn NumPy's values into Python's; what is not finite becomes null, as JSON asks."""
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_jsonable(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_results(output: str | Path) -> pd.DataFrame:
    """Read the results of a benchmark, as far as it has come.

    Parameters
    ----------
    output : str or Path
        The folder of the run.

    Returns
    -------
    DataFrame
        A row for each finished cell, by strategy and backbone, with the columns `RESULT_COLUMNS`:
        accuracies in percent; F1 and ROC AUC, as fractions, and the log loss, in nats, of the test
        part; times in seconds, an epoch's as the mean of all. What a cell does not have is missing:
        the epochs of a model that is no network, or all scores of a cell that failed, whose
        ``error`` says why.

    Raises
    ------
    FileNotFoundError
        If `output` is not the folder of a run.

    Examples
    --------
    >>> from sktransfer.evaluation import read_results
    >>> read_results("no-such-run")
    Traceback (most recent call last):
    FileNotFoundError: 'no-such-run' is not the folder of a benchmark: it has no run.json
    """
    return _results_table(_read_cells(output))


def _read_cells(output: str | Path) -> list[dict]:
    """Read the records of all cells that have one."""
    if not (Path(output) / "run.json").exists():
        raise FileNotFoundError(
            f"{str(output)!r} is not the folder of a benchmark: it has no run.json"
        )
    records = [read_json(path) for path in (Path(output) / "cells").glob("*.json")]
    return sorted(
        records, key=lambda cell: (cell["result"]["strategy"], cell["result"]["backbone"])
    )


def _results_table(cells: list[dict]) -> pd.DataFrame:
    """Put the results of cells into one table, with the same types of columns in every run."""
    table = pd.DataFrame([cell["result"] for cell in cells], columns=list(RESULT_COLUMNS))
    types = {column: "float64" for column in RESULT_COLUMNS}
    types |= {column: "object" for column in TEXT_COLUMNS}
    types |= {column: "Int64" for column in INTEGER_COLUMNS}
    return table.astype(types).fillna({column: "" for column in TEXT_COLUMNS})


def format_results(table: pd.DataFrame) -> str:
    """Write results as text: the columns that matter most, and below them what failed.

    Parameters
    ----------
    table : DataFrame
        As from `read_results`.

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> from sktransfer.evaluation import RESULT_COLUMNS, format_results
    >>> failed = {"strategy": "cnn", "backbone": "", "error": "MemoryError: no memory"}
    >>> print(format_results(pd.DataFrame([failed], columns=RESULT_COLUMNS)).splitlines()[-1])
    failed: cnn: MemoryError: no memory
    """
    shown = table[list(PRINTED_COLUMNS)]
    shown = shown.rename(columns=lambda column: column.replace("_accuracy", "_%"))
    shown = shown.rename(columns={"seconds_per_epoch": "s/epoch", "fit_seconds": "fit_s"})
    shown = shown.astype(object).fillna("")
    text = shown.to_string(index=False, float_format="{:.3f}".format)
    failed = table[table["error"] != ""]
    names = map(cell_name, failed["strategy"], failed["backbone"])
    errors = zip(names, failed["error"], strict=True)
    return "\n".join([text, *(f"failed: {name}: {error}" for name, error in errors)])


def write_report(output: str | Path) -> pd.DataFrame:
    """Write the table, the pictures, the layers and the summaries of a benchmark.

    Parameters
    ----------
    output : str or Path
        The folder of the run. Written into it are ``results.csv``, the folder ``pictures`` with
        PNG files, ``layers`` (the layers of each network as CSV: type, name, trainable) and
        ``summaries`` (text).

    Returns
    -------
    DataFrame
        As from `read_results`.

    Raises
    ------
    FileNotFoundError
        If `output` is not the folder of a run.

    Examples
    --------
    >>> from sktransfer.evaluation import write_report
    >>> write_report("no-such-run")
    Traceback (most recent call last):
    FileNotFoundError: 'no-such-run' is not the folder of a benchmark: it has no run.json
    """
    output = Path(output)
    cells = _read_cells(output)
    table = _results_table(cells)
    for folder in ("pictures", "layers", "summaries"):
        (output / folder).mkdir(exist_ok=True)
    table.to_csv(output / "results.csv", index=False)
    for cell in cells:
        _write_cell_report(output, cell)
    _write_bars(output, table, "test_accuracy", "test accuracy (%)", "accuracy")
    _write_bars(output, table, "seconds_per_epoch", "seconds an epoch", "epoch-seconds")
    return table


def _write_cell_report(output: Path, cell: dict) -> None:
    """Write what belongs to one cell: its layers, its summary, its learning curves."""
    name = cell_name(cell["result"]["strategy"], cell["result"]["backbone"])
    if cell.get("layers"):
        pd.DataFrame(cell["layers"]).to_csv(output / "layers" / f"{name}.csv", index=False)
    if cell.get("summary"):
        (output / "summaries" / f"{name}.txt").write_text(cell["summary"], encoding="utf-8")
    if cell.get("history"):
        figure = plot_learning_curves(cell["history"], name)
        figure.savefig(output / "pictures" / f"learning-{name}.png", dpi=120)


def _write_bars(output: Path, table: pd.DataFrame, column: str, label: str, name: str) -> None:
    """Write a bar chart, where there is anything to draw."""
    if table[column].notna().any():
        plot_bars(table, column, label).savefig(output / "pictures" / f"{name}.png", dpi=120)


def describe_environment() -> dict:
    """Say on what machine, with which versions, by which command and when something is run."""
    return {
        "machine": {
            "processor": _processor_name(),
            "cores": os.cpu_count(),
            "memory_gib": _memory_gib(),
            "system": platform.platform(),
        },
        "versions": {
            "python": platform.python_version(),
            **{package: _version(package) for package in PACKAGES},
        },
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _version(package: str) -> str:
    """Return the version of a package, also where it is installed under another name."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # tensorflow-cpu, or a checkout that is not installed
        return import_module(package).__version__


def _processor_name() -> str:
    """Return the processor's name; the standard library knows it on some systems only."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    """Return the memory of the machine, or None where the system does not say."""
    try:
        pages, page_size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # Windows has no sysconf
        return None
    return round(pages * page_size / 2**30, 1)
