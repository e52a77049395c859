from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from sktransfer.evaluation._record import Cell, Record

CLASSES = ("cat", "dog", "owl")


def one_hot_guesses(rng, true, accuracy, n_classes):
    """Probabilities whose most probable class is right with the probability `accuracy`."""
    wrong = (true + rng.integers(1, n_classes, len(true))) % n_classes
    predicted = np.where(rng.random(len(true)) < accuracy, true, wrong)
    sureness = rng.uniform(0.55, 0.99, len(true))
    proba = np.tile(((1 - sureness) / (n_classes - 1))[:, None], n_classes)
    proba[np.arange(len(true)), predicted] = sureness
    return proba.astype(np.float32)


@pytest.fixture
def make_run(tmp_path):
    """Write the record of a run that never was, with predictions as good as is asked for."""

    def make(
        accuracies: Mapping[tuple[str, str], float],
        *,
        datasets: Sequence[str] = ("pets",),
        sizes: Sequence[int] = (0,),
        n_repeats: int = 1,
        n_folds: int = 0,
        n_test: int = 60,
        classes: Sequence[str] = CLASSES,
        header: Mapping | None = None,
        with_labels: bool = True,
        seed: int = 0,
    ) -> Record:
        record = Record(tmp_path / "run")
        record.folder.mkdir(exist_ok=True)
        record.write_header({"settings": {}} if header is None else header)
        rng = np.random.default_rng(seed)
        true = rng.integers(0, len(classes), n_test * max(n_folds, 1))
        n_train = n_test * (n_folds - 1) if n_folds else 400
        places = itertools.product(datasets, sizes, range(n_repeats), range(max(n_folds, 1)))
        for dataset, size, repeat, fold in places:
            test = fold * n_test + np.arange(n_test)
            for (strategy, backbone), accuracy in accuracies.items():
                cell = Cell(dataset, strategy, backbone, size, repeat, fold)
                proba = one_hot_guesses(rng, true[test], accuracy, len(classes))
                is_network = strategy not in ("knn", "linear_probe")
                result = {
                    "dataset": dataset,
                    "strategy": strategy,
                    "backbone": backbone,
                    "train_size": size,
                    "repeat": repeat,
                    "fold": fold,
                    "train_images": round(0.8 * (size or n_train)),
                    "validation_images": round(0.2 * (size or n_train)),
                    "test_images": n_test,
                    "test_accuracy": 100 * np.mean(proba.argmax(axis=1) == true[test]),
                    "val_accuracy": 100 * accuracy,
                    "fit_seconds": 10 * accuracy,
                    "images_per_second": 1000 * accuracy,
                    "deployed_params": 1000,
                }
                entry = {
                    "result": result,
                    "classes": list(classes),
                    "layers": [{"type": "Dense", "name": "dense", "trainable": True}],
                }
                if is_network:
                    history = {"loss": [1.0, 0.5], "accuracy": [0.5, 0.9]}
                    entry["history"] = history
                predictions = {"proba": proba, "test": test, "is_held_out": np.array(not n_folds)}
                if with_labels:
                    predictions["true"] = true[test]
                record.append(cell, entry, predictions)
        return record

    return make


@pytest.fixture
def add_failure():
    """Append a cell that failed."""

    def add(record: Record, cell: Cell, error: str = "MemoryError: no memory") -> None:
        result = {
            "dataset": cell.dataset,
            "strategy": cell.strategy,
            "backbone": cell.backbone,
            "train_size": cell.train_size,
            "repeat": cell.repeat,
            "fold": cell.fold,
            "error": error,
        }
        record.append(cell, {"result": result, "traceback": f"Traceback ...\n{error}"}, {})

    return add
