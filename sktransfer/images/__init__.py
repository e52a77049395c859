"""Images: what counts as them, reading them into one array, augmenting and mixing them."""

from sktransfer.images._augmentation import ImageAugmentation
from sktransfer.images._augmentation_base import Augmentation
from sktransfer.images._augmentation_sequence import AugmentationSequence
from sktransfer.images._batch import as_images
from sktransfer.images._mixing import Mixing
from sktransfer.images._policies import RandAugment, TrivialAugment
from sktransfer.images._reader import ImageReader
from sktransfer.images._unreadable import find_unreadable

__all__ = [
    "Augmentation",
    "AugmentationSequence",
    "ImageAugmentation",
    "ImageReader",
    "Mixing",
    "RandAugment",
    "TrivialAugment",
    "as_images",
    "find_unreadable",
]
