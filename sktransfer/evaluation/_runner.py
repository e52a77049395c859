"""Runs strategies on a dataset, cell by cell, so that a run that was stopped goes on later."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch
from sklearn.utils.validation import has_fit_parameter

from sktransfer._errors import ImageError, unknown_name
from sktransfer.cache import memory_store
from sktransfer.evaluation._metrics import count_parameters, score_predictions, steps_of
from sktransfer.evaluation._plots import plot_samples
from sktransfer.evaluation._report import (
    cell_name,
    cell_path,
    describe_environment,
    read_json,
    write_json,
    write_report,
)

__all__ = ["DATASETS", "label_images", "load_dataset", "run_benchmark"]

DATASETS = ("photo-patches", "cifar10", "folder")
DEFAULT_BACKBONE = "efficientnet_lite0"
# Of datasets that come without a test part.
TEST_FRACTION = 0.2
# Images of mixed sizes are brought to this size for the picture of samples.
SAMPLE_SIZE = (128, 128)


Part = tuple[Sequence, np.ndarray]
"""Images, or their paths, and their labels."""


@dataclass(frozen=True)
class Split:
    """The three parts of a dataset; X are images or their paths, y class names."""

    X_train: Sequence
    y_train: np.ndarray
    X_val: Sequence
    y_val: np.ndarray
    X_test: Sequence
    y_test: np.ndarray


def load_dataset(name: str, path: str | Path | None = None) -> Bunch:
    """Load a dataset of the benchmark by its name.

    Parameters
    ----------
    name : {"photo-patches", "cifar10", "folder"}
        Patches of photographs that scikit-learn and scikit-image bring along; CIFAR-10; or a folder
        with one folder of images for each class.
    path : str or Path, optional
        The folder (needed for ``"folder"``), or where CIFAR-10 is: a zip file or a folder.

    Returns
    -------
    sklearn.utils.Bunch
        With ``name`` and either ``X_train, y_train, X_test, y_test`` or ``X, y``.

    Raises
    ------
    ValueError
        If there is no dataset of that name, or if it needs a path or takes none.
    FileNotFoundError
        If there is nothing at `path`.

    Examples
    --------
    >>> from sktransfer.evaluation import load_dataset
    >>> load_dataset("cifar-10")
    Traceback (most recent call last):
    ValueError: Unknown dataset 'cifar-10'; did you mean 'cifar10'?
    """
    from sktransfer.datasets import load_cifar10, load_image_folder, load_photo_patches

    if name not in DATASETS:
        raise unknown_name("dataset", name, DATASETS)
    if path is not None and not Path(path).exists():
        raise FileNotFoundError(f"no such file or folder for the dataset {name!r}: {str(path)!r}")
    if name == "photo-patches":
        if path is not None:
            raise ValueError("the dataset 'photo-patches' comes with packages and takes no path")
        dataset = load_photo_patches()
    elif name == "cifar10":
        dataset = load_cifar10(path)
    else:
        if path is None:
            raise ValueError("the dataset 'folder' needs the path of a folder of images")
        dataset = load_image_folder(path)
    return Bunch(**{**dataset, "name": name})


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
    split = _split_dataset(dataset, train_size, test_size, validation_fraction, random_state)
    _check_images(split)
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
            _save_winner(table, builder, split, output)
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


def _split_dataset(
    dataset: Bunch,
    train_size: int | None,
    test_size: int | None,
    validation_fraction: float,
    random_state: int,
) -> Split:
    """Cut a dataset into three parts, all classes in their proportions."""
    halve = partial(_stratified_halves, random_state=random_state)
    if "X_train" in dataset:
        train, test = (dataset.X_train, dataset.y_train), (dataset.X_test, dataset.y_test)
    else:
        train, test = halve(dataset.X, dataset.y, test_size=TEST_FRACTION)
    train = _subsample(*train, train_size, "train_size", random_state)
    test = _subsample(*test, test_size, "test_size", random_state)
    train, validation = halve(*train, test_size=validation_fraction)
    return Split(*train, *validation, *test)


def _check_images(split: Split) -> None:
    """Raise an ImageError that names the files that are no images."""
    from sktransfer.images import as_images

    for X in (split.X_train, split.X_val, split.X_test):
        as_images(X)


def _stratified_halves(X, y, **how) -> tuple[Part, Part]:
    """Cut (X, y) in two, all classes in their proportions."""
    X_first, X_second, y_first, y_second = train_test_split(X, y, stratify=y, **how)
    return (X_first, y_first), (X_second, y_second)


def _subsample(X, y, size: int | None, name: str, random_state: int) -> Part:
    """Draw `size` images with all classes in their proportions; all of them for None."""
    if size is None or size == len(y):
        return X, y
    n_classes = len(np.unique(y))
    # Either side of the cut needs an image of each class.
    if not n_classes <= size <= len(y) - n_classes:
        raise ValueError(
            f"{name} must be in {n_classes}..{len(y) - n_classes}, or {len(y)} for all images of "
            f"this dataset with {n_classes} classes; got {size}"
        )
    chosen, _ = _stratified_halves(X, y, train_size=size, random_state=random_state)
    return chosen


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
        record = _measure(builder(*cell), split)
    except Exception as error:  # whatever it is, the other cells can still be run
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        record = {"result": {"error": message}, "traceback": traceback.format_exc()}
    write_json(path, record | {"result": names | record["result"]})


def _measure(estimator, split: Split) -> dict:
    """Fit an estimator and record its scores, size and times, and what there is of a network."""
    fit_seconds, _ = _timed(
        lambda: _fit(estimator, split.X_train, split.y_train, split.X_val, split.y_val)
    )
    predict_seconds, proba = _timed(lambda: estimator.predict_proba(split.X_test))
    scores = score_predictions(split.y_test, proba, estimator.classes_)
    result = {
        "train_accuracy": _accuracy_percent(estimator, split.X_train, split.y_train),
        "val_accuracy": _accuracy_percent(estimator, split.X_val, split.y_val),
        "test_accuracy": 100 * scores.pop("accuracy"),
        **scores,
        **count_parameters(estimator),
        "fit_seconds": fit_seconds,
        "predict_seconds": predict_seconds,
    }
    steps = steps_of(estimator)
    record = {
        "layers": [row for step in steps for row in _layers(step)],
        "summary": "\n\n".join(step.summary() for step in steps if hasattr(step, "summary")),
    }
    if hasattr(steps[-1], "history_"):
        record["history"] = steps[-1].history_
        result["epochs"] = steps[-1].n_iter_
        result["seconds_per_epoch"] = np.mean(steps[-1].epoch_seconds_)
    return record | {"result": result}


def _timed(task: Callable) -> tuple[float, object]:
    """Return the seconds that a task took, and its result."""
    start = time.perf_counter()
    result = task()
    return time.perf_counter() - start, result


def _fit(estimator, X, y, X_val=None, y_val=None) -> None:
    """Fit; where the last step is a network, with the validation data, if there are any."""
    head = steps_of(estimator)[-1]
    if not has_fit_parameter(head, "X_val"):
        estimator.fit(X, y)
        return
    validation = {} if X_val is None else {"X_val": X_val, "y_val": y_val}
    with config_context(enable_metadata_routing=True):
        if validation and isinstance(estimator, Pipeline):
            # Routing takes the validation data through the backbone to the network behind it.
            head.set_fit_request(X_val=True, y_val=True)
            estimator.set_params(transform_input=["X_val"])
        estimator.fit(X, y, **validation)


def _accuracy_percent(estimator, X, y) -> float:
    """Return the accuracy of an estimator's predictions in percent."""
    return 100 * accuracy_score(y, estimator.predict(X))


def _layers(step) -> list[dict]:
    """Return the layers of a network; none of anything else."""
    return step.layer_table().to_dict("records") if hasattr(step, "layer_table") else []


def _save_winner(table: pd.DataFrame, builder: _Builder, split: Split, output: Path) -> None:
    """Fit the best strategy on training and validation data and save it, unless that is done."""
    from sktransfer.images import as_images

    finished = table.dropna(subset=["val_accuracy"])
    if finished.empty:
        return
    ranked = finished.sort_values(["val_accuracy", "deployed_params"], ascending=[False, True])
    best = ranked.iloc[0]
    cell = read_json(cell_path(output, cell_name(best["strategy"], best["backbone"])))["result"]
    saved = read_json(output / "winner.json")
    if saved.get("scores") == cell and (output / "winner.joblib").exists():
        return
    estimator = builder(cell["strategy"], cell["backbone"])
    X = np.concatenate([split.X_train, split.X_val])
    _fit(estimator, X, np.concatenate([split.y_train, split.y_val]))
    unfinished = output / f"winner.joblib.{os.getpid()}.tmp"
    joblib.dump(estimator, unfinished)
    os.replace(unfinished, output / "winner.joblib")
    record = {
        "strategy": cell["strategy"],
        "backbone": cell["backbone"],
        "classes": estimator.classes_,
        "image_size": as_images(X).size,
        "train_images": len(X),
        "test_accuracy": _accuracy_percent(estimator, split.X_test, split.y_test),
        "scores": cell,
    }
    write_json(output / "winner.json", record)


def label_images(
    winner: str | Path, files: Iterable[str | Path], top: int = 1
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Label image files with the classifier that a benchmark saved.

    Parameters
    ----------
    winner : str or Path
        The ``winner.joblib`` of a run, or the folder of the run. Loading it runs the code that it
        asks for, as with any pickle: load only what you trust.
    files : iterable of str or Path
        Images of any size; they are brought to the size of the images that the classifier was
        trained on, where these had one size.
    top : int
        How many labels to give for each file, the most probable first.

    Returns
    -------
    labels : DataFrame
        Columns ``file``, ``label`` and ``probability`` (0..1), `top` rows for each readable file.
    errors : dict
        What is wrong with each file that cannot be read.

    Raises
    ------
    FileNotFoundError
        If there is no winner.
    ValueError
        If `top` is not between 1 and the number of classes.

    Examples
    --------
    >>> from sktransfer.evaluation import label_images
    >>> label_images("no-such-run", ["cat.jpg"])
    Traceback (most recent call last):
    FileNotFoundError: no classifier at 'no-such-run'
    """
    winner = Path(winner)
    path = winner / "winner.joblib" if winner.is_dir() else winner
    record = read_json(path.with_suffix(".json"))
    if not record or not path.exists():
        raise FileNotFoundError(f"no classifier at {str(winner)!r}")
    classes = np.array(record["classes"])
    if not 1 <= top <= len(classes):
        raise ValueError(f"top must be in 1..{len(classes)}, the number of classes, got {top}")
    readable, images, errors = [], [], {}
    for file in map(str, files):
        try:
            images.append(_read_image(file, record["image_size"]))
        except (ImageError, OSError) as error:
            errors[file] = str(error)
        else:
            readable.append(file)
    labels = []
    if images:
        X = np.stack(images) if record["image_size"] else images
        for file, row in zip(readable, joblib.load(path).predict_proba(X), strict=True):
            best = np.argsort(-row, kind="stable")[:top]
            labels += [(file, classes[index], float(row[index])) for index in best]
    return pd.DataFrame(labels, columns=["file", "label", "probability"]), errors


def _read_image(file: str, size: list[int] | None) -> np.ndarray | str:
    """Read an image at `size`; without a size, see that it can be read and return its path."""
    from sktransfer.images import ImageReader

    image = ImageReader(size=size).transform([file])[0]
    return file if size is None else image
