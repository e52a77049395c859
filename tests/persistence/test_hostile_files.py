"""Files that are damaged or made to do harm: an error that names them, and nothing is run."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections import Counter

import numpy as np
import pytest

import sktransfer
from sktransfer.persistence import PersistenceError, load, save
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


pytestmark = pytest.mark.usefixtures("nothing_is_run")


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
