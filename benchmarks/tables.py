"""Put the measured tables into the README, from the files in ``benchmarks/results``.

    python -m benchmarks.tables

Nobody types a figure: the README's table is what the benchmarks have stored.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"
START, END = "<!-- results -->", "<!-- /results -->"


def photo_patches() -> str:
    """Write the table of the main job."""
    table = pd.read_csv(RESULTS / "photo_patches" / "results.csv", keep_default_na=False)
    run = json.loads((RESULTS / "photo_patches" / "run.json").read_text(encoding="utf-8"))
    settings = run["settings"]
    rows = [
        [
            row["strategy"],
            row["backbone"],
            f"{row['val_accuracy']:.1f}",
            f"{row['test_accuracy']:.1f}",
            f"{int(row['trainable_params']):,}" if row["trainable_params"] != "" else "",
            f"{row['fit_seconds']:.0f}",
        ]
        for _, row in table.sort_values("val_accuracy", ascending=False).iterrows()
    ]
    header = ["strategy", "backbone", "validation %", "test %", "trained parameters", "fit, s"]
    return (
        f"Photo patches ({settings['train_images']} training, {settings['validation_images']} "
        f"validation and {settings['test_images']} test images of {len(settings['classes'])} "
        f"classes), {_machine(run)}, seed {settings['seed']}, made by `sktransfer bench`:\n\n"
        + _markdown(header, rows)
    )


def cifar10_study() -> str:
    """Write the table of the study, each figure beside the study's."""
    table = pd.read_csv(RESULTS / "cifar10_study.csv", keep_default_na=False)
    run = json.loads((RESULTS / "cifar10_study.json").read_text(encoding="utf-8"))
    rows = [
        [
            row["strategy"] + (" *" if row["batch_norm"] == "inference" else ""),
            row["backbone"],
            str(row["epochs"]),
            f"{row['test_accuracy']:.1f}",
            f"{row['study_test_accuracy']:.1f}",
            f"{row['total_params']:,}",
            f"{row['seconds_per_epoch']:.0f}",
        ]
        for _, row in table.iterrows()
    ]
    header = [
        "strategy", "backbone", "epochs", "test %", "study (100 epochs), %", "parameters",
        "s an epoch",
    ]  # fmt: skip
    note = (
        "\\* frozen batch normalization in inference mode, as in today's Keras; the other row "
        "normalizes by the training batch, which is what the study's figure looks like"
    )
    text = (
        f"CIFAR-10 ({run['images']}), recipe `study`, {_machine(run)}, made by "
        f"`python -m benchmarks.cifar10_study`:\n\n{_markdown(header, rows)}\n\n{note}."
    )
    return f"{text} {run['note']}".rstrip()


def _machine(run: dict) -> str:
    """Name the machine and the versions of a run."""
    machine, versions = run["machine"], run["versions"]
    return (
        f"{machine['cores']} cores ({machine['processor']}), TensorFlow {versions['tensorflow']}, "
        f"Keras {versions['keras']}, scikit-learn {versions['scikit-learn']}"
    )


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    """Write a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def fill(text: str) -> str:
    """Replace what stands between the marks of a text by the tables."""
    before, rest = text.split(START, 1)
    _, after = rest.split(END, 1)
    return f"{before}{START}\n{photo_patches()}\n\n{cifar10_study()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(fill(README.read_text(encoding="utf-8")), encoding="utf-8")
