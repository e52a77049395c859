"""What is not public in scikit-learn, scikeras and Keras is reached through one door for each.

So a new version of theirs can break two modules at most by renaming what it never promised.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sktransfer

PACKAGE = Path(sktransfer.__file__).parent
DOORS = {"_validation.py", "backbones/_graph.py"}

DOCUMENTED = {"_asdict", "_exit"}
"""Public in spite of their names: of named tuples, and of `os`."""

INHERITED = {"_get_params", "_set_params", "_validate_names"}
"""Of the base class `BaseComposition`, which comes through the door."""


def is_private(name: str) -> bool:
    return name == "src" or (name.startswith("_") and not name.startswith("__"))


def defined_in(tree: ast.AST) -> set[str]:
    """Every name that a module gives to anything, attributes included."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return names


def imported_by(tree: ast.AST) -> set[str]:
    """Every name that stands for something from elsewhere than the package."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
        if not (getattr(node, "module", None) or alias.name).startswith("sktransfer")
    }


def private_names_of_others(tree: ast.AST, own: set[str]) -> Iterator[str]:
    """Every private name that a module takes from elsewhere than the package."""
    imported = imported_by(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            paths = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            paths = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            is_own = node.attr in own and owner not in imported
            paths = [] if is_own or node.attr in DOCUMENTED else [node.attr]
        else:
            continue
        for path in paths:
            if not path.startswith("sktransfer.") and any(map(is_private, path.split("."))):
                yield path


def test_only_the_doors_use_what_is_not_public():
    trees = {
        file.relative_to(PACKAGE).as_posix(): ast.parse(file.read_text("utf-8"))
        for file in PACKAGE.rglob("*.py")
    }
    own = set().union(*map(defined_in, trees.values())) | INHERITED
    found = {module: set(private_names_of_others(tree, own)) for module, tree in trees.items()}
    assert {module: names for module, names in found.items() if names and module not in DOORS} == {}
    assert all(found[door] for door in DOORS), "a door that leads nowhere can go"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import keras.src.ops", "keras.src.ops"),
        ("from keras.src import ops", "keras.src.ops"),
        ("from sklearn.utils._tags import Tags", "sklearn.utils._tags.Tags"),
        (
            "from sklearn.utils.validation import _num_samples",
            "sklearn.utils.validation._num_samples",
        ),
        ("maker = tensor._keras_history", "_keras_history"),
        ("layers = self._flatten_layers()", "_flatten_layers"),
        ("from sklearn.base import BaseEstimator as Base\nBase._own", "_own"),
    ],
)
def test_private_names_are_seen(code, name):
    assert list(private_names_of_others(ast.parse(code), own={"_own"})) == [name]


@pytest.mark.parametrize(
    "code",
    [
        "import sktransfer._errors",
        "from sktransfer.images._batch import _Batch",
        "from __future__ import annotations",
        "from keras import layers",
        "self._own.__dict__",
    ],
)
def test_public_and_own_names_are_not(code):
    assert not list(private_names_of_others(ast.parse(code), own={"_own"}))
