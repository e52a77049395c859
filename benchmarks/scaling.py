"""Measure how time grows with the number of images, and with that of a search's candidates.

    python -m benchmarks.scaling --data cifar10.zip --weights-dir DIR

Extraction of 1,000 to 60,000 images without the cache, and grid searches of 1 to 64 heads, each
starting with an empty cache. A straight line is fitted to each; the table has its values and the
picture shows it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from sklearn.base import clone

from benchmarks._settings import image_parser, load_images, source_of, usual_backbone
from benchmarks._side_by_side import store, take_turns

INPUT_SIZE = 96
EXTRACTION, SEARCH = "extraction", "grid search"
UNITS = {EXTRACTION: "images", SEARCH: "candidates"}


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    images: tuple[int, ...] = (1_000, 2_000, 5_000, 10_000, 20_000, 40_000, 60_000)
    candidates: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    search_images: int = 1_000
    folds: int = 3
    epochs: int = 5


QUICK = Sizes(images=(8, 16, 32), candidates=(1, 2, 3), search_images=40, folds=2, epochs=1)


def extraction_calls(features, images: np.ndarray, counts: Iterable[int]) -> dict[int, Callable]:
    """Return a call for each number of images."""
    features.set_params(cache=None).fit(images[:1])
    return {n: partial(features.transform, images[:n]) for n in counts}


def search_calls(
    features, images: np.ndarray, labels: np.ndarray, sizes: Sizes
) -> dict[int, Callable]:
    """Return a call for each number of candidates, which differ in their rate of learning."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline

    from sktransfer import DenseHead
    from sktransfer.cache import memory_store

    head = DenseHead(epochs=sizes.epochs, random_state=0)

    def search(n: int) -> None:
        memory_store().clear()
        rates = np.geomspace(1e-4, 1e-2, n)
        GridSearchCV(
            Pipeline([("features", features), ("head", head)]),
            {"head__learning_rate": rates.tolist()},
            cv=sizes.folds,
            refit=False,
        ).fit(images, labels)

    return {n: partial(search, n) for n in sizes.candidates}


def with_line(task: str, seconds: dict[int, float]) -> list[dict]:
    """Return a row for each count, with the straight line that fits all of them best."""
    counts = np.array(list(seconds), dtype=float)
    times = np.array(list(seconds.values()))
    slope, start = np.polyfit(counts, times, 1)
    fitted = start + slope * counts
    r_squared = 1 - ((times - fitted) ** 2).sum() / ((times - times.mean()) ** 2).sum()
    return [
        {
            "task": f"{task}, {UNITS[task]}",
            "count": int(count),
            "seconds": time,
            "line_seconds": on_line,
            "line_start_seconds": start,
            "line_seconds_each": slope,
            "r_squared": r_squared,
        }
        for count, time, on_line in zip(counts, times, fitted, strict=True)
    ]


def picture(table: pd.DataFrame):
    """Draw times and lines, one task beside the other."""
    from matplotlib.figure import Figure

    tasks = list(table.groupby("task", sort=False))
    figure = Figure(figsize=(5 * len(tasks), 4), layout="constrained")
    for axes, (task, rows) in zip(figure.subplots(1, len(tasks)), tasks, strict=True):
        axes.plot(rows["count"], rows["line_seconds"], color="#7F7F7F", label="straight line")
        axes.plot(rows["count"], rows["seconds"], "o", color="#0072B2", label="measured")
        axes.set_xlabel(task)
        axes.set_ylabel("seconds")
        axes.set_title(f"R² = {rows['r_squared'].iloc[0]:.4f}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return figure


def measure(arguments: argparse.Namespace, sizes: Sizes) -> list[dict]:
    """Measure both tasks."""
    from sktransfer import BackboneFeatures

    images, labels = load_images(arguments.data, max(sizes.images), arguments.seed)
    backbone, weights = usual_backbone(arguments.weights_dir)
    features = BackboneFeatures(backbone, weights=weights, input_size=INPUT_SIZE, random_state=0)
    few = slice(0, sizes.search_images)
    calls = {
        EXTRACTION: extraction_calls(clone(features), images, sizes.images),
        SEARCH: search_calls(features, images[few], labels[few], sizes),
    }
    rows = []
    for task, by_count in calls.items():
        by_count[min(by_count)]()  # what is slow once
        timed = take_turns(by_count, arguments.repeats, warm_up=False)
        rows += with_line(task, {count: one.median for count, one in timed.items()})
    return rows


def main(words: list[str] | None = None) -> None:
    arguments = image_parser(__doc__, repeats=1).parse_args(words)
    sizes = QUICK if arguments.quick else Sizes()
    table = store(
        "scaling",
        measure(arguments, sizes),
        arguments,
        sizes,
        images_from=source_of(arguments.data),
        backbone=f"{usual_backbone(arguments.weights_dir)[0]} at {INPUT_SIZE}",
    )
    picture(table).savefig(arguments.output / "scaling.png", dpi=120)


if __name__ == "__main__":
    main()
