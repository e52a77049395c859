"""Several augmentations, one after another, as one."""

from __future__ import annotations

from typing import Any

import numpy as np

from sktransfer._validation import BaseComposition
from sktransfer.images._augmentation_base import Augmentation
from sktransfer.images._draws import derived_seed

__all__ = ["AugmentationSequence"]


class AugmentationSequence(Augmentation, BaseComposition):
    """Augmentations that are applied one after another, each with draws of its own.

    Parameters
    ----------
    augmentations : list of (str, Augmentation)
        Names and augmentations, in the order in which they are applied. As in scikit-learn's
        ``Pipeline``, the name is the first part of what nested parameters are called, such as
        ``policy__magnitude``, and sets another augmentation in the place of one.

    Notes
    -----
    The draws of an augmentation depend on its position in the sequence, so that one appended at the
    end leaves the others' as they were, and two of a kind differ in theirs.

    Examples
    --------
    Flips and crops before a policy that has none, as in the paper of `TrivialAugment`, and erasing
    after it:

    >>> import numpy as np
    >>> from sktransfer.images import AugmentationSequence, ImageAugmentation, TrivialAugment
    >>> augmentation = AugmentationSequence(
    ...     [
    ...         ("crop", ImageAugmentation(crop_scale=0.35, horizontal_flip=True)),
    ...         ("policy", TrivialAugment()),
    ...         ("erase", ImageAugmentation(erasing=0.1)),
    ...     ]
    ... ).set_params(erase__erasing=0.25)
    >>> augmentation.augment(np.zeros((2, 8, 8, 3)), seed=0, ids=[0, 1]).shape
    (2, 8, 8, 3)
    """

    def __init__(self, augmentations: list[tuple[str, Augmentation]]):
        self.augmentations = augmentations

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add the augmentations by name and their parameters.

        Returns
        -------
        dict
            Names and values.
        """
        return self._get_params("augmentations", deep=deep)

    def set_params(self, **params: Any) -> AugmentationSequence:
        """Set parameters, those of the augmentations included.

        Parameters
        ----------
        **params : dict
            ``augmentations``, a name (another augmentation in its place) or ``name__parameter``.

        Returns
        -------
        AugmentationSequence
            This one.
        """
        return self._set_params("augmentations", **params)

    def validate(self) -> None:
        """Check the names and the augmentations.

        Raises
        ------
        ValueError
            If there is none, names are not usable, or a parameter is out of its range.
        TypeError
            If `augmentations` is no list of pairs of a name and an augmentation.
        """
        pairs = self.augmentations
        if not isinstance(pairs, list) or not all(map(_is_pair, pairs)):
            raise TypeError(
                "augmentations must be a list of (name, augmentation), such as "
                f"[('policy', TrivialAugment())]; got {pairs!r}"
            )
        if not pairs:
            raise ValueError("augmentations must hold at least one augmentation; got none")
        self._validate_names([name for name, _ in pairs])
        for _, augmentation in pairs:
            augmentation.validate()

    @property
    def needs_pixel_range(self) -> bool:
        """Whether any of the augmentations takes pixels for values from 0 to 255."""
        return any(augmentation.needs_pixel_range for _, augmentation in self.augmentations)

    def _augment(self, images: np.ndarray, seed: int, ids: np.ndarray) -> np.ndarray:
        for position, (_, augmentation) in enumerate(self.augmentations):
            images = augmentation.augment(images, seed=derived_seed(seed, position), ids=ids)
        return images


def _is_pair(pair: object) -> bool:
    """Whether it is a name and an augmentation."""
    return (
        isinstance(pair, tuple)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and isinstance(pair[1], Augmentation)
    )
