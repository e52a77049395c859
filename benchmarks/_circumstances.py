"""One task, done in many circumstances: other threads, batches, engines, caches and processes."""

from __future__ import annotations

import functools
import importlib.util
import tempfile
from dataclasses import dataclass

import numpy as np

from benchmarks._processes import in_fresh_process

INPUT_SIZES = {"tiny": 32, "mobilenet": 96}
"""Height and width that each network is given."""
USUAL = "usual"
N_THREADS = 2
"""TensorFlow's, for what is done within one operation, where nothing else is said."""
BATCH_SIZES = (1, 7, 64, 256)
N_ALONE = 2

Answer = tuple[np.ndarray, np.ndarray]
"""Features of all images, and a head's probabilities of those that it was not trained on."""


@dataclass(frozen=True)
class Task:
    """Features of images, and a head that is trained on the first of them and asked of the rest."""

    backbone: str
    weights: str | None
    images: np.ndarray
    labels: np.ndarray
    n_train: int
    epochs: int

    def transformer(self, **parameters):
        """Return the fitted transformer."""
        from sktransfer import BackboneFeatures

        usual = {"cache": None, "random_state": 0, "weights": self.weights}
        size = INPUT_SIZES[self.backbone]
        transformer = BackboneFeatures(self.backbone, input_size=size, **{**usual, **parameters})
        return transformer.fit(self.images)

    def answer(self, **parameters) -> Answer:
        """Do the task with some parameters of the transformer."""
        return self.judged(self.transformer(**parameters).transform(self.images))

    def judged(self, features: np.ndarray) -> Answer:
        """Do the rest of the task."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        from sktransfer import DenseHead

        head = make_pipeline(StandardScaler(), DenseHead(epochs=self.epochs, random_state=0))
        head.fit(features[: self.n_train], self.labels[: self.n_train])
        return features, head.predict_proba(features[self.n_train :])


def in_all_circumstances(task: Task) -> dict[str, list[Answer]]:
    """Return what comes of a task, first as usual; a circumstance may have several answers."""
    return {
        **in_fresh_process(_in_one_process, task),
        "another process": [in_fresh_process(answer_afresh, task, N_THREADS)],
        "1 thread": [in_fresh_process(answer_afresh, task, 1)],
    }


def answer_afresh(task: Task, n_threads: int) -> Answer:
    """Do the task as usual in a process that was started for it."""
    _begin(n_threads)
    return task.answer()


def _begin(n_threads: int) -> None:
    """Prepare a process."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(n_threads)
    _register_tiny()


def _in_one_process(task: Task) -> dict[str, list[Answer]]:
    """Do the task in all circumstances that one process can bring about."""
    _begin(N_THREADS)
    return {
        USUAL: [task.answer()],
        "the same again": [task.answer()],
        **_of_order_and_batches(task),
        **_of_engines(task),
        **_of_caches(task),
        **_of_workers(task),
    }


def _of_order_and_batches(task: Task) -> dict[str, list[Answer]]:
    """Vary which images come together."""
    images, transform = task.images, task.transformer().transform
    alone = [transform(images[row : row + 1]) for row in range(N_ALONE)]
    return {
        "images in reverse order": [task.judged(transform(images[::-1])[::-1])],
        f"{N_ALONE} images each alone": [
            task.judged(np.concatenate([*alone, transform(images[N_ALONE:])]))
        ],
        **{f"batch_size={size}": [task.answer(batch_size=size)] for size in BATCH_SIZES},
    }


def _of_engines(task: Task) -> dict[str, list[Answer]]:
    """Vary engine and precision."""
    answers = {'precision="bfloat16"': [task.answer(precision="bfloat16")]}
    if importlib.util.find_spec("openvino"):
        for precision in ("float32", "bfloat16"):
            name = f'engine="openvino", precision="{precision}"'
            answers[name] = [task.answer(engine="openvino", precision=precision)]
    return answers


def _of_caches(task: Task) -> dict[str, list[Answer]]:
    """Have every other image's features known before, in memory and on disk."""
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, cache in (("in memory", "auto"), ("on disk", folder)):
            task.transformer(cache=cache).transform(task.images[::2])
            answers[f"cache {name}"] = [task.answer(cache=cache)]
    return answers


def _of_workers(task: Task) -> dict[str, list[Answer]]:
    """Let two of joblib's workers do the task at the same time."""
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    answers = {
        f'joblib, backend="{backend}"': Parallel(n_jobs=2, backend=backend)(
            delayed(answer_afresh)(task, N_THREADS) for _ in range(2)
        )
        for backend in ("threading", "loky")
    }
    get_reusable_executor().shutdown()  # this process would wait for idle workers as it ends
    return answers


@functools.cache
def _register_tiny() -> None:
    """Make the smallest network known that has what larger ones are made of."""
    from sktransfer.backbones import BackboneSpec, get_backbone, register_backbone

    register_backbone(
        BackboneSpec(
            name="tiny",
            family="Tiny",
            builder=f"{__name__}:build_tiny",
            preprocessing=get_backbone("mobilenet").preprocessing,
            native_size=32,
            recommended_size=32,
            min_size=8,
            n_features=32,
            n_parameters=1760,
            top1=None,
            licence="BSD-3-Clause",
            paper="none",
            last_block="block",
        )
    )


def build_tiny(include_top: bool, weights: None, input_shape: tuple):
    """Build a network of convolutions with batch normalization, one of them depthwise."""
    import keras

    images = keras.Input(input_shape)
    tensor = keras.layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(images)
    tensor = keras.layers.ReLU()(keras.layers.BatchNormalization()(tensor))
    tensor = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)(tensor)
    tensor = keras.layers.BatchNormalization()(tensor)
    tensor = keras.layers.Conv2D(32, 1, name="block")(tensor)
    return keras.Model(images, keras.layers.ReLU()(tensor))
