"""The stored results: the README shows them and nothing else."""

from __future__ import annotations

import importlib.util
import json
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def load(name: str):
    """Import a script of the benchmarks, which are not part of the package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_shows_what_was_measured():
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    assert load("tables").fill(text) == text


@pytest.mark.parametrize("name", ["photo_patches/results.csv", "cifar10_study.csv"])
def test_stored_tables_have_a_row_for_each_finished_cell(name):
    table = pd.read_csv(RESULTS / name, keep_default_na=False)

    assert len(table) >= 6
    assert (table["error"] == "").all()
    assert table["test_accuracy"].astype(float).between(0, 100).all()
    total = table["trainable_params"] + table["non_trainable_params"]
    assert (total == table["total_params"]).all()


def run_quickly(name: str, output: Path, *arguments: str) -> pd.DataFrame:
    """Run a benchmark of speed on tiny sizes, and return the table that it stores."""
    words = ["--quick", "--repeats", "1", "--output", str(output), *arguments]
    import_module(f"benchmarks.{name}").main(words)
    header = json.loads((output / f"{name}.json").read_text(encoding="utf-8"))
    assert header["settings"]["repeats"] == 1
    assert "tensorflow" in header["versions"]
    return pd.read_csv(output / f"{name}.csv").set_index("contestant")


def test_turns_are_taken_and_only_the_warm_up_is_not_counted():
    from benchmarks._side_by_side import compared, take_turns

    order = []
    timed = take_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)

    assert "".join(order) == "ababab"
    assert [len(one.seconds) for one in timed.values()] == [2, 2]
    assert [row["as"] for row in compared(timed, "b")] == ["b", "b"]
    assert compared(timed, "b")[1]["times_as_fast"] == 1


def test_augmentation_is_compared(tmp_path):
    pytest.importorskip("skimage", reason="the photographs come with scikit-image")

    table = run_quickly("augmentation", tmp_path)

    assert {"sktransfer", "Keras ImageDataGenerator", "Keras layers in tf.data"} <= {*table.index}
    assert (table["images_per_second"] > 0).all()


def test_head_training_is_compared(tmp_path):
    table = run_quickly("head_training", tmp_path)

    many = table[table["case"] == table["case"].iloc[0]]
    assert {"sktransfer", "Keras fit", "scikit-learn MLPClassifier"} <= {*many.index}
    assert (many["train_accuracy"] > 0.3).all()  # chance is a tenth


@pytest.mark.slow
def test_fine_tuning_is_compared(tmp_path):
    pytest.importorskip("skimage", reason="the photographs come with scikit-image")

    table = run_quickly("fine_tuning", tmp_path, "--networks", "mobilenet")

    assert {"sktransfer", "sktransfer, bfloat16", "Keras fit"} <= {*table.index}
    assert (table["images_per_second"] > 0).all()


@pytest.mark.slow
def test_extraction_gives_the_same_features_in_all_engines(tmp_path):
    pytest.importorskip("skimage", reason="the photographs come with scikit-image")

    table = run_quickly("extraction", tmp_path, "--networks", "vgg16", "mobilenet")

    exact = table[~table.index.str.contains("bf16|bfloat16")]
    assert "sktransfer" in exact.index
    assert (exact["relative_error"] < 1e-4).all()


@pytest.mark.slow
def test_grid_search_needs_one_pass_an_image(tmp_path):
    pytest.importorskip("skimage", reason="the photographs come with scikit-image")

    passes = run_quickly("grid_search", tmp_path)["passes"]

    assert passes["sktransfer"] == passes["plain, features computed once"]
    assert passes["sktransfer"] < passes["plain, memory="] < passes["plain"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["memory", "scaling"])
def test_memory_and_scaling_are_measured(tmp_path, name):
    pytest.importorskip("skimage", reason="the photographs come with scikit-image")
    script = import_module(f"benchmarks.{name}")

    script.main(["--quick", "--repeats", "1", "--output", str(tmp_path)])

    assert pd.read_csv(tmp_path / f"{name}.csv")["task"].nunique() >= 2


@pytest.mark.parametrize("page", ["performance", "accuracy", "evaluation", "reliability"])
def test_the_pages_of_the_docs_show_what_was_measured(page):
    tables = import_module("benchmarks.tables")
    text = getattr(tables, page.upper()).read_text(encoding="utf-8")

    assert getattr(tables, f"fill_{page}")(text) == text


@pytest.mark.slow
def test_ingredients_are_compared_with_where_we_start(tmp_path):
    pytest.importorskip("skimage", reason="the photographs come with scikit-image")
    script = import_module("benchmarks.cifar10_ingredients")

    script.main(["--quick", "--output", str(tmp_path), "--networks", "mobilenet"])

    table = pd.read_csv(tmp_path / "cifar10_ingredients.csv")
    assert len(table) == len(script.ingredients("mobilenet"))
    assert table["gain"][0] == 0
    assert table["accuracy"].between(0, 100).all()


def test_a_stored_table_is_put_between_its_marks(tmp_path):
    tables = import_module("benchmarks.tables")
    versions = {"tensorflow": "2", "keras": "3", "scikit-learn": "1", "python": "3", "torch": "9"}
    header = {
        "machine": {"cores": 2, "processor": "AMD"},
        "versions": versions,
        "settings": {"seed": 0},
        "command": "python -m benchmarks.memory",
    }
    (tmp_path / "memory.json").write_text(json.dumps(header), encoding="utf-8")
    pd.DataFrame({"task": ["fits"], "mib_a_fit": [0.12345]}).to_csv(
        tmp_path / "memory.csv", index=False
    )
    text = "".join(f"<!-- {name} -->\n<!-- /{name} -->\n" for name in tables.SPEED)

    filled = tables.fill_performance(text, tmp_path)

    assert "torch 9" in filled and "`python -m benchmarks.memory`" in filled
    assert "| task | mib a fit |\n| --- | --- |\n| fits | 0.123 |" in filled
    assert filled.count("| --- |") == 1


BIT_EQUAL = {
    "the same again",
    "images in reverse order",
    "2 images each alone",
    "cache in memory",
    "cache on disk",
    'joblib, backend="threading"',
    'joblib, backend="loky"',
    "another process",
}


@pytest.mark.slow
@pytest.mark.parametrize("network", ["tiny", "mobilenet"])
def test_what_is_to_be_bit_equal_is_and_float32_agrees(request, tmp_path, network):
    pytest.importorskip("skimage", reason="the photographs come with scikit-image")
    words = ["--quick", "--output", str(tmp_path), "--networks", network]
    if network != "tiny":
        words += ["--weights-dir", str(request.getfixturevalue("shared_weights_dir"))]

    import_module("benchmarks.equality").main(words)

    table = pd.read_csv(tmp_path / "equality.csv").set_index("circumstance")
    equal = table[["features_bit_equal", "probabilities_bit_equal"]] == "yes"
    assert {*table.index} > BIT_EQUAL
    assert equal.loc[[*BIT_EQUAL]].all(axis=None)
    assert (table["features_relative"][~table.index.str.contains("bfloat16")] < 1e-4).all()


@pytest.mark.slow
def test_the_ranking_of_backbones_is_compared_with_their_accuracy(tmp_path):
    pytest.importorskip("skimage", reason="the photographs come with scikit-image")
    script = import_module("benchmarks.backbone_ranking")

    script.main(["--quick", "--output", str(tmp_path)])

    table = pd.read_csv(tmp_path / "backbone_ranking.csv").set_index("candidate")
    assert (table.loc["points lost by its choice", "log_me"] >= 0).all()


@pytest.mark.slow
def test_the_folds_are_run_once_and_answer_three_questions(
    cifar10_zip, shared_weights_dir, tmp_path
):
    script = import_module("benchmarks.cifar10_folds")
    words = ["--quick", "--data", str(cifar10_zip), "--weights-dir", str(shared_weights_dir)]
    words += ["--run", str(tmp_path / "run"), "--output", str(tmp_path)]

    script.main(words)
    record = (tmp_path / "run" / "record.jsonl").read_text(encoding="utf-8")
    script.main(words)

    assert (tmp_path / "run" / "record.jsonl").read_text(encoding="utf-8") == record
    assert len(pd.read_csv(tmp_path / "cifar10_folds.csv")) == 8
    assert pd.read_csv(tmp_path / "cifar10_folds_answers.csv")["question"].nunique() == 3
    text = import_module("benchmarks.tables").cifar10_folds("cifar10_folds", tmp_path)
    assert text.count("\n- ") == 3 and "![cifar10_folds]" in text
