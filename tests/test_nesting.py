"""What lies within pipelines, unions, searches and other meta-estimators."""

import numpy as np
import pytest
from sklearn.ensemble import BaggingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sktransfer import TTAClassifier
from sktransfer._nesting import chain_of, parts_of, steps_of, to_the_images, within


@pytest.fixture(scope="module")
def rows():
    return np.arange(24).reshape(6, 4), ["a", "b", "c"] * 2


@pytest.fixture(scope="module")
def search(rows):
    """A search among pipelines."""
    model = make_pipeline(FunctionTransformer(), LogisticRegression())
    return GridSearchCV(model, {"logisticregression__C": [1.0]}, cv=2).fit(*rows)


def views_of(model, rows):
    return TTAClassifier(model, image_shape=(2, 2, 1), n_views=2, random_state=0).fit(*rows)


def test_steps_are_those_that_do_something():
    probe = LogisticRegression()
    assert steps_of(probe) == [probe]
    assert steps_of(Pipeline([("none", None), ("same", "passthrough"), ("it", probe)])) == [probe]


def test_a_chain_passes_through_nested_pipelines_and_the_best_of_a_search(search):
    scaler = FunctionTransformer()
    nested = make_pipeline(make_pipeline(scaler, "passthrough"), FrozenEstimator(search))
    assert chain_of(nested) == [scaler, *search.best_estimator_]


def test_a_union_is_one_link_of_a_chain_and_many_parts():
    one, two, probe = FunctionTransformer(), FunctionTransformer(), LogisticRegression()
    union = FeatureUnion([("one", one), ("none", "drop"), ("two", make_pipeline(two))])
    model = make_pipeline(union, probe)
    assert chain_of(model) == [union, probe]
    assert parts_of(model) == [one, two, probe]


def test_within_views_of_a_search_is_its_best_estimator(rows, search):
    views = views_of(FrozenEstimator(search), rows)
    assert within(views) is search.best_estimator_


def test_an_ensemble_is_no_meta_estimator_of_its_pattern(rows):
    ensemble = BaggingClassifier(LogisticRegression(), n_estimators=2).fit(*rows)
    assert within(ensemble) is ensemble


def test_the_first_step_is_found_before_and_after_fit(rows, search):
    pattern, fitted = search.estimator, search.best_estimator_
    assert list(to_the_images(TTAClassifier(pattern)))[-1] is pattern[0]
    assert list(to_the_images(search)) == [search, fitted, fitted[0]]


def test_the_way_to_the_images_leads_through_ensembles_that_are_not_fitted():
    probe = LogisticRegression()
    assert list(to_the_images(GridSearchCV(BaggingClassifier(probe), {})))[-1] is probe
