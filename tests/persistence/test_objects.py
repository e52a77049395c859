"""Objects are taken apart into plain parts, and put together of nothing but their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator
from sklearn.cluster import FeatureAgglomeration
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import BallTree, KDTree, KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sktransfer.persistence import PersistenceError
from sktransfer.persistence._kinds import put_together, take_apart


@dataclass
class Corner:
    x: int
    y: int


class Rows(BaseEstimator):
    """An estimator with attributes of each kind that a class may define."""

    def __init__(self, n=1):
        self.n = n

    @property
    def width(self):
        return self.n

    known = ()


def again(value):
    return put_together(type(value), take_apart(value))


def parts_with(parameters=None, **state):
    return {"parameters": parameters or {"n": 1}, "state": state, "requests": {}}


# Dataclasses and estimators ----------------------------------------------------------------------


def test_dataclasses_come_back():
    assert again(Corner(1, 2)) == Corner(1, 2)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"x": 1, "y": 2, "z": 3}, "Corner has no field 'z'"),
        ({"x": 1}, "Corner lacks its field 'y'"),
    ],
)
def test_fields_are_those_of_the_class(parts, message):
    with pytest.raises(PersistenceError, match=message):
        put_together(Corner, parts)


def test_an_estimator_has_parameters_state_and_requests():
    scaler = StandardScaler(with_std=False).fit([[1.0], [3.0]])
    parts = take_apart(scaler)

    assert parts["parameters"] == {"copy": True, "with_mean": True, "with_std": False}
    assert parts["state"]["mean_"] == [2.0]
    assert parts["requests"] == {}
    assert again(scaler).transform([[4.0]]) == [[2.0]]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({**parts_with(), "more": {}}, "no part 'more'"),
        (parts_with({"n": 1, "m": 2}), "no parameter 'm'"),
        (parts_with({"m": 2}), "no parameter 'm'"),
        ({"parameters": {}, "state": {}, "requests": {}}, "lacks its parameter 'n'"),
    ],
)
def test_parts_and_parameters_are_those_of_the_class(parts, message):
    with pytest.raises(PersistenceError, match=message):
        put_together(Rows, parts)


@pytest.mark.parametrize("name", ["get_params", "width", "__doc__", "__elsewhere__", "n"])
def test_nothing_that_the_class_defines_is_hidden(name):
    with pytest.raises(PersistenceError, match=f"no fitted attribute '{name}'"):
        put_together(Rows, parts_with(**{name: 3}))


def test_a_method_that_was_replaced_is_not_saved():
    rows = Rows()
    rows.get_params = None
    with pytest.raises(PersistenceError, match="no fitted attribute 'get_params'"):
        take_apart(rows)


def test_plain_attributes_of_the_class_may_be_set():
    assert put_together(Rows, parts_with(known=(1,), rows_=2)).known == (1,)


def test_a_pipeline_has_no_folder_of_pickles():
    parts = take_apart(Pipeline([("scale", None)]))
    parts["parameters"]["memory"] = "folder"
    with pytest.raises(PersistenceError, match="a folder of pickles"):
        put_together(Pipeline, parts)


def test_others_may_have_a_memory():
    assert again(FeatureAgglomeration(memory="folder")).memory == "folder"


def test_a_network_is_checked_before_it_is_built():
    with pytest.raises(PersistenceError, match="a network must have the parts"):
        put_together(Rows, parts_with(_packed_network={"config": {}}))


# Requests ----------------------------------------------------------------------------------------


@pytest.fixture
def requesting():
    with sklearn.config_context(enable_metadata_routing=True):
        return LogisticRegression().set_fit_request(sample_weight="w")


def test_what_is_requested_is_written_where_it_is_said(requesting):
    assert take_apart(requesting)["requests"] == {"fit": {"sample_weight": "w"}}


def test_requests_come_back_whether_or_not_routing_is_on(requesting):
    found = again(requesting).get_metadata_routing()
    assert repr(found) == repr(requesting.get_metadata_routing())


# Random states -----------------------------------------------------------------------------------


def test_a_random_state_goes_on_where_it_was():
    generator = np.random.RandomState(3)
    generator.standard_normal(5)  # an odd number leaves one half of a pair behind

    found = again(generator)

    np.testing.assert_array_equal(found.standard_normal(9), generator.standard_normal(9))


def test_other_generators_are_not_saved():
    with pytest.raises(PersistenceError, match="another bit generator"):
        take_apart(np.random.RandomState(np.random.PCG64(0)))


@pytest.mark.parametrize("position", [0, 624])
def test_every_position_within_the_words_comes_back(position):
    parts = {**take_apart(np.random.RandomState(0)), "pos": position}
    assert put_together(np.random.RandomState, parts).get_state()[2] == position


@pytest.mark.parametrize(
    "changes",
    [
        {"pos": -1},
        {"pos": 625},
        {"key": np.zeros(623, np.uint32)},
        {"key": np.zeros((1, 624), np.uint32)},
        {"key": np.zeros(624, np.int64)},
        {"key": [0] * 624},
    ],
    ids=str,
)
def test_words_and_positions_beyond_them_are_refused(changes):
    parts = {**take_apart(np.random.RandomState(0)), **changes}
    with pytest.raises(PersistenceError, match="no valid words or position"):
        put_together(np.random.RandomState, parts)


def test_parts_of_a_random_state_are_its_own():
    parts = take_apart(np.random.RandomState(0))
    with pytest.raises(PersistenceError, match="RandomState has no part 'more'"):
        put_together(np.random.RandomState, {**parts, "more": 1})


# Nearest neighbours ------------------------------------------------------------------------------

POINTS = np.random.default_rng(0).normal(size=(30, 3))
CLASSES = np.arange(30) % 3


def neighbours(algorithm="auto", y=CLASSES, **parameters):
    return KNeighborsClassifier(3, algorithm=algorithm, **parameters).fit(POINTS, y)


@pytest.mark.parametrize(
    ("algorithm", "tree"), [("kd_tree", KDTree), ("ball_tree", BallTree), ("brute", type(None))]
)
def test_trees_are_left_out_and_grown_again(algorithm, tree):
    fitted = neighbours(algorithm, leaf_size=4, p=3)
    assert "_tree" not in take_apart(fitted)["state"]
    assert "_fit_X" in take_apart(fitted)["state"]

    found = again(fitted)

    assert type(found._tree) is tree
    if found._tree is not None:
        assert found._tree.get_arrays()[2].shape == fitted._tree.get_arrays()[2].shape
    np.testing.assert_array_equal(found.kneighbors(POINTS)[0], fitted.kneighbors(POINTS)[0])


def test_an_unfitted_classifier_comes_back():
    assert again(KNeighborsClassifier(7)).n_neighbors == 7


def test_only_neighbours_lose_their_tree():
    assert take_apart(put_together(Rows, parts_with(_tree=4)))["state"]["_tree"] == 4


def test_several_outputs_come_back():
    y = np.column_stack([CLASSES, CLASSES % 2])
    fitted = neighbours(y=y)
    np.testing.assert_array_equal(again(fitted).predict(POINTS), fitted.predict(POINTS))


def test_one_class_is_enough():
    assert again(neighbours(y=np.zeros(30, int))).predict(POINTS[:1]) == [0]


def test_samples_may_be_of_any_kind_of_number():
    fitted = KNeighborsClassifier(1, algorithm="brute").fit(POINTS > 0, CLASSES)
    assert again(fitted)._fit_X.dtype == bool


def changed(algorithm="brute", y=CLASSES, **changes):
    parts = take_apart(neighbours(algorithm, y))
    parts["state"].update(changes)
    return parts


VOTES = neighbours()._y


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (changed(_fit_X=POINTS.tolist()), "a matrix of numbers"),
        (changed(_fit_X=POINTS.ravel()), "a matrix of numbers"),
        (changed(_fit_X=POINTS.astype(str)), "a matrix of numbers"),
        (changed(_fit_X=POINTS.astype(complex)), "a matrix of numbers"),
        (changed(_y=VOTES.tolist()), "votes of nearest neighbours must be integers"),
        (changed(_y=VOTES.astype(float)), "votes of nearest neighbours must be integers"),
        (changed(_y=VOTES.astype(np.int16)), "votes of nearest neighbours must be integers"),
        (changed(_y=VOTES.reshape(30, 1, 1)), "votes of nearest neighbours must be integers"),
        (changed(_y=VOTES[:29]), r"\(30, 3\) samples and features.* 29 votes"),
        (changed(_fit_X=POINTS[:, :2]), r"declare \(30, 3\).*shape \(30, 2\)"),
        (changed(n_samples_fit_=31), r"declare \(31, 3\)"),
        (changed(n_features_in_=4), r"declare \(30, 4\)"),
        (changed(_y=VOTES + 1), "classes that there are not"),
        (changed(_y=VOTES - 1), "classes that there are not"),
        (changed(classes_=np.array([0, 1])), "classes that there are not"),
        (
            changed(y=np.column_stack([CLASSES, CLASSES]), classes_=[np.arange(3), np.arange(2)]),
            "classes that there are not",
        ),
    ],
)
def test_what_compiled_code_would_trust_is_checked(parts, message):
    with pytest.raises(PersistenceError, match=message):
        put_together(KNeighborsClassifier, parts)


def test_outputs_and_their_classes_are_as_many():
    parts = changed(y=np.column_stack([CLASSES, CLASSES]), classes_=[np.arange(3)])
    with pytest.raises(ValueError, match="shorter"):
        put_together(KNeighborsClassifier, parts)
