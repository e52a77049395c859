"""Archives whose members are damaged or made to do harm: an error that names the file."""

from __future__ import annotations

import io
import os
import pickle
import stat
import zipfile

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sktransfer.persistence import PersistenceError, _archive, load, save

pytestmark = pytest.mark.usefixtures("nothing_is_run")


@pytest.fixture(scope="module")
def archive(features, labels, tmp_path_factory):
    """The file of an estimator that has a few arrays, one of them larger than the manifest."""
    path = tmp_path_factory.mktemp("archive") / "estimator.zip"
    save(LogisticRegression().fit(np.tile(features, 40), labels), path)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "cannot be read"),
        (b"[]", "holds no object"),
        (b'{"format": NaN}', "NaN is no number"),
        (b'{"format": 1, "format": 1}', "a name twice"),
        (b"[" * 200_000, "recursion|cannot be read"),
        (b"\xff", "cannot be read"),
        (b'{"format": ' + b"1" * 10_000 + b"}", "cannot be read"),
    ],
    ids=["empty", "list", "constant", "twins", "deep", "bytes", "digits"],
)
def test_a_manifest_that_is_no_json_is_refused(text, message, archive, edited, tmp_path):
    path = edited(archive, members={"manifest.json": text}, to=tmp_path / "edited.zip")
    with pytest.raises(PersistenceError, match=message):
        load(path)


def test_a_pipeline_remembers_no_pickles(edited, tmp_path):
    def with_memory(manifest):
        manifest["objects"][-1]["parts"]["parameters"]["memory"] = "folder"

    path = tmp_path / "pipeline.zip"
    save(make_pipeline(LogisticRegression()), path)
    edited(path, with_memory)
    with pytest.raises(PersistenceError, match="memory"):
        load(path)


def with_members(path, source, *members):
    """Copy an archive, and add members of (ZipInfo or name, data)."""
    path.write_bytes(source.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def entry(name, *, method=zipfile.ZIP_STORED, mode=0o600):
    info = zipfile.ZipInfo(name)
    info.compress_type = method
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("/etc/passwd", "points out"),
        ("../escape.npy", "points out"),
        ("arrays/../../escape.npy", "points out"),
        ("..", "points out"),
        ("C:/escape.npy", "points out"),
        ("arrays\\escape.npy", "points out"),
        ("arrays/99999.npy", r"not those that manifest\.json lists: arrays/99999\.npy"),
        ("arrays/", "is no file"),
        (entry("arrays/plain/"), "is no file"),
        (entry("arrays/folder.npy", mode=stat.S_IFDIR | 0o755), "is no file"),
        (entry("arrays/link.npy", mode=stat.S_IFLNK | 0o777), "is no file"),
        (entry("arrays/pipe.npy", mode=stat.S_IFIFO), "is no file"),
        (entry("arrays/squeezed.npy", method=zipfile.ZIP_BZIP2), "neither stored nor deflated"),
        (entry("arrays/squeezed.npy", method=zipfile.ZIP_LZMA), "neither stored nor deflated"),
    ],
    ids=str,
)
def test_odd_members_are_refused(member, message, archive, tmp_path):
    path = with_members(tmp_path / "odd.zip", archive, (member, b"/etc/passwd"))
    with pytest.raises(PersistenceError, match=message):
        load(path)
    assert not (tmp_path.parent / "escape.npy").exists()


def test_archives_may_be_packed_anew(archive, tmp_path):
    """Other programs say of members that they are files, and deflate them."""
    path = tmp_path / "anew.zip"
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(path, "w") as target:
        for name in reversed(source.namelist()):
            info = entry(name, method=zipfile.ZIP_DEFLATED, mode=stat.S_IFREG | 0o644)
            target.writestr(info, source.read(name))
    np.testing.assert_array_equal(load(path).coef_, load(archive).coef_)


def test_members_that_are_listed_must_be_there(archive, edited, tmp_path):
    path = edited(archive, members={"arrays/00000.npy": None}, to=tmp_path / "edited.zip")
    with pytest.raises(PersistenceError, match=r"manifest\.json lists: arrays/00000\.npy"):
        load(path)
    path = edited(archive, members={"manifest.json": None}, to=tmp_path / "edited.zip")
    with pytest.raises(PersistenceError, match=r"has no manifest\.json"):
        load(path)


def test_arrays_must_be_listed(archive, edited, tmp_path):
    path = edited(archive, lambda manifest: manifest.update(arrays={}), to=tmp_path / "edited.zip")
    with pytest.raises(PersistenceError, match=r"manifest\.json lists no arrays"):
        load(path)


@pytest.mark.parametrize("other", [{"dtype": "<f4"}, {"shape": [1]}, {"sha256": "0" * 64}])
def test_arrays_must_be_those_of_the_manifest(other, archive, edited, tmp_path):
    path = edited(
        archive, lambda manifest: manifest["arrays"][0].update(other), to=tmp_path / "edited.zip"
    )
    with pytest.raises(PersistenceError, match=r"00000\.npy is not the array of the manifest"):
        load(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_twins_are_refused(archive, tmp_path):
    path = with_members(tmp_path / "twins.zip", archive, ("arrays/00000.npy", b"1"))
    with pytest.raises(PersistenceError, match="twice"):
        load(path)


def test_bombs_are_not_unpacked(archive, tmp_path, monkeypatch):
    bomb = with_members(
        tmp_path / "bomb.zip",
        archive,
        (entry("arrays/bomb.npy", method=zipfile.ZIP_DEFLATED), bytes(1 << 24)),
    )
    monkeypatch.setattr(zipfile.ZipFile, "read", None)  # nothing is to be read
    with pytest.raises(PersistenceError, match=r"declares 16\d+ bytes unpacked.*max_bytes=1000000"):
        load(bomb, max_bytes=10**6)
    monkeypatch.setattr(_archive, "MOST_MEMBERS", 3)
    with pytest.raises(PersistenceError, match="members, more than 3"):
        load(bomb)
    monkeypatch.setattr(_archive, "MOST_MEMBERS", 1000)
    monkeypatch.setattr(_archive, "MOST_MANIFEST_BYTES", 10)
    with pytest.raises(PersistenceError, match=r"manifest\.json declares"):
        load(bomb)


def test_bounds_may_be_reached(archive, monkeypatch):
    with zipfile.ZipFile(archive) as content:
        sizes = {info.filename: info.file_size for info in content.infolist()}
    monkeypatch.setattr(_archive, "MOST_MEMBERS", len(sizes))
    monkeypatch.setattr(_archive, "MOST_MANIFEST_BYTES", sizes["manifest.json"])
    load(archive, max_bytes=sum(sizes.values()))
    with pytest.raises(PersistenceError, match="unpacked, more than max_bytes"):
        load(archive, max_bytes=sum(sizes.values()) - 1)
    monkeypatch.setattr(_archive, "MOST_MEMBERS", len(sizes) - 1)
    with pytest.raises(PersistenceError, match="members, more than"):
        load(archive)


def test_a_bomb_that_lies_about_its_size_is_refused(archive, tmp_path):
    path = tmp_path / "liar.zip"
    with_members(
        path,
        archive,
        (entry("arrays/bomb.npy", method=zipfile.ZIP_DEFLATED), bytes(1 << 24)),
    )
    size, lie = (1 << 24).to_bytes(4, "little"), (100).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, lie))
    with pytest.raises(PersistenceError, match="readable zip"):
        load(path, max_bytes=10**6)


class Harmful:
    def __reduce__(self):
        return os.system, ("echo sentinel",)


def npy(header, data=b""):
    """Make the bytes of a .npy file of any header."""
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def pickled():
    stream = io.BytesIO()
    np.save(stream, np.array([Harmful()], dtype=object), allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickled(), "no number and no text"),
        (pickle.dumps(Harmful()), "no .npy file"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (10**15,)}"), "no .npy file"),
        (
            npy("{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999,)}", b"1"),
            "holds 1 bytes",
        ),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", b"1"), "holds 1 bytes"),
        (npy("{'descr': '<U0', 'fortran_order': False, 'shape': (999999999999,)}"), "no number"),
        (npy("{'descr': '|V8', 'fortran_order': False, 'shape': (1,)}", b"1" * 8), "no number"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", b"1" * 8), "not the array"),
        (npy("eval('sentinel_module')"), "no .npy file"),
    ],
    ids=["pickled", "pickle", "code", "huge", "negative", "empty", "void", "other", "eval"],
)
def test_arrays_that_are_not_ours_are_refused(data, message, archive, edited, tmp_path):
    path = edited(archive, members={"arrays/00000.npy": data}, to=tmp_path / "edited.zip")
    with pytest.raises(PersistenceError, match=rf"arrays/00000.npy.*{message}"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip at all" * 100])
def test_what_is_no_archive_is_refused(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(PersistenceError, match=r"file cannot be loaded.*zip"):
        load(tmp_path / "file")


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.zip"):
        load(tmp_path / "nowhere.zip")
    with pytest.raises(FileNotFoundError, match="no-folder"):
        save(LogisticRegression(), tmp_path / "no-folder" / "probe.zip")


def test_arrays_are_stored_and_manifests_are_small(archive):
    with zipfile.ZipFile(archive) as content:
        methods = {info.filename: info.compress_type for info in content.infolist()}
        modes = {info.external_attr >> 16 for info in content.infolist()}
        times = {info.date_time for info in content.infolist()}
    assert methods.pop("manifest.json") == zipfile.ZIP_DEFLATED
    assert set(methods.values()) == {zipfile.ZIP_STORED}
    assert modes == {0o644}, "everybody may read what has been unpacked"
    assert len(times) == 1


def test_what_is_no_json_and_what_is_a_pickle_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        _archive.write_archive(tmp_path / "file.zip", {"number": float("nan")}, [])
    with pytest.raises(ValueError, match="allow_pickle=False"):
        _archive.write_archive(tmp_path / "file.zip", {}, [np.array([Harmful()])])
    assert [path.name for path in tmp_path.iterdir()] == ["planted"]
