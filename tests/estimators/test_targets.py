"""Targets go to the network and come back as the user wrote them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_matrix

from sktransfer.estimators._targets import ClassTargets, NumberTargets


@st.composite
def label_columns(draw):
    """A column of labels of one kind, of at least two classes."""
    kind = draw(st.sampled_from(["int", "float", "str", "object", "bool"]))
    values = {
        "int": st.integers(-(2**40), 2**40),
        "float": st.integers(-1000, 1000).map(float),
        "bool": st.booleans(),
    }.get(kind, st.text("abcäöü日本 '\"", min_size=1, max_size=5))
    classes = draw(st.lists(values, min_size=2, max_size=5, unique=True))
    column = classes + draw(st.lists(st.sampled_from(classes), max_size=20))
    return np.array(draw(st.permutations(column)), dtype=object if kind == "object" else None)


@given(label_columns())
def test_classes_come_back_as_they_were(y):
    targets = ClassTargets.of(y)
    encoded = targets.encode(y)
    decoded = targets.decode(np.eye(targets.n_outputs)[encoded])
    assert encoded.dtype == np.int32 and set(encoded) == set(range(targets.n_outputs))
    assert decoded.dtype == y.dtype
    np.testing.assert_array_equal(decoded, y)
    np.testing.assert_array_equal(targets.classes, np.unique(y))


@given(st.integers(2, 5).flatmap(lambda k: arrays(np.int8, (6, k), elements=st.integers(0, 1))))
def test_label_indicators_come_back_as_they_were(y):
    targets = ClassTargets.of(y)
    assert targets.multilabel
    np.testing.assert_array_equal(targets.decode(targets.encode(y) * 0.8 + 0.1), y)


@given(
    arrays(
        np.float32,
        st.one_of(st.tuples(st.just(5)), st.tuples(st.just(5), st.integers(1, 3))),
        elements=st.floats(-(2.0**99), 2.0**99, width=32),
    )
)
def test_numbers_come_back_in_their_shape_as_float64(y):
    targets = NumberTargets.of(y)
    decoded = targets.decode(targets.encode(y))
    assert decoded.dtype == np.float64
    np.testing.assert_array_equal(decoded, y)


def test_rows_of_exactly_one_label_stay_multilabel():
    targets = ClassTargets.of(np.eye(3, dtype=int)[[0, 1, 2, 1]])
    assert targets.multilabel
    assert targets.activation == "sigmoid"
    assert targets.loss == "binary_crossentropy"


def test_one_column_is_one_class_a_row():
    targets = ClassTargets.of(["a", "b", "a"])
    assert not targets.multilabel
    assert targets.activation == "softmax"
    assert targets.loss == "sparse_categorical_crossentropy"


def test_sparse_indicators_are_dense_ones():
    y = np.array([[0, 1, 1], [1, 0, 0]])
    targets = ClassTargets.of(csr_matrix(y))
    np.testing.assert_array_equal(targets.encode(csr_matrix(y)), y)


def test_named_classes_may_be_more_than_those_of_y():
    targets = ClassTargets.of(["b", "b"], classes=["c", "a", "b"])
    assert targets.classes.tolist() == ["a", "b", "c"]
    assert targets.encode(["b", "c"]).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", "a"], "one class only"),
        ([0.5, 1.5, 2.0], "continuous"),
        ([[1, 2], [3, 4], [5, 6]], r"several columns of classes, such as \[1, 2, 3, 4, 5\]"),
        ([[-1, 1], [1, 1]], r"such as \[-1, 1\]; accepted are .* matrix of zeros and ones"),
        ([[1, 2], [2, 1]], r"such as \[1, 2\]; accepted are .* matrix of zeros and ones"),
        ([0.0, np.nan], "NaN"),
    ],
)
def test_what_is_no_classes_is_refused(y, message):
    with pytest.raises(ValueError, match=message):
        ClassTargets.of(y)


@pytest.mark.parametrize(
    ("fitted", "y", "message"),
    [
        ([0, 1, 2], [0, 3], r"y_val holds labels that were not in the classes of fit: \[3\]"),
        ([0, 1, 2], [[0, 1], [1, 1]], "y_val must be 1-dimensional"),
        ([[0, 1], [1, 1]], [[0, 1, 1], [1, 1, 0]], "with 2 columns"),
        ([[0, 1], [1, 1]], [0, 1], "label indicator matrix"),
    ],
)
def test_what_does_not_fit_the_classes_is_named(fitted, y, message):
    with pytest.raises(ValueError, match=message):
        ClassTargets.of(fitted).encode(y, name="y_val")


@pytest.mark.parametrize("kinds", [(int, str), (str, int)])
def test_numbers_and_their_texts_are_different_labels(kinds):
    fitted, others = (np.arange(20).astype(kind) for kind in kinds)
    with pytest.raises(ValueError, match="not in the classes of fit"):
        ClassTargets.of(fitted).encode(others)


def test_equal_numbers_are_one_label_whatever_their_type():
    targets = ClassTargets.of([3, 1, 2])
    for kind in (np.uint8, np.int64, np.float32, np.float64):
        assert targets.encode(np.array([2, 3, 1], kind)).tolist() == [1, 2, 0]


def test_numbers_of_another_width_are_refused():
    with pytest.raises(ValueError, match="must have 2 columns, got 3"):
        NumberTargets.of(np.zeros((4, 2))).encode(np.zeros((4, 3)))


def test_one_class_a_row_is_what_stratifies():
    y = np.array(["a", "b", "a"])
    targets = ClassTargets.of(y)
    assert targets.strata(targets.encode(y)).tolist() == [0, 1, 0]
    labels = ClassTargets.of(np.eye(2, dtype=int))
    assert labels.strata(labels.encode(np.eye(2, dtype=int))) is None
    assert NumberTargets.of([1.0, 2.0]).strata(np.ones(2)) is None
