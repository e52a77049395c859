"""Whether a difference on one test set is chance, by the images that it is made of."""

from __future__ import annotations

import numpy as np
from scipy import stats

from sktransfer.evaluation._statistics import BayesianComparison, PairedComparison

__all__ = ["compare_images"]


def compare_images(
    differences: np.ndarray, *, rope: float, confidence: float
) -> tuple[PairedComparison, BayesianComparison]:
    """Compare two classifiers, trained once or several times, on one set of test images.

    Other test images would have given another difference, and so would another training. The
    variance of the mean is taken as the sum of that of the images' means and that of the repeats'
    means, which is never too small in expectation: it counts twice what is of single predictions
    [1]_. The degrees of freedom are Satterthwaite's [2]_.

    Parameters
    ----------
    differences : ndarray of shape (n_repeats, n_images)
        Score of the first less that of the second for each image, after each training; two images
        at least. Of a single repeat, only the chance of the images is known.
    rope : float
        Half the width of the region of practical equivalence.
    confidence : float
        Of the interval, between 0 and 1.

    Returns
    -------
    paired : PairedComparison
        By Student's distribution.
    bayesian : BayesianComparison
        By the same distribution, taken for that of the true difference.

    References
    ----------
    .. [1] Owen, "The Pigeonhole Bootstrap", Annals of Applied Statistics 1, 2007.
    .. [2] Satterthwaite, "An Approximate Distribution of Estimates of Variance Components",
           Biometrics Bulletin 2, 1946.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.evaluation.verdicts._image_statistics import compare_images
    >>> differences = np.array([[1, 0, 0, 1, 0, 0, 1, 1], [1, 0, -1, 1, 0, 0, 1, 1]])
    >>> paired, bayesian = compare_images(differences, rope=0.01, confidence=0.95)
    >>> paired.difference, round(paired.p_value, 3), round(bayesian.first_better, 3)
    (0.4375, 0.093, 0.95)
    """
    mean = float(differences.mean())
    variances, freedoms = [], []
    for means in (differences.mean(axis=0), differences.mean(axis=1)):
        if len(means) > 1:
            variances.append(means.var(ddof=1) / len(means))
            freedoms.append(len(means) - 1)
    scale = np.sqrt(np.sum(variances))
    if scale == 0:
        return _without_spread(mean, rope, confidence)
    freedom = scale**4 / np.sum(np.square(variances) / freedoms)
    student = stats.t(freedom, loc=mean, scale=scale)
    low, high = student.interval(confidence)
    below, above = student.cdf([-rope, rope])
    return (
        PairedComparison(
            difference=mean,
            interval=(float(low), float(high)),
            p_value=float(2 * stats.t.sf(abs(mean) / scale, freedom)),
            statistic=float(mean / scale),
            confidence=confidence,
        ),
        BayesianComparison(float(1 - above), float(above - below), float(below), rope),
    )


def _without_spread(
    mean: float, rope: float, confidence: float
) -> tuple[PairedComparison, BayesianComparison]:
    """Return what is to be said where all images differ by the same."""
    statistic = float(np.copysign(np.inf, mean)) if mean else 0.0
    return (
        PairedComparison(mean, (mean, mean), float(mean == 0), statistic, confidence),
        BayesianComparison(float(mean > rope), float(abs(mean) <= rope), float(mean < -rope), rope),
    )
