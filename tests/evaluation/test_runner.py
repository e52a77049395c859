from __future__ import annotations

import json
import os
import pickle
import time

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from sktransfer._nesting import steps_of
from sktransfer.evaluation import (
    _winner,
    label_images,
    load_dataset,
    read_results,
    resume_benchmark,
    run_benchmark,
    summarize_results,
    write_report,
)
from sktransfer.evaluation._record import Cell, Record
from sktransfer.images import ImageAugmentation, ImageReader
from sktransfer.persistence import PersistenceError, load

COLOURS = {"blue": (0, 0, 200), "green": (0, 200, 0), "red": (200, 0, 0)}
FITS = []


class Pixels(TransformerMixin, BaseEstimator):
    """Pixels for features; `backbone` is a name and nothing else."""

    def __init__(self, backbone="tiny", size=(4, 4)):
        self.backbone = backbone
        self.size = size

    def fit(self, X, y=None):
        self.parameter_counts_ = {"total": 1000, "trainable": 0, "non_trainable": 1000}
        return self

    def transform(self, X):
        return ImageReader(size=self.size).transform(X).reshape(len(X), -1) / 255

    def layer_table(self):
        return pd.DataFrame({"type": ["Flatten"], "name": ["flatten"], "trainable": [False]})

    def summary(self):
        return f"the network of {self.backbone}"


class Network(LogisticRegression):
    """A classifier that tells what a network tells of its training."""

    def __init__(self, epochs=4, augmentation=None, random_state=None):
        super().__init__(random_state=random_state)
        self.epochs = epochs
        self.augmentation = augmentation

    def fit(self, X, y, *, X_val=None, y_val=None):
        FITS.append(len(X))
        rows = Pixels().transform(X)
        super().fit(rows, y)
        self.history_ = {"accuracy": [0.5] * self.epochs, "loss": [1.0] * self.epochs}
        if X_val is not None:
            self.history_ |= {"val_accuracy": [len(X_val)] * self.epochs}
        self.n_iter_ = self.epochs
        self.epoch_seconds_ = [1.0, 3.0]
        self.parameter_counts_ = {"total": 30, "trainable": 20, "non_trainable": 10}
        return self

    def predict_proba(self, X):
        return super().predict_proba(Pixels().transform(X))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class Head(Network):
    """The same on features: rows of numbers, validation rows among them."""

    def fit(self, X, y, *, X_val=None, y_val=None):
        assert X.ndim == 2
        assert X_val is None or X_val.shape == (len(y_val), X.shape[1])
        images = [None if rows is None else self._images(rows) for rows in (X, X_val)]
        return super().fit(images[0], y, X_val=images[1], y_val=y_val)

    def predict_proba(self, X):
        return super().predict_proba(self._images(X))

    @staticmethod
    def _images(rows):
        return np.rint(255 * rows).astype(np.uint8).reshape(-1, 4, 4, 3)


class Broken(Network):
    def fit(self, X, y, *, X_val=None, y_val=None):
        FITS.append(len(X))
        raise RuntimeError("out of luck\nsecond line")


class Interrupted(Network):
    def fit(self, X, y, *, X_val=None, y_val=None):
        raise KeyboardInterrupt


SINGLE = {"cnn": Network, "broken": Broken, "interrupted": Interrupted}
OWN = [Network, Pixels]
PROBES = {"knn": KNeighborsClassifier, "linear_probe": LogisticRegression}


def make_estimator(strategy, backbone="tiny", *, recipe, **parameters):
    """Make strategies in scikit-learn's own classes; a parameter that no step has is an error."""
    if strategy in SINGLE:
        return SINGLE[strategy](augmentation=ImageAugmentation(rotation=30), **parameters)
    return Pipeline([("features", Pixels(backbone)), ("head", PROBES[strategy](**parameters))])


def noisy_images(labels, size=(8, 8), seed=0):
    rng = np.random.default_rng(seed)
    images = np.array([COLOURS[label] for label in labels])[:, None, None]
    noise = rng.integers(0, 55, (len(labels), *size, 3))
    return (images + noise).astype(np.uint8)


def entry_of(folder, strategy, backbone="", **places):
    return Record(folder).entries()[Cell("colours", strategy, backbone, **places)]


def forget(folder, strategy, backbone=""):
    """Take the cells of a system out of a record."""
    path = folder / "record.jsonl"
    wanted = [
        line
        for line in path.read_text().splitlines()
        if (json.loads(line)["cell"]["strategy"], json.loads(line)["cell"]["backbone"])
        != (strategy, backbone)
    ]
    path.write_text("".join(line + "\n" for line in wanted))


@pytest.fixture
def dataset():
    y_train, y_test = np.array(sorted(COLOURS) * 20), np.array(sorted(COLOURS) * 5)
    return Bunch(
        X_train=noisy_images(y_train),
        y_train=y_train,
        X_test=noisy_images(y_test, seed=1),
        y_test=y_test,
        name="colours",
    )


@pytest.fixture(autouse=True)
def no_fits():
    FITS.clear()


def run(dataset, output, strategies=("cnn", "knn", "linear_probe"), backbones=("a", "b"), **how):
    return run_benchmark(
        dataset,
        strategies,
        backbones,
        output=output,
        make_estimator=make_estimator,
        progress=False,
        **{"trusted": OWN, **how},
    )


def test_every_cell_has_a_row(dataset, tmp_path):
    table = run(dataset, tmp_path)
    cells = list(zip(table["strategy"], table["backbone"], strict=True))
    assert cells == [
        ("cnn", ""),
        ("knn", "a"),
        ("knn", "b"),
        ("linear_probe", "a"),
        ("linear_probe", "b"),
    ]
    assert (table["test_accuracy"] == 100).all()  # colours are easy
    assert (table["roc_auc_ovr"] == 1).all()
    assert (table["error"] == "").all()
    assert (table["predict_seconds"] > 0).all()
    cnn = table.iloc[0]
    assert cnn["epochs"] == 4
    assert cnn["seconds_per_epoch"] == 2
    assert cnn["non_trainable_params"] == 10
    assert table["epochs"].isna().tolist() == [False, True, True, True, True]
    assert table.iloc[1]["deployed_params"] == 1000
    assert table.iloc[3]["deployed_params"] == 1000 + 3 * (48 + 1)


def test_networks_follow_the_validation_images(dataset, tmp_path):
    run(dataset, tmp_path, ["cnn"], validation_fraction=0.25, epochs=2)
    cell = entry_of(tmp_path, "cnn")
    assert cell["history"]["val_accuracy"] == [15, 15]


def test_validation_images_go_through_the_backbone_to_its_network(dataset, tmp_path):
    def make_pipeline(strategy, backbone="tiny", *, recipe, **parameters):
        return Pipeline([("features", Pixels(backbone)), ("head", Head(**parameters))])

    table = run_benchmark(
        dataset, ["features"], ["a"], output=tmp_path, make_estimator=make_pipeline, progress=False
    )
    assert table["error"].tolist() == [""]
    cell = entry_of(tmp_path, "features", "a")
    assert cell["history"]["val_accuracy"] == [12] * 4
    assert FITS == [48, 60]


def test_what_is_written(dataset, tmp_path):
    run(dataset, tmp_path, ["cnn", "knn"], ["a"])
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {name for name in names if not name.startswith("figures/")} == {
        "run.json",
        "results.csv",
        "summary.csv",
        "report.html",
        "report.md",
        "record.jsonl",
        "record.lock",
        "winner.zip",
        "winner.json",
        "predictions/colours-cnn-r0-f0.npz",
        "predictions/colours-knn-a-r0-f0.npz",
        "layers/knn-a.csv",
        "summaries/knn-a.txt",
        "pictures/samples.png",
        "pictures/augmentation.png",
    }
    assert {"figures/learning-cnn.png", "figures/leaderboard.svg"} <= names
    header = json.loads((tmp_path / "run.json").read_text())
    (described,) = header["settings"]["datasets"]
    assert (described["name"], described["images"], described["test_images"]) == ("colours", 60, 15)
    assert header["settings"]["seed"] == 0
    assert (tmp_path / "summaries" / "knn-a.txt").read_text() == "the network of a"


def test_finished_cells_are_not_run_again(dataset, tmp_path):
    first = run(dataset, tmp_path, ["cnn", "knn"])
    assert FITS == [48, 60]  # the cell, and the winner
    forget(tmp_path, "knn", "b")
    second = run(dataset, tmp_path, ["cnn", "knn"])
    assert FITS == [48, 60]
    assert second["fit_seconds"].tolist()[:2] == first["fit_seconds"].tolist()[:2]
    assert len(second) == 3


def test_an_interrupted_run_goes_on(dataset, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(dataset, tmp_path, ["cnn", "interrupted", "knn"], ["a"])
    assert read_results(tmp_path)["strategy"].tolist() == ["cnn"]
    write_report(tmp_path)
    told = "not finished: all of interrupted and all of knn-a are missing"
    assert told in (tmp_path / "report.md").read_text()
    table = run(dataset, tmp_path, ["cnn", "knn"], ["a"])
    assert table["strategy"].tolist() == ["cnn", "knn"]
    assert FITS == [48, 60]  # the cell of the first run, and the winner of the second


def test_other_settings_need_another_folder(dataset, tmp_path):
    run(dataset, tmp_path, ["cnn"])
    with pytest.raises(ValueError, match=r"other settings \(epochs None there, 7 here\)"):
        run(dataset, tmp_path, ["cnn"], epochs=7)
    dataset.X_test[0] = 0
    with pytest.raises(ValueError, match="datasets"):
        run(dataset, tmp_path, ["cnn"])
    assert FITS == [48, 60]


def test_a_failing_cell_is_recorded_and_tried_again(dataset, tmp_path):
    table = run(dataset, tmp_path, ["broken", "knn"], ["a"])
    assert table["error"].tolist() == ["RuntimeError: out of luck", ""]
    assert table["test_accuracy"].isna().tolist() == [True, False]
    record = entry_of(tmp_path, "broken")
    assert "in fit" in record["traceback"]
    assert json.loads((tmp_path / "winner.json").read_text())["strategy"] == "knn"
    run(dataset, tmp_path, ["broken", "knn"], ["a"])
    assert FITS == [48, 48]


def test_without_any_result_there_is_no_winner(dataset, tmp_path):
    run(dataset, tmp_path, ["broken"])
    assert not (tmp_path / "winner.json").exists()


def test_winner_is_the_smallest_of_the_best_on_all_but_test_images(dataset, tmp_path):
    run(dataset, tmp_path)
    assert FITS == [48, 60]
    winner = json.loads((tmp_path / "winner.json").read_text())
    assert (winner["strategy"], winner["backbone"]) == ("cnn", "")
    assert winner["classes"] == ["blue", "green", "red"]
    assert winner["image_size"] == [8, 8]
    assert winner["train_images"] == 60
    assert winner["scores"]["val_accuracy"] == 100
    assert winner["test_accuracy"] == 100


def test_winner_has_the_best_validation_accuracy(dataset, tmp_path):
    run(dataset, tmp_path, ["cnn", "knn"], ["a"])
    worse = entry_of(tmp_path, "cnn")
    worse["result"]["val_accuracy"] = 50.0
    del worse["cell"]
    Record(tmp_path).append(Cell("colours", "cnn"), worse, {})
    run(dataset, tmp_path, ["cnn", "knn"], ["a"])
    assert json.loads((tmp_path / "winner.json").read_text())["strategy"] == "knn"


def test_parts_do_not_overlap_and_keep_their_proportions(dataset, tmp_path):
    run(dataset, tmp_path, ["cnn"], train_size=30, test_size=6, validation_fraction=0.5)
    (row,) = read_results(tmp_path).itertuples()
    assert (row.train_images, row.validation_images, row.test_images) == (15, 15, 6)


def test_sizes_that_do_not_fit_are_named(dataset, tmp_path):
    with pytest.raises(ValueError, match=r"train_size must be in 3\.\.57, or 60 .* got 61"):
        run(dataset, tmp_path, train_size=61)
    with pytest.raises(ValueError, match=r"test_size must be in 3\.\.12.* got 2"):
        run(dataset, tmp_path, test_size=2)
    assert not any(tmp_path.iterdir())


def test_output_that_cannot_be_written_is_found_before_the_data_is_loaded(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(NotADirectoryError, match="is a file"):
        run("folder", file / "run")


def test_unknown_names_are_found_before_the_data_is_loaded(tmp_path):
    with pytest.raises(ValueError, match="Unknown strategy 'finetun'; did you mean 'finetune'"):
        run_benchmark("folder", ["finetun"], output=tmp_path)
    with pytest.raises(ValueError, match="Unknown backbone 'vgg166'; did you mean 'vgg16'"):
        run_benchmark("folder", ["knn"], ["vgg166"], output=tmp_path)


def test_dataset_names_and_paths_are_checked(tmp_path):
    with pytest.raises(ValueError, match="Unknown dataset 'cifar'; did you mean 'cifar10'"):
        load_dataset("cifar")
    with pytest.raises(ValueError, match="'folder' needs the path"):
        load_dataset("folder")
    with pytest.raises(ValueError, match="takes no path"):
        load_dataset("photo-patches", tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        load_dataset("folder", tmp_path / "absent")


def save_images(folder, labels, sizes):
    paths = []
    for index, (label, size) in enumerate(zip(labels, sizes, strict=True)):
        path = folder / label / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy_images([label], size, seed=index)[0]).save(path)
        paths.append(str(path))
    return paths


def test_images_of_any_size_are_labelled(dataset, tmp_path):
    run(dataset, tmp_path / "run", ["cnn"])
    files = save_images(tmp_path, ["red", "blue"], [(30, 20), (8, 8)])
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    labels, errors = label_images(tmp_path / "run", [files[0], bad, files[1]], top=2, trusted=OWN)
    assert labels["file"].tolist() == [files[0]] * 2 + [files[1]] * 2
    assert labels["label"].tolist()[::2] == ["red", "blue"]
    assert (labels["probability"].to_numpy()[::2] > labels["probability"].to_numpy()[1::2]).all()
    assert list(errors) == [str(bad)]
    alone, _ = label_images(tmp_path / "run" / "winner.zip", [files[1]], trusted=OWN)
    assert alone["label"].tolist() == ["blue"]


@pytest.mark.parametrize("sizes", [[(8, 8)] * 5, [(8 + i, 8) for i in range(5)]], ids=str)
def test_files_are_labelled_block_by_block(dataset, tmp_path, monkeypatch, sizes):
    data = save_images(tmp_path / "data", sorted(COLOURS) * 10, sizes * 6)
    run("folder", tmp_path / "run", ["cnn"], data=tmp_path / "data")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    files = [data[0], bad, data[1], data[1], bad, bad, data[2]]
    whole = label_images(tmp_path / "run", files, trusted=OWN)
    monkeypatch.setattr(_winner, "BLOCK", 2)
    shapes = []
    ask = Network.predict_proba
    monkeypatch.setattr(
        Network, "predict_proba", lambda self, X: shapes.append(len(X)) or ask(self, X)
    )
    labels, errors = label_images(tmp_path / "run", files, trusted=OWN)
    pd.testing.assert_frame_equal(labels, whole[0])
    assert labels["file"].tolist() == [data[0], data[1], data[1], data[2]]
    assert errors == whole[1]
    assert shapes == [1, 2, 1]


def test_a_winner_needs_both_of_its_files(tmp_path):
    (tmp_path / "winner.zip").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"'winner\.json' is not beside .*winner\.zip"):
        label_images(tmp_path / "winner.zip", ["a.png"])


def test_the_winner_holds_no_code(dataset, tmp_path):
    run(dataset, tmp_path, ["linear_probe"], ["a"])
    files = save_images(tmp_path, ["red"], [(8, 8)])
    winner = load(tmp_path / "winner.zip", trusted=OWN)
    assert winner.score(dataset.X_test, dataset.y_test) == 1
    with pytest.raises(PersistenceError, match=r"winner.zip.*Pixels.*not allowed.*trusted"):
        label_images(tmp_path, files)
    (tmp_path / "winner.zip").write_bytes(pickle.dumps(winner))
    with pytest.raises(PersistenceError, match="no readable zip file"):
        label_images(tmp_path, files, trusted=OWN)


def test_a_winner_that_cannot_be_saved_is_told_of_and_scored(dataset, tmp_path):
    with pytest.warns(UserWarning, match=r"winner is not saved: .*Network.*among trusted"):
        table = run(dataset, tmp_path, ["cnn", "knn"], ["a"], trusted=())
    assert (table["error"] == "").all()
    assert (tmp_path / "report.html").exists()
    winner = json.loads((tmp_path / "winner.json").read_text())
    assert winner["test_accuracy"] == 100
    with pytest.raises(FileNotFoundError, match=r"no classifier at .*Network.*cannot be saved"):
        label_images(tmp_path, ["a.png"])
    run(dataset, tmp_path, ["cnn", "knn"], ["a"], trusted=())
    assert FITS == [48, 60]
    run(dataset, tmp_path, ["cnn", "knn"], ["a"])
    assert FITS == [48, 60, 60]
    assert json.loads((tmp_path / "winner.json").read_text())["not_saved"] is None
    assert load(tmp_path / "winner.zip", trusted=OWN).epochs == 4


def test_an_older_winner_does_not_stand_for_one_that_cannot_be_saved(dataset, tmp_path):
    run(dataset, tmp_path, ["knn"], ["a"])
    assert (tmp_path / "winner.zip").exists()
    with pytest.warns(UserWarning, match="the winner is not saved"):
        run(dataset, tmp_path, ["cnn", "knn"], ["a"], trusted=())
    assert json.loads((tmp_path / "winner.json").read_text())["strategy"] == "cnn"
    assert not (tmp_path / "winner.zip").exists()


def test_trusted_are_classes(dataset, tmp_path):
    with pytest.raises(TypeError, match="trusted must hold subclasses of BaseEstimator"):
        run(dataset, tmp_path / "run", trusted=[make_estimator])
    assert not (tmp_path / "run").exists()


def test_top_is_checked_against_the_classes(dataset, tmp_path):
    run(dataset, tmp_path, ["cnn"])
    with pytest.raises(ValueError, match=r"top must be in 1\.\.3"):
        label_images(tmp_path, ["a.png"], top=4)


def test_folders_of_mixed_sizes(tmp_path):
    labels = sorted(COLOURS) * 10
    sizes = [(8 + i, 8) for i in range(30)]
    files = save_images(tmp_path / "data", labels, sizes)
    table = run("folder", tmp_path / "run", ["cnn", "knn"], ["a"], data=tmp_path / "data")
    assert (table["test_accuracy"] == 100).all()
    winner = json.loads((tmp_path / "run" / "winner.json").read_text())
    assert winner["image_size"] is None
    labelled, errors = label_images(tmp_path / "run", files, trusted=OWN)
    assert labelled["label"].tolist() == labels
    assert errors == {}


def test_steps_that_do_nothing_are_left_out():
    probe = PROBES["knn"]()
    assert steps_of(Pipeline([("nothing", "passthrough"), ("probe", probe)])) == [probe]


def test_folds_score_every_image_once_and_leave_the_test_part_alone(dataset, tmp_path):
    dataset.X_test[:] = 0
    table = run(dataset, tmp_path, ["knn"], ["a"], cv=3, n_repeats=2, save_winner=False)
    assert list(zip(table["repeat"], table["fold"], strict=True)) == [
        (repeat, fold) for repeat in range(2) for fold in range(3)
    ]
    assert table["seed"].tolist() == [0] * 3 + [1] * 3
    assert (table["test_accuracy"] == 100).all()
    record = Record(tmp_path)
    for repeat in range(2):
        parts = [
            record.predictions(Cell("colours", "knn", "a", repeat=repeat, fold=fold))
            for fold in range(3)
        ]
        assert not any(part["is_held_out"] for part in parts)
        assert sorted(np.concatenate([part["test"] for part in parts])) == list(range(60))
    winner = run(dataset, tmp_path, ["knn"], ["a"], cv=3, n_repeats=2)
    assert len(winner) == 6
    assert json.loads((tmp_path / "winner.json").read_text())["train_images"] == 60


def test_groups_stay_together(dataset, tmp_path):
    groups = np.arange(60) // 5
    run(dataset, tmp_path, ["knn"], ["a"], cv=3, groups=groups, save_winner=False)
    record = Record(tmp_path)
    for fold in range(3):
        tested = record.predictions(Cell("colours", "knn", "a", fold=fold))["test"]
        assert not {*groups[tested]} & {*np.delete(groups, tested)}


def test_any_splitter_of_scikit_learn_divides(dataset, tmp_path):
    splitter = ShuffleSplit(n_splits=4, test_size=0.25, random_state=0)
    table = run(dataset, tmp_path, ["knn"], ["a"], cv=splitter)
    assert table["fold"].tolist() == [0, 1, 2, 3]
    assert (table["test_images"] == 15).all()


def test_a_splitter_without_a_seed_pairs_no_different_folds(dataset, tmp_path):
    splitter = ShuffleSplit(n_splits=2, test_size=0.25)
    table = run(dataset, tmp_path, ["knn"], ["a"], cv=splitter, train_size=[20, 40])
    record = Record(tmp_path)
    for fold in range(2):
        small, large = (
            record.predictions(Cell("colours", "knn", "a", size, fold=fold))["test"]
            for size in (20, 40)
        )
        np.testing.assert_array_equal(small, large)
    assert len(table) == 4
    with pytest.raises(ValueError, match=r"other settings \(cv 'ShuffleSplit"):
        run(dataset, tmp_path, ["knn", "linear_probe"], ["a"], cv=splitter)


def test_folds_that_train_on_other_images_are_other_settings(dataset, tmp_path):
    def splitter(train_size):
        return ShuffleSplit(2, test_size=0.25, train_size=train_size, random_state=0)

    run(dataset, tmp_path, ["knn"], ["a"], cv=splitter(0.5), save_winner=False)
    with pytest.raises(ValueError, match=r"other settings \(cv 'ShuffleSplit"):
        run(dataset, tmp_path, ["knn"], ["a"], cv=splitter(0.75), save_winner=False)
    run(dataset, tmp_path, ["knn"], ["a"], cv=splitter(0.5), train_size=[20], save_winner=False)


def test_folds_may_be_given_as_positions(dataset, tmp_path):
    folds = [(np.arange(30, 60), np.arange(30)), (np.arange(30), np.arange(30, 60))]
    table = run(dataset, tmp_path, ["knn"], ["a"], cv=folds)
    assert table["test_images"].tolist() == [30, 30]


def test_data_that_do_not_fit_are_refused(dataset, tmp_path):
    longer = Bunch(**{**dataset, "y_train": dataset.y_train[:-1]})
    with pytest.raises(ValueError, match="X_train and y_train of the dataset do not fit"):
        run(longer, tmp_path / "run")
    unknown = Bunch(**{**dataset, "y_test": np.array(["pink"] * len(dataset.y_test))})
    with pytest.raises(ValueError, match=r"no image to train on is left of \['pink'\]"):
        run(unknown, tmp_path / "run")


def test_images_that_changed_under_their_names_are_another_dataset(tmp_path):
    labels = sorted(COLOURS) * 10
    save_images(tmp_path / "data", labels, [(8, 8)] * 30)
    run("folder", tmp_path / "run", ["knn"], ["a"], data=tmp_path / "data")
    save_images(tmp_path / "data", labels, [(9, 9)] * 30)
    with pytest.raises(ValueError, match="other settings"):
        run("folder", tmp_path / "run", ["knn"], ["a"], data=tmp_path / "data")


def test_a_series_of_paths_is_a_dataset(tmp_path):
    labels = np.array(sorted(COLOURS) * 10)
    files = save_images(tmp_path / "data", labels, [(8, 8)] * 30)
    series = pd.Series(files, index=np.arange(100, 130)[::-1])
    table = run(Bunch(X=series, y=labels, name="files"), tmp_path / "run", ["cnn"])
    assert table["test_accuracy"].tolist() == [100]


def test_another_factory_is_another_run(dataset, tmp_path):
    run(dataset, tmp_path, ["cnn"], save_winner=False)
    with pytest.raises(ValueError, match="make_estimator"):
        run_benchmark(
            dataset, ["cnn"], output=tmp_path, make_estimator=make_limited, progress=False
        )


def test_the_winner_is_one_of_those_trained_on_most_images(dataset, tmp_path):
    run(dataset, tmp_path, ["knn"], ["a"], train_size=[12, 40], save_winner=False)
    worse = entry_of(tmp_path, "knn", "a", train_size=40)
    worse["result"]["val_accuracy"] = 50.0
    del worse["cell"]
    Record(tmp_path).append(Cell("colours", "knn", "a", 40), worse, {})
    run(dataset, tmp_path, ["knn"], ["a"], train_size=[12, 40])
    assert json.loads((tmp_path / "winner.json").read_text())["scores"]["train_size"] == 40


def test_a_cell_with_damaged_predictions_is_run_again(dataset, tmp_path):
    run(dataset, tmp_path, ["knn"], ["a"], save_winner=False)
    path = tmp_path / "predictions" / "colours-knn-a-r0-f0.npz"
    before = path.read_bytes()
    path.write_bytes(b"")
    run(dataset, tmp_path, ["knn"], ["a"], save_winner=False)
    assert len(path.read_bytes()) == len(before)


def test_sizes_and_datasets_are_crossed_with_strategies(dataset, tmp_path):
    other = Bunch(**{**dataset, "name": "others"})
    table = run([dataset, other], tmp_path, ["cnn", "knn"], ["a"], train_size=[12, 30])
    assert len(table) == 8
    images = table["train_images"] + table["validation_images"]
    assert (images == table["train_size"]).all()
    assert not (tmp_path / "winner.zip").exists()
    summary = summarize_results(table)
    assert len(summary) == 8


def test_a_run_is_resumed_with_what_it_was_given(dataset, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(dataset, tmp_path, ["cnn", "interrupted"], ["a"], n_repeats=2, epochs=2)
    with pytest.raises(TypeError, match=r"begun with \['dataset', 'make_estimator', 'trusted'\]"):
        resume_benchmark(tmp_path)
    SINGLE["interrupted"] = Network
    try:
        table = resume_benchmark(
            tmp_path, dataset=dataset, make_estimator=make_estimator, trusted=OWN, progress=False
        )
    finally:
        SINGLE["interrupted"] = Interrupted
    assert table["strategy"].tolist() == ["cnn"] * 2 + ["interrupted"] * 2
    assert (table["epochs"] == 2).all()
    assert FITS == [48] * 4 + [60]


def test_an_empty_sweep_is_refused(dataset, tmp_path):
    for how in ({"strategies": []}, {"train_size": []}):
        with pytest.raises(ValueError, match="there is nothing to run"):
            run(dataset, tmp_path / "run", **how)
    with pytest.raises(ValueError, match="backbones must name at least one for 'knn', got none"):
        run(dataset, tmp_path / "run", ["cnn", "knn"], backbones=[])
    with pytest.raises(ValueError, match="dataset must name at least one"):
        run([], tmp_path / "run")
    with pytest.raises(ValueError, match="two datasets have the name 'colours'"):
        run([dataset, dataset], tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_strategies_without_a_backbone_need_no_name_of_one(dataset, tmp_path):
    assert run(dataset, tmp_path, ["cnn"], backbones=[])["backbone"].tolist() == [""]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"cv": 1}, "cv must be at least 2"),
        ({"n_repeats": 0}, "n_repeats must be at least 1"),
        ({"cv": ShuffleSplit(), "n_repeats": 2}, "n_repeats=2 needs a number of folds"),
        ({"validation_fraction": 1.5}, "validation_fraction must be between 0 and 1"),
        ({"groups": [0] * 60}, "groups need folds"),
        ({"groups": [0] * 59, "cv": 2}, "one entry for each of 60 images"),
        ({"test_size": 6, "cv": 2}, "test_size=6 is of the test part, which folds leave alone"),
        ({"epochs": 0}, "epochs == 0, must be >= 1"),
        ({"n_jobs": 0}, "n_jobs must be .* got 0"),
        ({"time_limit": 0}, "time_limit must be greater than 0"),
        ({"memory_limit": -1}, "memory_limit must be greater than 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(dataset, tmp_path, how, message):
    with pytest.raises(ValueError, match=message):
        run(dataset, tmp_path / "run", **how)
    assert not (tmp_path / "run").exists()


def test_a_second_runner_on_one_record_is_refused(dataset, tmp_path):
    with Record(tmp_path).writing(), pytest.raises(BlockingIOError, match="another process"):
        run(dataset, tmp_path, ["knn"], ["a"])


class Slow(Network):
    def fit(self, X, y, *, X_val=None, y_val=None):
        time.sleep(600)


class Greedy(Network):
    def fit(self, X, y, *, X_val=None, y_val=None):
        self.heap = [np.ones(1 << 20) for _ in range(1 << 14)]


class Wrong(Network):
    def fit(self, X, y, *, X_val=None, y_val=None):
        raise ValueError("the real reason")


class Fatal(Network):
    def fit(self, X, y, *, X_val=None, y_val=None):
        os._exit(7)


def make_limited(strategy, *, recipe, **parameters):
    cls = {"cnn": Network, "slow": Slow, "greedy": Greedy, "fatal": Fatal, "wrong": Wrong}[strategy]
    return cls(**parameters)


@pytest.mark.slow
def test_a_cell_beyond_its_limits_is_recorded_and_the_others_run(dataset, tmp_path):
    table = run_benchmark(
        dataset,
        ["cnn", "fatal", "greedy", "slow", "wrong"],
        output=tmp_path,
        make_estimator=make_limited,
        time_limit=20,
        memory_limit=2000,
        progress=False,
    )
    assert table["error"].tolist() == [
        "",
        "ProcessDied: the cell's process ended with code 7",
        "LimitExceeded: memory_limit: took more than 2000 MiB",
        "LimitExceeded: time_limit: took more than 20 s",
        "ValueError: the real reason",
    ]
    assert table.loc[0, "test_accuracy"] == 100


def comparable(folder):
    """The results of a run, but for times and memory."""
    table = read_results(folder)
    measured = ["seconds_per_epoch", "fit_seconds", "predict_seconds", "images_per_second"]
    return table.drop(columns=[*measured, "peak_memory_mib"])


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_backends_of_joblib_agree(dataset, tmp_path, backend):
    run(dataset, tmp_path / "one", cv=2)
    with parallel_config(backend, n_jobs=2):
        run(dataset, tmp_path / "two", cv=2)
    pd.testing.assert_frame_equal(comparable(tmp_path / "one"), comparable(tmp_path / "two"))
