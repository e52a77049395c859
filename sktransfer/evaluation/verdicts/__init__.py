"""Is one system better than another: tests of all that a benchmark allows, told in words."""

from __future__ import annotations

from sktransfer.evaluation.verdicts._verdicts import compare_factors, compare_systems, rank_systems

__all__ = ["compare_factors", "compare_systems", "rank_systems"]
