"""Measure contestants in turns, and keep what was measured.

The contestants of a comparison take turns (a, b, c, a, b, c, ...) in one process, so that whatever
slows the machine down for a while slows all of them. What is compared are medians.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from numbers import Real
from pathlib import Path
from typing import Any

import pandas as pd

RESULTS = Path(__file__).parent / "results"


@dataclass
class Timed:
    """The wall times of one contestant, and what its last call returned."""

    seconds: list[float] = field(default_factory=list)
    result: Any = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Difference of the slowest and the fastest call, as a share of the median."""
        return (max(self.seconds) - min(self.seconds)) / self.median


def take_turns(
    calls: Mapping[str, Callable[[], Any]], repeats: int, *, warm_up: bool = True
) -> dict[str, Timed]:
    """Time each call `repeats` times, in turns; a first round that warms up is not counted."""
    timed = {name: Timed() for name in calls}
    for turn in range(-1 if warm_up else 0, repeats):
        for name, call in calls.items():
            gc.collect()
            start = time.perf_counter()
            timed[name].result = call()
            seconds = time.perf_counter() - start
            print(f"{'warm-up' if turn < 0 else turn + 1}: {name}: {seconds:.3g} s", flush=True)
            if turn >= 0:
                timed[name].seconds.append(seconds)
    return timed


def compared(timed: Mapping[str, Timed], against: str) -> list[dict]:
    """Return a row for each contestant; `times_as_fast` tells by how much it beats `against`."""
    return [
        {
            "contestant": name,
            "seconds": one.median,
            "spread_percent": 100 * one.spread,
            "times_as_fast": timed[against].median / one.median,
            "as": against,
        }
        for name, one in timed.items()
    ]


def installed(contestant: str, *modules: str) -> bool:
    """Tell whether a contestant's modules are here, and say so where they are not."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        print(f"{contestant} is left out: {', '.join(missing)} is not installed")
    return not missing


def store(
    name: str,
    rows: Iterable[Mapping],
    arguments: argparse.Namespace,
    sizes: Any,
    *,
    packages: Iterable[str] = (),
    **settings: Any,
) -> pd.DataFrame:
    """Print the rows as a table, and write it beside a header of machine, versions and settings.

    `packages` are contestants whose versions matter, `sizes` a dataclass, and `settings` what else
    there is to know.
    """
    from sktransfer.evaluation._environment import describe_environment
    from sktransfer.evaluation._record import write_json

    table = pd.DataFrame(list(rows))
    print(table.map(short).to_string(index=False))
    header = describe_environment()
    header["versions"] |= {package: metadata.version(package) for package in _present(packages)}
    header["command"] = command_of(name)
    header["settings"] = {
        "seed": arguments.seed,
        "repeats": arguments.repeats,
        **asdict(sizes),
        **settings,
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / f"{name}.csv").write_text(in_csv(table), encoding="utf-8")
    write_json(arguments.output / f"{name}.json", header)
    return table


def in_csv(table: pd.DataFrame) -> str:
    """Return a table as it is stored."""
    return table.to_csv(index=False, float_format="%.6g")


def short(value: Any) -> str:
    """Write three significant digits of a number, and nothing for one that is missing."""
    if not isinstance(value, Real):
        return str(value)
    if pd.isna(value):
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _present(packages: Iterable[str]) -> list[str]:
    """Keep the packages that are installed."""
    names = {distribution.metadata["Name"].lower() for distribution in metadata.distributions()}
    return [package for package in packages if package.lower() in names]


def command_of(name: str) -> str:
    """Return the command of this run, without the folders of this machine."""
    words = [Path(word).name if "/" in word else word for word in sys.argv[1:]]
    return shlex.join(["python", "-m", f"benchmarks.{name}", *words])
