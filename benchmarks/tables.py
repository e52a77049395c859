"""Put the measured tables into the README and the docs, from ``benchmarks/results``.

    python -m benchmarks.tables

Nobody types a figure: the tables are what the benchmarks have stored. Those of benchmarks that have
not been run are left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from benchmarks._side_by_side import short

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"
PERFORMANCE = ROOT / "docs" / "performance.md"
ACCURACY = ROOT / "docs" / "accuracy.md"
SPEED = (
    "extraction",
    "precision",
    "grid_search",
    "head_training",
    "fine_tuning",
    "augmentation",
    "memory",
    "scaling",
)
"""The benchmarks of speed and memory, each with marks of its own in `PERFORMANCE`."""
ACCURACIES = ("cifar10_ingredients", "cifar10_fine_tuning", "cifar10_few_shot", "cifar10_best")
"""The benchmarks of accuracy, each with marks of its own in `ACCURACY`."""
EVALUATION = ROOT / "docs" / "evaluation.md"
RELIABILITY = ROOT / "docs" / "reliability.md"
GUESSING = math.log(10)


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
    (dataset,) = settings["datasets"]
    parts = table.iloc[0]
    return (
        f"Photo patches ({parts['train_images']} training, {parts['validation_images']} "
        f"validation and {parts['test_images']} test images of {len(dataset['classes'])} "
        f"classes), {_machine(run)}, seed {settings['seed']}, made by `sktransfer bench`:\n\n"
        + _markdown(header, rows)
    )


def cifar10_study() -> str:
    """Write the table of the study, each figure beside the study's."""
    table = pd.read_csv(RESULTS / "cifar10_study.csv", keep_default_na=False)
    run = json.loads((RESULTS / "cifar10_study.json").read_text(encoding="utf-8"))
    rows = [
        [
            row["strategy"]
            + (" *" if row["batch_norm"] == "inference" else "")
            + (" †" if math.isclose(row["log_loss"], GUESSING, rel_tol=1e-3) else ""),
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
        "normalizes by the training batch, which is what the study's figure looks like. † the loss "
        "was that of guessing (ln 10) from the first epoch on: pretrained VGG16 does not always "
        "survive Adam's default rate"
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
    """Replace what stands between the marks of the README by the tables."""
    results = f"{photo_patches()}\n\n{best_ranked('cifar10_best', RESULTS)}"
    text = _between(text, "<!-- results -->", "<!-- /results -->", results)
    return _between(text, "<!-- study -->", "<!-- /study -->", f"{cifar10_study()}\n")


def fill_performance(text: str, results: Path = RESULTS) -> str:
    """Fill in the tables of speed and memory."""
    return _fill_each(text, dict.fromkeys(SPEED, stored), results)


def fill_accuracy(text: str, results: Path = RESULTS) -> str:
    """Fill in the tables of accuracy."""
    writers = {**dict.fromkeys(ACCURACIES, stored), "cifar10_best": cifar10_best}
    return _fill_each(text, writers, results)


def fill_evaluation(text: str, results: Path = RESULTS) -> str:
    """Fill in the tables of evaluation."""
    writers = {"backbone_ranking": stored, "cifar10_folds": cifar10_folds}
    return _fill_each(text, writers, results)


def _fill_each(text: str, writers: Mapping[str, Callable[[str, Path], str]], results: Path) -> str:
    """Replace what stands between the marks of each benchmark by its table, if it has been run."""
    for name, write in writers.items():
        table = write(name, results) if (results / f"{name}.csv").exists() else ""
        text = _between(text, f"<!-- {name} -->", f"<!-- /{name} -->", table)
    return text


def cifar10_folds(name: str, results: Path) -> str:
    """Write the leaderboard of the folds, and what it answers."""
    answers = pd.read_csv(results / f"{name}_answers.csv")
    told = (f"- {row['question']} {row['sentence']}\n" for _, row in answers.iterrows())
    return f"{stored(name, results)}\n{''.join(told)}"


def fill_reliability(text: str, results: Path = RESULTS) -> str:
    """Fill in what the long tests and the mutants have shown, and what is equal to the bit."""
    runs = {
        path.stem.replace("_", " "): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((results / "reliability").glob("*.json"))
    }
    mutation = _mutation(runs.pop("mutation")) if "mutation" in runs else ""
    rows = [[name, _machine(run), _figures(run["figures"])] for name, run in runs.items()]
    table = f"{_markdown(['test', 'on', 'counted'], rows)}\n" if rows else ""
    text = _between(text, "<!-- reliability -->", "<!-- /reliability -->", table)
    text = _between(text, "<!-- mutation -->", "<!-- /mutation -->", mutation)
    return _fill_each(text, {"equality": stored}, results)


def _mutation(run: dict) -> str:
    """Write the table of what became of the mutants of each module."""
    columns = ["mutants", "killed", "out_of_time", "equivalent", "survived"]
    rows = [
        [
            f"`{module}`" if module.endswith(".py") else module,
            *(str(counts.get(column, "")) for column in columns),
        ]
        for module, counts in sorted(run["figures"].items())
    ]
    header = ["module", *(column.replace("_", " ") for column in columns)]
    return f"{_markdown(header, rows)}\n"


def _figures(figures: dict) -> str:
    """Write what a test has counted in a line."""
    return ", ".join(f"{name.replace('_', ' ')} {short(n)}" for name, n in figures.items())


def cifar10_best(name: str, results: Path) -> str:
    """Write the table of our own recipes, each figure beside the study's."""
    run = json.loads((results / f"{name}.json").read_text(encoding="utf-8"))
    cells = _best_cells(name, results)
    return (
        f"CIFAR-10 ({run['images']}), recipe `best`, {_machine(run)}. {run['note']}\n\n"
        f"{_markdown(list(cells), cells.to_numpy().tolist())}\n"
    )


def best_ranked(name: str, results: Path) -> str:
    """Write what our own recipes reach, the best on validation first, without how it was run."""
    run = json.loads((results / f"{name}.json").read_text(encoding="utf-8"))
    cells = _best_cells(name, results).drop(columns=["input size", "command"])
    ranked = cells.sort_values("validation %", ascending=False, kind="stable", key=pd.to_numeric)
    return (
        f"CIFAR-10 ({run['images']}), recipe `best`, {_machine(run)}, made by "
        f"`python -m benchmarks.{name}`:\n\n"
        f"{_markdown(list(ranked), ranked.to_numpy().tolist())}\n"
    )


def _best_cells(name: str, results: Path) -> pd.DataFrame:
    """Write the figures of our own recipes; a row for each cell."""
    table = pd.read_csv(results / f"{name}.csv", keep_default_na=False)
    study = pd.to_numeric(table["study_test_accuracy"])
    return pd.DataFrame(
        {
            "strategy": table["strategy"],
            "backbone": table["backbone"],
            "input size": table["input_size"].astype(str),
            "validation %": table["val_accuracy"].map("{:.1f}".format),
            "test %": table["test_accuracy"].map("{:.1f}".format),
            "study, %": study.map("{:.1f}".format, na_action="ignore").fillna(""),
            "minutes": table["minutes"].map("{:.1f}".format),
            "command": table["command"].map("`{}`".format),
        }
    )


def stored(name: str, results: Path) -> str:
    """Write the table of a benchmark as it is stored, with machine, versions and command."""
    table = pd.read_csv(results / f"{name}.csv")
    run = json.loads((results / f"{name}.json").read_text(encoding="utf-8"))
    header = [column.replace("_", " ").replace("percent", "%") for column in table.columns]
    rows = table.map(short).to_numpy().tolist()
    others = {
        package: version
        for package, version in run["versions"].items()
        if package not in ("python", "tensorflow", "keras", "scikit-learn", "sktransfer")
    }
    versions = "".join(f", {package} {version}" for package, version in others.items())
    settings = ", ".join(f"{key} {value}" for key, value in run["settings"].items())
    picture = f"![{name}](../benchmarks/results/{name}.png)\n"
    return (
        f"{_machine(run)}{versions}; {settings.replace('_', ' ')}; `{run['command']}`:\n\n"
        f"{_markdown(header, rows)}\n"
        + (f"\n{picture}" if (results / f"{name}.png").exists() else "")
    )


def _between(text: str, start: str, end: str, content: str) -> str:
    """Replace what stands between two marks."""
    before, rest = text.split(start, 1)
    _, after = rest.split(end, 1)
    return f"{before}{start}\n{content}{end}{after}"


def main() -> None:
    pages = (
        (README, fill),
        (PERFORMANCE, fill_performance),
        (ACCURACY, fill_accuracy),
        (EVALUATION, fill_evaluation),
        (RELIABILITY, fill_reliability),
    )
    for page, filled in pages:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
