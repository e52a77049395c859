"""Which backbone: scores of its features that need no training of a network, and a ranking."""

from sktransfer.selection._h_score import h_score
from sktransfer.selection._label_scores import leep, nce
from sktransfer.selection._log_me import log_me
from sktransfer.selection._n_leep import n_leep
from sktransfer.selection._proxies import knn_accuracy, linear_probe_accuracy
from sktransfer.selection._ranking import rank_backbones

__all__ = [
    "h_score",
    "knn_accuracy",
    "leep",
    "linear_probe_accuracy",
    "log_me",
    "n_leep",
    "nce",
    "rank_backbones",
]
