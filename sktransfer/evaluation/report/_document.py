"""The report of a benchmark, in the order in which a newcomer reads it.

What the record does not tell of is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sktransfer.evaluation._record import Record
from sktransfer.evaluation.report._about_errors import tell_errors, tell_learning
from sktransfer.evaluation.report._about_pairs import tell_comparisons
from sktransfer.evaluation.report._about_run import (
    tell_failures,
    tell_images,
    tell_layers,
    tell_progress,
    tell_repetition,
    tell_what_was_run,
)
from sktransfer.evaluation.report._about_scores import (
    tell_costs,
    tell_ranks,
    tell_scores,
    tell_sizes,
    tell_verdict,
)
from sktransfer.evaluation.report._blocks import Block, Document, Section
from sktransfer.evaluation.report._figures import ChartFolder
from sktransfer.evaluation.report._phrases import listed
from sktransfer.evaluation.report._study import Study, read_study

__all__ = ["compose_report"]


def compose_report(record: Record) -> Document:
    """Write the report of a benchmark, and draw its charts into the folder ``figures``.

    Parameters
    ----------
    record : Record
        Of a run, finished or not.

    Returns
    -------
    Document
        For `write_html` and `write_markdown`.

    Raises
    ------
    FileNotFoundError
        If the folder of the record is not that of a run.
    """
    study = read_study(record)
    charts = ChartFolder(record.folder / "figures")
    writers: dict[str, Callable[[Study, ChartFolder], Iterator[Block]]] = {
        "What was compared": tell_what_was_run,
        "Verdict": tell_verdict,
        "Leaderboard": tell_scores,
        "Accuracy against cost": tell_costs,
        "What more training images bring": tell_sizes,
        "Which one is better": tell_comparisons,
        "Over all datasets": tell_ranks,
        "Learning curves": tell_learning,
        "What is mistaken for what": tell_errors,
        "The images": tell_images,
        "Layers": tell_layers,
        "What failed": tell_failures,
        "How to repeat it": tell_repetition,
    }
    written = [Section(title, list(write(study, charts))) for title, write in writers.items()]
    names = study.datasets or [dataset["name"] for dataset in study.described]
    return Document(
        title=f"Benchmark on {listed(names)}" if names else "Benchmark",
        introduction=list(tell_progress(study)),
        sections=[section for section in written if section.blocks],
    )
