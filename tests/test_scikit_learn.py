"""The estimators inside scikit-learn: splits, searches, ensembles, routing, labels, processes."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed, parallel_config
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, get_scorer, log_loss
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    StratifiedKFold,
    check_cv,
    cross_val_predict,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransfer import (
    BackboneFeatures,
    ConvNetClassifier,
    DenseHead,
    DenseHeadRegressor,
    FineTuneClassifier,
    FineTuneRegressor,
    ImageAugmentation,
    KNNProbe,
    LinearProbe,
    make_strategy,
)

CLASSES = ["ant", "bee", "cow"]


def head(**parameters) -> DenseHead:
    """A head that learns three blobs within a moment."""
    defaults = {"learning_rate": 0.05, "batch_size": 8, "epochs": 3, "random_state": 0}
    return DenseHead((8,), **{**defaults, **parameters})


def backbone() -> BackboneFeatures:
    """A small network of random weights, which needs no file."""
    return BackboneFeatures("mobilenet", weights=None, input_size=32, batch_size=8, random_state=0)


def convnet(**parameters) -> ConvNetClassifier:
    """A network of one small block."""
    defaults = {"filters": 4, "hidden_layer_sizes": (), "epochs": 2, "random_state": 0}
    return ConvNetClassifier(1, **{**defaults, **parameters})


def strategy(name: str, **parameters):
    """A strategy on the small backbone."""
    return make_strategy(name, "mobilenet", weights=None, input_size=32, **parameters)


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """36 rows of 6 features, float32, and their classes, sorted."""
    y = np.repeat(CLASSES, 12)
    centres = np.random.default_rng(0).normal(scale=4, size=(3, 6))
    noise = np.random.default_rng(1).normal(size=(36, 6))
    return (np.repeat(centres, 12, axis=0) + noise).astype(np.float32), y


@pytest.fixture
def sorted_images(small_images, small_labels) -> tuple[np.ndarray, np.ndarray]:
    """Images sorted by class."""
    order = np.argsort(small_labels, kind="stable")
    return small_images[order], small_labels[order]


# Kinds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [ConvNetClassifier, DenseHead, FineTuneClassifier])
def test_network_classifiers_are_classifiers(cls):
    for estimator in (cls(), make_pipeline(cls()), GridSearchCV(cls(), {})):
        assert is_classifier(estimator)
        assert not is_regressor(estimator)


@pytest.mark.parametrize("cls", [KNNProbe, LinearProbe])
def test_probes_are_classifiers(cls):
    assert is_classifier(cls())
    assert is_classifier(make_pipeline(backbone(), cls()))


@pytest.mark.parametrize("cls", [DenseHeadRegressor, FineTuneRegressor])
def test_regressors_are_regressors(cls):
    for estimator in (cls(), make_pipeline(cls()), GridSearchCV(cls(), {})):
        assert is_regressor(estimator)
        assert not is_classifier(estimator)


def test_features_are_neither():
    assert not is_classifier(backbone())
    assert not is_regressor(backbone())


# Stratification --------------------------------------------------------------------------------


def assert_stratified(results: dict, y: np.ndarray) -> None:
    """Every fold trains on, and is scored on, every class, and scores are better than chance."""
    for part in ("train", "test"):
        for indices in results["indices"][part]:
            assert set(y[indices]) == set(y)
    assert (results["test_score"] > 1.2 / len(set(y))).all()


@pytest.mark.parametrize(
    "estimator", [head(), LinearProbe(), KNNProbe(5)], ids=lambda e: type(e).__name__
)
def test_sorted_labels_are_split_by_class(blobs, estimator):
    X, y = blobs
    assert_stratified(cross_validate(estimator, X, y, cv=2, return_indices=True), y)


def test_sorted_labels_of_images_are_split_by_class(sorted_images):
    X, y = sorted_images
    estimator = convnet(hidden_layer_sizes=(16,), learning_rate=0.01, epochs=8)
    assert_stratified(cross_validate(estimator, X, y, cv=2, return_indices=True), y)


def test_sorted_labels_before_a_pipeline_are_split_by_class(sorted_images):
    X, y = sorted_images
    pipeline = Pipeline([("features", backbone()), ("scale", StandardScaler()), ("head", head())])
    assert_stratified(cross_validate(pipeline, X, y, cv=2, return_indices=True), y)


def test_search_over_strategies_is_stratified(sorted_images):
    X, y = sorted_images
    folds = []

    def score(estimator, X_test, y_test):
        folds.append((set(estimator.classes_), set(y_test)))
        return accuracy_score(y_test, estimator.predict(X_test))

    features = {"batch_size": 8, "random_state": 0}
    strategies = [
        strategy("linear_probe", **features),
        strategy("features", **features, epochs=3, learning_rate=0.01),
        strategy("knn", **features, n_neighbors=3),
    ]
    search = GridSearchCV(
        Pipeline([("strategy", strategy("features"))]),
        {"strategy": strategies},
        scoring=score,
        cv=2,
        error_score="raise",
    )
    assert is_classifier(search)
    assert isinstance(check_cv(2, y, classifier=is_classifier(search.estimator)), StratifiedKFold)
    search.fit(X, y)
    assert folds == [(set(y), set(y))] * 6
    assert (search.cv_results_["mean_test_score"] > 0.4).all()
    chosen = type(search.best_estimator_["strategy"][-1])
    assert chosen is type(search.best_params_["strategy"][-1])


# Ensembles and searches ------------------------------------------------------------------------


def test_stacking(blobs):
    X, y = blobs
    stack = StackingClassifier(
        [("head", head()), ("probe", LinearProbe(C=1.0))], LogisticRegression(), cv=2
    ).fit(X, y)
    assert stack.score(X, y) > 0.9
    assert stack.transform(X).shape == (36, 6)


def test_soft_voting_averages_probabilities(blobs):
    X, y = blobs
    vote = VotingClassifier(
        [("head", head()), ("probe", LinearProbe())], voting="soft", weights=[3, 1]
    ).fit(X, y)
    expected = np.average([member.predict_proba(X) for member in vote.estimators_], 0, [3, 1])
    np.testing.assert_allclose(vote.predict_proba(X), expected, rtol=1e-6)
    assert vote.score(X, y) > 0.9


def test_calibration(blobs):
    X, y = blobs
    calibrated = CalibratedClassifierCV(head(), cv=2).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1, rtol=1e-6)
    assert calibrated.score(X, y) > 0.9


def test_features_as_a_frame(small_images, small_labels):
    pipeline = make_pipeline(backbone(), StandardScaler()).set_output(transform="pandas")
    frame = pipeline.fit_transform(small_images, small_labels)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == list(pipeline.get_feature_names_out())
    assert frame.columns[-1] == "backbonefeatures1023"
    assert (frame.dtypes == np.float32).all()


def test_search_with_several_scores(blobs):
    X, y = blobs
    search = GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("head", head())]),
        {"head__learning_rate": [1e-6, 0.05]},
        scoring=["accuracy", "roc_auc_ovr", "neg_log_loss"],
        refit="accuracy",
        cv=2,
        error_score="raise",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # such as of probabilities that do not sum to 1
        search.fit(X, y)
    assert search.best_params_ == {"head__learning_rate": 0.05}
    for name in ("accuracy", "roc_auc_ovr", "neg_log_loss"):
        worse, better = search.cv_results_[f"mean_test_{name}"]
        assert worse < better
    assert list(search.classes_) == CLASSES


def test_search_over_a_parameter_of_the_augmentation(small_images, small_labels):
    augmentation = ImageAugmentation(horizontal_flip=True)
    seen = []

    def score(estimator, X_test, y_test):
        model = estimator["model"]
        seen.append((model.augmentation.rotation, model.history_["loss"][-1]))
        return accuracy_score(y_test, estimator.predict(X_test))

    search = GridSearchCV(
        Pipeline([("model", convnet(augmentation=augmentation))]),
        {"model__augmentation__rotation": [0.0, 90.0]},
        scoring=score,
        cv=2,
        error_score="raise",
    ).fit(small_images, small_labels)
    assert [rotation for rotation, _ in seen] == [0.0, 0.0, 90.0, 90.0]
    assert len({loss for _, loss in seen}) == 4, "the parameter changes what is trained on"
    assert augmentation.rotation == 0.0, "a search works on clones"
    best = search.best_estimator_["model"].augmentation
    assert best.rotation == search.best_params_["model__augmentation__rotation"]
    assert best.horizontal_flip


# Routing ---------------------------------------------------------------------------------------


def test_sample_weight_is_routed_through_cross_validation(blobs):
    X, y = blobs
    weights = np.where(y == "cow", 0.0, 2.0)
    with config_context(enable_metadata_routing=True):
        scale = StandardScaler().set_fit_request(sample_weight=False)
        weighted = head().set_fit_request(sample_weight=True)
        results = cross_validate(
            make_pipeline(scale, weighted),
            X,
            y,
            scoring=get_scorer("accuracy").set_score_request(sample_weight=True),
            cv=2,
            params={"sample_weight": weights},
            return_estimator=True,
            return_indices=True,
            error_score="raise",
        )
    assert set(weights) == {0.0, 2.0}, "the caller's weights stay as they are"
    train, test = (results["indices"][part][0] for part in ("train", "test"))
    fitted = results["estimator"][0]
    assert results["test_score"][0] == fitted.score(X[test], y[test], sample_weight=weights[test])
    rows = fitted[0].transform(X[train])
    by_hand = head().fit(rows, y[train], sample_weight=weights[train])
    unweighted = head().fit(rows, y[train])
    np.testing.assert_array_equal(fitted.predict_proba(X[train]), by_hand.predict_proba(rows))
    assert not np.allclose(fitted.predict_proba(X[train]), unweighted.predict_proba(rows))


def test_unrequested_sample_weight_is_an_error(blobs):
    X, y = blobs
    with (
        config_context(enable_metadata_routing=True),
        pytest.raises(ValueError, match=r"sample_weight.*not explicitly set as requested"),
    ):
        cross_validate(make_pipeline(head()), X, y, params={"sample_weight": np.ones(len(y))})


def test_validation_images_are_routed_through_the_backbone(small_images, small_labels):
    X, y, X_val, y_val = small_images[:15], small_labels[:15], small_images[15:], small_labels[15:]
    with config_context(enable_metadata_routing=True):
        pipeline = Pipeline(
            [
                ("features", backbone()),
                ("scale", StandardScaler()),
                ("head", head(learning_rate=1e-3).set_fit_request(X_val=True, y_val=True)),
            ],
            transform_input=["X_val"],
        ).fit(X, y, X_val=X_val, y_val=y_val)
    history = pipeline["head"].history_
    assert len(history["val_loss"]) == len(history["val_accuracy"]) == 3
    features = pipeline[:-1].transform(X_val)
    probabilities = pipeline["head"].predict_proba(features)
    assert history["val_loss"][-1] == pytest.approx(log_loss(y_val, probabilities), rel=1e-4)
    assert history["val_accuracy"][-1] == pytest.approx(pipeline.score(X_val, y_val))
    np.testing.assert_array_equal(
        pipeline["scale"].mean_,
        StandardScaler().fit(pipeline["features"].transform(X)).mean_,
        err_msg="validation images are not fitted on",
    )


def test_early_stopping_watches_the_routed_images(blobs):
    X, y = blobs
    wrong = np.roll(y, 12)
    with config_context(enable_metadata_routing=True):
        pipeline = Pipeline(
            [
                ("scale", StandardScaler()),
                (
                    "head",
                    head(early_stopping=True, patience=1, epochs=30).set_fit_request(
                        X_val=True, y_val=True
                    ),
                ),
            ],
            transform_input=["X_val"],
        ).fit(X, y, X_val=X, y_val=wrong)
    assert pipeline["head"].n_iter_ < 30


# Labels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        np.array(["zebra", "ant", "bee"]),
        np.array(["zebra", "ant", "bee"], dtype=object),
        np.array([7, -3, 100]),
        np.array([True, False]),
        np.array([1, -1], dtype=np.int8),
    ],
    ids=["str", "object", "int with gaps", "bool", "binary int8"],
)
def test_labels_come_back_as_they_went_in(blobs, names):
    X = blobs[0]
    y = names[np.repeat([0, 1, 2], 12) % len(names)]
    fitted = head(epochs=6).fit(X, y)
    np.testing.assert_array_equal(fitted.classes_, np.unique(y))
    predicted = fitted.predict(X)
    assert predicted.dtype == fitted.classes_.dtype
    assert fitted.score(X, y) > 0.9
    np.testing.assert_array_equal(predicted, fitted.classes_[fitted.predict_proba(X).argmax(1)])
    assert fitted.predict_proba(X).shape == (36, len(names))


def test_series_of_categories(blobs):
    X, y = blobs
    labels = pd.Series(pd.Categorical(y), index=range(50, 86))
    frame = pd.DataFrame(X, index=labels.index, columns=list("abcdef"))
    fitted = head().fit(frame, labels)
    assert fitted.score(frame, labels) > 0.9
    assert list(fitted.feature_names_in_) == list("abcdef")


def test_binary_scores(blobs):
    X, y = blobs[0][:24], blobs[1][:24]
    results = cross_validate(head(), X, y, cv=2, scoring=["roc_auc"])
    assert (results["test_roc_auc"] > 0.9).all()


def test_multilabel(blobs):
    X, y = blobs
    labels = np.stack([y == "ant", y != "cow", y == "cow"], axis=1).astype(int)
    fitted = head(epochs=10).fit(X, labels)
    assert fitted.predict(X).shape == labels.shape
    assert fitted.predict_proba(X).sum(axis=1).max() > 1.2, "labels do not exclude one another"
    assert fitted.score(X, labels) > 0.8
    splits = KFold(2, shuffle=True, random_state=0)
    results = cross_validate(head(epochs=10), X, labels, cv=splits, scoring="f1_macro")
    assert (results["test_score"] > 0.7).all()


def test_one_label_a_row_is_multilabel_all_the_same(blobs):
    X, y = blobs
    labels = (y[:, np.newaxis] == CLASSES).astype(int)
    fitted = head(epochs=10).fit(X, labels)
    assert fitted.predict(X).shape == labels.shape
    assert fitted.score(X, labels) > 0.8
    assert fitted.model_.output.shape == (None, 3)
    assert not np.allclose(fitted.predict_proba(X).sum(axis=1), 1, atol=1e-4)


# Increments ------------------------------------------------------------------------------------


def test_partial_fit_learns_classes_that_come_later(blobs):
    X, y = blobs
    model = head()
    for chunk in np.array_split(np.arange(36), 3):  # one class at a time
        model.partial_fit(X[chunk], y[chunk], classes=CLASSES)
    for _ in range(4):
        model.partial_fit(X, y)
    assert model.n_iter_ == 7
    assert list(model.classes_) == CLASSES
    assert model.score(X, y) > 0.9


def test_partial_fit_refuses_classes_that_were_not_named(blobs):
    X, y = blobs
    model = head().partial_fit(X[:24], y[:24])
    with pytest.raises(ValueError, match=r"not in the classes of fit: \['cow'\]"):
        model.partial_fit(X, y)


def test_partial_fits_shuffle_each_in_another_way(blobs):
    X, y = blobs
    once = head(epochs=3).fit(X, y)
    stepwise = head()
    for _ in range(3):
        stepwise.partial_fit(X, y)
    np.testing.assert_array_equal(stepwise.predict_proba(X), once.predict_proba(X))


# Processes and threads -------------------------------------------------------------------------


def test_processes_and_threads_give_the_same_probabilities(blobs):
    X, y = blobs
    pipeline = make_pipeline(StandardScaler(), head())

    def probabilities(n_jobs):
        return cross_val_predict(pipeline, X, y, cv=2, method="predict_proba", n_jobs=n_jobs)

    alone = probabilities(1)
    with parallel_config("threading"):
        np.testing.assert_array_equal(probabilities(2), alone)
    with parallel_config("loky"):
        np.testing.assert_array_equal(probabilities(2), alone)


@pytest.mark.parametrize(
    "estimator",
    [
        convnet(augmentation=ImageAugmentation(rotation=20), dropout=0.2, hidden_layer_sizes=(8,)),
        make_pipeline(backbone(), StandardScaler(), head(dropout=0.2)),
    ],
    ids=["convnet", "features"],
)
def test_fits_in_threads_are_bit_equal(small_images, small_labels, estimator):
    def probabilities(model):
        return model.fit(small_images, small_labels).predict_proba(small_images)

    alone = probabilities(clone(estimator))
    for result in Parallel(3, prefer="threads")(
        delayed(probabilities)(clone(estimator)) for _ in range(3)
    ):
        np.testing.assert_array_equal(result, alone)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["features", "cnn+augment", "features+augment"])
def test_processes_give_the_scores_of_one_process_on_images(small_images, small_labels, name):
    estimator = strategy(name, random_state=0, epochs=2, batch_size=8)

    def scores(n_jobs):
        scoring = ["accuracy", "neg_log_loss"]
        return cross_validate(
            estimator, small_images, small_labels, cv=2, n_jobs=n_jobs, scoring=scoring
        )

    alone, parallel = scores(1), scores(2)
    for metric in ("test_accuracy", "test_neg_log_loss"):
        np.testing.assert_array_equal(parallel[metric], alone[metric])
