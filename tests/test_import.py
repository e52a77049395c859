from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import subprocess
import sys

import pytest

import sktransfer
from sktransfer import exceptions

LATE = {"keras", "matplotlib", "scikeras", "skimage", "tensorflow", "tqdm"}
MODULES = [
    "backbones",
    "cache",
    "cli",
    "datasets",
    "evaluation",
    "exceptions",
    "explain",
    "images",
    "persistence",
    "selection",
]
PUBLIC_NAMES = sorted(set(sktransfer.__all__) - {"__version__"})


def loaded_by(statement):
    """Top-level modules that a fresh interpreter has loaded after `statement`."""
    code = f"{statement}; import sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return set(finished.stdout.split())


def test_import_of_the_package_loads_nothing_but_itself():
    loaded = loaded_by("import sktransfer; dir(sktransfer)")
    assert "sktransfer" in loaded
    assert not loaded & (LATE | {"numpy", "pandas", "PIL", "sklearn"})


def test_import_of_the_errors_loads_little_else():
    loaded = loaded_by("import sktransfer.exceptions")
    assert not loaded & (LATE | {"numpy", "pandas", "PIL", "sklearn"})


def test_every_public_error_and_warning_is_among_the_exceptions():
    public = [importlib.import_module(f"sktransfer.{name}") for name in MODULES]
    found = {
        name
        for module in (sktransfer, *public)
        for name in module.__all__
        if isinstance(value := getattr(module, name), type) and issubclass(value, Exception)
    }
    assert found and found <= set(exceptions.__all__)
    assert all(issubclass(getattr(exceptions, name), Exception) for name in exceptions.__all__)


@pytest.mark.parametrize("module", MODULES)
def test_modules_load_no_tensorflow_before_they_need_it(module):
    assert not loaded_by(f"import sktransfer.{module}") & LATE


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_public_name_resolves(name):
    value = getattr(sktransfer, name)
    assert value.__name__ == name
    assert name in sktransfer.__dict__, "a name is looked up once only"
    assert inspect.getdoc(value)


def test_dir_lists_the_public_names():
    assert set(sktransfer.__all__) <= set(dir(sktransfer))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'DenseHaed'"):
        _ = sktransfer.DenseHaed


def test_type_checkers_see_the_names_that_python_sees():
    tree = ast.parse(inspect.getsource(sktransfer))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname: statement.module
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert seen == {name: f"sktransfer.{sktransfer._MODULE_OF[name]}" for name in PUBLIC_NAMES}


def test_version_is_that_of_the_installed_package():
    try:
        installed = importlib.metadata.version("sktransfer")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package is not installed, it runs from its source tree")
    assert sktransfer.__version__ == installed
