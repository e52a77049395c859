from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sktransfer.evaluation import (
    RESULT_COLUMNS,
    format_results,
    read_results,
    score_interval,
    summarize_results,
    write_report,
)
from sktransfer.evaluation._environment import describe_environment
from sktransfer.evaluation._record import Cell, Record

ROOT = Path(__file__).resolve().parents[2]
NETWORK = {
    "dataset": "photos",
    "strategy": "features",
    "backbone": "vgg16",
    "recipe": "best",
    "train_size": 0,
    "repeat": 0,
    "fold": 0,
    "train_images": 80,
    "validation_images": 20,
    "test_images": 200,
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
    "dataset": "photos",
    "strategy": "cnn",
    "backbone": "",
    "recipe": "best",
    "train_size": 0,
    "repeat": 0,
    "fold": 0,
    "seed": 0,
    "error": "MemoryError: no memory left",
}


@pytest.fixture
def run(tmp_path):
    """A folder with the cells of a network and of a failure."""
    record = Record(tmp_path)
    record.write_header({"settings": {}})
    history = {"accuracy": [0.5, 0.9], "loss": [1, 0.5], "val_accuracy": [0.4, 0.7]}
    network = {
        "result": NETWORK,
        "history": history,
        "layers": [{"type": "Dense", "name": "dense", "trainable": True}],
        "summary": "a network",
    }
    record.append(Cell("photos", "features", "vgg16"), network, {})
    record.append(Cell("photos", "cnn"), {"result": FAILED, "traceback": "Traceback ..."}, {})
    return tmp_path


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
    table = write_report(run)
    pd.testing.assert_frame_equal(table, read_results(run))
    written = pd.read_csv(run / "results.csv", keep_default_na=False)
    assert tuple(written.columns) == RESULT_COLUMNS
    assert written["epochs"].tolist() == ["", "2"]
    for name in ("report.html", "report.md", "record.jsonl", "run.json", "summary.csv"):
        assert (run / name).exists()
    assert (run / "figures/learning-features-vgg16.png").exists()
    assert (run / "summaries/features-vgg16.txt").read_text() == "a network"
    assert pd.read_csv(run / "layers/features-vgg16.csv").to_dict("records") == [
        {"type": "Dense", "name": "dense", "trainable": True}
    ]


def test_printed_table_shows_what_failed(run):
    lines = format_results(read_results(run)).splitlines()
    assert "65.500" in lines[1]
    assert "NA" not in lines[2].upper().replace("NAN", "NA")  # the cell that failed has no figures
    assert lines[-1] == "failed: cnn: MemoryError: no memory left"
    assert max(map(len, lines)) <= 160


def test_numbers_of_parameters_may_differ_between_folds():
    cells = [NETWORK | {"fold": fold, "trainable_params": 10 + fold} for fold in range(2)]
    table = pd.DataFrame(cells, columns=RESULT_COLUMNS).assign(error="")
    assert summarize_results(table)["trainable_params"].tolist() == [10.5]
    assert format_results(table).splitlines()[1].split()[-6] == "10"


def cells_of(strategy, accuracies, **more):
    return [
        NETWORK
        | {"strategy": strategy, "fold": fold, "test_accuracy": accuracy, "error": ""}
        | more
        for fold, accuracy in enumerate(accuracies)
    ]


def test_summary_averages_repeats_with_the_corrected_interval():
    scores = [64.0, 66.0, 70.0, 68.0, 72.0]
    table = pd.DataFrame(
        [*cells_of("features", scores), *cells_of("knn", [50.0], val_accuracy=90.0)],
        columns=RESULT_COLUMNS,
    )
    knn, features = summarize_results(table).to_dict("records")
    assert (features["strategy"], features["cells"], features["failed"]) == ("features", 5, 0)
    assert features["test_accuracy"] == np.mean(scores)
    expected = score_interval(scores, test_fraction=200 / 100)
    assert (features["test_low"], features["test_high"]) == expected
    assert knn["test_low"] == pytest.approx(43.14, abs=0.005)  # Wilson, 100 of 200
    assert knn["test_high"] == pytest.approx(56.86, abs=0.005)


def test_interval_of_repeats_on_one_test_set_counts_the_images():
    cells = [cell | {"fold": 0, "repeat": cell["fold"]} for cell in cells_of("knn", [60.0] * 4)]
    (row,) = summarize_results(pd.DataFrame(cells, columns=RESULT_COLUMNS)).to_dict("records")
    half = 1.959964 * np.sqrt(60 * 40 / 200)
    assert row["test_low"] == pytest.approx(60 - half)
    assert row["test_high"] == pytest.approx(60 + half)


def test_failed_cells_are_counted_and_not_averaged():
    done = cells_of("features", [60.0, 70.0])
    table = pd.DataFrame([*done, FAILED | {"strategy": "features", "backbone": "vgg16"}])
    (row,) = summarize_results(table.reindex(columns=RESULT_COLUMNS)).to_dict("records")
    assert (row["cells"], row["failed"], row["test_accuracy"]) == (2, 1, 65.0)


def test_a_run_that_has_just_begun_has_a_report(tmp_path):
    Record(tmp_path).write_header({"settings": {}})
    table = write_report(tmp_path)
    assert format_results(table) == "no results yet"
    assert summarize_results(table).empty
    summary = pd.read_csv(tmp_path / "summary.csv")
    assert summary.columns.tolist() == summarize_results(read_results(tmp_path)).columns.tolist()


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


@pytest.mark.parametrize(
    ("started", "command"),
    [
        (["-m", "here.tool", "--n", "1"], "python -m here.tool --n 1"),
        (["-m", "here", "a b"], "python -m here 'a b'"),
        (["here/tool.py", "--n", "1"], "tool.py --n 1"),
    ],
)
def test_command_is_the_one_that_was_typed(tmp_path, started, command):
    (tmp_path / "here").mkdir()
    say = "from sktransfer.evaluation._environment import describe_environment as describe\n"
    for name in ("tool.py", "__main__.py"):
        (tmp_path / "here" / name).write_text(say + "print(describe()['command'])")
    told = subprocess.run(
        [sys.executable, *started],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == command
