"""What a report tells of how systems learned, and of their errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pandas as pd

from sktransfer.evaluation.report._blocks import Block, Details, Gallery, Paragraph, Picture, Table
from sktransfer.evaluation.report._by_dataset import by_dataset, heading
from sktransfer.evaluation.report._figures import MOST_CLASSES_DRAWN, ChartFolder
from sktransfer.evaluation.report._leaders import first_predictions
from sktransfer.evaluation.report._mistakes import confident_mistakes, thumbnail_path
from sktransfer.evaluation.report._phrases import counted
from sktransfer.evaluation.report._study import Study
from sktransfer.evaluation.verdicts._predictions import Predictions

__all__ = ["tell_errors", "tell_learning"]

N_CONFUSIONS = 5


def tell_learning(study: Study, charts: ChartFolder) -> Iterator[Block]:
    """Show how networks learned, one of the cells of each, the best network first."""
    order = {system: place for place, system in enumerate(study.leaders["system"].unique())}
    histories: dict[str, dict] = {}
    for cell in sorted(study.entries, key=lambda cell: (order.get(cell.system, len(order)), cell)):
        if study.entries[cell].get("history"):
            histories.setdefault(cell.system, study.entries[cell]["history"])
    pictures = [charts.learning(system, history) for system, history in histories.items()]
    yield from pictures[:1]
    if pictures[1:]:
        yield Details(f"{counted(len(pictures) - 1, 'other system')}", pictures[1:])


def tell_errors(study: Study, charts: ChartFolder) -> Iterator[Block]:
    """Show the errors of the best system, and of the second one where it is asked for."""
    for suffix, systems in by_dataset(study):
        for place, (_, system) in enumerate(systems.head(2).iterrows(), start=1):
            predictions = first_predictions(study.record, study.entries, system)
            if predictions is None:
                continue
            blocks = list(_errors_of(system, predictions, f"{suffix}-{place}", study, charts))
            if place == 1:
                yield from heading(study, systems)
                yield from blocks
            else:
                yield Details(f"The runner-up, {system['system']}", blocks)


def _errors_of(
    system: pd.Series, predictions: Predictions, suffix: str, study: Study, charts: ChartFolder
) -> Iterator[Block]:
    """Show what a system confuses, how far its probabilities hold, and its worst mistakes."""
    name = system["system"]
    n_wrong = int((~predictions.is_right).sum())
    yield Paragraph(
        f"{name} mistakes {n_wrong:,} of {counted(len(predictions.true), 'test image')}."
    )
    if len(predictions.classes) <= MOST_CLASSES_DRAWN:
        yield charts.confusion(f"confusion{suffix}", name, predictions)
    if n_wrong:
        yield _confusion_table(predictions)
    yield charts.reliability(f"calibration{suffix}", name, predictions)
    mistakes = confident_mistakes(predictions)
    pictures = [
        Picture(
            thumbnail_path(study.record, system["dataset"], mistake),
            alt=f"An image of the class {mistake.true}.",
            caption=f"{mistake.true}, taken for {mistake.predicted} ({mistake.probability:.1%})",
        )
        for mistake in mistakes
    ]
    stored = [picture for picture in pictures if picture.path.exists()]
    if stored:
        yield Paragraph("The mistakes of which it was most sure:")
        yield Gallery(stored)


def _confusion_table(predictions: Predictions) -> Table:
    """List the classes that are most often taken for others."""
    wrong = ~predictions.is_right
    true, predicted = (
        predictions.classes[codes[wrong]].tolist()
        for codes in (predictions.true, predictions.predicted)
    )
    counts = Counter(zip(true, predicted, strict=True)).most_common(N_CONFUSIONS)
    rows = [[str(one), str(other), f"{n:,}"] for (one, other), n in counts]
    return Table(["class", "taken for", "images"], rows, frozenset({"images"}))
