"""The report of a benchmark: what was found, in words, tables and charts."""

from __future__ import annotations

from sktransfer.evaluation.report._files import write_report
from sktransfer.evaluation.report._mistakes import save_mistakes

__all__ = ["save_mistakes", "write_report"]
