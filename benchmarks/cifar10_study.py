"""Run the CIFAR-10 study with its own recipe, and put each figure beside the study's.

    python -m benchmarks.cifar10_study --data cifar10.zip --weights-dir DIR --output DIR

All 50,000 training images (40,000 to train, 10,000 to validate) and the 10,000 test images, with
ImageNet weights. The study trained for 100 epochs; here each strategy trains for as many as two
cores do in minutes. A run that was stopped goes on where it was when it is started again with the
same output, and ``--parts`` chooses what is run.

The collected table is written to ``benchmarks/results/cifar10_study.csv``, beside a header that
names machine, versions and command, the learning curves and the charts.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Part:
    """Cells that are run alike."""

    folder: str
    strategies: tuple[str, ...]
    backbones: tuple[str, ...]
    epochs: int
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Parameters in place of the recipe's."""


PARTS = (
    Part("features", ("features",), ("vgg16", "mobilenet"), epochs=30),
    Part("cnn", ("cnn", "cnn+augment"), ("vgg16",), epochs=10),
    Part("mobilenet", ("features+augment", "finetune+augment"), ("mobilenet",), epochs=5),
    Part(
        "mobilenet-inference",
        ("features+augment",),
        ("mobilenet",),
        epochs=5,
        overrides={"batch_norm": "inference"},
    ),
    Part("vgg16-frozen", ("features+augment",), ("vgg16",), epochs=5),
    Part(
        "vgg16-finetune",
        ("finetune+augment",),
        ("vgg16",),
        epochs=5,
        overrides={"precision": "bfloat16"},  # nearly halves the time of the most expensive part
    ),
)
STUDY_TEST_ACCURACY = {
    ("cnn", ""): 65.08,
    ("cnn+augment", ""): 58.36,
    ("features", "vgg16"): 58.13,
    ("features+augment", "vgg16"): 56.84,
    ("finetune+augment", "vgg16"): 78.43,
    ("features", "mobilenet"): 21.53,
    ("features+augment", "mobilenet"): 12.48,
    ("finetune+augment", "mobilenet"): 82.20,
}


def run_part(part: Part, dataset, output: Path) -> None:
    """Run those of a part's cells that are not finished."""
    from sktransfer import make_strategy
    from sktransfer.evaluation import run_benchmark

    run_benchmark(
        dataset,
        part.strategies,
        part.backbones,
        output=output / part.folder,
        recipe="study",
        epochs=part.epochs,
        make_estimator=partial(make_strategy, **part.overrides),
        save_winner=False,
    )


def read_part(part: Part, output: Path) -> pd.DataFrame:
    """Read a part's finished cells, each beside the study's figure."""
    from sktransfer.evaluation import read_results

    table = read_results(output / part.folder)
    table["batch_norm"] = part.overrides.get("batch_norm", "train")
    table["precision"] = part.overrides.get("precision", "float32")
    table["study_test_accuracy"] = [
        STUDY_TEST_ACCURACY[cell] for cell in zip(table["strategy"], table["backbone"], strict=True)
    ]
    return table


def collect(output: Path, note: str) -> pd.DataFrame:
    """Store the table of all parts that were run, their learning curves and their charts."""
    from sktransfer.evaluation._plots import plot_bars
    from sktransfer.evaluation._report import describe_environment, write_json

    parts = [part for part in PARTS if (output / part.folder / "run.json").exists()]
    tables = [read_part(part, output) for part in parts]
    table = pd.concat([table for table in tables if len(table)], ignore_index=True)
    pictures = RESULTS / "cifar10_study"
    pictures.mkdir(parents=True, exist_ok=True)
    table.to_csv(RESULTS / "cifar10_study.csv", index=False, float_format="%.6g")
    header = {
        **describe_environment(),
        "images": "40,000 train, 10,000 validation, 10,000 test",
        "note": note,
    }
    write_json(RESULTS / "cifar10_study.json", header)
    for part in parts:
        for curve in (output / part.folder / "pictures").glob("learning-*.png"):
            suffix = "-inference" if "batch_norm" in part.overrides else ""
            shutil.copy(curve, pictures / f"{curve.stem}{suffix}.png")
    of_study = table[table["batch_norm"] == "train"]
    for column, label in (
        ("test_accuracy", "test accuracy (%)"),
        ("seconds_per_epoch", "seconds an epoch"),
    ):
        plot_bars(of_study, column, label).savefig(pictures / f"{column}.png", dpi=120)
    return table


def main() -> None:
    """Run what is not finished, and collect all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="zip file or folder of CIFAR-10")
    parser.add_argument("--weights-dir", required=True, help="folder of ImageNet weights")
    parser.add_argument("--output", required=True, type=Path, help="folder of the runs")
    names = [part.folder for part in PARTS]
    parser.add_argument("--parts", nargs="*", choices=names, default=names, help="what to run")
    parser.add_argument("--note", default="", help="what a reader of the times must know")
    arguments = parser.parse_args()
    os.environ["SKTRANSFER_WEIGHTS"] = arguments.weights_dir

    from sktransfer.evaluation import load_dataset

    dataset = load_dataset("cifar10", arguments.data)
    for part in PARTS:
        if part.folder in arguments.parts:
            run_part(part, dataset, arguments.output)
    print(collect(arguments.output, arguments.note).to_string())


if __name__ == "__main__":
    main()
