"""Threads and processes: the same bits as one after another, and nothing is left behind."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest
from joblib.externals import loky
from sklearn.base import clone

import sktransfer
from benchmarks.memory import growth
from sktransfer._seeding import build_lock
from sktransfer.backbones import _engine
from sktransfer.cache import memory_store
from sktransfer.estimators import _forward, _program_pool
from tests._counters import record
from tests._tiny_backbones import registered, tiny_spec

ROOT = Path(__file__).resolve().parents[1]
N_THREADS = 8


def build_tiny(include_top, weights, input_shape):
    images = keras.Input(input_shape)
    tensor = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="stem")(images)
    tensor = keras.layers.BatchNormalization(
        moving_mean_initializer=keras.initializers.RandomNormal(), name="stem_bn"
    )(tensor)
    tensor = keras.layers.ReLU(name="stem_relu")(tensor)
    tensor = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="block")(tensor)
    return keras.Model(images, tensor)


def tiny_backbone():
    """Let "tiny_threads" be known for a while, in whichever process asks for it."""
    return registered(
        tiny_spec(
            "tiny_threads",
            f"{__name__}:build_tiny",
            n_features=8,
            n_parameters=424,
            last_block="block",
        )
    )


@pytest.fixture(scope="module", autouse=True)
def tiny_backbone_is_known():
    with tiny_backbone():
        yield


SEEDED = {"epochs": 2, "batch_size": 8, "random_state": 0}
TINY = {"backbone": "tiny_threads", "weights": None}
AUGMENTATION = sktransfer.ImageAugmentation(rotation=20, horizontal_flip=True)
ESTIMATORS = {
    "head": sktransfer.DenseHead((8,), dropout=0.3, **SEEDED),
    "convnet": sktransfer.ConvNetClassifier(
        1, filters=4, hidden_layer_sizes=(8,), dropout=0.3, augmentation=AUGMENTATION, **SEEDED
    ),
    "fine-tuned": sktransfer.FineTuneClassifier(
        unfreeze="all", augmentation=AUGMENTATION, **TINY, **SEEDED
    ),
    "frozen": sktransfer.FineTuneClassifier(
        dropout=0.3, hidden_layer_sizes=(8,), cache=None, **TINY, **SEEDED
    ),
    "features": sktransfer.BackboneFeatures(batch_size=8, cache=None, random_state=0, **TINY),
    "cached features": sktransfer.BackboneFeatures(batch_size=8, random_state=0, **TINY),
}


def examples(name: str) -> tuple[np.ndarray, np.ndarray]:
    """50 images, or rows of features for a head, and their classes."""
    rng = np.random.default_rng(0)
    y = np.array(["ant", "bee"] * 25)
    if name == "head":
        return rng.normal(size=(50, 6)).astype(np.float32), y
    return rng.integers(0, 256, (50, 16, 16, 3), dtype=np.uint8), y


def answer(estimator, X) -> np.ndarray:
    """Return probabilities, or features."""
    return estimator.predict_proba(X) if hasattr(estimator, "classes_") else estimator.transform(X)


def fitted(name: str):
    """Return an estimator, fitted anew."""
    return clone(ESTIMATORS[name]).fit(*examples(name))


def fit_and_answer(name: str) -> np.ndarray:
    """Return what a fresh estimator says of what it was fitted on."""
    return answer(fitted(name), examples(name)[0])


def start_afresh() -> None:
    """Have everything built and computed anew that fits and answers leave to the next."""
    memory_store().clear()
    _engine._shared.clear()
    _program_pool._waiting.clear()
    _forward._forward.cache_clear()


def at_once(function, tasks) -> list:
    """Call a function in threads that all begin at the same moment."""
    start = threading.Barrier(N_THREADS)

    def wait_and_call(number, task):
        if number < N_THREADS:
            start.wait(60)
        return function(task)

    with ThreadPoolExecutor(N_THREADS) as threads:
        return list(threads.map(wait_and_call, range(len(tasks)), tasks))


# Threads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ESTIMATORS)
def test_threads_ask_one_estimator(name):
    X, _ = examples(name)
    estimator = fitted(name)
    rng = np.random.default_rng(1)
    tasks = [rng.permutation(len(X))[: rng.integers(1, len(X) + 1)] for _ in range(3 * N_THREADS)]
    alone = [answer(estimator, X[rows]) for rows in tasks]
    memory_store().clear()

    found = at_once(lambda rows: answer(estimator, X[rows]), tasks)

    for one, other in zip(found, alone, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["head", "fine-tuned", "frozen"])
def test_threads_ask_one_estimator_that_was_loaded(name):
    X, _ = examples(name)
    estimator = fitted(name)
    alone, loaded = answer(estimator, X), pickle.loads(pickle.dumps(estimator))

    found = at_once(lambda ask: ask(loaded), [lambda other: answer(other, X), pickle.dumps] * 8)

    for values, saved in zip(found[::2], found[1::2], strict=True):
        np.testing.assert_array_equal(values, alone)
        np.testing.assert_array_equal(answer(pickle.loads(saved), X), alone)


def test_threads_fit_everything_at_once():
    names = [name for name in ESTIMATORS for _ in range(2)]
    alone = {name: fit_and_answer(name) for name in ESTIMATORS}
    start_afresh()

    found = at_once(fit_and_answer, names)

    for name, values in zip(names, found, strict=True):
        np.testing.assert_array_equal(values, alone[name], err_msg=name)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_no_seed_is_drawn_beside_the_lock(name, monkeypatch):
    """Another thread may be building a network, whose weights come from the same generator."""
    drawn = []

    def draw(low, high, randint=random.randint):
        drawn.append(build_lock._is_owned())
        return randint(low, high)

    start_afresh()
    monkeypatch.setattr(random, "randint", draw)
    state = random.getstate()

    fit_and_answer(name)

    assert drawn and all(drawn)
    assert random.getstate() == state


def test_an_estimator_answers_while_others_are_fitted():
    asked = fitted("fine-tuned")
    X, _ = examples("fine-tuned")
    alone = answer(asked, X)
    tasks = ["ask", "head", "ask", "convnet", "ask", "fine-tuned", "ask", "ask"]

    found = at_once(lambda task: answer(asked, X) if task == "ask" else fitted(task), tasks)

    for task, values in zip(tasks, found, strict=True):
        if task == "ask":
            np.testing.assert_array_equal(values, alone)


# Processes -------------------------------------------------------------------------------------


def work(name: str) -> tuple[int, np.ndarray]:
    """Fit in a worker, which knows of no backbone of ours."""
    with tiny_backbone():
        return os.getpid(), fit_and_answer(name)


def worked(start: str, names) -> list[tuple[int, np.ndarray]]:
    """Return what workers say that are started in one way or another."""
    if start == "loky":
        pool = loky.ProcessPoolExecutor(1)
    else:
        pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(start))
    with pool:
        return list(pool.map(work, names))


@pytest.mark.parametrize(
    ("start", "names"),
    [
        ("loky", ["head", "fine-tuned"]),
        ("spawn", ["head", "features"]),
        *(
            pytest.param(start, list(ESTIMATORS), marks=pytest.mark.slow, id=f"{start}-all")
            for start in ("loky", "spawn", "forkserver")
        ),
    ],
)
def test_other_processes_fit_to_the_same_bits(start, names):
    for name, (process, values) in zip(names, worked(start, names), strict=True):
        assert process != os.getpid()
        np.testing.assert_array_equal(values, fit_and_answer(name), err_msg=name)


# Forks -----------------------------------------------------------------------------------------


def passed_on(estimator):
    """Return what a worker was sent."""
    return estimator


FORKING = """
import json, multiprocessing, os, pickle, time
from concurrent.futures import ProcessPoolExecutor

from tests.test_concurrency import answer, examples, fitted, passed_on, tiny_backbone
from sktransfer.backbones import _engine
from sktransfer.images import ImageReader


def said(task):
    try:
        return task().tobytes().hex()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def in_fork(task):
    "Return what a task says in a fork of this process, or that it hangs."
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, said(task).encode())
        os._exit(0)
    os.close(write)
    deadline = time.monotonic() + 30
    while not os.waitpid(child, os.WNOHANG)[0]:
        if time.monotonic() > deadline:
            os.kill(child, 9)
            os.waitpid(child, 0)
            return "hangs"
        time.sleep(0.05)
    with open(read) as pipe:
        return pipe.read()


def fit_head():
    return answer(fitted("head"), examples("head")[0])


fork = multiprocessing.get_context("fork")
with tiny_backbone():
    before = in_fork(fit_head)  # TensorFlow is imported, but has not run
    here = fit_head().tobytes().hex()
    after, workers = {}, {}
    for name in ("head", "convnet", "fine-tuned", "frozen", "features"):
        estimator, (X, y) = fitted(name), examples(name)
        saved = pickle.dumps(estimator)
        after[name, "answers"] = in_fork(lambda: answer(estimator, X))
        if name != "features":
            after[name, "is fitted"] = in_fork(lambda: answer(fitted(name), X))
            after[name, "is fitted on"] = in_fork(lambda: answer(estimator.partial_fit(X, y), X))
        after[name, "is loaded"] = in_fork(lambda: answer(pickle.loads(saved), X))
        with fork.Pool(1) as pool:
            send = lambda task, *sent: pool.apply_async(task, sent).get(30)
            after[name, "is sent"] = said(lambda: send(answer, estimator, X))
            passed = send(passed_on, estimator)
            workers[name] = answer(passed, X).tolist() == answer(estimator, X).tolist()
        with ProcessPoolExecutor(1, mp_context=fork) as pool:
            after[name, "is submitted"] = said(pool.submit(answer, estimator, X).result)
    with _engine._shared_lock:  # as a thread holds it that builds a network
        after["features", "are made"] = in_fork(lambda: answer(fitted("features"), X))
    resize = ImageReader(size=(8, 8)).fit(X)
    after["images", "are resized"] = in_fork(lambda: resize.transform(X))
after = {" ".join(task): outcome for task, outcome in after.items()}
print(json.dumps({"before": before, "here": here, "after": after, "workers": workers}))
"""


@pytest.fixture(scope="module")
def forked() -> dict:
    """What becomes of tasks in forks of a process, before and after it has run a network."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    command = [sys.executable, "-W", "ignore", "-c", FORKING]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_fork_trains_where_its_parent_has_only_imported_the_library(forked):
    assert forked["before"] == forked["here"]
    assert len(bytes.fromhex(forked["here"])) == 50 * 2 * 4


def test_a_fork_is_refused_where_its_parent_has_run_a_network(forked):
    assert len(forked["after"]) == 30
    for task, said in forked["after"].items():
        assert said.startswith("RuntimeError: TensorFlow has run in the process"), (task, said)
        assert '"loky"' in said and '"spawn"' in said


def test_a_worker_lives_on_and_passes_on_what_it_cannot_use(forked):
    assert len(forked["workers"]) == 5 and all(forked["workers"].values())


# What is left behind ---------------------------------------------------------------------------

needs_proc = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux' /proc")


def resources() -> dict[str, int]:
    """Count what this process holds: threads, of Python and of the system, files, semaphores."""
    return {
        "threads": threading.active_count(),
        "tasks": len(os.listdir("/proc/self/task")),
        "files": len(os.listdir("/proc/self/fd")),
        "semaphores": Path("/proc/self/maps").read_text().count("/dev/shm/sem."),
    }


@needs_proc
def test_resources_that_are_held_are_counted(tmp_path):
    before = resources()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    semaphore = multiprocessing.get_context("spawn").Semaphore()
    with open(tmp_path / "file", "w"):
        held = resources()
    stop.set()
    thread.join()

    assert semaphore is not None
    # The semaphore may bring along the file of multiprocessing's tracker.
    assert all(held[kind] > count for kind, count in before.items()), (before, held)


@needs_proc
@pytest.mark.parametrize(
    ("n_fits", "most_mib"), [(20, 20), pytest.param(200, 100, marks=pytest.mark.slow)]
)
def test_fits_leave_nothing_behind(n_fits, most_mib):
    X, y = examples("head")
    seeds = itertools.count()

    def fit():
        clone(ESTIMATORS["head"]).set_params(random_state=next(seeds)).fit(X, y).predict(X)

    for _ in range(3):
        fit()
    before = resources()

    grown = growth(fit, n_fits)

    more = {kind: count - before[kind] for kind, count in resources().items()}
    counted = {f"more_{kind}": count for kind, count in more.items()}
    record("fits_in_one_process", fits=n_fits, **counted, **grown)
    assert grown["mib"] < most_mib
    assert more.pop("tasks") <= 2  # TensorFlow's own come as they are needed
    assert max(more.values()) <= 0, more


@needs_proc
def test_memory_that_is_held_is_counted():
    held = []

    grown = growth(lambda: held.append(np.ones(2**17)), 20)

    assert grown["mib"] == pytest.approx(20, rel=0.2)
