"""Tiny estimators of every kind, and a backbone for them."""

from __future__ import annotations

import builtins
import json
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from sktransfer.persistence import load, save
from tests._tiny_backbones import registered, tiny_spec


def build_tiny(include_top, weights, input_shape):
    import keras

    images = keras.Input(input_shape)
    tensor = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="stem")(images)
    tensor = keras.layers.BatchNormalization(name="stem_bn")(tensor)
    tensor = keras.layers.Conv2D(6, 3, padding="same", activation="tanh", name="block")(tensor)
    return keras.Model(images, tensor)


@pytest.fixture(scope="package", autouse=True)
def tiny_backbone():
    """Register "tiny_saved" while these tests run."""
    spec = tiny_spec(
        "tiny_saved", f"{__name__}:build_tiny", n_features=6, n_parameters=352, last_block="block"
    )
    with registered(spec):
        yield


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def features():
    return np.random.default_rng(1).normal(size=(12, 5)).astype(np.float32)


@pytest.fixture(scope="session")
def labels():
    return np.array(["ant", "bee", "cat"] * 4)


@pytest.fixture
def edited():
    """Rewrite an archive: `edit(manifest)` changes it, `members` are added or replaced."""

    def rewrite(path, edit=None, members=None, to=None):
        with zipfile.ZipFile(path) as archive:
            content = {info.filename: archive.read(info) for info in archive.infolist()}
        if edit is not None:
            manifest = json.loads(content["manifest.json"])
            edit(manifest)
            content["manifest.json"] = json.dumps(manifest).encode()
        content.update(members or {})
        target = path if to is None else to
        with zipfile.ZipFile(target, "w") as archive:
            for name, data in content.items():
                if data is not None:
                    archive.writestr(name, data)
        return target

    return rewrite


@pytest.fixture
def nothing_is_run(tmp_path, monkeypatch):
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


@pytest.fixture
def saved(tmp_path):
    """Save an estimator and load it again."""

    def round_trip(estimator, **options):
        save(estimator, tmp_path / "estimator.zip", **options)
        return load(tmp_path / "estimator.zip", **options)

    return round_trip
