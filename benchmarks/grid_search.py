"""Compare a grid search over heads on frozen features with the plain ways to run it.

    python -m benchmarks.grid_search --data cifar10.zip --weights-dir DIR

1,000 images, 5 folds, 4 heads of 10 epochs. "Plain" is `model.predict` as a transformer with an
unmodified scikeras head; it is searched as a pipeline, as a pipeline with `memory=`, and on
features that were computed once before. The library's search is run as the first of a process
(nothing cached, no head traced), as a later one of new images (nothing cached), without the cache,
and in a second process with a cache on disk.

Beside the times stands the number of images that went through the backbone. The run fails if the
library's search takes more than one pass an image, or if caching changes a score.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from unittest import mock

import numpy as np
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline

from benchmarks._plain import PlainFeatures, plain_head
from benchmarks._processes import in_fresh_process
from benchmarks._settings import image_parser, load_images, source_of, usual_backbone
from benchmarks._side_by_side import compared, store, take_turns

SIZE = 96
UNITS = ((128,), (256, 512))
RATES = (0.001, 0.0003)
BATCH = 32
OURS, LATER = "sktransfer", "sktransfer, later search of new images"
UNCACHED = "sktransfer, cache=None"
FIRST, SECOND = "sktransfer, disk cache", "sktransfer, disk cache, second process"
PLAIN, WITH_MEMORY, PRECOMPUTED = "plain", "plain, memory=", "plain, features computed once"


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    images: int = 1000
    folds: int = 5
    epochs: int = 10


QUICK = Sizes(images=100, folds=2, epochs=1)


@dataclass(frozen=True)
class Outcome:
    """What a search found, and how many images it sent through the backbone."""

    scores: np.ndarray
    passes: int


@dataclass(frozen=True)
class Searches:
    """The same search, run in several ways."""

    images: np.ndarray
    labels: np.ndarray
    backbone: str
    weights: str | None
    sizes: Sizes
    seed: int

    def ours(self, cache: str | None) -> Outcome:
        """Search with the library for the first time."""
        with mock.patch("sktransfer.estimators._program_pool._waiting", []):
            return self.ours_later(cache)

    def ours_later(self, cache: str | None) -> Outcome:
        """Search with the library, which knows the heads but not the images."""
        from sktransfer import DenseHead
        from sktransfer.cache import memory_store

        memory_store().clear()
        head = DenseHead(batch_size=BATCH, epochs=self.sizes.epochs, random_state=self.seed)
        grid = {"head__hidden_layer_sizes": UNITS, "head__learning_rate": RATES}
        with mock.patch("sktransfer.backbones._extraction.run_padded", PassCounter()) as counter:
            scores = self._search(_pipeline(self._features(cache), head), grid, self.images)
        return Outcome(scores, counter.n_images)

    def plain(self, memory: str | None = None) -> Outcome:
        """Search a pipeline of Keras and scikeras."""
        pipeline = _pipeline(self._plain_features(), self._plain_head(), memory)
        return self._counted(partial(self._search, pipeline, self._plain_grid("head__")))

    def plain_with_memory(self) -> Outcome:
        """Search the same with the transformer's results kept on disk by joblib."""
        with tempfile.TemporaryDirectory() as folder:
            return self.plain(folder)

    def precomputed(self) -> Outcome:
        """Compute all features before a search over heads alone."""

        def search(images: np.ndarray) -> np.ndarray:
            features = self._plain_features().transform(images)
            return self._search(self._plain_head(), self._plain_grid(""), features)

        return self._counted(search)

    def warm_up(self) -> None:
        """Build the networks, and run a few images through them."""
        few = self.images[: 2 * BATCH]
        self._features(None).fit_transform(few)
        self._plain_features().transform(few)

    def _features(self, cache: str | None):
        from sktransfer import BackboneFeatures

        return BackboneFeatures(
            self.backbone, weights=self.weights, input_size=SIZE, cache=cache, random_state=0
        )

    def _plain_features(self) -> PlainFeatures:
        return PlainFeatures(self.backbone, SIZE, self.weights)

    def _plain_head(self):
        return plain_head(batch_size=BATCH, epochs=self.sizes.epochs, units=None, rate=None)

    def _plain_grid(self, prefix: str) -> dict:
        return {f"{prefix}units": UNITS, f"{prefix}rate": RATES}

    def _counted(self, search: Callable[[np.ndarray], np.ndarray]) -> Outcome:
        before = PlainFeatures.n_images
        return Outcome(search(self.images), PlainFeatures.n_images - before)

    def _search(self, estimator, grid: dict, X: np.ndarray) -> np.ndarray:
        """Return the score of each candidate in each fold."""
        # Given, because scikeras' classifiers are not taken for classifiers.
        folds = StratifiedKFold(self.sizes.folds, shuffle=True, random_state=self.seed)
        search = GridSearchCV(estimator, grid, cv=folds, scoring="accuracy", refit=False)
        results = search.fit(X, self.labels).cv_results_
        return np.stack([results[f"split{fold}_test_score"] for fold in range(self.sizes.folds)])


class PassCounter:
    """Counts the images that the library sends through a network."""

    def __init__(self) -> None:
        from sktransfer.backbones._inference import run_padded

        self.n_images = 0
        self._run = run_padded

    def __call__(self, run, rows, *arguments, **parameters):
        self.n_images += len(rows)
        return self._run(run, rows, *arguments, **parameters)


def _pipeline(features, head, memory: str | None = None) -> Pipeline:
    return Pipeline([("features", features), ("head", head)], memory=memory)


def search_with_disk_cache(searches: Searches, folder: str) -> tuple[Outcome, float]:
    """Search in this process, which has TensorFlow loaded already, and say how long it took."""
    import keras  # noqa: F401

    timed = take_turns({folder: partial(searches.ours, folder)}, 1, warm_up=False)[folder]
    return timed.result, timed.median


def disk_cache_rows(searches: Searches, plain: dict, expected: np.ndarray) -> list[dict]:
    """Search twice with one cache on disk, each time in a new process."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in (FIRST, SECOND):
            outcome, seconds = in_fresh_process(search_with_disk_cache, searches, folder)
            check_scores(name, outcome, expected)
            rows.append(
                {"contestant": name, "seconds": seconds, "spread_percent": np.nan}
                | {"times_as_fast": plain["seconds"] / seconds, "as": PLAIN}
                | described(outcome)
            )
    check_passes(SECOND, outcome, 0)
    return rows


def described(outcome: Outcome) -> dict:
    """Return the columns of an outcome."""
    return {"passes": outcome.passes, "mean_accuracy": outcome.scores.mean()}


def check_scores(name: str, outcome: Outcome, expected: np.ndarray) -> None:
    """Fail if caching has changed a score."""
    if not (outcome.scores == expected).all():
        raise RuntimeError(f"{name}: scores differ from those without a cache")


def check_passes(name: str, outcome: Outcome, expected: int) -> None:
    """Fail if images went through the backbone more often than needed."""
    if outcome.passes != expected:
        raise RuntimeError(f"{name}: {outcome.passes} passes of {expected} expected")


def measure(searches: Searches, repeats: int) -> list[dict]:
    """Measure all ways, and check what they found."""
    searches.warm_up()
    calls = {
        OURS: partial(searches.ours, "auto"),
        LATER: partial(searches.ours_later, "auto"),
        UNCACHED: partial(searches.ours, None),
        PLAIN: searches.plain,
        WITH_MEMORY: searches.plain_with_memory,
        PRECOMPUTED: searches.precomputed,
    }
    timed = take_turns(calls, repeats, warm_up=False)
    expected = timed[UNCACHED].result.scores
    for name in (OURS, LATER):
        check_scores(name, timed[name].result, expected)
        check_passes(name, timed[name].result, len(np.unique(searches.images, axis=0)))
    rows = [one | described(timed[one["contestant"]].result) for one in compared(timed, PLAIN)]
    plain = next(row for row in rows if row["contestant"] == PLAIN)
    return rows + disk_cache_rows(searches, plain, expected)


def main(words: list[str] | None = None) -> None:
    arguments = image_parser(__doc__, repeats=3).parse_args(words)
    sizes = QUICK if arguments.quick else Sizes()
    images, labels = load_images(arguments.data, sizes.images, arguments.seed)
    backbone, weights = usual_backbone(arguments.weights_dir)
    searches = Searches(images, labels, backbone, weights, sizes, arguments.seed)
    store(
        "grid_search",
        measure(searches, arguments.repeats),
        arguments,
        sizes,
        packages=("scikeras",),
        images_from=source_of(arguments.data),
        backbone=f"{backbone} at {SIZE}",
        heads=f"{UNITS} x {RATES}",
    )


if __name__ == "__main__":
    main()
