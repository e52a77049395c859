from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from sktransfer.evaluation import label_images, load_dataset, read_results, run_benchmark
from sktransfer.evaluation._metrics import steps_of
from sktransfer.images import ImageAugmentation, ImageReader

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
        **how,
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
    cell = json.loads((tmp_path / "cells" / "cnn.json").read_text())
    assert cell["history"]["val_accuracy"] == [15, 15]


def test_validation_images_go_through_the_backbone_to_its_network(dataset, tmp_path):
    def make_pipeline(strategy, backbone="tiny", *, recipe, **parameters):
        return Pipeline([("features", Pixels(backbone)), ("head", Head(**parameters))])

    table = run_benchmark(
        dataset, ["features"], ["a"], output=tmp_path, make_estimator=make_pipeline, progress=False
    )
    assert table["error"].tolist() == [""]
    cell = json.loads((tmp_path / "cells" / "features-a.json").read_text())
    assert cell["history"]["val_accuracy"] == [12] * 4
    assert FITS == [48, 60]


def test_what_is_written(dataset, tmp_path):
    run(dataset, tmp_path, ["cnn", "knn"], ["a"])
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {
        "run.json",
        "results.csv",
        "winner.joblib",
        "winner.json",
        "cells/cnn.json",
        "cells/knn-a.json",
        "layers/knn-a.csv",
        "summaries/knn-a.txt",
        "pictures/samples.png",
        "pictures/augmentation.png",
        "pictures/learning-cnn.png",
        "pictures/accuracy.png",
        "pictures/epoch-seconds.png",
    }
    header = json.loads((tmp_path / "run.json").read_text())
    assert header["settings"]["dataset"] == "colours"
    assert header["settings"]["train_images"] == 48
    assert header["settings"]["validation_images"] == 12
    assert header["settings"]["seed"] == 0
    assert (tmp_path / "summaries" / "knn-a.txt").read_text() == "the network of a"


def test_finished_cells_are_not_run_again(dataset, tmp_path):
    first = run(dataset, tmp_path, ["cnn", "knn"])
    assert FITS == [48, 60]  # the cell, and the winner
    (tmp_path / "cells" / "knn-b.json").unlink()
    second = run(dataset, tmp_path, ["cnn", "knn"])
    assert FITS == [48, 60]
    assert second["fit_seconds"].tolist()[:2] == first["fit_seconds"].tolist()[:2]
    assert len(second) == 3


def test_an_interrupted_run_goes_on(dataset, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(dataset, tmp_path, ["cnn", "interrupted", "knn"], ["a"])
    assert read_results(tmp_path)["strategy"].tolist() == ["cnn"]
    table = run(dataset, tmp_path, ["cnn", "knn"], ["a"])
    assert table["strategy"].tolist() == ["cnn", "knn"]
    assert FITS == [48, 60]  # the cell of the first run, and the winner of the second


def test_other_settings_need_another_folder(dataset, tmp_path):
    run(dataset, tmp_path, ["cnn"])
    with pytest.raises(ValueError, match=r"other settings \(epochs None there, 7 here\)"):
        run(dataset, tmp_path, ["cnn"], epochs=7)
    dataset.X_test[0] = 0
    with pytest.raises(ValueError, match="data_hash"):
        run(dataset, tmp_path, ["cnn"])
    assert FITS == [48, 60]


def test_a_failing_cell_is_recorded_and_tried_again(dataset, tmp_path):
    table = run(dataset, tmp_path, ["broken", "knn"], ["a"])
    assert table["error"].tolist() == ["RuntimeError: out of luck", ""]
    assert table["test_accuracy"].isna().tolist() == [True, False]
    record = json.loads((tmp_path / "cells" / "broken.json").read_text())
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
    path = tmp_path / "cells" / "cnn.json"
    worse = json.loads(path.read_text())
    worse["result"]["val_accuracy"] = 50.0
    path.write_text(json.dumps(worse))
    run(dataset, tmp_path, ["cnn", "knn"], ["a"])
    assert json.loads((tmp_path / "winner.json").read_text())["strategy"] == "knn"


def test_parts_do_not_overlap_and_keep_their_proportions(dataset, tmp_path):
    run(dataset, tmp_path, ["cnn"], train_size=30, test_size=6, validation_fraction=0.5)
    settings = json.loads((tmp_path / "run.json").read_text())["settings"]
    sizes = [settings[f"{part}_images"] for part in ("train", "validation", "test")]
    assert sizes == [15, 15, 6]


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
    labels, errors = label_images(tmp_path / "run", [files[0], bad, files[1]], top=2)
    assert labels["file"].tolist() == [files[0]] * 2 + [files[1]] * 2
    assert labels["label"].tolist()[::2] == ["red", "blue"]
    assert (labels["probability"].to_numpy()[::2] > labels["probability"].to_numpy()[1::2]).all()
    assert list(errors) == [str(bad)]
    alone, _ = label_images(tmp_path / "run" / "winner.joblib", [files[1]])
    assert alone["label"].tolist() == ["blue"]


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
    labelled, errors = label_images(tmp_path / "run", files)
    assert labelled["label"].tolist() == labels
    assert errors == {}


def test_steps_that_do_nothing_are_left_out():
    probe = PROBES["knn"]()
    assert steps_of(Pipeline([("nothing", "passthrough"), ("probe", probe)])) == [probe]
