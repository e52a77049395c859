"""The stored results: the README shows them and nothing else."""

from __future__ import annotations

import importlib.util
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
