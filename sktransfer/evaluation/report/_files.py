"""All files that are made of a record, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sktransfer.evaluation._record import Cell, Record, file_name
from sktransfer.evaluation._results import results_table, summarize_results
from sktransfer.evaluation.report._document import compose_report
from sktransfer.evaluation.report._html import write_html
from sktransfer.evaluation.report._markdown import write_markdown

__all__ = ["write_report"]


def write_report(output: str | Path) -> pd.DataFrame:
    """Write the report, the tables, the layers and the summaries of a benchmark.

    Parameters
    ----------
    output : str or Path
        The folder of the run. Written into it are ``report.html``, a single file with all that is
        to be read, ``report.md`` with the same words, and their charts in the folder ``figures``
        (PNG and SVG); ``results.csv`` (a row for each cell) and ``summary.csv`` (means and
        intervals), the folders ``layers`` (the layers of each network as CSV: type, name,
        trainable) and ``summaries`` (text).

    Returns
    -------
    DataFrame
        As from `read_results`.

    Raises
    ------
    FileNotFoundError
        If `output` is not the folder of a run.
    ValueError
        If the record is of another version.

    Examples
    --------
    >>> from sktransfer.evaluation import write_report
    >>> write_report("no-such-run")
    Traceback (most recent call last):
    FileNotFoundError: 'no-such-run' is not the folder of a benchmark: it has no run.json
    """
    record = Record(output)
    record.existing_header()
    entries = record.entries()
    table = results_table(entries)
    for folder in ("layers", "summaries"):
        (record.folder / folder).mkdir(exist_ok=True)
    table.to_csv(record.folder / "results.csv", index=False)
    summarize_results(table).to_csv(record.folder / "summary.csv", index=False)
    for cell in sorted(entries, reverse=True):  # of several cells alike, the first is told of
        _write_cell_report(record.folder, cell, entries[cell])
    _write_pages(record)
    return table


def _write_pages(record: Record) -> None:
    """Write what is to be read: the report in two formats, with its charts."""
    document = compose_report(record)
    write_html(record, document)
    write_markdown(record, document)


def _write_cell_report(folder: Path, cell: Cell, entry: dict) -> None:
    """Write what belongs to one cell: its layers and its summary."""
    name = file_name(cell.system)
    if entry.get("layers"):
        pd.DataFrame(entry["layers"]).to_csv(folder / "layers" / f"{name}.csv", index=False)
    if entry.get("summary"):
        path = folder / "summaries" / f"{name}.txt"
        path.write_text(entry["summary"], encoding="utf-8")
