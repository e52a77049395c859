"""Running the strategies side by side, scoring them, and what is made of the scores."""

from __future__ import annotations

from sktransfer.evaluation._data import load_dataset
from sktransfer.evaluation._metrics import count_parameters, score_predictions
from sktransfer.evaluation._results import (
    RESULT_COLUMNS,
    format_results,
    read_results,
    summarize_results,
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
from sktransfer.evaluation.displays import (
    AugmentationDisplay,
    CriticalDifferenceDisplay,
    LeaderboardDisplay,
    LearningHistoryDisplay,
    MistakesDisplay,
    ParetoDisplay,
    ReliabilityDisplay,
    TrainingSizeDisplay,
    confusion_display,
)
from sktransfer.evaluation.report import write_report
from sktransfer.evaluation.verdicts import compare_factors, compare_systems

__all__ = [
    "RESULT_COLUMNS",
    "AugmentationDisplay",
    "BayesianComparison",
    "CriticalDifferenceDisplay",
    "LeaderboardDisplay",
    "LearningHistoryDisplay",
    "MistakesDisplay",
    "PairedComparison",
    "ParetoDisplay",
    "RankComparison",
    "ReliabilityDisplay",
    "TrainingSizeDisplay",
    "compare_bayesian",
    "compare_factors",
    "compare_folds",
    "compare_predictions",
    "compare_ranks",
    "compare_systems",
    "confusion_display",
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
