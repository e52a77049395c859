"""Tiny estimators of every kind, and a backbone for them."""

from __future__ import annotations

import json
import zipfile

import keras
import numpy as np
import pytest

from tests._tiny_backbones import registered, tiny_spec


def build_tiny(include_top, weights, input_shape):
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
