"""Mixing the images of a batch with one another, and their targets with them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator

from sktransfer._validation import Interval, validate_parameters
from sktransfer.images._draws import checked_seed
from sktransfer.images._photometry import per_image
from sktransfer.images._rectangles import masks

__all__ = ["Mixing"]

_Mixer = Callable[
    [np.random.Generator, np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]
]


class Mixing(BaseEstimator):
    """MixUp and CutMix: training batches of which each row is two, in images and in targets.

    Each row of a batch is mixed with another one, which a random cycle through the batch gives it.
    The share of its own that it keeps is drawn for each row from Beta(alpha, alpha). MixUp [1]_
    adds the two images, weighted by their shares; CutMix [2]_ pastes a rectangle of the other image
    into the same place. Targets are mixed in the same shares. Where both are switched on, each
    batch draws one of the two.

    Parameters
    ----------
    mixup : float, default=0.2
        Alpha of MixUp, at least 0, which is off. Up to 1; the larger, the more even the shares.
    cutmix : float, default=0.0
        Alpha of CutMix, likewise. The paper's is 1.

    Notes
    -----
    The result is a function of the parameters, the batch, `seed` and `step`. Unlike an
    augmentation's, it depends on the whole batch.

    Mixing comes last, after augmentation. It works on pixels of any scale, and on targets in
    which the loss is linear, such as class probabilities in cross-entropies; for squared errors,
    too, it gives the gradients of the two targets' weighted sum.

    References
    ----------
    .. [1] Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, arXiv:1710.09412.
    .. [2] Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
           Features", ICCV 2019, arXiv:1905.04899.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.images import Mixing
    >>> images = np.stack([np.zeros((4, 4, 3)), np.full((4, 4, 3), 100)])
    >>> images, targets = Mixing(mixup=0.4).mix(images, np.eye(2), seed=0, step=0)
    >>> bool(np.allclose(images[0], 100 * targets[0, 1]))
    True
    """

    _parameter_constraints = {
        "mixup": [Interval(Real, 0, None, closed="left")],
        "cutmix": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, mixup: float = 0.2, cutmix: float = 0.0):
        self.mixup = mixup
        self.cutmix = cutmix

    def validate(self) -> None:
        """Check the parameters.

        Raises
        ------
        ValueError
            Also a TypeError (scikit-learn's ``InvalidParameterError``): names the parameter and
            what is accepted.
        """
        validate_parameters(self)

    def mix(
        self,
        images: np.ndarray,
        targets: np.ndarray,
        weights: np.ndarray | None = None,
        *,
        seed: int,
        step: int,
    ) -> tuple[np.ndarray, ...]:
        """Mix a batch: ``batch = mixing.mix(*batch, seed=seed, step=step)``.

        Parameters
        ----------
        images : ndarray of shape (n, height, width, channels)
            Pixels on any scale.
        targets : ndarray of shape (n, k)
            One-hot classes, indicators of labels, or numbers; not class indices.
        weights : ndarray of shape (n,), default=None
            Sample weights, at least 0. Each target keeps its own: the loss of a mixed row is the
            weighted sum of the losses against its two targets, each in its share and with its
            weight. So the row's weight is the mixture of the two weights, and its target leans
            to the one that weighs more.
        seed : int
            For the whole training; any whole number.
        step : int
            What tells the batches of a training apart, at least 0, such as their number over all
            epochs.

        Returns
        -------
        images : ndarray of shape (n, height, width, channels), float32
        targets : ndarray of shape (n, k), float32
        weights : ndarray of shape (n,), float32
            Only where weights were given. A batch of one row, and any with nothing switched on,
            comes back as it is, not copied where it is float32.

        Raises
        ------
        ValueError
            If a parameter is out of its range, `step` is negative or a shape doesn't fit.
        TypeError
            If `seed` or `step` is no whole number.
        """
        self.validate()
        batch = _checked(images, targets, weights)
        rng = _generator(seed, step)
        mixers = [
            (alpha, mixer)
            for alpha, mixer in ((self.mixup, _add), (self.cutmix, _paste))
            if alpha > 0
        ]
        n = len(images)
        if not mixers or n < 2:
            return batch
        alpha, mixer = mixers[rng.integers(len(mixers))]
        partners = _random_cycle(rng, n)
        images, shares = mixer(rng, batch[0], partners, rng.beta(alpha, alpha, n))
        return (images, *_mixed_targets(*batch[1:], partners=partners, shares=shares))


def _checked(
    images: np.ndarray, targets: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, ...]:
    """Return what there is of a batch as float32, or raise ValueError."""
    images, targets = np.asarray(images, np.float32), np.asarray(targets, np.float32)
    n = len(images)
    if images.ndim != 4:
        raise ValueError(
            f"images must have shape (n, height, width, channels), got shape {images.shape}"
        )
    if targets.ndim != 2 or len(targets) != n:
        raise ValueError(
            f"targets must have shape ({n}, k), one row for each image (classes one-hot, for "
            f"indices cannot be mixed); got shape {targets.shape}"
        )
    if weights is None:
        return images, targets
    weights = np.asarray(weights, np.float32)
    if weights.shape != (n,):
        raise ValueError(
            f"weights must have shape ({n},), one for each image; got shape {weights.shape}"
        )
    return images, targets, weights


def _generator(seed: int, step: int) -> np.random.Generator:
    """Return the generator of a step, whose numbers no other use of the seed has."""
    seed, number = checked_seed(seed), _checked_step(step)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))


def _checked_step(step: int) -> int:
    try:
        number = operator.index(step)
    except TypeError:
        raise TypeError(f"step must be an integer, got {step!r}") from None
    if number < 0:
        raise ValueError(f"step must be at least 0, got {step!r}")
    return number


def _random_cycle(rng: np.random.Generator, n: int) -> np.ndarray:
    """Give each of n rows another one, and each row to one other."""
    order = rng.permutation(n)
    partners = np.empty_like(order)
    partners[order] = np.roll(order, 1)
    return partners


def _add(
    rng: np.random.Generator, images: np.ndarray, partners: np.ndarray, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Add images in shares (n,) to their partners; give the shares that they keep."""
    mixed = images[partners] - images
    mixed *= per_image(1 - shares)
    mixed += images
    return mixed, shares


def _paste(
    rng: np.random.Generator, images: np.ndarray, partners: np.ndarray, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Paste rectangles of the partners; give the exact shares of pixels that images keep.

    Rectangles have the images' ratio and their centre anywhere, and are cut off at the border.
    """
    size = images.shape[1:3]
    rows, columns = (_intervals(rng, side, np.sqrt(1 - shares)) for side in size)
    pasted = masks(rows, columns, size)
    return np.where(pasted, images[partners], images), 1 - pasted.mean(axis=(1, 2, 3))


def _intervals(
    rng: np.random.Generator, side: int, fractions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Place fractions (n,) of a side about points of it, as [first, end) in whole pixels."""
    lengths = np.rint(side * fractions)
    first = rng.integers(side, size=len(fractions)) - lengths // 2
    return first, first + lengths


def _mixed_targets(
    targets: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    partners: np.ndarray,
    shares: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Mix targets in the shares (n,) that rows keep and, if there are any, weights."""
    if weights is None:
        return (_mixed(targets, targets[partners], shares),)
    kept, total = shares * weights, shares * weights + (1 - shares) * weights[partners]
    # Where both weigh nothing their target doesn't count: any is as good.
    kept_of_total = np.divide(kept, total, out=np.ones_like(total), where=total > 0)
    return _mixed(targets, targets[partners], kept_of_total), total.astype(np.float32)


def _mixed(rows: np.ndarray, others: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Add rows (n, k) in shares (n,) to others, exactly so where the two are one."""
    return (others + shares[:, None] * (rows - others)).astype(np.float32)
