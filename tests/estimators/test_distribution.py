"""Training on two virtual devices, in processes of their own: devices are fixed at the start."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

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
        l2_sp=0.01,
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
