"""A sweep of quick classifiers on patches of photographs: ``python sweeper.py OUTPUT [BACKEND]``.

A program of its own, so that it can be killed, and a module, so that workers can import it.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager

from joblib import parallel_config
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sktransfer.datasets import load_photo_patches
from sktransfer.evaluation import run_benchmark
from sktransfer.images import ImageReader


def as_rows(images):
    return images.reshape(len(images), -1)


def make_estimator(strategy, *, recipe, random_state=None):
    """Classify small grey pictures."""
    model = {"knn": KNeighborsClassifier(), "linear": LogisticRegression(max_iter=30)}[strategy]
    return make_pipeline(ImageReader(size=(8, 8)), FunctionTransformer(as_rows), model)


def sweep(output):
    """Run two strategies in four times five folds."""
    patches = load_photo_patches(train_per_class=10, test_per_class=2)
    return run_benchmark(
        patches,
        ["knn", "linear"],
        output=output,
        cv=5,
        n_repeats=4,
        make_estimator=make_estimator,
        save_winner=False,
        progress=False,
    )


@contextmanager
def on(backend):
    """Spread what follows by a backend of joblib, with two workers."""
    if backend == "dask":
        from distributed import Client, LocalCluster

        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster),
            parallel_config("dask"),
        ):
            yield
    elif backend == "ray":
        import ray
        from ray.util.joblib import register_ray

        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        register_ray()
        try:
            with parallel_config("ray", n_jobs=2):
                yield
        finally:
            ray.shutdown()
    else:
        with parallel_config(backend, n_jobs=2):
            yield


if __name__ == "__main__":
    output, *backend = sys.argv[1:]
    if backend:
        with on(*backend):
            sweep(output)
    else:
        sweep(output)
