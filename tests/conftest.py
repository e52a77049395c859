"""What all tests share: a quiet TensorFlow, small images, and the real data where it is at hand."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

# Read once, when TensorFlow and matplotlib are first imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")
# Each test process has a core to itself: BLAS threads beyond it spin against each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Nothing that a test pins or downloads stays behind in the user's folders.
os.environ["SKTRANSFER_HOME"] = tempfile.mkdtemp(prefix="sktransfer-tests-")

import hypothesis
import numpy as np
import pytest

# A first call into TensorFlow traces and compiles: no measure of an example's time.
hypothesis.settings.register_profile("no_deadline", deadline=None)
hypothesis.settings.load_profile("no_deadline")


def pytest_unconfigure() -> None:
    """Leave nothing behind when the tests of this process are done."""
    shutil.rmtree(os.environ["SKTRANSFER_HOME"], ignore_errors=True)


SHARED_DIR = Path(__file__).resolve().parents[2] / "shared"


def existing(path: Path) -> Path:
    """Return `path`, or skip the test that asks for it."""
    if not path.exists():
        pytest.skip(f"needs {path}, which is not on this machine")
    return path


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of real data and weights beside the repository."""
    return existing(SHARED_DIR)


@pytest.fixture(scope="session")
def cifar10_zip() -> Path:
    """CIFAR-10 as a zip of JPEG files."""
    return existing(SHARED_DIR / "data" / "cifar10.zip")


@pytest.fixture(scope="session")
def shared_weights_dir() -> Path:
    """The folder with ImageNet weights of VGG16 and MobileNet, without top."""
    return existing(SHARED_DIR / "weights")


@pytest.fixture
def small_labels() -> np.ndarray:
    """24 class names, the classes taking turns."""
    return np.array(["bricks", "grass", "sky"] * 8)


@pytest.fixture
def small_images(small_labels) -> np.ndarray:
    """24 noisy images, uint8 (24, 16, 16, 3), told apart by colour and by texture."""
    rng = np.random.default_rng(0)
    colours = {"bricks": (190, 80, 60), "grass": (70, 160, 60), "sky": (90, 140, 220)}
    rows, columns = np.mgrid[:16, :16]
    textures = {
        "bricks": 40 * (rows // 2 % 2),
        "grass": 40 * (columns // 2 % 2),
        "sky": 2 * rows,
    }
    images = [np.array(colours[name]) + textures[name][..., None] for name in small_labels]
    noisy = np.stack(images) + rng.normal(scale=12, size=(len(images), 16, 16, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def photo_patches():
    """Patches of real photographs, a few a class; needs scikit-image."""
    pytest.importorskip("skimage", reason="the photographs come with scikit-image")
    from sktransfer.datasets import load_photo_patches

    return load_photo_patches(train_per_class=10, test_per_class=6)
