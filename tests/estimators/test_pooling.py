"""Networks that end in one of the poolings: trained, pickled, cut short."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sktransfer
from sktransfer import FineTuneClassifier

TRAINED = {"weights": None, "epochs": 2, "learning_rate": 0.01, "random_state": 0}


@pytest.mark.parametrize("unfreeze", ["head", "last_block", "all"])
@pytest.mark.parametrize("pooling", ["avg+max", "gem"])
def test_networks_are_trained_through_a_pooling_and_pickled(
    small_images, small_labels, pooling, unfreeze
):
    fitted = FineTuneClassifier("tiny", pooling=pooling, unfreeze=unfreeze, **TRAINED)
    fitted.fit(small_images, small_labels)
    assert fitted.history_["loss"][1] < fitted.history_["loss"][0]
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(
        copied.predict_proba(small_images), fitted.predict_proba(small_images)
    )


def test_another_process_reads_the_pickle_of_a_network(small_images, small_labels, tmp_path):
    fitted = FineTuneClassifier(
        "mobilenet", pooling="gem", input_size=32, unfreeze=1, **{**TRAINED, "epochs": 1}
    ).fit(small_images, small_labels)
    (tmp_path / "fitted.pickle").write_bytes(pickle.dumps(fitted))
    np.save(tmp_path / "images.npy", small_images)
    root = str(Path(sktransfer.__file__).parents[1])
    code = f"""
import pickle, sys
sys.path.insert(0, {root!r})
import numpy as np
fitted = pickle.load(open("fitted.pickle", "rb"))
np.save("answer.npy", fitted.predict_proba(np.load("images.npy")))
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=300)
    np.testing.assert_allclose(
        np.load(tmp_path / "answer.npy"), fitted.predict_proba(small_images), rtol=1e-6
    )
