"""Training on two virtual devices, in processes of their own: devices are fixed at the start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss

from tests.estimators._long_fits import LABELS

ROOT = Path(__file__).parents[2]

TRAIN = """
import json, sys
import numpy as np
import tensorflow as tf

n_devices, kind, distribution = json.loads(sys.argv[1])
(processor,) = tf.config.list_physical_devices("CPU")
devices = [tf.config.LogicalDeviceConfiguration()] * n_devices
tf.config.set_logical_device_configuration(processor, devices)

from sktransfer import ConvNetClassifier, FineTuneClassifier, ImageAugmentation

rng = np.random.default_rng(0)
X, y = rng.integers(0, 256, (50, 32, 32, 3), dtype=np.uint8), np.arange(50) % 3
how = {
    "augmentation": ImageAugmentation(horizontal_flip=True),
    "distribution": distribution,
    "batch_size": 16,
    "epochs": 3,
    "random_state": 0,
}
if kind == "scratch":
    model = ConvNetClassifier(hidden_layer_sizes=(8,), filters=4, **how)
else:
    model = FineTuneClassifier(
        "mobilenet",
        weights=None,
        unfreeze="last_block",
        backbone_learning_rate=1e-4,
        layer_decay=0.5,
        l2_sp=5.0,
        optimizer="adamw",
        learning_rate_schedule="cosine",
        **how,
    )
model.fit(X, y, X_val=X[:20], y_val=y[:20])
print(json.dumps([model.history_, model.predict_proba(X).tolist()]))
"""


def train(n_devices, kind, distribution):
    finished = subprocess.run(
        [sys.executable, "-c", TRAIN, json.dumps([n_devices, kind, distribution])],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(finished.stdout.splitlines()[-1])


@pytest.mark.parametrize("kind", ["scratch", pytest.param("finetune", marks=pytest.mark.slow)])
def test_two_devices_train_as_one(kind):
    history, said = train(1, kind, None)
    mirrored, said_mirrored = train(2, kind, "mirrored")
    assert mirrored.keys() == history.keys()
    for name, values in history.items():
        np.testing.assert_allclose(mirrored[name], values, rtol=1e-4)
    np.testing.assert_allclose(said_mirrored, said, atol=1e-4)


CUT_OFF = """
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

(processor,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)

from sklearn.base import clone
from tests.estimators._long_fits import FITS, At, data_of, numbers_of, tiny_backbone


def fit(**parameters):
    estimator = clone(FITS[name]).set_params(distribution="mirrored", **parameters)
    data, more = data_of(estimator)
    return estimator.fit(*data, **more)


def interrupt():
    raise KeyboardInterrupt


name, folder = sys.argv[1], Path(sys.argv[2])
with tiny_backbone():
    undisturbed = fit()
    try:
        fit(checkpoint=folder, callbacks=[At(3, 1, interrupt)])
    except KeyboardInterrupt:
        assert len(list(folder.iterdir())) == 1
    resumed = fit(checkpoint=folder)
    assert list(folder.iterdir()) == []
    (X, y), more = data_of(undisturbed)
    said = undisturbed.predict_proba(more["X_val"])
np.savez(folder / "undisturbed.npz", **numbers_of(undisturbed), said=said)
np.savez(folder / "resumed.npz", **numbers_of(resumed))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["augmentation and mixing", "stages"])
def test_an_interrupted_fit_on_two_devices_ends_with_the_same_bits(name, tmp_path):
    finished = subprocess.run(
        [sys.executable, "-c", CUT_OFF, name, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    undisturbed, resumed = (np.load(tmp_path / f"{how}.npz") for how in ("undisturbed", "resumed"))
    assert {"loss", "val_loss"} < {*resumed.files} == {*undisturbed.files} - {"said"}
    for number in resumed.files:
        np.testing.assert_array_equal(resumed[number], undisturbed[number], err_msg=number)
    loss = log_loss(LABELS[:8], undisturbed["said"])
    assert undisturbed["val_loss"][-1] == pytest.approx(loss, rel=1e-4)
