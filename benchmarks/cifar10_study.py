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

from pathlib import Path

import pandas as pd

from benchmarks._bars import plot_bars
from benchmarks._cifar10_runs import Part, copy_curves, parse, read_parts, run_parts, store_table

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


def beside_study(part: Part, table: pd.DataFrame) -> pd.DataFrame:
    """Put each cell of a part beside the study's figure."""
    table["batch_norm"] = part.overrides.get("batch_norm", "train")
    table["precision"] = part.overrides.get("precision", "float32")
    table["study_test_accuracy"] = [
        STUDY_TEST_ACCURACY[cell] for cell in zip(table["strategy"], table["backbone"], strict=True)
    ]
    return table


def collect(output: Path, note: str) -> pd.DataFrame:
    """Store the table of all parts that were run, their learning curves and their charts."""
    parts, table = read_parts(PARTS, output, beside_study)
    pictures = store_table("cifar10_study", table, note)
    for part in parts:
        copy_curves(part, output, pictures, "-inference" if "batch_norm" in part.overrides else "")
    of_study = table[table["batch_norm"] == "train"]
    for column, label in (
        ("test_accuracy", "test accuracy (%)"),
        ("seconds_per_epoch", "seconds an epoch"),
    ):
        plot_bars(of_study, column, label).savefig(pictures / f"{column}.png", dpi=120)
    return table


def main() -> None:
    """Run what is not finished, and collect all of it."""
    arguments = parse(__doc__, PARTS)
    run_parts(PARTS, arguments, recipe="study")
    print(collect(arguments.output, arguments.note).to_string())


if __name__ == "__main__":
    main()
