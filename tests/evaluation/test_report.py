from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from sktransfer.evaluation import RESULT_COLUMNS, format_results, read_results, write_report
from sktransfer.evaluation._report import (
    cell_name,
    cell_path,
    describe_environment,
    read_json,
    write_json,
)

NETWORK = {
    "strategy": "features",
    "backbone": "vgg16",
    "recipe": "best",
    "train_accuracy": 90.0,
    "val_accuracy": 70.0,
    "test_accuracy": 65.5,
    "f1_micro": 0.655,
    "f1_macro": 0.64,
    "roc_auc_ovr": float("nan"),
    "log_loss": 0.9,
    "total_params": np.int64(268042),
    "trainable_params": 268042,
    "non_trainable_params": 0,
    "deployed_params": 14982730,
    "epochs": 2,
    "seconds_per_epoch": 1.5,
    "fit_seconds": 4.0,
    "predict_seconds": 0.5,
    "seed": 0,
}
FAILED = {
    "strategy": "cnn",
    "backbone": "",
    "recipe": "best",
    "seed": 0,
    "error": "MemoryError: no memory left",
}


@pytest.fixture
def run(tmp_path):
    """A folder with the cells of a network and of a failure."""
    write_json(tmp_path / "run.json", {"settings": {}})
    history = {"accuracy": [0.5, 0.9], "loss": [1, 0.5], "val_accuracy": [0.4, 0.7]}
    record = {
        "result": NETWORK,
        "history": history,
        "layers": [{"type": "Dense", "name": "dense", "trainable": True}],
        "summary": "a network",
    }
    write_json(cell_path(tmp_path, "features-vgg16"), record)
    write_json(cell_path(tmp_path, "cnn"), {"result": FAILED, "traceback": "Traceback ..."})
    return tmp_path


def test_json_is_strict_and_written_whole(tmp_path):
    path = tmp_path / "cells" / "a.json"
    write_json(path, {"nan": np.nan, "array": np.array([1, 2]), "number": np.float32(0.5)})
    assert read_json(path) == {"nan": None, "array": [1, 2], "number": 0.5}
    with pytest.raises(TypeError):
        write_json(path, {"array": [object()]})
    assert read_json(path)["number"] == 0.5
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


def test_cells_are_named_by_strategy_and_backbone():
    assert cell_name("features", "vgg16") == "features-vgg16"
    assert cell_name("cnn+augment", "") == "cnn+augment"


def test_results_are_one_row_a_cell(run):
    table = read_results(run)
    assert tuple(table.columns) == RESULT_COLUMNS
    assert table["strategy"].tolist() == ["cnn", "features"]
    assert table["backbone"].tolist() == ["", "vgg16"]
    assert table["error"].tolist() == [FAILED["error"], ""]
    assert table["total_params"].isna().tolist() == [True, False]
    assert table.loc[1, "deployed_params"] == 14982730
    assert np.isnan(table.loc[1, "roc_auc_ovr"])


def test_report_is_made_from_the_cells(run):
    (run / "cells" / "knn-vgg16.json.99.tmp").write_text("{")  # a killed process left this
    table = write_report(run)
    pd.testing.assert_frame_equal(table, read_results(run))
    written = pd.read_csv(run / "results.csv", keep_default_na=False)
    assert tuple(written.columns) == RESULT_COLUMNS
    assert written["epochs"].tolist() == ["", "2"]
    files = {str(path.relative_to(run)) for path in run.rglob("*.*") if "cells" not in path.parts}
    assert files == {
        "run.json",
        "results.csv",
        "layers/features-vgg16.csv",
        "summaries/features-vgg16.txt",
        "pictures/learning-features-vgg16.png",
        "pictures/accuracy.png",
        "pictures/epoch-seconds.png",
    }
    assert (run / "summaries/features-vgg16.txt").read_text() == "a network"
    assert pd.read_csv(run / "layers/features-vgg16.csv").to_dict("records") == [
        {"type": "Dense", "name": "dense", "trainable": True}
    ]


def test_printed_table_shows_what_failed(run):
    lines = format_results(read_results(run)).splitlines()
    assert "65.500" in lines[2]
    assert "NA" not in lines[1]  # the cell that failed has no figures
    assert lines[-1] == "failed: cnn: MemoryError: no memory left"
    assert max(map(len, lines)) <= 160


def test_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is not the folder of a benchmark"):
        write_report(tmp_path)


def test_environment_is_described():
    described = json.loads(json.dumps(describe_environment()))
    assert described["machine"]["processor"]
    assert described["machine"]["cores"] >= 1
    assert described["versions"]["numpy"] == np.__version__
    assert set(described["versions"]) == {
        "python",
        "tensorflow",
        "keras",
        "scikit-learn",
        "numpy",
        "sktransfer",
    }
