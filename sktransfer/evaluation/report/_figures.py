"""The charts of a report, each made from what the record tells and stored as PNG and as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sktransfer.evaluation._plots import plot_learning_curves
from sktransfer.evaluation._record import file_name
from sktransfer.evaluation._statistics import RankComparison
from sktransfer.evaluation.report._blocks import Picture
from sktransfer.evaluation.report._phrases import counted, listed, with_interval
from sktransfer.evaluation.verdicts._predictions import Predictions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MOST_CLASSES_DRAWN", "ChartFolder"]

MOST_CLASSES_DRAWN = 40
"""A confusion matrix of more classes is larger than a page."""
ACCURACY = "test accuracy (%)"


class ChartFolder:
    """Draws charts into a folder.

    Parameters
    ----------
    folder : Path
        Made with the first chart.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def leaderboard(self, name: str, systems: pd.DataFrame) -> Picture:
        """Draw accuracies with their intervals."""
        from sktransfer.evaluation.displays import LeaderboardDisplay

        labels = systems["system"].tolist()
        mean, low, high = systems[["test_accuracy", "test_low", "test_high"]].to_numpy(float).T
        display = LeaderboardDisplay(mean, low, high, labels, ACCURACY).plot()
        scores = [
            f"{label} {with_interval(*numbers)}"
            for label, *numbers in zip(labels, mean, low, high, strict=True)
        ]
        return self._saved(
            display.ax_.figure.figure,
            name,
            f"Chart of test accuracies in percent with 95 % intervals: {listed(scores)}.",
        )

    def costs(self, name: str, systems: pd.DataFrame, cost: pd.Series, cost_name: str) -> Picture:
        """Draw accuracies against what they cost, and which are best for that."""
        from sktransfer.evaluation.displays import ParetoDisplay

        display = ParetoDisplay(
            cost.to_numpy(float),
            systems["test_accuracy"].to_numpy(float),
            systems["system"].tolist(),
            cost_name,
            ACCURACY,
        ).plot()
        front = systems["system"][display.front_].tolist()
        return self._saved(
            display.ax_.figure.figure,
            name,
            f"Chart of test accuracy against {cost_name}; best for what they cost are "
            f"{listed(front)}.",
            f"On the line lies what no other system beats in both: {listed(front)}.",
        )

    def sizes(self, name: str, scored: pd.DataFrame) -> Picture:
        """Draw accuracies against the number of images to train on."""
        from sktransfer.evaluation.displays import TrainingSizeDisplay

        mean, low, high = (
            scored.pivot_table(
                index="system", columns="images", values=column, sort=False, dropna=False
            ).sort_index(axis="columns")
            for column in ("test_accuracy", "test_low", "test_high")
        )
        display = TrainingSizeDisplay(
            mean.columns.to_numpy(int),
            mean.to_numpy(float),
            low.to_numpy(float),
            high.to_numpy(float),
            mean.index.tolist(),
            ACCURACY,
        ).plot()
        return self._saved(
            display.ax_.figure.figure,
            name,
            f"Chart of the test accuracy of {counted(len(mean), 'system')} against the number of "
            f"images to train on, from {mean.columns[0]:,} to {mean.columns[-1]:,}.",
        )

    def ranks(self, name: str, ranking: RankComparison) -> Picture:
        """Draw mean ranks, and what does not differ significantly."""
        from sktransfer.evaluation.displays import CriticalDifferenceDisplay

        display = CriticalDifferenceDisplay.from_comparison(ranking)
        return self._saved(
            display.ax_.figure.figure,
            name,
            f"Critical difference diagram; {ranking}.",
            "1 is the best rank. A bar joins systems whose difference may well be chance.",
        )

    def learning(self, system: str, history: dict[str, list[float]]) -> Picture:
        """Draw accuracy and loss against the epoch."""
        n_epochs = len(history["loss"])
        return self._saved(
            plot_learning_curves(history, system),
            f"learning-{file_name(system)}",
            f"Learning curves of {system}: accuracy and loss in {counted(n_epochs, 'epoch')}.",
        )

    def confusion(self, name: str, system: str, predictions: Predictions) -> Picture:
        """Draw how often each class is taken for each other one."""
        from sktransfer.evaluation.displays import confusion_display

        display = confusion_display(
            predictions.classes[predictions.true],
            predictions.classes[predictions.predicted],
            labels=predictions.classes,
        )
        n_right, n = int(predictions.is_right.sum()), len(predictions.true)
        return self._saved(
            display.ax_.figure.figure,
            name,
            f"Confusion matrix of {system}: {n_right:,} of {n:,} test images are on the diagonal.",
            "Rows are what the images are, columns what they were taken for.",
        )

    def reliability(self, name: str, system: str, predictions: Predictions) -> Picture:
        """Draw how often it is right against how sure it is."""
        from sktransfer.evaluation.displays import ReliabilityDisplay

        names = np.arange(len(predictions.classes))
        display = ReliabilityDisplay.from_predictions(predictions.true, predictions.proba, names)
        error = display.bins.expected_error
        return self._saved(
            display.ax_.figure.figure,
            name,
            f"Reliability diagram of {system}: expected calibration error {error:.3f}.",
            f"Below the diagonal {system} is surer than it should be, above it less sure.",
        )

    def _saved(self, figure: Figure, name: str, alt: str, caption: str = "") -> Picture:
        """Write a figure; the same figure gives the same files."""
        from matplotlib import rc_context

        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}.png"
        figure.savefig(path, dpi=120)
        figure.set_layout_engine("none")  # the places that were found hold for both files
        with rc_context({"svg.hashsalt": name}):
            figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
        return Picture(path, alt, caption)
