"""Runs strategies on a dataset, cell by cell, so that a run that was stopped goes on later."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sktransfer.cache import memory_store
from sktransfer.evaluation._data import Split, check_split, load_dataset, split_dataset
from sktransfer.evaluation._measuring import measure
from sktransfer.evaluation._metrics import steps_of
from sktransfer.evaluation._plots import plot_samples
from sktransfer.evaluation._report import (
    cell_name,
    cell_path,
    describe_environment,
    read_json,
    write_json,
    write_report,
)
from sktransfer.evaluation._winner import refit_winner

__all__ = ["run_benchmark"]

DEFAULT_BACKBONE = "efficientnet_lite0"
# Images of mixed sizes are brought to this size for the picture of samples.
SAMPLE_SIZE = (128, 128)


def run_benchmark(
    dataset: str | Bunch = "photo-patches",
    strategies: Iterable[str] | None = None,
    backbones: Iterable[str] = (DEFAULT_BACKBONE,),
    *,
    output: str | Path,
    data: str | Path | None = None,
    recipe: str = "best",
    epochs: int | None = None,
    train_size: int | None = None,
    test_size: int | None = None,
    validation_fraction: float = 0.2,
    random_state: int = 0,
    make_estimator: Callable | None = None,
    save_winner: bool = True,
    progress: bool = True,
) -> pd.DataFrame:
    """Train and score strategies on a dataset, and save the best of them.

    Each pair of strategy and backbone is a cell. A finished cell is written at once; run again with
    the same `output` and settings, the benchmark leaves finished cells as they are and does the
    others. A cell that fails is recorded with its traceback and does not stop the others.

    The winner has the best validation accuracy (of equals, the fewest parameters to deploy). It is
    fitted anew on training and validation data together and saved as ``winner.joblib``.

    Parameters
    ----------
    dataset : {"photo-patches", "cifar10", "folder"} or sklearn.utils.Bunch
        A name, see `load_dataset`; or ``X_train, y_train, X_test, y_test``, or ``X, y`` of which a
        fifth becomes the test part. X are uint8 images (n, height, width, 3) or an array of paths
        of images, y arrays of labels.
    strategies : iterable of str, optional
        Names of `sktransfer.list_strategies`; all of them by default.
    backbones : iterable of str
        Names of `sktransfer.list_backbones`. A strategy without a backbone is run once.
    output : str or Path
        Folder for all that is written; made where there is none.
    data : str or Path, optional
        Where the dataset is, if it is given by its name and needs a path.
    recipe : {"best", "study"}
        Hyperparameters of the strategies.
    epochs : int, optional
        Epochs of training, for the strategies that have any, in place of the recipe's.
    train_size, test_size : int, optional
        Number of images to use of the training part (before validation images are taken from it)
        and of the test part, drawn with all classes in their proportions. All by default.
    validation_fraction : float
        Fraction of the training images, in (0, 1), that is kept for validation.
    random_state : int
        Seed of the splits and of the strategies.
    make_estimator : callable, optional
        ``make_estimator(strategy, backbone, recipe=..., **parameters)`` returns an unfitted
        classifier with ``predict_proba``; `sktransfer.make_strategy` by default.
    save_winner : bool
        Whether the best strategy is fitted anew and saved.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    DataFrame
        A row for each cell in `output`, as from `sktransfer.evaluation.read_results`.

    Raises
    ------
    ValueError
        If a name is unknown, a size does not fit the data, files are no images (`ImageError`), or
        `output` has a run with other settings. All this is checked before anything is trained.
    OSError
        If `output` cannot be written to, or weights of a backbone are missing
        (`MissingWeightsError`).

    Examples
    --------
    >>> from sktransfer.evaluation import run_benchmark
    >>> table = run_benchmark(strategies=["linear_probe", "knn"], output="probes")  # doctest: +SKIP
    """
    make = make_estimator or _default_factory()
    builder = _Builder(make, recipe, _overrides(random_state, epochs))
    cells = _plan(builder, strategies or _all_strategies(), backbones)
    if make_estimator is None:
        _check_weights(cells)
    output = Path(output)
    _check_writable(output)
    if isinstance(dataset, str):
        dataset = load_dataset(dataset, data)
    split = split_dataset(dataset, train_size, test_size, validation_fraction, random_state)
    check_split(split)
    settings = {
        "dataset": dataset.get("name", "unnamed"),
        "data_hash": joblib.hash(vars(split)),
        "classes": np.unique(split.y_train).tolist(),
        "train_images": len(split.y_train),
        "validation_images": len(split.y_val),
        "test_images": len(split.y_test),
        "recipe": recipe,
        "epochs": epochs,
        "seed": random_state,
    }
    _open_run(output, settings)
    _draw_data(output, split, builder, cells)
    with _progress_bar(len(cells) + 1, progress) as bar:
        for cell in cells:
            bar.set_description(cell_name(*cell))
            _finish_cell(cell, builder, split, output, settings)
            bar.update()
        table = write_report(output)
        if save_winner:
            bar.set_description("winner")
            refit_winner(table, builder, split, output)
        bar.update()
    return table


def _default_factory() -> Callable:
    """Return the library's own factory; it brings TensorFlow along."""
    from sktransfer.strategies import make_strategy

    return make_strategy


def _all_strategies() -> list[str]:
    """Return the names of all strategies."""
    from sktransfer.strategies import list_strategies

    return list(list_strategies()["name"])


@dataclass(frozen=True)
class _Builder:
    """Builds the unfitted estimators of cells, with the overrides that they have parameters for."""

    make: Callable
    recipe: str
    overrides: dict

    def __call__(self, strategy: str, backbone: str):
        """Build the estimator of a cell; `backbone` is empty for a strategy that has none."""
        values = self.overrides | ({"backbone": backbone} if backbone else {})
        taken = self.parameter_names(strategy) & set(values)
        return self.make(strategy, recipe=self.recipe, **{name: values[name] for name in taken})

    def parameter_names(self, strategy: str) -> set[str]:
        """Collect the names of the parameters that the steps of a strategy have."""
        steps = steps_of(self.make(strategy, recipe=self.recipe))
        return {name for step in steps for name in step.get_params(deep=False)}


def _overrides(random_state: int, epochs: int | None) -> dict:
    """Collect the parameters that stand in place of the recipe's."""
    return {"random_state": random_state} | ({} if epochs is None else {"epochs": epochs})


def _plan(
    builder: _Builder, strategies: Iterable[str], backbones: Iterable[str]
) -> list[tuple[str, str]]:
    """List the cells, (strategy, backbone), and build each once, which checks all names."""
    backbones = list(dict.fromkeys(backbones))
    cells = []
    for strategy in dict.fromkeys(strategies):
        has_backbone = "backbone" in builder.parameter_names(strategy)
        cells += [(strategy, backbone) for backbone in (backbones if has_backbone else [""])]
    for cell in cells:
        builder(*cell)
    return cells


def _check_weights(cells: list[tuple[str, str]]) -> None:
    """Find the pretrained weights of all backbones now rather than in the middle of a night."""
    from sktransfer.backbones import get_backbone
    from sktransfer.backbones._weights import resolve_weights

    for backbone in {backbone for _, backbone in cells if backbone}:
        resolve_weights(get_backbone(backbone), "imagenet")


def _check_writable(output: Path) -> None:
    """Raise an OSError unless `output` is a folder to write to, or one can be made."""
    existing = next(path for path in (output, *output.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise NotADirectoryError(f"cannot write results to {str(output)!r}: {existing} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(f"cannot write results to {str(output)!r}: {existing} is read-only")


def _open_run(output: Path, settings: dict) -> None:
    """Write the header of a run, unless the folder has the cells of another one."""
    header = read_json(output / "run.json")
    if header and header["settings"] != settings:
        differences = [
            f"{name} {header['settings'].get(name)!r} there, {value!r} here"
            for name, value in settings.items()
            if header["settings"].get(name) != value
        ]
        raise ValueError(
            f"{str(output)!r} has a benchmark with other settings ({'; '.join(differences)}); "
            "give another output folder"
        )
    write_json(output / "run.json", {"settings": settings, **describe_environment()})


def _draw_data(output: Path, split: Split, builder: _Builder, cells: list) -> None:
    """Draw the first ten images, and one of them as the run's augmentation changes it."""
    from sktransfer.images import as_images

    batch = as_images(split.X_train[:10])
    images = batch if batch.size else batch.resized(SAMPLE_SIZE)
    pictures = output / "pictures"
    pictures.mkdir(exist_ok=True)
    samples = images.take(slice(None))
    plot_samples(samples, split.y_train[:10]).savefig(pictures / "samples.png", dpi=120)
    heads = (steps_of(builder(*cell))[-1] for cell in cells)
    augmentations = (head.get_params(deep=False).get("augmentation") for head in heads)
    augmentation = next(filter(None, augmentations), None)
    if augmentation is not None:
        augmentation.plot(samples[0]).savefig(pictures / "augmentation.png", dpi=120)


def _progress_bar(total: int, shown: bool):
    """Make the progress bar of a run."""
    from tqdm import tqdm

    return tqdm(total=total, disable=not shown, unit="cell")


def _finish_cell(
    cell: tuple[str, str], builder: _Builder, split: Split, output: Path, settings: dict
) -> None:
    """Run a cell and write its record, unless it is finished; one that failed is run again."""
    path = cell_path(output, cell_name(*cell))
    record = read_json(path)
    if record and "traceback" not in record:
        return
    # With features left over from another cell, a cell's times would not be its own.
    memory_store().clear()
    strategy, backbone = cell
    names = {
        "strategy": strategy,
        "backbone": backbone,
        "recipe": settings["recipe"],
        "seed": settings["seed"],
    }
    try:
        record = measure(builder(*cell), split)
    except Exception as error:  # whatever it is, the other cells can still be run
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        record = {"result": {"error": message}, "traceback": traceback.format_exc()}
    write_json(path, record | {"result": names | record["result"]})
