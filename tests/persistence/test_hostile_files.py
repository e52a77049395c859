"""Files that are damaged or made to do harm: an error that names them, and nothing is run."""

from __future__ import annotations

import builtins
import io
import json
import os
import pickle
import stat
import subprocess
import sys
import time
import zipfile
from collections import Counter

import numpy as np
import pytest

import sktransfer
from sktransfer.persistence import PersistenceError, _archive, load, save
from tests._counters import record

HOSTILE = [
    "os.system",
    "posix.system",
    "builtins.eval",
    "subprocess.Popen",
    "sentinel_module.Sentinel",
    "sktransfer.persistence.load",
    "sktransfer.images.Augmentation",
    "keras.layers.Lambda",
    "numpy.load",
    "sklearn.pipeline.make_pipeline",
    "",
    "LinearProbe",
    "..LinearProbe",
]


@pytest.fixture(autouse=True)
def sentinel(tmp_path, monkeypatch):
    """Plant a module that leaves a mark when it is imported, and watch what runs things."""
    folder = tmp_path / "planted"
    folder.mkdir()
    mark = folder / "mark"
    (folder / "sentinel_module.py").write_text(
        f"open({str(mark)!r}, 'w').close()\nclass Sentinel:\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    ran = []

    def watched(name):
        return lambda *args, **kwargs: ran.append((name, args))

    for owner, name in [(os, "system"), (subprocess, "Popen"), (pickle, "loads"), (pickle, "load")]:
        monkeypatch.setattr(owner, name, watched(name))
    plain_eval = builtins.eval

    def watched_eval(source, *args):
        ran.extend(["eval"] if "sentinel" in str(source) else [])
        return plain_eval(source, *args)

    monkeypatch.setattr(builtins, "eval", watched_eval)
    yield
    assert ran == []
    assert not mark.exists()
    assert "sentinel_module" not in sys.modules


@pytest.fixture(scope="module")
def estimators(features, labels):
    head = sktransfer.DenseHead((3,), epochs=1, dropout=0.1, random_state=0)
    return {
        "head": head.fit(features, labels),
        "ridge": sktransfer.RidgeProbe().fit(features, labels),
        "neighbours": sktransfer.KNNProbe(2, metric="euclidean").fit(features, labels),
        "random": sktransfer.LinearProbe(random_state=np.random.RandomState(1)),
    }


@pytest.fixture(scope="module")
def files(estimators, tmp_path_factory):
    """The estimators' files, by name."""
    folder = tmp_path_factory.mktemp("files")
    for name, estimator in estimators.items():
        save(estimator, folder / f"{name}.zip")
    return {name: folder / f"{name}.zip" for name in estimators}


# Random damage -----------------------------------------------------------------------------------


def flip_bits(data, rng):
    damaged = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
    return bytes(damaged)


def cut(data, rng):
    return data[: rng.integers(len(data))]


def overwrite(data, rng):
    start, length = rng.integers(len(data)), rng.integers(1, 200)
    return data[:start] + rng.bytes(length) + data[start + length :]


def members_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def archive_of(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def swap_members(data, rng):
    members = members_of(data)
    one, other = rng.choice(sorted(members), 2, replace=False)
    members[one], members[other] = members[other], members[one]
    return archive_of(members)


def drop_member(data, rng):
    members = members_of(data)
    del members[rng.choice(sorted(members))]
    return archive_of(members)


def places_of_classes(value):
    """Return all (dict, key) in a manifest where a class or module is named."""
    found = []
    if isinstance(value, dict):
        names = {"class", "class_name", "module", "registered_name"}
        found += [(value, key) for key in value if key in names]
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            found += places_of_classes(part)
    return found


def name_another_class(data, rng):
    members = members_of(data)
    manifest = json.loads(members["manifest.json"])
    places = places_of_classes(manifest["objects"])
    owner, key = places[rng.integers(len(places))]
    owner[key] = str(rng.choice(HOSTILE))
    members["manifest.json"] = json.dumps(manifest).encode()
    return archive_of(members)


def rename_a_parameter(data, rng):
    members = members_of(data)
    manifest = json.loads(members["manifest.json"])
    parameters = manifest["objects"][-1]["parts"]["parameters"]
    name = str(rng.choice(sorted(parameters)))
    parameters[name + "_"] = parameters.pop(name)
    members["manifest.json"] = json.dumps(manifest).encode()
    return archive_of(members)


MUTATIONS = [
    flip_bits,
    cut,
    overwrite,
    swap_members,
    drop_member,
    name_another_class,
    rename_a_parameter,
]


def check_mutation(seed, files, estimators, features, path):
    """Damage a file, require an error of the one class or an equal estimator, and say which."""
    rng = np.random.default_rng(seed)
    name = str(rng.choice(sorted(files)))
    mutate = MUTATIONS[seed % len(MUTATIONS)]
    path.write_bytes(mutate(files[name].read_bytes(), rng))
    try:
        loaded = load(path)
    except PersistenceError as error:
        assert str(path) in str(error)
        return "refused"
    original = estimators[name]
    assert repr(loaded) == repr(original) or name == "random"
    assert type(loaded) is type(original)
    if name != "random":
        found, expected = loaded.predict_proba(features), original.predict_proba(features)
        np.testing.assert_array_equal(found, expected)
    return "equal"


def test_random_damage_is_noticed(files, estimators, features, tmp_path):
    for seed in range(50):
        check_mutation(seed, files, estimators, features, tmp_path / "damaged.zip")


@pytest.mark.slow
def test_much_random_damage_is_noticed(files, estimators, features, tmp_path):
    seeds = range(50, 1050)
    outcomes = Counter(
        check_mutation(seed, files, estimators, features, tmp_path / "damaged.zip")
        for seed in seeds
    )
    record("saved_estimators", tried=len(seeds), **outcomes, seed="50..1049")


# Manifests ---------------------------------------------------------------------------------------


def root(manifest):
    return manifest["objects"][-1]["parts"]


def network(manifest):
    return root(manifest)["state"]["_packed_network"]


def dense(manifest):
    return next(x for x in network(manifest)["config"]["layers"] if x["class_name"] == "Dense")


def change(path, value):
    """Make an edit that puts a value at a path of keys of what `start(manifest)` gives."""

    def edit(manifest, start=lambda manifest: manifest):
        place = start(manifest)
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return edit


def within(start, *path):
    """Make `change` begin at a part of the manifest."""
    *path, value = path
    return lambda manifest: change(path, value)(manifest, start)


LAMBDA = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wEA"}}},
    "registered_name": None,
}

EDITS = {
    "format": ("head", change(["format"], 2), "format 2"),
    "no format": ("head", change(["format"], None), "format None"),
    "no objects": ("head", change(["objects"], []), "no objects"),
    "no list of arrays": ("head", change(["arrays"], {}), "no arrays"),
    "other array": ("head", change(["arrays", 0, "dtype"], "<f8"), "not the array"),
    "other shape": ("head", change(["arrays", 0, "shape"], [1]), "not the array"),
    "more in an object": ("ridge", change(["objects", 0, "more"], 1), "nothing else"),
    "more parts": ("ridge", within(root, "more", {}), "has no part 'more'"),
    "unknown parameter": (
        "ridge", within(root, "parameters", "no", 1), "RidgeProbe has no parameter 'no'",
    ),
    "hidden method": (
        "ridge", within(root, "state", "predict", 1), "no fitted attribute 'predict'",
    ),
    "hidden property": (
        "head", within(root, "state", "current_epoch", 1), "no fitted attribute 'current_epoch'",
    ),
    "hidden class": ("ridge", within(root, "state", "__class__", 1), "no fitted attribute"),
    "parameter twice": ("ridge", within(root, "state", "alphas", 1), "no fitted attribute"),
    "later object": ("random", within(root, "parameters", "C", {"$object": 9}), "number 9 of 1"),
    "itself": ("random", within(root, "parameters", "C", {"$object": 1}), "number 1 of 1"),
    "from the end": ("ridge", within(root, "parameters", "alphas", {"$array": -1}), "number -1"),
    "unknown kind": ("ridge", within(root, "parameters", "alphas", {"$eval": "1"}), "unknown kind"),
    "two kinds": (
        "ridge", within(root, "parameters", "alphas", {"$set": [], "$list": []}), "unknown kind",
    ),
    "unhashable": ("ridge", within(root, "parameters", "alphas", {"$set": [[]]}), "unhashable"),
    "object dtype": (
        "ridge", within(root, "parameters", "alphas", {"$scalar": ["O", 1]}), "number of type 'O'",
    ),
    "no text": (
        "ridge", within(root, "parameters", "alphas", {"$texts": [[1], [1]]}), "no strings",
    ),
    "no number": ("ridge", within(root, "parameters", "alphas", {"$float": "1"}), "for a number"),
    "request of a method": (
        "ridge", within(root, "requests", {"params": {"alphas": 1}}), "set_params_request",
    ),
    "no estimator": (
        "head",
        lambda m: m["objects"].__delitem__(slice(1, None)),
        "holds a ClassTargets, which is no estimator",
    ),
    "state of a generator": (
        "random", change(["objects", 0, "parts", "pos"], 10**6), "no valid words or position",
    ),
    "words of a generator": (
        "random", change(["objects", 0, "parts", "key"], [1]), "no valid words or position",
    ),
    "votes of more samples": (
        "neighbours", within(root, "state", "n_samples_fit_", 99), r"declare \(99, 5\)",
    ),
    "votes for no class": (
        "neighbours", within(root, "state", "classes_", ["ant"]), "classes that there are not",
    ),
    "no tree": (
        "neighbours", within(root, "state", "effective_metric_", "os.system"), "os.system",
    ),
    "lambda": ("head", within(network, "config", "layers", 1, LAMBDA), "Lambda .* not allowed"),
    "lambda for an activation": (
        "head", within(dense, "config", "activation", LAMBDA), "Lambda .* not allowed",
    ),
    "registered class": ("head", within(dense, "registered_name", "mine>Dense"), "not allowed"),
    "module of a class": ("head", within(dense, "module", "os"), "not allowed"),
    "no module": ("head", within(dense, "module", None), "not allowed"),
    "huge layer": ("head", within(dense, "config", "units", 10**12), "received input with shape"),
    "huge output": (
        "head",
        within(network, "config", "layers", -1, "config", "units", 10**12),
        "variables of a network",
    ),
    "other optimizer": (
        "head", within(network, "optimizer", "class_name", "LossScaleOptimizer"), "not allowed",
    ),
    "no variables": ("head", within(network, "variables", []), "variables of a network"),
    "fewer moments": ("head", within(network, "moments", []), "zip"),
    "no network": ("head", within(root, "state", "_packed_network", {}), "must have the parts"),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_a_manifest_that_is_not_ours_is_refused(name, files, edited, tmp_path):
    file, edit, message = EDITS[name]
    path = edited(files[file], edit, to=tmp_path / "edited.zip")

    started = time.perf_counter()
    with pytest.raises(PersistenceError, match=rf"(?s)edited.zip cannot be loaded.*{message}"):
        load(path)
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("file", ["head", "ridge"])
def test_no_other_class_is_built(file, name, files, edited, tmp_path):
    for position in (0, -1):
        path = edited(
            files[file], change(["objects", position, "class"], name), to=tmp_path / "edited.zip"
        )
        with pytest.raises(PersistenceError, match="not allowed"):
            load(path)


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
def test_a_manifest_that_is_no_json_is_refused(text, message, files, edited, tmp_path):
    path = edited(files["ridge"], members={"manifest.json": text}, to=tmp_path / "edited.zip")
    with pytest.raises(PersistenceError, match=message):
        load(path)


def test_a_pipeline_remembers_no_pickles(features, labels, edited, tmp_path):
    from sklearn.pipeline import make_pipeline

    path = tmp_path / "pipeline.zip"
    save(make_pipeline(sktransfer.LinearProbe()), path)
    edited(path, within(root, "parameters", "memory", "folder"))
    with pytest.raises(PersistenceError, match="memory"):
        load(path)


# Members -----------------------------------------------------------------------------------------


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
        ("C:/escape.npy", "points out"),
        ("arrays/99999.npy", "not those that manifest.json lists"),
        ("arrays/", "is no file"),
        (entry("arrays/link.npy", mode=stat.S_IFLNK | 0o777), "is no file"),
        (entry("arrays/pipe.npy", mode=stat.S_IFIFO), "is no file"),
        (entry("arrays/squeezed.npy", method=zipfile.ZIP_BZIP2), "neither stored nor deflated"),
        (entry("arrays/squeezed.npy", method=zipfile.ZIP_LZMA), "neither stored nor deflated"),
    ],
    ids=str,
)
def test_odd_members_are_refused(member, message, files, tmp_path):
    path = with_members(tmp_path / "odd.zip", files["ridge"], (member, b"/etc/passwd"))
    with pytest.raises(PersistenceError, match=message):
        load(path)
    assert not (tmp_path.parent / "escape.npy").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_twins_are_refused(files, tmp_path):
    path = with_members(tmp_path / "twins.zip", files["ridge"], ("arrays/00000.npy", b"1"))
    with pytest.raises(PersistenceError, match="twice"):
        load(path)


def test_bombs_are_not_unpacked(files, tmp_path, monkeypatch):
    bomb = with_members(
        tmp_path / "bomb.zip",
        files["ridge"],
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


def test_a_bomb_that_lies_about_its_size_is_refused(files, tmp_path):
    path = tmp_path / "liar.zip"
    with_members(
        path,
        files["ridge"],
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
        (npy("{'descr': '<U0', 'fortran_order': False, 'shape': (2,)}"), "not the array"),
        (npy("{'descr': '|V8', 'fortran_order': False, 'shape': (1,)}", b"1" * 8), "no number"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", b"1" * 8), "not the array"),
        (npy("eval('sentinel_module')"), "no .npy file"),
    ],
    ids=["pickled", "pickle", "code", "huge", "negative", "empty", "void", "other", "eval"],
)
def test_arrays_that_are_not_ours_are_refused(data, message, files, edited, tmp_path):
    path = edited(files["ridge"], members={"arrays/00000.npy": data}, to=tmp_path / "edited.zip")
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
        save(sktransfer.LinearProbe(), tmp_path / "no-folder" / "probe.zip")
