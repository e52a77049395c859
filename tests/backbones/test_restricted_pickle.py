"""Pickles of plain values are read as the standard library reads them, and no others are."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sktransfer._errors import WeightsError
from sktransfer.backbones._restricted_pickle import read_pickle

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 200), 1 << 200)
    | st.floats()
    | st.text()
    | st.text("ä", min_size=128, max_size=128),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=10,
)
protocols = pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))


def read(pickled, known=None, refer=None):
    return read_pickle(io.BytesIO(pickled), known or {}, refer)


@settings(max_examples=30)
@given(values, st.integers(2, pickle.HIGHEST_PROTOCOL))
def test_plain_values_are_read(value, protocol):
    assert repr(read(pickle.dumps(value, protocol))) == repr(value)


@protocols
@pytest.mark.parametrize("length", range(5))
def test_tuples_of_every_length_are_read(length, protocol):
    value = tuple(range(length))
    assert read(pickle.dumps([value, (value,)], protocol)) == [value, (value,)]


@protocols
def test_what_is_shared_stays_shared(protocol):
    names = [
        str(number) for number in range(300)
    ]  # of more than 256 notes, numbers take four bytes
    inner = [True, False, None]
    first, again, *found = read(pickle.dumps([inner, inner, *names, *names], protocol))
    assert first == inner
    assert first is again
    assert found == names * 2
    assert all(one is other for one, other in zip(found[:300], found[300:], strict=True))


def test_the_stream_is_left_behind_each_pickle():
    stream = io.BytesIO(pickle.dumps([1], 2) + pickle.dumps("two", 4) + b"rest")
    assert [read_pickle(stream, {}, None) for _ in range(2)] == [[1], "two"]
    assert stream.read() == b"rest"


@protocols
def test_what_is_known_is_called(protocol):
    pickled = pickle.dumps(OrderedDict(a=1, b=2), protocol)
    assert read(pickled, {"collections.OrderedDict": dict}) == {"a": 1, "b": 2}
    with pytest.raises(WeightsError, match=r"asks for 'collections\.OrderedDict'"):
        read(pickled, {"collections.Counter": dict})


@protocols
def test_attributes_of_a_dictionary_are_passed_over(protocol):
    state = OrderedDict(a=1)
    state._metadata = {"version": 1}
    assert read(pickle.dumps([state, 2], protocol), {"collections.OrderedDict": dict}) == [
        {"a": 1}, 2
    ]  # fmt: skip


@protocols
def test_what_is_outside_the_pickle_is_referred_to(protocol):
    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", len(value)) if isinstance(value, bytes) else None

    stream = io.BytesIO()
    Pickler(stream, protocol).dump(["a", b"inside"])
    found = read(stream.getvalue(), refer=lambda reference: {"referred": reference})
    assert found == ["a", {"referred": ("storage", 6)}]


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (pickle.dumps({1: 2}, 2), "key of type int"),
        (pickle.dumps({"a": 1, 2: 2}, 2), "key of type int"),
        (b"\x80\x02K\x01K\x02a.", "adds to a int"),
        (b"\x80\x02]X\x01\x00\x00\x00aK\x02s.", "adds to a list"),
        (b"\x80\x02K\x01)R.", "calls what is no function"),
        (pickle.dumps({1, 2}, 4), "instruction EMPTY_SET"),
        (pickle.dumps(b"bytes", 4), "instruction SHORT_BINBYTES"),
        (b"cvery\n" + b"long" * 100 + b"\n.", "'very.(long){23}lon',"),
    ],
    ids=str,
)
def test_everything_else_is_refused(pickled, message):
    with pytest.raises(WeightsError, match=message):
        read(pickled)


@pytest.mark.parametrize("arguments", [[], {}, None])
def test_functions_are_called_with_tuples_alone(arguments):
    pickled = b"cbuiltins\ndict\n" + pickle.dumps(arguments, 2)[2:-1] + b"R."
    with pytest.raises(WeightsError, match="calls what is no function"):
        read(pickled, {"builtins.dict": dict})


@pytest.mark.parametrize("pickled", [b".", b"K\x01K\x02."])
def test_a_pickle_builds_one_value(pickled):
    with pytest.raises((ValueError, IndexError)):
        read(pickled)


@pytest.mark.parametrize("pickled", [b"}(X\x01\0\0\0au.", b"}X\x01\0\0\0as."])
def test_every_key_has_a_value(pickled):
    with pytest.raises((ValueError, WeightsError)):
        read(pickled)
