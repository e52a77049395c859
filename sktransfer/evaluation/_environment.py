"""On what machine, and with which versions, something is run."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from datetime import datetime
from importlib import import_module, metadata
from pathlib import Path

__all__ = ["describe_environment", "package_versions"]

PACKAGES = ("tensorflow", "keras", "scikit-learn", "numpy", "sktransfer")


def describe_environment() -> dict:
    """Say on what machine, with which versions, by which command and when something is run."""
    return {
        "machine": {
            "processor": _processor_name(),
            "cores": os.cpu_count(),
            "memory_gib": _memory_gib(),
            "system": platform.platform(),
        },
        "versions": package_versions(),
        "command": _command(),
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    versions = {package: _version(package) for package in PACKAGES}
    return {"python": platform.python_version(), **versions}


def _command() -> str:
    """Return the command line of this process, as one would type it."""
    module = sys.modules["__main__"].__spec__
    if module is None:
        return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return shlex.join(["python", "-m", module.name.removesuffix(".__main__"), *sys.argv[1:]])


def _version(package: str) -> str:
    """Return the version of a package, also where it is installed under another name."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # tensorflow-cpu, or a checkout that is not installed
        return import_module(package).__version__


def _processor_name() -> str:
    """Return the processor's name; the standard library knows it on some systems only."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    """Return the memory of the machine, or None where the system does not say."""
    try:
        pages, page_size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # Windows has no sysconf
        return None
    return round(pages * page_size / 2**30, 1)
