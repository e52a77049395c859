"""Ranks backbones by how well their features suit new images, before any training."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state, check_scalar, resample

from sktransfer._errors import MissingWeightsError, unknown_name
from sktransfer._validation import check_same_length, validate_parameters
from sktransfer.backbones._features import BackboneFeatures
from sktransfer.backbones._network import check_input_size, choose_input_size
from sktransfer.backbones._registry import get_backbone, list_backbones
from sktransfer.backbones._weights import are_at_hand, resolve_weights
from sktransfer.images._batch import check_images
from sktransfer.selection._checks import check_classes
from sktransfer.selection._h_score import h_score
from sktransfer.selection._log_me import log_me
from sktransfer.selection._n_leep import n_leep
from sktransfer.selection._proxies import knn_accuracy, linear_probe_accuracy

METRICS: dict[str, Callable[[np.ndarray, np.ndarray, int], float]] = {
    "log_me": lambda features, y, seed: log_me(features, y),
    "h_score": lambda features, y, seed: h_score(features, y),
    "n_leep": lambda features, y, seed: n_leep(features, y, random_state=seed),
    "knn_accuracy": lambda features, y, seed: knn_accuracy(features, y),
    "linear_probe_accuracy": lambda features, y, seed: linear_probe_accuracy(
        features, y, random_state=seed
    ),
}
"""The scores of features, which are what our backbones give: they have no classifier."""


def rank_backbones(
    X: Any,
    y: Any,
    backbones: Sequence[str] | None = None,
    *,
    weights: str | None = "imagenet",
    input_size: int | tuple[int, int] | None = None,
    pooling: str = "avg",
    precision: str = "float32",
    engine: str = "tensorflow",
    cache: str | os.PathLike[str] | None = "auto",
    image_shape: tuple[int, int, int] | None = None,
    pixel_range: str | tuple[int, int] | None = "auto",
    max_samples: int | None = 2000,
    metrics: Sequence[str] | None = None,
    random_state: int | np.random.RandomState | None = 0,
    verbose: int = 0,
) -> pd.DataFrame:
    """Rank backbones by scores of their features, before any training.

    A sample of the images goes once through each backbone, and its features are scored. No single
    score is right everywhere [1]_; so the backbones are sorted by the consensus of all scores.

    Parameters
    ----------
    X : array-like
        Images, as `BackboneFeatures` takes them.
    y : array-like of shape (n_images,)
        Classes.
    backbones : sequence of str, default=None
        Names of the candidates, of those that `list_backbones` lists. None are those whose ImageNet
        weights are at hand without a download: in the folder named by the environment variable
        ``SKTRANSFER_WEIGHTS``, in installed packages of weights, or in Keras' cache.
    weights : "imagenet", path or None, default="imagenet"
        As in `BackboneFeatures`; those of named backbones are downloaded where they are missing. A
        path suits a single candidate; None compares architectures with random weights.
    input_size : int, (int, int) or None, default=None
        Height and width that all backbones are given; None is the images' own size, raised to the
        smallest that each of them is good at.
    pooling : {"avg", "max", "avg+max", "gem", "flatten"}, default="avg"
        How a feature map becomes a vector.
    precision : {"float32", "bfloat16"}, default="float32"
        What the backbones compute in.
    engine : {"tensorflow", "openvino"}, default="tensorflow"
        What runs them.
    cache : "auto", path or None, default="auto"
        Where features are kept, so that they serve again when a backbone has been chosen.
    image_shape : (int, int, int), default=None
        Height, width and channels of the images where X holds them as flat rows; one entry may be
        -1.
    pixel_range : "auto", (0, 1), (0, 255) or None, default="auto"
        Range of the pixels, as in `BackboneFeatures`.
    max_samples : int, default=2000
        Most images that are looked at: a stratified sample. None is all of them.
    metrics : sequence of str, default=None
        Scores to compute, each the function of that name: "log_me", "h_score", "n_leep",
        "knn_accuracy", "linear_probe_accuracy". None is all of them.
    random_state : int, RandomState instance or None, default=0
        Seed of the sample, the scores and, with ``weights=None``, the weights: the same ones for
        all backbones.
    verbose : int, default=0
        Whether a progress bar is shown for each backbone.

    Returns
    -------
    ranking : DataFrame
        One row a backbone, the best first; index "backbone". Columns: one for each score, higher is
        better; "consensus", the share of the other backbones that a backbone beats, averaged over
        the scores, from 0 (the worst in each) to 1 (the best in each), where a tie counts half;
        "seconds" that its features took, "images_per_second" and "parameters" (without top).
        Backbones of equal consensus are in the order of the first score in which they differ.

    Raises
    ------
    ValueError
        Before any image is extracted, if a backbone or score is unknown, images or classes cannot
        be used or are not equally many, or the images are too small for one of the backbones.
    MissingWeightsError
        Before any image is extracted, if the weights of a backbone are nowhere to be found, or no
        backbone is named and none has weights at hand.

    Notes
    -----
    Time is that of this call: what the cache serves takes next to none, and compiling the network
    for the first batch counts. Scores compare backbones for a linear classifier on frozen features;
    fine-tuning may turn close ones round.

    References
    ----------
    .. [1] Agostinelli et al., "How stable are Transferability Metrics evaluations?", ECCV 2022,
           arXiv:2204.01403.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.selection import rank_backbones
    >>> images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    >>> ranking = rank_backbones(
    ...     images, ["cat", "dog"] * 6, ["mobilenet", "vgg16"], weights=None, input_size=32,
    ...     metrics=["log_me"],
    ... )
    >>> list(ranking.columns)
    ['log_me', 'consensus', 'seconds', 'images_per_second', 'parameters']
    """
    names = _check_metrics(metrics)
    check_same_length("X", X, "y", y)
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    X, y = _sample(X, y, max_samples, seed)
    candidates = [
        BackboneFeatures(
            backbone,
            weights=weights,
            input_size=input_size,
            pooling=pooling,
            precision=precision,
            engine=engine,
            cache=cache,
            image_shape=image_shape,
            pixel_range=pixel_range,
            random_state=seed,
            verbose=verbose,
        )
        for backbone in _backbone_names(backbones, weights)
    ]
    _check_usable(candidates, X)
    rows = [_row(candidate.fit(X), X, y, names, seed) for candidate in candidates]
    table = pd.DataFrame(rows, index=[candidate.backbone for candidate in candidates])
    table.insert(len(names), "consensus", consensus(table[names]))
    return table.rename_axis("backbone").sort_values(["consensus", *names], ascending=False)


def _row(
    features: BackboneFeatures, X: Any, y: np.ndarray, metrics: Sequence[str], seed: int
) -> dict[str, float]:
    """Extract features and score them."""
    start = time.perf_counter()
    extracted = features.transform(X)
    seconds = time.perf_counter() - start
    return {
        **{metric: METRICS[metric](extracted, y, seed) for metric in metrics},
        "seconds": seconds,
        "images_per_second": len(y) / seconds,
        "parameters": features.parameter_counts_["total"],
    }


def consensus(scores: pd.DataFrame) -> pd.Series:
    """Return the share of other rows that each row beats, averaged over the columns of scores."""
    if len(scores) == 1:
        return pd.Series(1.0, index=scores.index)
    return (scores.rank() - 1).mean(axis=1) / (len(scores) - 1)


def _check_metrics(metrics: Sequence[str] | None) -> list[str]:
    """Return the names of the scores to compute."""
    if metrics is None:
        return list(METRICS)
    names = _check_names("metrics", metrics)
    for name in names:
        if name not in METRICS:
            raise unknown_name("metric", name, METRICS)
    return names


def _check_names(parameter: str, names: Sequence[str]) -> list[str]:
    """Return names, of which there must be one at least, and none twice."""
    if isinstance(names, str) or not len(names) or len(set(names)) < len(names):
        raise ValueError(
            f"{parameter} must be a list of one or more different names, got {names!r}"
        )
    return list(names)


def _sample(X: Any, y: Any, max_samples: int | None, seed: int) -> tuple[Any, np.ndarray]:
    """Draw images and their classes, stratified, where there are more than enough."""
    y = np.asarray(y)
    codes = check_classes(y)
    if max_samples is not None:
        check_scalar(max_samples, "max_samples", Integral, min_val=codes.max() + 2)
        if max_samples < len(y):
            X, y = resample(
                X, y, replace=False, n_samples=max_samples, stratify=y, random_state=seed
            )
    return X, y


def _backbone_names(backbones: Sequence[str] | None, weights: str | None) -> list[str]:
    """Return the names that are given, or of the backbones whose ImageNet weights are at hand."""
    if backbones is not None:
        names = _check_names("backbones", backbones)
        if len(names) > 1 and weights not in ("imagenet", None):
            raise ValueError(
                f"weights must be 'imagenet' or None for several backbones, got {weights!r}: a "
                "file holds those of one"
            )
        return names
    if weights != "imagenet":
        raise ValueError(
            "backbones=None stands for those whose ImageNet weights are at hand; with "
            f"weights={weights!r}, name the backbones"
        )
    found = [name for name in list_backbones().index if are_at_hand(get_backbone(name))]
    if not found:
        raise MissingWeightsError(
            "backbones=None stands for those whose ImageNet weights are at hand, and there are "
            "none: name backbones, to have their weights downloaded, or put files of weights into "
            "a folder named by the environment variable SKTRANSFER_WEIGHTS"
        )
    return found


def _check_usable(candidates: Sequence[BackboneFeatures], X: Any) -> None:
    """Refuse what any of the backbones cannot use, before the first of them runs."""
    first = candidates[0]  # they differ in the backbone alone
    validate_parameters(first)
    check_input_size(first.input_size)
    images = check_images(first, X, reset=True)
    for candidate in candidates:
        spec = get_backbone(candidate.backbone)
        choose_input_size(candidate.input_size, images, spec)
        resolve_weights(spec, candidate.weights)
