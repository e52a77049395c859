"""Test-time augmentation: the mean over views, which reach the estimator as images reach it."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from sktransfer import (
    BackboneFeatures,
    ConvNetClassifier,
    FineTuneClassifier,
    FineTuneRegressor,
    ImageAugmentation,
    LinearProbe,
    TTAClassifier,
    TTARegressor,
)
from sktransfer.estimators import _views

SHIFTS = ImageAugmentation(width_shift=0.2, horizontal_flip=True)
TUNED = {"weights": None, "epochs": 2, "learning_rate": 0.01, "random_state": 0}


class Recorder(ClassifierMixin, BaseEstimator):
    """A classifier that remembers what it was asked about, and knows nothing."""

    def fit(self, X, y, **params):
        self.classes_ = np.unique(y)
        self.fitted_on_ = (X, params)
        self.asked_ = []
        return self

    def predict_proba(self, X):
        self.asked_.append(X)
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


class Brightness(Recorder):
    """A classifier by the mean of an image, which no flip changes and a shift does."""

    def predict_proba(self, X):
        super().predict_proba(X)
        bright = np.array([np.mean(image) for image in X]) / 255
        return np.stack([1 - bright, bright], axis=1)


def encoded(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def asked(estimator, X, y, **parameters):
    """What an estimator is asked about, when all is one block."""
    model = TTAClassifier(estimator, SHIFTS, n_views=3, random_state=0, **parameters).fit(X, y)
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert model.estimator_.fitted_on_[0] is X
    first, *others = model.estimator_.asked_
    assert first is X
    assert len(others) == 2
    return others


# The mean --------------------------------------------------------------------------------------


def test_answer_is_the_mean_over_the_image_and_its_views(small_images, small_labels):
    net = ConvNetClassifier(1, filters=4, hidden_layer_sizes=(), epochs=2, random_state=0)
    model = TTAClassifier(net, SHIFTS, n_views=4, random_state=0).fit(small_images, small_labels)
    alone = clone(net).fit(small_images, small_labels)
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    views = [
        np.rint(SHIFTS.augment(small_images, seed=seed, ids=np.full(24, number))).astype(np.uint8)
        for number in (1, 2, 3)
    ]
    expected = np.mean([alone.predict_proba(view) for view in [small_images, *views]], axis=0)
    np.testing.assert_allclose(model.predict_proba(small_images), expected, rtol=1e-5)
    np.testing.assert_array_equal(model.predict(small_images), alone.classes_[expected.argmax(1)])
    np.testing.assert_array_equal(model.classes_, alone.classes_)
    assert len({view.tobytes() for view in views}) == 3


def test_one_view_is_the_image_itself(small_images, small_labels):
    net = FineTuneClassifier("tiny", **TUNED)
    model = TTAClassifier(net, n_views=1).fit(small_images, small_labels)
    np.testing.assert_array_equal(
        model.predict_proba(small_images), model.estimator_.predict_proba(small_images)
    )


def test_default_views_are_flips_and_small_shifts(small_images, small_labels):
    model = TTAClassifier(Recorder(), n_views=40, random_state=0).fit(small_images, small_labels)
    model.predict_proba(small_images)
    views = np.stack([view[0].astype(float) for view in model.estimator_.asked_])
    assert len(views) == 40
    ramp = np.tile(np.arange(16.0), (16, 1)) * 10
    model.estimator_.asked_.clear()
    model.predict_proba(np.repeat(ramp[None, ..., None], 3, axis=-1).astype(np.uint8))
    slopes = [np.diff(view[0, 8, 4:12, 0].astype(float)) for view in model.estimator_.asked_]
    flipped = [slope.mean() < 0 for slope in slopes]
    assert 0.25 < np.mean(flipped) < 0.75
    np.testing.assert_allclose(np.abs(slopes), 10, atol=1.01)


def test_seed_determines_the_views(small_images, small_labels):
    def probabilities(seed):
        model = TTAClassifier(Brightness(), SHIFTS, random_state=seed)
        return model.fit(small_images, small_labels == "sky").predict_proba(small_images)

    np.testing.assert_array_equal(probabilities(1), probabilities(1))
    assert (probabilities(1) != probabilities(2)).any()


def test_an_answer_depends_neither_on_the_place_nor_on_the_neighbours(small_images, small_labels):
    model = TTAClassifier(FineTuneClassifier("tiny", **TUNED), SHIFTS, n_views=3, random_state=0)
    together = model.fit(small_images, small_labels).predict_proba(small_images)
    np.testing.assert_array_equal(model.predict_proba(small_images), together)
    np.testing.assert_array_equal(model.predict_proba(small_images[5:6]), together[5:6])
    np.testing.assert_array_equal(model.predict_proba(small_images[::-1]), together[::-1])


def test_blocks_make_no_difference(small_images, small_labels, monkeypatch):
    model = TTAClassifier(Brightness(), SHIFTS, n_views=3, random_state=0)
    expected = model.fit(small_images, small_labels == "sky").predict_proba(small_images)
    monkeypatch.setattr(_views, "BLOCK_BYTES", 5 * 16 * 16 * 3)
    files = [encoded(image) for image in small_images]
    for X in (small_images, list(small_images), files):
        model.estimator_.asked_.clear()
        if X is files:
            monkeypatch.setattr(Brightness, "predict_proba", _decoding(Brightness.predict_proba))
        np.testing.assert_allclose(model.predict_proba(X), expected)
        assert [len(block) for block in model.estimator_.asked_] == [24] + 2 * 4 * [5] + 2 * [4]


def _decoding(predict_proba):
    def decoding(self, X):
        images = [
            np.asarray(Image.open(io.BytesIO(item))) if isinstance(item, bytes) else item
            for item in X
        ]
        return predict_proba(self, images)

    return decoding


def test_views_are_not_held_all_at_once(monkeypatch):
    monkeypatch.setattr(_views, "BLOCK_BYTES", 1 << 18)
    X = np.zeros((2000, 32, 32, 3), dtype=np.uint8)

    class Forgetful(Recorder):
        def predict_proba(self, X):
            return np.full((len(X), 2), 0.5)

    model = TTAClassifier(Forgetful(), SHIFTS, random_state=0).fit(X, np.arange(2000) % 2)
    tracemalloc.start()
    model.predict_proba(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < X.nbytes


# The form of the views -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pixel_range", "convert", "dtype", "highest"),
    [
        ("auto", lambda X: X, np.uint8, 255),
        ("auto", lambda X: X.astype(np.int64), np.uint8, 255),
        ("auto", lambda X: X[..., 0], np.uint8, 255),
        ("auto", lambda X: X[..., :1], np.uint8, 255),
        ((0, 255), lambda X: X.astype(float), np.float32, 255),
        ((0, 1), lambda X: X / 255, np.float32, 1),
        (None, lambda X: X / 25.5 - 5, np.float32, 5),
    ],
    ids=["uint8", "int64", "grey", "one channel", "0..255", "0..1", "scaled"],
)
def test_views_of_arrays_have_their_form(
    small_images, small_labels, pixel_range, convert, dtype, highest
):
    X = convert(small_images)
    plain = asked(Recorder(), small_images, small_labels)
    for view, expected in zip(
        asked(Recorder(), X, small_labels, pixel_range=pixel_range), plain, strict=True
    ):
        assert view.shape == X.shape
        assert view.dtype == dtype
        assert X.min() - 1e-6 <= view.min() < view.max() <= highest
        rounding = {255: 0.51, 1: 0.51 / 255, 5: 0.51 / 25.5}[highest]
        np.testing.assert_allclose(
            view.astype(float), convert(expected).astype(float), atol=rounding
        )


def test_views_of_rows_are_rows(small_images, small_labels):
    rows = small_images[..., 0].reshape(24, -1)
    plain = asked(Recorder(), small_images[..., 0], small_labels)
    given = {"image_shape": (16, -1, 1)}
    for view, expected in zip(asked(Recorder(), rows, small_labels, **given), plain, strict=True):
        np.testing.assert_array_equal(view, expected.reshape(24, -1))

    frame = pd.DataFrame(rows, index=range(100, 124)).add_prefix("pixel")
    for view, expected in zip(asked(Recorder(), frame, small_labels, **given), plain, strict=True):
        np.testing.assert_array_equal(view, expected.reshape(24, -1))
        assert list(view.columns) == list(frame.columns)


def test_estimators_of_rows_see_the_names_of_the_columns(small_images, small_labels, recwarn):
    frame = pd.DataFrame(small_images[..., 0].reshape(24, -1) / 255).add_prefix("pixel")
    model = TTAClassifier(
        LogisticRegression(), SHIFTS, image_shape=(16, 16, 1), pixel_range=(0, 1), random_state=0
    ).fit(frame, small_labels)
    assert model.score(frame, small_labels) > 0.6
    assert model.n_features_in_ == 256
    assert list(model.feature_names_in_) == list(frame.columns)
    assert not [warning for warning in recwarn if "feature names" in str(warning.message)]


@pytest.mark.parametrize(
    "convert",
    [
        list,
        lambda X: [encoded(image) for image in X],
        lambda X: [Image.fromarray(image) for image in X],
        lambda X: pd.Series([encoded(image) for image in X], index=range(50, 74)),
        lambda X: np.array([encoded(image) for image in X], dtype=object),
    ],
    ids=["arrays", "bytes", "pillow", "series", "objects"],
)
def test_views_of_single_images_are_lists_of_arrays(small_images, small_labels, convert):
    plain = asked(Recorder(), small_images, small_labels)
    views = asked(Recorder(), convert(small_images), small_labels)
    for view, expected in zip(views, plain, strict=True):
        assert isinstance(view, list)
        np.testing.assert_array_equal(np.stack(view), expected)


def test_views_of_files_in_a_frame_are_a_frame(small_images, small_labels, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(24)]
    for path, image in zip(paths, small_images, strict=True):
        path.write_bytes(encoded(image))
    frame = pd.DataFrame({"image": list(map(str, paths))}, index=range(50, 74))
    (view, _), (expected, _) = (asked(Recorder(), X, small_labels) for X in (frame, small_images))
    assert list(view.columns) == ["image"]
    np.testing.assert_array_equal(np.stack(view["image"]), expected)


def test_images_of_mixed_sizes_are_changed_at_their_own_size(
    small_images, small_labels, monkeypatch
):
    large = small_images.repeat(2, axis=1)
    mixed = [large[k] if k % 3 == 0 else small_images[k] for k in range(24)]
    small_view, large_view = (asked(Recorder(), X, small_labels)[0] for X in (small_images, large))
    (view, _) = asked(Recorder(), mixed, small_labels)
    for k in range(24):
        np.testing.assert_array_equal(view[k], large_view[k] if k % 3 == 0 else small_view[k])

    model = TTAClassifier(FineTuneClassifier("tiny", **TUNED), SHIFTS, random_state=0)
    expected = model.fit(mixed, small_labels).predict_proba(mixed)
    monkeypatch.setattr(_views, "BLOCK_BYTES", 2000)
    np.testing.assert_array_equal(model.predict_proba(mixed), expected)


@pytest.mark.parametrize(
    ("pixel_range", "convert"),
    [((0, 1), lambda X: X / 255), ((0, 255), lambda X: X.astype(np.float32)), ("auto", list)],
    ids=["0..1", "0..255", "list"],
)
def test_the_kind_of_input_hardly_matters(small_images, small_labels, pixel_range, convert):
    def probabilities(X, pixel_range):
        tuner = FineTuneClassifier("tiny", pixel_range=pixel_range, **TUNED)
        model = TTAClassifier(tuner, SHIFTS, n_views=3, pixel_range=pixel_range, random_state=0)
        return model.fit(X, small_labels).predict_proba(X)

    np.testing.assert_allclose(
        probabilities(convert(small_images), pixel_range),
        probabilities(small_images, "auto"),
        atol=2e-3,
    )


# scikit-learn ----------------------------------------------------------------------------------


def test_pipeline_of_features_and_a_probe(small_images, small_labels):
    pipeline = make_pipeline(
        BackboneFeatures("tiny", weights=None, random_state=0), LinearProbe(C=1.0)
    )
    model = TTAClassifier(pipeline, SHIFTS, n_views=3, random_state=0)
    results = cross_validate(model, small_images, small_labels, cv=2)
    assert (results["test_score"] > 0.6).all()
    search = GridSearchCV(
        model, {"estimator__linearprobe__C": [1e-6, 1.0], "n_views": [2]}, cv=2
    ).fit(small_images, small_labels)
    best = search.best_estimator_
    assert search.best_params_["estimator__linearprobe__C"] == best.estimator_["linearprobe"].C_
    assert best.n_views == 2


def test_frozen_estimator_is_not_fitted_anew(small_images, small_labels):
    fitted = FineTuneClassifier("tiny", **TUNED).fit(small_images, small_labels)
    weights = [weight.copy() for weight in fitted.model_.get_weights()]
    model = TTAClassifier(FrozenEstimator(fitted), SHIFTS, n_views=3, random_state=0)
    model.fit(small_images[:4], small_labels[:4])
    assert all(map(np.array_equal, weights, fitted.model_.get_weights()))
    again = TTAClassifier(FineTuneClassifier("tiny", **TUNED), SHIFTS, n_views=3, random_state=0)
    again.fit(small_images, small_labels)
    np.testing.assert_array_equal(
        model.predict_proba(small_images), again.predict_proba(small_images)
    )


def test_everything_else_is_handed_on_to_fit(small_images, small_labels):
    weights = np.where(small_labels == "sky", 0.1, 1.0)
    validation = {"X_val": small_images[:6], "y_val": small_labels[:6]}
    tuner = FineTuneClassifier("tiny", **TUNED)
    expected = clone(tuner).fit(small_images, small_labels, weights, **validation)
    model = TTAClassifier(tuner, SHIFTS, random_state=0)
    model.fit(small_images, small_labels, sample_weight=weights, **validation)
    assert model.estimator_.history_ == expected.history_
    assert "val_loss" in expected.history_

    with config_context(enable_metadata_routing=True):
        tuner.set_fit_request(sample_weight=True, X_val=True, y_val=True)
        routed = TTAClassifier(tuner, SHIFTS, random_state=0)
        routed.fit(small_images, small_labels, sample_weight=weights, **validation)
    assert routed.estimator_.history_ == expected.history_


def test_weights_are_routed_through_cross_validation(small_images, small_labels):
    weights = np.where(small_labels == "sky", 0.0, 1.0)
    with config_context(enable_metadata_routing=True):
        inner = FineTuneClassifier("tiny", **TUNED).set_fit_request(sample_weight=True)
        model = TTAClassifier(inner, SHIFTS, n_views=2, random_state=0)
        results = cross_validate(
            model.set_score_request(sample_weight=False),
            small_images,
            small_labels,
            params={"sample_weight": weights},
            cv=2,
            return_estimator=True,
            return_indices=True,
            error_score="raise",
        )
        train = results["indices"]["train"][0]
        by_hand = clone(inner).fit(small_images[train], small_labels[train], weights[train])
    assert results["estimator"][0].estimator_.history_ == by_hand.history_
    with (
        config_context(enable_metadata_routing=True),
        pytest.raises(ValueError, match=r"sample_weight.*not explicitly set as requested"),
    ):
        TTAClassifier(FineTuneClassifier("tiny")).fit(
            small_images, small_labels, sample_weight=weights
        )


def test_labels_that_do_not_exclude_one_another(small_images, small_labels):
    y = np.stack([small_labels == "sky", small_labels != "bricks"], axis=1).astype(int)
    model = TTAClassifier(
        FineTuneClassifier("tiny", **{**TUNED, "epochs": 20}), SHIFTS, n_views=3, random_state=0
    ).fit(small_images, y)
    predicted = model.predict(small_images)
    np.testing.assert_array_equal(predicted, model.predict_proba(small_images) > 0.5)
    assert predicted.shape == y.shape
    assert get_tags(model).classifier_tags.multi_label
    assert not get_tags(TTAClassifier(LogisticRegression())).classifier_tags.multi_label


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_regressor_gives_the_mean_of_numbers(small_images, n_outputs):
    y = np.squeeze(np.linspace(0, 1, 24 * n_outputs).reshape(24, n_outputs))
    tuner = FineTuneRegressor("tiny", **TUNED)
    model = TTARegressor(tuner, SHIFTS, n_views=3, random_state=0).fit(small_images, y)
    views = [
        np.rint(SHIFTS.augment(small_images, seed=model._seed, ids=np.full(24, number)))
        for number in (1, 2)
    ]
    alone = clone(tuner).fit(small_images, y)
    expected = np.mean([alone.predict(X.astype(np.uint8)) for X in [small_images, *views]], axis=0)
    np.testing.assert_allclose(model.predict(small_images), expected, rtol=1e-5, atol=1e-6)
    assert model.predict(small_images).shape == y.shape


def test_kinds_of_estimators():
    assert is_classifier(TTAClassifier(LogisticRegression()))
    assert is_regressor(TTARegressor(LinearRegression()))


# Errors ----------------------------------------------------------------------------------------


def test_views_of_an_unknown_scale_are_not_made_darker(small_images, small_labels):
    model = TTAClassifier(Recorder(), ImageAugmentation(brightness=0.2), pixel_range=None)
    with pytest.raises(ValueError, match=r"light or colour.*pixel_range=None"):
        model.fit(small_images / 255, small_labels)


def test_what_cannot_be_read_is_told_before_anything_is_fitted(small_images, small_labels):
    class Unfit(Recorder):
        def fit(self, X, y):
            raise AssertionError("fitted")

    with pytest.raises(ValueError, match="floats do not tell"):
        TTAClassifier(Unfit()).fit(small_images / 255, small_labels)
    with pytest.raises(ValueError, match="image_shape"):
        TTAClassifier(Unfit()).fit(small_images.reshape(24, -1), small_labels)


@pytest.mark.parametrize(
    ("cls", "estimator", "parameters", "message"),
    [
        (TTAClassifier, LinearRegression(), {}, "'estimator'.*'predict_proba'"),
        (TTARegressor, 3, {}, "'estimator'.*'predict'"),
        (TTAClassifier, LogisticRegression(), {"n_views": 0}, "'n_views'"),
        (TTAClassifier, LogisticRegression(), {"augmentation": "light"}, "'augmentation'"),
        (TTAClassifier, LogisticRegression(), {"random_state": "no"}, "'random_state'"),
    ],
)
def test_bad_parameter_is_named(small_images, small_labels, cls, estimator, parameters, message):
    with pytest.raises(ValueError, match=message):
        cls(estimator, **parameters).fit(small_images, small_labels)


def test_prediction_before_fit_is_an_error(small_images):
    with pytest.raises(NotFittedError):
        TTAClassifier(LogisticRegression()).predict_proba(small_images)
    with pytest.raises(NotFittedError):
        TTARegressor(LinearRegression()).predict(small_images)


# Several labels ----------------------------------------------------------------------------------


def as_rows(images):
    return np.asarray(images, dtype=float).reshape(len(images), -1)


def neighbours_of_rows():
    return make_pipeline(FunctionTransformer(as_rows), KNeighborsClassifier(3))


def test_both_classes_of_each_label_become_the_label_s_own():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    y = rng.integers(0, 2, (20, 3))
    y[:, 2] = 1  # a label that every image has is given one class
    views = TTAClassifier(neighbours_of_rows(), n_views=1).fit(X, y)
    both = neighbours_of_rows().fit(X, y).predict_proba(X)

    found = views.predict_proba(X)

    np.testing.assert_allclose(found, np.stack([each[:, -1] for each in both], axis=1), rtol=1e-6)
    np.testing.assert_array_equal(views.predict(X), (found > 0.5).astype(int))
    assert (found[:, 2] == 1).all()


def test_several_columns_of_classes_are_refused():
    X = np.zeros((4, 8, 8, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="y must be classes or label indicators"):
        TTAClassifier(neighbours_of_rows()).fit(X, [[0, 1], [1, 2], [2, 3], [3, 3]])
