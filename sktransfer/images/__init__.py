"""Images: what counts as them, reading them into one array, and augmenting them."""

from sktransfer.images._augmentation import ImageAugmentation
from sktransfer.images._batch import as_images
from sktransfer.images._reader import ImageReader

__all__ = ["ImageAugmentation", "ImageReader", "as_images"]
