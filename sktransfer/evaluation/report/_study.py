"""All that a record tells of a benchmark, read once, for those who write about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sktransfer.evaluation._record import Cell, Record
from sktransfer.evaluation._results import read_results
from sktransfer.evaluation._statistics import RankComparison
from sktransfer.evaluation.report._leaders import leading_systems, scored_systems
from sktransfer.evaluation.verdicts import compare_factors, compare_systems, rank_systems

__all__ = ["Study", "read_study"]


@dataclass(frozen=True)
class Study:
    """A benchmark as its record tells of it, finished or not."""

    record: Record
    header: dict
    entries: dict[Cell, dict]
    scored: pd.DataFrame
    """As from `scored_systems`."""
    leaders: pd.DataFrame
    """As from `leading_systems`."""
    comparisons: pd.DataFrame
    factors: pd.DataFrame
    rankings: dict[int, RankComparison]

    @property
    def folder(self) -> Path:
        """Return the folder of the run."""
        return self.record.folder

    @property
    def described(self) -> list[dict]:
        """Return what the header says of each dataset."""
        return self.header.get("settings", {}).get("datasets", [])

    @property
    def datasets(self) -> list[str]:
        """List the datasets that have a score."""
        return self.leaders["dataset"].drop_duplicates().tolist()

    @property
    def failures(self) -> dict[Cell, dict]:
        """Return the entries of the cells that failed."""
        return {cell: self.entries[cell] for cell in sorted(self.entries) if self._failed(cell)}

    def missing(self) -> list[str]:
        """Say what is not there yet: cells of systems that were begun, and systems without any."""
        told = []
        plan = self.header.get("plan", {"systems": [], "places": []})
        systems = {cell.system for cell in self.entries}
        places = {cell.place for cell in self.entries} | set(map(tuple, plan["places"]))
        n_missing = len(places) * len(systems) - len(self.entries)
        if n_missing:
            told.append(f"{n_missing} of {len(places) * len(systems)} cells")
        told += [f"all of {system}" for system in plan["systems"] if system not in systems]
        return told

    def _failed(self, cell: Cell) -> bool:
        return self.entries[cell].get("traceback") is not None


def read_study(record: Record) -> Study:
    """Read a record and compare what is in it."""
    table = read_results(record.folder)
    return Study(
        record=record,
        header=record.existing_header(),
        entries=record.entries(),
        scored=scored_systems(table),
        leaders=leading_systems(table),
        comparisons=compare_systems(record.folder),
        factors=compare_factors(record.folder),
        rankings=rank_systems(table),
    )
