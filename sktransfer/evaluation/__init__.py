"""Running the strategies side by side, scoring them, and what is made of the scores."""

from __future__ import annotations

from sktransfer.evaluation._data import load_dataset
from sktransfer.evaluation._metrics import count_parameters, score_predictions
from sktransfer.evaluation._report import (
    RESULT_COLUMNS,
    format_results,
    read_results,
    summarize_results,
    write_report,
)
from sktransfer.evaluation._runner import resume_benchmark, run_benchmark
from sktransfer.evaluation._statistics import (
    BayesianComparison,
    PairedComparison,
    RankComparison,
    compare_bayesian,
    compare_folds,
    compare_predictions,
    compare_ranks,
    score_interval,
)
from sktransfer.evaluation._winner import label_images

__all__ = [
    "RESULT_COLUMNS",
    "BayesianComparison",
    "PairedComparison",
    "RankComparison",
    "compare_bayesian",
    "compare_folds",
    "compare_predictions",
    "compare_ranks",
    "count_parameters",
    "format_results",
    "label_images",
    "load_dataset",
    "read_results",
    "resume_benchmark",
    "run_benchmark",
    "score_interval",
    "score_predictions",
    "summarize_results",
    "write_report",
]
