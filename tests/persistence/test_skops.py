"""The format of skops holds estimators, too, and asks for trust in each class that it names."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransfer import (
    BackboneFeatures,
    DenseHead,
    FineTuneClassifier,
    ImageAugmentation,
    LinearProbe,
)

skops_io = pytest.importorskip("skops.io")

TINY = {"backbone": "tiny_saved", "weights": None, "random_state": 0}
FAST = {"hidden_layer_sizes": (4,), "epochs": 1}
ESTIMATORS = {
    "probe": make_pipeline(BackboneFeatures(**TINY), StandardScaler(), LinearProbe(C=1.0)),
    "head": make_pipeline(BackboneFeatures(**TINY), DenseHead(random_state=0, **FAST)),
    "tuned": FineTuneClassifier(
        unfreeze={0: "head", 1: "all"}, augmentation=ImageAugmentation(rotation=5), **TINY, **FAST
    ),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_skops_keeps_fitted_estimators(name, images, labels):
    fitted = ESTIMATORS[name].fit(images, labels)
    dumped = skops_io.dumps(fitted)
    named = skops_io.get_untrusted_types(data=dumped)

    loaded = skops_io.loads(dumped, trusted=named)

    assert all(kind.startswith("sktransfer.") for kind in named)
    assert repr(loaded) == repr(fitted)
    np.testing.assert_array_equal(loaded.predict_proba(images), fitted.predict_proba(images))


def test_training_goes_on_behind_skops(images, labels):
    fitted = ESTIMATORS["tuned"].fit(images, labels)
    dumped = skops_io.dumps(fitted)
    loaded = skops_io.loads(dumped, trusted=skops_io.get_untrusted_types(data=dumped))

    for estimator in (fitted, loaded):
        estimator.partial_fit(images, labels)

    np.testing.assert_array_equal(loaded.predict_proba(images), fitted.predict_proba(images))


def test_skops_loads_nothing_that_is_not_trusted(images, labels):
    dumped = skops_io.dumps(ESTIMATORS["probe"].fit(images, labels))
    with pytest.raises(Exception, match=r"sktransfer\..*BackboneFeatures"):
        skops_io.loads(dumped)
