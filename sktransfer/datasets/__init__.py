"""Labelled images to start from: packaged photographs, CIFAR-10 and folders of one's own."""

from __future__ import annotations

from sktransfer.datasets._cifar10 import load_cifar10
from sktransfer.datasets._image_folder import load_image_folder
from sktransfer.datasets._photo_patches import load_photo_patches

__all__ = ["load_cifar10", "load_image_folder", "load_photo_patches"]
