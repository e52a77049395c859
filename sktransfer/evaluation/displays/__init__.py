"""Pictures of what was measured, by scikit-learn's convention for displays."""

from __future__ import annotations

from sktransfer.evaluation.displays._augmentation import AugmentationDisplay
from sktransfer.evaluation.displays._confusion import confusion_display
from sktransfer.evaluation.displays._critical_difference import CriticalDifferenceDisplay
from sktransfer.evaluation.displays._leaderboard import LeaderboardDisplay
from sktransfer.evaluation.displays._learning_history import LearningHistoryDisplay
from sktransfer.evaluation.displays._mistakes import MistakesDisplay
from sktransfer.evaluation.displays._pareto import ParetoDisplay
from sktransfer.evaluation.displays._reliability import ReliabilityDisplay
from sktransfer.evaluation.displays._training_size import TrainingSizeDisplay

__all__ = [
    "AugmentationDisplay",
    "CriticalDifferenceDisplay",
    "LeaderboardDisplay",
    "LearningHistoryDisplay",
    "MistakesDisplay",
    "ParetoDisplay",
    "ReliabilityDisplay",
    "TrainingSizeDisplay",
    "confusion_display",
]
