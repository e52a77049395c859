from __future__ import annotations

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import sktransfer
from sktransfer import BackboneFeatures
from sktransfer.backbones import _registry

PACKAGE = Path(sktransfer.__file__).parent
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
NEEDS = {
    "sktransfer.datasets._photo_patches": "skimage",
    "sktransfer.explain._label_errors": "cleanlab",
}

PUBLIC = sorted(set(sktransfer.__all__) - {"__version__"})
NAMED_FEATURES = [
    name for name in PUBLIC if name.endswith("Features") and name != "BackboneFeatures"
]


def modules_with_examples():
    """Names of the modules whose text has a doctest, found without importing them."""
    files = [file for file in sorted(PACKAGE.rglob("*.py")) if ">>> " in file.read_text("utf-8")]
    parts = [file.relative_to(PACKAGE.parent).with_suffix("").parts for file in files]
    return [".".join(path).removesuffix(".__init__") for path in parts]


def sections(doc):
    """The sections of a numpydoc docstring, by name."""
    pieces = re.split(r"^(\S.*)\n-{3,}$", doc, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def documented_parameters(doc):
    """Names of the Parameters section, in order; a line may name several."""
    lines = sections(doc).get("Parameters", "").splitlines()
    heads = [line.partition(" : ")[0] for line in lines if line and not line.startswith(" ")]
    return [name.strip().lstrip("*") for head in heads for name in head.split(",")]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_of_module(name, tmp_path, monkeypatch):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"the examples of {name} need {NEEDS[name]}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_registry, "_REGISTRY", dict(_registry._REGISTRY))  # an example adds to it
    failed, attempted = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert attempted > 0, "the examples are in no docstring"
    assert failed == 0


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring_names_the_parameters_of_the_signature(name):
    value = getattr(sktransfer, name)
    assert documented_parameters(inspect.getdoc(value)) == list(inspect.signature(value).parameters)


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring_has_no_unfilled_place(name):
    assert re.findall(r"\{\w+\}", inspect.getdoc(getattr(sktransfer, name))) == []


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - set(NAMED_FEATURES)))
def test_docstring_has_an_example(name):
    examples = sections(inspect.getdoc(getattr(sktransfer, name))).get("Examples", "")
    assert ">>> " in examples
    assert name in examples


@pytest.mark.parametrize("name", NAMED_FEATURES)
def test_docstring_of_named_features_refers_to_the_example(name):
    value = getattr(sktransfer, name)
    assert issubclass(value, BackboneFeatures)
    assert "BackboneFeatures : " in sections(inspect.getdoc(value))["See Also"]
