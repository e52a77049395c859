"""Values and arrays come back as they were saved, and others are refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from sktransfer.persistence import PersistenceError, load, save
from sktransfer.persistence._allowed import HOMES, AllowedClasses
from sktransfer.persistence._values import Reader, Writer

NUMBERS = np.arange(3.0)

VALUES = [
    float("nan"), float("inf"), -0.0, 0.1, 1 << 80, True, None, "text", "$text", b"\x00\xff",
    (1, (2, [3])), {1, 2}, {0: "head", (1, 2): None}, {"$odd": 1}, Path("a/b"),
    np.float32(0.1), np.float64("nan"), np.int64(-3), np.bool_(True), np.str_("label"),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_keep_type_and_bits(value, saved):
    found = saved(LogisticRegression(C=value)).C

    assert type(found) is type(value)
    assert repr(found) == repr(value)


ARRAYS = [
    np.arange(6, dtype=">i2").reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.array([["a", "bcd"]]),
    np.array(["a", "bcd"], dtype=object),
    np.array([], dtype="U1"),
    np.array(["", ""], dtype="U0"),
    np.array(3.5),
    np.array([True, False]),
    np.array([1 + 2j]),
    np.zeros((0, 4)),
    np.arange(10)[::3],
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_keep_type_order_and_bits(array, saved):
    found = saved(LinearDiscriminantAnalysis(priors=array)).priors

    assert found.dtype == array.dtype
    assert found.flags.writeable
    assert found.flags.f_contiguous == np.array(array, order="K").flags.f_contiguous
    np.testing.assert_array_equal(found, array, strict=True)


def written(value, *trusted):
    """What a writer makes of a value, and the writer."""
    writer = Writer(AllowedClasses(trusted))
    return writer.write(value, "it"), writer


def test_plain_values_are_written_as_they_are_and_arrays_stand_beside_them():
    found, writer = written({"rows": NUMBERS, "again": [NUMBERS, NUMBERS.copy()], "n": 3})
    assert found == {"rows": {"$array": 0}, "again": [{"$array": 0}, {"$array": 1}], "n": 3}
    assert [array is NUMBERS for array in writer.arrays] == [True, False]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("-inf"), {"$float": "-inf"}),
        (np.float32(0.5), {"$scalar": ["<f4", 0.5]}),
        (np.float64("inf"), {"$scalar": ["<f8", {"$float": "inf"}]}),
        (np.str_("text"), {"$scalar": ["U", "text"]}),
        ((1, 2), {"$tuple": [1, 2]}),
        ({3}, {"$set": [3]}),
        ({3: 4}, {"$dict": [[3, 4]]}),
        ({"$odd": 1, "plain": 2}, {"$dict": [["$odd", 1], ["plain", 2]]}),
        (np.array([["a"], ["b"]], dtype=object), {"$texts": [[2, 1], ["a", "b"]]}),
        (PurePosixPath("/weights/a.h5"), {"$path": "/weights/a.h5"}),
        (PureWindowsPath("C:\\weights\\a.h5"), {"$path": "C:/weights/a.h5"}),
    ],
    ids=repr,
)
def test_the_format_is_fixed(value, expected):
    assert written(value)[0] == expected


def test_estimators_in_several_places_are_written_once_and_after_their_parts():
    scaler = StandardScaler()
    found, writer = written([scaler, make_pipeline(scaler, FrozenEstimator(scaler)), scaler])
    assert found == [{"$object": 0}, {"$object": 2}, {"$object": 0}]
    names = [entry["class"].rpartition(".")[2] for entry in writer.objects]
    assert names == ["StandardScaler", "FrozenEstimator", "Pipeline"]


def test_shared_estimators_and_arrays_come_back_shared(saved):
    scaler = StandardScaler()
    pipeline = make_pipeline(make_union(scaler, StandardScaler()), FrozenEstimator(scaler))
    pipeline.rows_, pipeline.again_ = NUMBERS, NUMBERS
    loaded = saved(pipeline)
    assert isinstance(loaded[0], FeatureUnion)
    (_, first), (_, other) = loaded[0].transformer_list
    assert loaded[1].estimator is first is not other
    assert loaded.rows_ is loaded.again_


def test_equal_lists_are_no_cycle_and_a_list_within_itself_is():
    again = [1]
    assert written([again, again])[0] == [[1], [1]]
    again.append({"deep": (again,)})
    with pytest.raises(PersistenceError, match=r"it\[1\]\['deep'\]\[0\] refers back"):
        written(again)


class Masked(np.ndarray):
    """An array of another class."""


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.longdouble(1), "it is a longdouble"),
        (np.complex128(1), "it is a complex128"),
        (np.datetime64("2020-01-01"), "it is a datetime64"),
        (np.bytes_(b"a"), "it is a bytes_"),
        (np.array([b"a"]), "it is an array of .S1"),
        (np.array(["a", 1], dtype=object), "it is an array of object"),
        (np.zeros(1, [("text", "U0")])["text"], "it is an array of <U0"),
        (NUMBERS.view(Masked), "it is an array of float64"),
        ([1, print], r"it\[1\] is a builtins\.builtin_function_or_method"),
        ({"a": {1: Ellipsis}}, r"it\['a'\]\[1\] is a builtins\.ellipsis"),
        ({("a", print): 1}, r"a key of it\[1\] is a builtins"),
        (LogisticRegression(C=print), r"it\.parameters\['C'\] is a builtins"),
        (range(3), "it is a builtins.range"),
    ],
    ids=str,
)
def test_what_cannot_be_written_is_named(value, message):
    with pytest.raises(PersistenceError, match=message):
        written(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"$array": -1}, "refers to number -1 of 1"),
        ({"$array": 1}, "refers to number 1 of 1"),
        ({"$array": 0.0}, r"refers to number 0\.0 of 1"),
        ({"$array": False}, "refers to number False of 1"),
        ({"$object": 0}, "refers to number 0 of 0"),
        ({"$eval": "1"}, r"value of unknown kind: \['\$eval'\]"),
        ({"$set": [], "$list": []}, "unknown kind"),
        ({"$set": [], "plain": 1}, "unknown kind"),
        ({"$scalar": ["O", 1]}, "number of type 'O'"),
        ({"$scalar": ["<c16", 1]}, "number of type '<c16'"),
        ({"$scalar": ["<f16", 1]}, "number of type '<f16'"),
        ({"$texts": [[1], [1]]}, "no strings"),
        ({"$float": "1"}, "'1' for a number"),
        ({"$float": "infinity"}, "'infinity' for a number"),
    ],
    ids=str,
)
def test_what_no_writer_writes_is_not_read(value, message):
    with pytest.raises(PersistenceError, match=message):
        Reader(AllowedClasses(()), [NUMBERS]).read([{"deep": value}])


@pytest.mark.parametrize(
    ("value", "error"),
    [({"$set": [[]]}, TypeError), ({"$bytes": "no base64"}, ValueError)],
    ids=str,
)
def test_values_that_cannot_be_made_fail(value, error):
    with pytest.raises(error):
        Reader(AllowedClasses(()), []).read(value)


SCALER = {
    "class": "sklearn.preprocessing.StandardScaler",
    "parts": {
        "parameters": {"copy": True, "with_mean": False, "with_std": True},
        "state": {"_sklearn_version": sklearn.__version__},
        "requests": {},
    },
}


def test_objects_are_read_in_their_order():
    objects = [
        SCALER,
        {
            **SCALER,
            "parts": {
                **SCALER["parts"],
                "state": {**SCALER["parts"]["state"], "of_": {"$object": 0}},
            },
        },
    ]
    found = Reader(AllowedClasses(()), []).read_objects(objects)
    assert isinstance(found.of_, StandardScaler)
    assert not found.with_mean


@pytest.mark.parametrize("objects", [None, [], {}, {"class": 1, "parts": 2}, "text"], ids=repr)
def test_objects_are_a_list(objects):
    with pytest.raises(PersistenceError, match="it holds no objects"):
        Reader(AllowedClasses(()), []).read_objects(objects)


@pytest.mark.parametrize(
    "written",
    [["class", "parts"], {"class": "a"}, {"parts": {}}, {**SCALER, "more": 1}],
    ids=["list", "class alone", "parts alone", "more"],
)
def test_objects_have_a_class_and_parts(written):
    with pytest.raises(PersistenceError, match="must have a class and parts, and nothing else"):
        Reader(AllowedClasses(()), []).read_objects([SCALER, written])


# Classes -----------------------------------------------------------------------------------------


class Own(BaseEstimator):
    """An estimator that the library does not know."""


OWN = f"{__name__}.Own"


def test_classes_are_named_by_where_they_are_documented():
    allowed = AllowedClasses(())
    assert allowed.name_of(make_pipeline(None)) == "sklearn.pipeline.Pipeline"
    assert allowed.named("sklearn.pipeline.Pipeline") is Pipeline
    assert allowed.name_of(np.random.RandomState(0)) == "numpy.random.RandomState"


def test_a_class_of_a_known_name_is_another_class():
    class Pipeline(BaseEstimator):
        pass

    name = f"{__name__}.{Pipeline.__qualname__}"
    assert AllowedClasses(()).name_of(Pipeline()) is None
    assert AllowedClasses([Pipeline]).name_of(Pipeline()) == name
    assert AllowedClasses([Pipeline]).named(name) is Pipeline


class Maker(BaseEstimator):
    """An estimator whose state is made when it is asked for, and forgotten thereafter."""

    def __init__(self, number=0):
        self.number = number

    def __getstate__(self):
        return {"number": self.number, "made_": StandardScaler(copy=self.number)}


def test_parts_that_live_for_a_moment_are_not_mistaken_for_others(saved):
    loaded = saved(make_pipeline(*map(Maker, range(20))), trusted=[Maker])
    assert [step.made_.copy for _, step in loaded.steps] == list(range(20))


def test_only_trusted_classes_of_ones_own_are_allowed():
    assert AllowedClasses(()).name_of(Own()) is None
    assert AllowedClasses([Own]).name_of(Own()) == OWN
    assert AllowedClasses([Own]).named(OWN) is Own


@dataclass
class Note:
    """A value that the library does not know."""

    text: str
    more: tuple = ()


def test_dataclasses_can_be_trusted(saved):
    own = Own()
    own.note_ = Note("by hand", (1, 2))
    with pytest.raises(PersistenceError, match=r"state\['note_'\] is a .*Note.*among trusted"):
        saved(own, trusted=[Own])
    assert saved(own, trusted=[Own, Note]).note_ == own.note_


def test_estimators_of_the_library_are_allowed_and_functions_are_not():
    assert {"BackboneFeatures", "MobileNetFeatures", "DenseHead"} <= set(HOMES["sktransfer"])
    assert not {"make_strategy", "list_backbones", "load"} & set(HOMES["sktransfer"])


@pytest.mark.parametrize(
    "name",
    [
        "os.system", "sklearn.pipeline.make_pipeline", "sklearn.preprocessing.Pipeline",
        "Pipeline", "..Pipeline", "", OWN, None, 1, ["sklearn.pipeline.Pipeline"],
    ],
)  # fmt: skip
def test_other_names_are_not_allowed(name):
    with pytest.raises(PersistenceError, match="not allowed; a class of your own must be among"):
        AllowedClasses(()).named(name)


@pytest.mark.parametrize("value", [print, object, Own(), "Own"], ids=str)
def test_only_classes_of_values_can_be_trusted(value):
    with pytest.raises(TypeError, match="trusted must hold subclasses of BaseEstimator or"):
        AllowedClasses([value])


# Files -------------------------------------------------------------------------------------------


def test_a_format_to_come_is_refused(edited, tmp_path):
    path = tmp_path / "scaler.zip"
    save(StandardScaler(), path)
    for number in (2, 0, None):
        edited(path, lambda manifest, number=number: manifest.update(format=number))
        with pytest.raises(PersistenceError, match=rf"has format {number}; this version reads 1"):
            load(path)


def test_only_estimators_are_saved_and_loaded(edited, tmp_path):
    path = tmp_path / "generator.zip"
    with pytest.raises(PersistenceError, match=r"generator.zip cannot be written: a Random.* no"):
        save(np.random.RandomState(0), path)
    save(LogisticRegression(random_state=np.random.RandomState(0)), path)
    edited(path, lambda manifest: manifest["objects"].pop())
    with pytest.raises(PersistenceError, match="holds a RandomState, which is no estimator"):
        load(path)
