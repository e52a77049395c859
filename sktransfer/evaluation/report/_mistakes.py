"""The mistakes of which a system was most sure, and the pictures of them in the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sktransfer._replacing import replacing
from sktransfer.evaluation._metrics import rank_mistakes
from sktransfer.evaluation._record import Record, file_name
from sktransfer.evaluation._results import read_results
from sktransfer.evaluation._splits import Pools, taken
from sktransfer.evaluation.report._leaders import first_predictions, leading_systems
from sktransfer.evaluation.verdicts._predictions import Predictions

__all__ = ["Mistake", "confident_mistakes", "save_mistakes", "thumbnail_path"]

N_MISTAKES = 12
THUMBNAIL_SIDE = 128
"""Longest side of a stored picture, in pixels; smaller ones are stored as they are."""


@dataclass(frozen=True)
class Mistake:
    """An image that was taken for something else."""

    position: int
    """In the pool that it was taken from."""
    is_held_out: bool
    """Whether that is the test part of the dataset."""
    true: Any
    predicted: Any
    probability: float


def confident_mistakes(predictions: Predictions) -> list[Mistake]:
    """Return the mistakes of the highest probability, the worst first."""
    worst = rank_mistakes(predictions.true, predictions.proba)[:N_MISTAKES]
    return [
        Mistake(
            position=int(predictions.positions[row]),
            is_held_out=predictions.is_held_out,
            true=predictions.classes[predictions.true[row]],
            predicted=predictions.classes[predictions.predicted[row]],
            probability=float(predictions.proba[row].max()),
        )
        for row in worst
    ]


def thumbnail_path(record: Record, dataset: str, mistake: Mistake) -> Path:
    """Name the picture of a mistake; systems that mistake the same image share it."""
    pool = "test" if mistake.is_held_out else "train"
    name = file_name(f"{dataset}-{pool}-{mistake.position}.png")
    return record.folder / "pictures" / "mistakes" / name


def save_mistakes(record: Record, pools: Mapping[str, Pools]) -> None:
    """Store small pictures of the most confident mistakes of each dataset's best system.

    A report is made from the record alone, which has no other pictures of test images.

    Parameters
    ----------
    record : Record
        Of a run that has finished, or come as far as it has.
    pools : mapping of str to Pools
        The images of each dataset, by its name.
    """
    entries = record.entries()
    leaders = leading_systems(read_results(record.folder))
    for _, best in leaders.groupby("dataset", sort=False).head(1).iterrows():
        predictions = first_predictions(record, entries, best)
        if predictions is None:
            continue
        pool = pools[best["dataset"]]
        images = pool.X_test if predictions.is_held_out else pool.X
        for mistake in confident_mistakes(predictions):
            path = thumbnail_path(record, best["dataset"], mistake)
            path.parent.mkdir(parents=True, exist_ok=True)
            _save_thumbnail(images, mistake.position, path)


def _save_thumbnail(images: Any, position: int, path: Path) -> None:
    """Write one of several images as a small PNG file."""
    from PIL import Image

    from sktransfer.images import as_images

    (pixels,) = as_images(taken(images, np.array([position]))).take(np.array([0]))
    thumbnail = Image.fromarray(pixels.astype(np.uint8))
    thumbnail.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    with replacing(path) as unfinished:
        thumbnail.save(unfinished, format="PNG")
