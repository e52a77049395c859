"""Why an estimator says what it says: where it looks, and what data it has learned from."""

from __future__ import annotations

from sktransfer.explain._attribution_display import AttributionDisplay
from sktransfer.explain._gradcam import grad_cam
from sktransfer.explain._label_errors import find_label_errors
from sktransfer.explain._near_duplicates import find_near_duplicates
from sktransfer.explain._neighbours import nearest_training_images
from sktransfer.explain._neighbours_display import NeighboursDisplay
from sktransfer.explain._occlusion import occlusion

__all__ = [
    "AttributionDisplay",
    "NeighboursDisplay",
    "find_label_errors",
    "find_near_duplicates",
    "grad_cam",
    "nearest_training_images",
    "occlusion",
]
