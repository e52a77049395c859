"""What a report tells of the run itself: its data, its machine, its networks, its failures."""

from __future__ import annotations

from collections.abc import Iterator

from sktransfer.evaluation.report._blocks import (
    Block,
    Bullets,
    Code,
    Details,
    Paragraph,
    Picture,
    Table,
)
from sktransfer.evaluation.report._figures import ChartFolder
from sktransfer.evaluation.report._phrases import counted, listed
from sktransfer.evaluation.report._study import Study

__all__ = [
    "tell_failures",
    "tell_images",
    "tell_layers",
    "tell_progress",
    "tell_repetition",
    "tell_what_was_run",
]

MOST_NAMES = 20
"""Of classes; more are counted."""


def tell_progress(study: Study) -> Iterator[Block]:
    """Warn of what is not there."""
    missing = study.missing()
    if missing:
        yield Paragraph(
            f"This benchmark is not finished: {listed(missing)} are missing. What follows is "
            "about those that are there."
        )
    if not study.entries:
        yield Paragraph("This benchmark has no results yet.")


def tell_what_was_run(study: Study, charts: ChartFolder) -> Iterator[Block]:
    """Say what was run, on what data and on what machine."""
    if study.entries:
        systems = list(dict.fromkeys(cell.system for cell in sorted(study.entries)))
        yield Paragraph(
            f"{counted(len(systems), 'system')} in {counted(len(study.entries), 'cell')}: "
            f"{listed(systems)}. A system is a strategy of training with the pretrained network, "
            "the backbone, that it is built on, if any. A cell is one training and test of a "
            "system."
        )
    machine = study.header.get("machine", {})
    told = [*map(_data, study.described), _division(study), _training(study)]
    if machine:
        memory = machine["memory_gib"]
        told += [
            f"Machine: {machine['processor']}, {counted(machine['cores'], 'core')}, "
            f"{'' if memory is None else f'{memory:g} GiB of memory, '}{machine['system']}."
        ]
    if any(told):
        yield Bullets(list(filter(None, told)))


def _data(dataset: dict) -> str:
    """Say how many images and which classes a dataset has."""
    names = list(map(str, dataset["classes"]))
    rest = len(names) - MOST_NAMES
    more = f" and {rest:,} more" if rest > 0 else ""
    test = f" and {dataset['test_images']:,} to test on" if dataset["test_images"] else ""
    return (
        f"Data: {dataset['name']}, {counted(dataset['images'], 'image')}{test}, of "
        f"{len(names):,} classes: {', '.join(names[:MOST_NAMES])}{more}."
    )


def _division(study: Study) -> str:
    """Say how images were divided."""
    settings = study.header.get("settings", {})
    if "cv" not in settings:
        return ""
    n_repeats = study.header.get("arguments", {}).get("n_repeats", 1)
    cv = settings["cv"]
    scored = (
        "the test part of the dataset"
        if cv is None
        else f"each of {cv} folds in turn, by a model trained on the others"
        if isinstance(cv, int)
        else f"the folds of {cv}"
    )
    return (
        f"Tested: {scored}; {counted(n_repeats, 'repeat')}. Of the images to train on, "
        f"{100 * settings['validation_fraction']:g} % were kept for validation."
    )


def _training(study: Study) -> str:
    """Say with which hyperparameters systems were trained."""
    settings = study.header.get("settings", {})
    if "recipe" not in settings:
        return ""
    epochs = settings["epochs"]
    limit = "" if epochs is None else f", with {counted(epochs, 'epoch')} where there are any"
    return f'Hyperparameters: the recipe "{settings["recipe"]}"{limit}.'


def tell_images(study: Study, charts: ChartFolder) -> Iterator[Block]:
    """Show images of the data, and what augmentation makes of one."""
    told = {
        "samples": ("Images to train on, each below its class.", "Images to train on."),
        "augmentation": ("An image beside augmented views of it.", "Augmented views of one image."),
    }
    for name, (alt, caption) in told.items():
        path = study.folder / "pictures" / f"{name}.png"
        if path.exists():
            yield Picture(path, alt, caption)


def tell_layers(study: Study, charts: ChartFolder) -> Iterator[Block]:
    """List the layers of each network."""
    layers: dict[str, list[dict]] = {}
    for cell in sorted(study.entries):
        if study.entries[cell].get("layers"):
            layers.setdefault(cell.system, study.entries[cell]["layers"])
    for system, rows in layers.items():
        columns = list(rows[0])
        table = Table(columns, [[str(row[column]) for column in columns] for row in rows])
        yield Details(f"{system}: {counted(len(rows), 'layer')}", [table])


def tell_failures(study: Study, charts: ChartFolder) -> Iterator[Block]:
    """Tell of each cell that failed, and why."""
    for cell, entry in study.failures.items():
        message = entry["result"].get("error", "no message")
        yield Details(f"{cell.name}: {message}", [Code(entry["traceback"])])


def tell_repetition(study: Study, charts: ChartFolder) -> Iterator[Block]:
    """Say what was called, with which versions and seed."""
    if "command" in study.header:
        yield Code(study.header["command"])
    settings = study.header.get("settings", {})
    told = [f"Seed: {settings['seed']}."] if "seed" in settings else []
    versions = study.header.get("versions", {})
    if versions:
        told.append(f"Versions: {listed([f'{name} {of}' for name, of in versions.items()])}.")
    if "date" in study.header:
        told.append(f"Begun or last resumed: {study.header['date']}.")
    given = study.header.get("arguments", {}).get("given", [])
    if given:
        told.append(f"Given as objects of Python, which no command has: {listed(given)}.")
    hashes = [f"{dataset['name']} {dataset['hash']}" for dataset in study.described]
    if hashes:
        told.append(f"Hashes of the images and labels: {listed(hashes)}.")
    if told:
        yield Bullets(told)
