from __future__ import annotations

import errno
import json
import os

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sktransfer.evaluation._record import Cell, Record, read_json, write_json

CELL = Cell("photos", "features", "vgg16", 100, 1, 2)


@pytest.fixture
def record(tmp_path):
    record = Record(tmp_path)
    record.write_header({"settings": {}})
    for fold in range(3):
        record.append(Cell("photos", "knn", fold=fold), {"result": {"score": fold}}, {})
    return record


def scores(record):
    return {cell.fold: entry["result"]["score"] for cell, entry in record.entries().items()}


def test_json_is_strict_and_written_whole(tmp_path):
    path = tmp_path / "folder" / "a.json"
    write_json(path, {"nan": np.nan, "array": np.array([1, 2]), "number": np.float32(0.5)})
    assert read_json(path) == {"nan": None, "array": [1, 2], "number": 0.5}
    with pytest.raises(TypeError):
        write_json(path, {"array": [object()]})
    assert read_json(path)["number"] == 0.5
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


def test_damaged_json_is_named(tmp_path):
    (tmp_path / "run.json").write_text('{"format": 2, ')
    with pytest.raises(ValueError, match=r"run\.json' is damaged: Expecting"):
        Record(tmp_path).header()


def test_cells_have_names_of_their_own():
    assert CELL.system == "features-vgg16"
    assert Cell("photos", "cnn+augment").system == "cnn+augment"
    assert CELL.name == "photos-features-vgg16-n100-r1-f2"
    assert Cell("photos", "cnn").name == "photos-cnn-r0-f0"
    assert "/" not in Cell("a/b", "cnn").name != Cell("a_b", "cnn").name
    assert Cell("a-b", "c").name != Cell("a", "b-c").name != Cell("a", "b", "c").name


def test_entries_and_predictions_are_read_as_they_were_written(tmp_path):
    record = Record(tmp_path)
    entry = {"result": {"score": 0.5}, "history": {"loss": [1.0, float("nan")]}}
    record.append(CELL, entry, {"proba": np.eye(3, dtype=np.float32)})
    (stored,) = record.entries().values()
    assert stored["result"] == {"score": 0.5}
    assert stored["history"] == {"loss": [1.0, None]}
    np.testing.assert_array_equal(record.predictions(CELL)["proba"], np.eye(3))


def test_the_last_entry_of_a_cell_counts(record):
    record.append(Cell("photos", "knn", fold=1), {"result": {"score": 9}}, {})
    assert scores(record) == {0: 0, 1: 9, 2: 2}


@given(cut=st.integers(1, 60))
def test_a_line_that_was_not_written_to_its_end_is_set_aside(tmp_path_factory, cut):
    record = Record(tmp_path_factory.mktemp("run"))
    for fold in range(3):
        record.append(Cell("photos", "knn", fold=fold), {"result": {"score": fold}}, {})
    path = record.folder / "record.jsonl"
    os.truncate(path, path.stat().st_size - cut)
    assert scores(record) == {0: 0, 1: 1}  # a reader is told of whole lines alone
    with pytest.warns(UserWarning, match=r"1 damaged line.*record\.damaged"), record.writing():
        record.append(Cell("photos", "knn", fold=2), {"result": {"score": 2}}, {})
    assert scores(record) == {0: 0, 1: 1, 2: 2}
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_damage_in_the_middle_costs_one_line(record):
    path = record.folder / "record.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"{", b"\xff", 1)
    path.write_bytes(b"".join(lines))
    with pytest.warns(UserWarning, match="1 damaged line"), record.writing():
        pass
    assert scores(record) == {0: 0, 2: 2}
    assert (record.folder / "record.damaged").read_bytes() == lines[1]


def test_a_full_disk_leaves_the_record_as_it_was(record, monkeypatch):
    before = (record.folder / "record.jsonl").read_bytes()

    def no_space(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        record.append(CELL, {"result": {}}, {})
    assert (record.folder / "record.jsonl").read_bytes() == before


def test_a_second_writer_is_refused_until_the_first_is_done(record):
    other = Record(record.folder)
    with (
        record.writing(),
        pytest.raises(BlockingIOError, match="another process is writing"),
        other.writing(),
    ):
        pass
    with other.writing():
        pass


def test_a_record_of_another_version_is_refused(tmp_path):
    write_json(tmp_path / "run.json", {"settings": {}})
    with pytest.raises(ValueError, match=r"format 1, and this version .* format 2"):
        Record(tmp_path).header()
