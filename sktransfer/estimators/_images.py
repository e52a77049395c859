"""What networks over images share: reading them, and augmenting them in training."""

from __future__ import annotations

from sktransfer._validation import StrOptions
from sktransfer.backbones._network import check_input_size, fit_sizes
from sktransfer.estimators._base import NetworkEstimator
from sktransfer.estimators._distribution import DISTRIBUTIONS
from sktransfer.estimators._layers import check_head
from sktransfer.estimators._training import AugmentedRows, ImageRows, Rows
from sktransfer.images import Augmentation, Mixing
from sktransfer.images._batch import ImageBatch, check_images


class ImageNetwork(NetworkEstimator):
    """A network over images, trained on augmented ones where that is asked for."""

    _parameter_constraints = {
        **NetworkEstimator._parameter_constraints,
        "augmentation": [Augmentation, None],
        "mixing": [Mixing, None],
        "distribution": [StrOptions(set(DISTRIBUTIONS)), None],
    }

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_head(self)
        check_input_size(self.input_size)
        if self.augmentation is not None:
            self.augmentation.validate()
        if self.mixing is not None:
            self.mixing.validate()
        if self.distribution is not None and self.gradient_accumulation_steps > 1:
            raise ValueError(
                f"distribution={self.distribution!r} needs gradient_accumulation_steps=1: "
                "TensorFlow does not update weights on several devices on a condition; got "
                f"gradient_accumulation_steps={self.gradient_accumulation_steps}"
            )

    def _check_rows(self, X, *, reset: bool) -> ImageRows:
        images = check_images(self, X, reset=reset)
        if self.augmentation is not None and not images.canonical:
            check_range_is_not_needed(self.augmentation)
        if reset:
            self._choose_sizes(images)
        return ImageRows(fit_sizes(images, self._image_size, self.input_size_, self.interpolation))

    def _choose_sizes(self, images: ImageBatch) -> None:
        """Set `input_size_`, and `_image_size`, the size of images that the network may resize."""
        raise NotImplementedError

    @property
    def _distribution(self) -> str | None:
        return self.distribution

    @property
    def _mixing(self) -> Mixing | None:
        return self.mixing

    def _training_rows(self, rows: Rows) -> Rows:
        if self.augmentation is None:
            return rows
        return AugmentedRows(rows, self.augmentation, self._seed)


def check_range_is_not_needed(augmentation: Augmentation) -> None:
    """Refuse changes of light and colour where the scale of the pixels is not known."""
    if augmentation.needs_pixel_range:
        raise ValueError(
            "augmentation changes light or colour, which needs pixels of a known range; "
            f"got pixel_range=None and {augmentation!r}"
        )
