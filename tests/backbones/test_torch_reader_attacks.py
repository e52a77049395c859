"""Files made to do harm to whoever reads them as weights: none of them runs, lasts or swells."""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import struct
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from sktransfer._errors import WeightsError
from sktransfer.backbones import _torch_reader
from sktransfer.backbones._torch_reader import _KNOWN, _rebuild_tensor, read_torch_weights

MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
HEAD = MAGIC + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
SIX = [("a", np.arange(6, dtype=np.float32))]
SECONDS, BYTES = 2, 20_000_000  # within which any of these files must be refused


@pytest.fixture
def trace(tmp_path, monkeypatch):
    """The file that code would leave, if it ran; a command can name it without its folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "it-ran"


@pytest.fixture
def refused(trace, tmp_path):
    """Read a file that must be refused at once, and return what the error says."""

    def read(content):
        path = tmp_path / "evil.pth"
        path.write_bytes(content)
        tracemalloc.start()
        begun = time.process_time()
        try:
            with pytest.raises(WeightsError) as caught:
                read_torch_weights(path)
            seconds, (_, peak) = time.process_time() - begun, tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert not trace.exists()
        assert str(path) in str(caught.value)
        assert len(str(caught.value)) < len(str(path)) + 400
        assert seconds < SECONDS
        assert peak < BYTES + 4 * len(content)
        return str(caught.value)

    return read


class Reduced:
    """Pickles as a call."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments, state)

    def __reduce__(self):
        return self.reduced


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def storage(key="a", length=6, kind=b"torch\nFloatStorage"):
    return b"(" + text("storage") + b"c" + kind + b"\n" + text(key) + text("cpu") + (
        pickle.dumps(length, 2)[2:-1] + b"NtQ"
    )  # fmt: skip


def tensor(*, stored=None, offset=0, shape=(6,), strides=(1,)):
    parts = [pickle.dumps(part, 2)[2:-1] for part in (offset, shape, strides)]
    stored = storage() if stored is None else stored
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + stored + b"".join(parts)
    return call + b"\x89ccollections\nOrderedDict\n)RtR"


def weights(entries, storages=SIX, keys=None):
    """Assemble a file of entries, which are pickled already, behind a sound head."""
    items = b"".join(text(name) + entry for name, entry in entries.items())
    keys = pickle.dumps([key for key, _ in storages], 2) if keys is None else keys
    data = b"".join(struct.pack("<q", array.size) + array.tobytes() for _, array in storages)
    return HEAD + b"\x80\x02}(" + items + b"u." + keys + data


def test_the_files_of_these_tests_are_sound_but_for_what_is_tested(tmp_path):
    path = tmp_path / "good.pth"
    path.write_bytes(weights({"w": tensor(shape=(2, 3), strides=(3, 1))}))
    np.testing.assert_array_equal(read_torch_weights(path)["w"], [[0, 1, 2], [3, 4, 5]])


def test_many_arrays_are_read_in_their_order(tmp_path):
    """As state dictionaries are: ordered, with views of storages, scalars, and versions."""
    floats, whole = np.arange(24, dtype=np.float32), np.array([3, -(1 << 40)])
    again = {"stored": storage("f", 24)}
    count = {"stored": storage("i", 2, b"torch\nLongStorage")}
    entries = {
        "whole": tensor(**again, shape=(2, 3, 4), strides=(12, 4, 1)),
        "count": tensor(**count, shape=(2,)),
        "turned": tensor(**again, offset=4, shape=(3, 2), strides=(1, 8)),
        "scalar": tensor(**count, offset=1, shape=(), strides=()),
        "last": tensor(**again, offset=23, shape=(1,)),
        "empty": tensor(**again, offset=24, shape=(0, 7), strides=(7, 1)),
        "void": tensor(**again, offset=24, shape=(3, 0), strides=(1, 1)),
        "deep": tensor(**again, shape=(1,) * 32, strides=(1,) * 32),
    }
    items = b"".join(text(name) + entry for name, entry in entries.items())
    state = b"\x80\x02ccollections\nOrderedDict\n)R(" + items + b"u"
    versions = b"}" + text("_metadata") + b"}" + text("version") + b"K\x01ssb."
    content = weights({}, [("f", floats), ("i", whole)]).removeprefix(HEAD + b"\x80\x02}(u.")
    path = tmp_path / "good.pth"
    path.write_bytes(HEAD + state + versions + content)

    found = read_torch_weights(path)

    expected = {
        "whole": floats.reshape(2, 3, 4),
        "count": whole,
        "turned": np.array([[4, 12], [5, 13], [6, 14]], np.float32),
        "scalar": whole[1].reshape(()),
        "last": floats[23:],
        "empty": np.empty((0, 7), np.float32),
        "void": np.empty((3, 0), np.float32),
        "deep": np.zeros((1,) * 32, np.float32),
    }
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
    found["whole"][:] = -1
    np.testing.assert_array_equal(found["last"], [23])


# What is another file --------------------------------------------------------------------------


def headed(magic=0x1950A86A20F9469CFC6C, version=1001, facts=(("little_endian", True),)):
    """Put another head before arrays that are sound."""
    head = [pickle.dumps(part, 2) for part in (magic, version, dict(facts))]
    return b"".join(head) + weights({"w": tensor()}).removeprefix(HEAD)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (headed(magic=0x1950A86A20F9469CFC6D), "no PyTorch file"),
        (headed(version=1002), "unknown version of PyTorch's legacy format"),
        (headed(facts=[("little_endian", False)]), "written on a big-endian machine"),
        (HEAD + pickle.dumps([1], 2), "expected a dictionary of arrays, got list"),
        (weights({"w": b"K\x01"}), "entry 'w' is no named array"),
        (weights({"w": tensor(stored=b"K\x01")}), "array 'w' has no proper storage"),
        (weights({"w": tensor(stored=storage(length=-6))}), "describes a storage wrongly"),
        (weights({"w": tensor(stored=storage(length=5))}), "'a' has 6 elements instead of 5"),
        (weights({"w": tensor()}) + b"\0", "data after the last array"),
        (weights({"w": tensor()})[:-1], "cut short"),
        (weights({"w": tensor()}, SIX * 2), "not those of its arrays"),
        (weights({"w": tensor()}, [("b", SIX[0][1])]), "not those of its arrays"),
        (weights({"w": tensor()}, keys=pickle.dumps(("a",), 2)), "not those of its arrays"),
        (weights({"w": tensor()}, keys=pickle.dumps([["a"]], 2)), "not those of its arrays"),
        (weights({"w": tensor()}, keys=pickle.dumps([], 2)), "not those of its arrays"),
    ],
)
def test_other_files_are_refused_by_their_reason(refused, content, message):
    assert message in refused(content)


@pytest.mark.parametrize(("place", "other"), [(0, text("module")), (2, b"K\x01"), (5, b")")])
def test_storages_are_plain(refused, place, other):
    """A reference is made of kind, type, key, device, length and view."""
    parts = [text("storage"), b"ctorch\nFloatStorage\n", text("a"), text("cpu"), b"K\x06", b"N"]
    sound = weights({"w": tensor(stored=b"(" + b"".join(parts) + b"tQ")})
    assert weights({"w": tensor()}) == sound
    parts[place] = other
    message = refused(weights({"w": tensor(stored=b"(" + b"".join(parts) + b"tQ")}))
    assert "no plain storage" in message or "describes a storage wrongly" in message


def test_the_largest_file_is_read(refused, tmp_path, monkeypatch):
    content = weights({"w": tensor()})
    path = tmp_path / "good.pth"
    path.write_bytes(content)
    monkeypatch.setattr(_torch_reader, "_MAX_BYTES", len(content))
    assert read_torch_weights(path)["w"].shape == (6,)
    monkeypatch.setattr(_torch_reader, "_MAX_BYTES", len(content) - 1)
    assert f"has {len(content)} bytes; weights of at most" in refused(content)


# What would run --------------------------------------------------------------------------------

CODE = "open('it-ran', 'w').close()"
CALLS = {
    "system": Reduced(os.system, "touch it-ran"),
    "eval": Reduced(eval, CODE),
    "exec": Reduced(exec, CODE),
    "getattr": Reduced(getattr, "", "join"),
    "__import__": Reduced(__import__, "os"),
    "open": Reduced(open, "it-ran", "w"),
    "nested": Reduced(str, Reduced(os.system, "touch it-ran")),
    "nested in a state": Reduced(dict, state={"a": Reduced(os.system, "touch it-ran")}),
    "nested in a key": {Reduced(os.system, "touch it-ran"): 1},
    "copyreg": Reduced(copyreg._reconstructor, object, object, None),
    "copyreg.add_extension": Reduced(copyreg.add_extension, "os", "system", 7),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_calls_are_refused(refused, call, protocol):
    content = pickle.dumps(call, protocol)
    for file in (content, MAGIC + content, HEAD + content, HEAD + pickle.dumps({}, 2) + content):
        refused(file)
    body = content.removeprefix(bytes([0x80, protocol]))[:-1]
    if protocol < 4:  # later ones begin with the length of what follows
        refused(weights({"w": body}))
        refused(weights({"w": tensor(stored=body)}))


@pytest.mark.parametrize(
    "name",
    [
        "torch\nload",
        "torch._utils\n_rebuild_tensor",
        "torch.storage\n_load_from_bytes",
        "numpy.core.multiarray\n_reconstruct",
        "numpy\nfromfile",
        "collections\nOrderedDict.__init_subclass__",
        "collections\nOrderedDict.__init__.__globals__",
        "builtins\ngetattr",
        "sktransfer.backbones._torch_reader\n_KNOWN",
    ],
)
def test_names_are_refused(refused, name):
    message = refused(weights({"w": b"c" + name.encode() + b"\n)R"}))
    assert name.replace("\n", ".") in message


def test_instances_and_extensions_are_refused(refused):
    for attack in (
        b"(S'touch it-ran'\nios\nsystem\n",  # INST
        b"(cos\nsystem\nS'touch it-ran'\no",  # OBJ
        b"cos\nsystem\n)\x81",  # NEWOBJ
        b"cos\nsystem\n)}\x92",  # NEWOBJ_EX
        b"\x82\x01",  # EXT1: whatever the process has registered
        b"P0\n",  # PERSID
        b"\x97",  # NEXT_BUFFER
    ):
        refused(weights({"w": attack}))


def test_what_can_be_named_cannot_be_changed(refused):
    """BUILD sets attributes, for instance the defaults of a function."""
    before = {name: repr(value) for name, value in _KNOWN.items()}
    state = b"}" + text("__defaults__") + b"K\x01\x85s"
    for name in _KNOWN:
        module, _, attribute = name.rpartition(".")
        known = b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"
        refused(weights({"w": known + b"N" + state + b"\x86b"}))
        refused(weights({"w": known + state + b"b"}))
    assert {name: repr(value) for name, value in _KNOWN.items()} == before
    assert _rebuild_tensor.__defaults__ == (False, None)
    refused(weights({"w": tensor() + b"}" + text("shape") + b"K\x01sb"}))


def test_known_functions_with_other_arguments_are_refused(refused):
    for arguments in (b")", b"(K\x01tt", b"]", b"N", text("six")):
        refused(weights({"w": b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"}))
    refused(weights({"w": b"ccollections\nOrderedDict\n]\x85R"}))
    refused(weights({"w": b"ctorch\nFloatStorage\n)R"}))


# What would last or swell ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "lengths",
    [
        b"X" + struct.pack("<I", 2**32 - 1),  # BINUNICODE
        b"\x8d" + struct.pack("<Q", 2**62),  # BINUNICODE8
        b"B" + struct.pack("<I", 2**32 - 1),  # BINBYTES
        b"\x8e" + struct.pack("<Q", 2**40),  # BINBYTES8
        b"\x96" + struct.pack("<Q", 2**34),  # BYTEARRAY8
        b"T" + struct.pack("<i", 2**31 - 1),  # BINSTRING
        b"\x8b" + struct.pack("<i", 2**31 - 1),  # LONG4
        b"\x95" + struct.pack("<Q", 2**62),  # FRAME
        b"r" + struct.pack("<I", 2**31 - 1),  # LONG_BINPUT: place for two thousand million notes
        b"p99999999999\n",  # PUT
        b"j" + struct.pack("<I", 2**32 - 1),  # LONG_BINGET
    ],
)
def test_lengths_and_numbers_of_notes_take_no_memory(refused, lengths):
    for content in (lengths, b"N" + lengths, MAGIC + b"}" + lengths, HEAD + b"}" + lengths):
        refused(content)


def nested_tuples(depth):
    """A tuple of two, each of which is a tuple of two, ...: a hash of it visits all 2**depth."""
    return b")" + b"q\x00h\x00\x86" * depth


def test_tuples_within_tuples_are_not_hashed(refused):
    bomb = nested_tuples(28)
    refused(HEAD + b"}" + bomb + b"K\x01s.")
    refused(weights({"w": tensor()}, keys=b"](" + bomb + b"e."))
    refused(weights({"w": tensor(stored=b"(" + text("storage") + bomb + b"tQ")}))
    refused(weights({"w": tensor(stored=b"(" + bomb + bomb * 5 + b"tQ")}))
    refused(bomb + b".")


def test_wide_lists_within_lists_are_not_written_out(refused):
    wide = b"]" + b"q\x00](h\x00h\x00h\x00h\x00h\x00h\x00e" * 12
    refused(weights({"w": wide}))
    refused(weights({"w": tensor(stored=b"(" + wide * 6 + b"tQ")}))
    refused(weights({"w": tensor(shape=(6,), stored=b"(" + text("storage") + wide * 5 + b"tQ")}))


def test_what_contains_itself_is_refused(refused):
    for circle in (b"]q\x00h\x00a", b"}q\x00" + text("a") + b"h\x00s"):
        for content in (circle + b".", HEAD + circle + b".", weights({"w": circle})):
            refused(content)
        refused(weights({"w": tensor()}, keys=circle + b"."))
        refused(weights({"w": tensor(stored=b"(" + circle * 6 + b"tQ")}))


def test_depth_is_refused(refused):
    for deep in (b"]" + b"]q\x00h\x00a" * 3, b")" + b"\x85" * 20_000, b"(" * 20_000):
        refused(deep + b".")
        refused(HEAD + deep + b".")
        refused(weights({"w": deep}))


@pytest.mark.parametrize("length", [7, 2**31, 2**62, 2**63 - 1, 2**80, -6, True, None])
def test_lengths_of_storages(refused, length):
    array = np.arange(6, dtype=np.float32)
    size = length if isinstance(length, int) and abs(length) < 2**63 else 6
    for told in (size, 6):
        content = weights({"w": tensor(stored=storage(length=length))}, storages=())
        refused(content + struct.pack("<q", told) + array.tobytes())
        keys = pickle.dumps(["a"], 2)
        content = weights({"w": tensor(stored=storage(length=length))}, storages=(), keys=keys)
        refused(content + struct.pack("<q", told) + array.tobytes())


@pytest.mark.parametrize(
    "view",
    [
        {"shape": (2**62,), "strides": (0,)},
        {"shape": (2**40, 2**40), "strides": (0, 0)},
        {"shape": (6,), "strides": (-1,), "offset": 5},
        {"shape": (2,), "strides": (2**62,)},
        {"shape": (1,), "strides": (1,), "offset": -1},
        {"shape": (1,), "strides": (1,), "offset": 2**64},
        {"shape": (-1, -6), "strides": (1, 1)},
        {"shape": (7,), "strides": (0,)},
        {"shape": (1,), "strides": (1,), "offset": 6},
        {"shape": (2, 2), "strides": (4, 2)},
        {"shape": (1,) * 33, "strides": (1,) * 33},
        {"shape": (1,) * 1000, "strides": (1,) * 1000},
        {"shape": (2**2000,) * 20_000, "strides": (0,) * 20_000},
        {"shape": (0, 2**70), "strides": (1, 1), "offset": 7},
        {"shape": (1.0,), "strides": (1,)},
        {"shape": ("6",), "strides": (1,)},
        {"shape": (6,), "strides": ()},
        {"shape": 6, "strides": 1},
        {"shape": (6,), "strides": [1]},
        {"shape": [6], "strides": (1,)},
    ],
)
def test_views_beyond_their_storage(refused, view):
    assert "'w' does not lie within its storage" in refused(weights({"w": tensor(**view)}))


@pytest.mark.parametrize("kind", ["Double", "Half", "Bool", "Quantized", "", "Untyped"])
def test_storages_of_other_types(refused, kind):
    stored = storage(kind=f"torch\n{kind}Storage".encode())
    assert f"torch.{kind}Storage" in refused(weights({"w": tensor(stored=stored)}))


@pytest.mark.parametrize("kind", [b"collections\nOrderedDict", b"torch._utils\n_rebuild_tensor_v2"])
def test_storages_of_no_type(refused, kind):
    assert "no plain storage" in refused(weights({"w": tensor(stored=storage(kind=kind))}))


def test_one_storage_of_two_descriptions(refused):
    entries = {
        "w": tensor(),
        "v": tensor(stored=storage(length=3, kind=b"torch\nLongStorage"), shape=(3,)),
    }
    assert "'v' has no proper storage" in refused(weights(entries))


def test_many_arrays_of_one_storage(refused):
    """Each copies all of it: a thousand of 40 kB are 40 MB, from a file that has 100 kB."""
    large = np.zeros(10_000, dtype=np.float32)
    whole = tensor(stored=storage(length=large.size), shape=(large.size,))
    again = {f"w{number}": b"h\x00" for number in range(1000)}
    content = weights({"w": whole + b"q\x00", **again}, storages=[("a", large)])
    assert "its arrays would take 40040000 bytes" in refused(content)


def test_large_file_is_not_even_opened(refused, tmp_path, trace):
    path = tmp_path / "huge.pth"
    with path.open("wb") as stream:
        stream.truncate(1 << 36)
    with pytest.raises(WeightsError, match=r"huge\.pth has 68719476736 bytes"):
        read_torch_weights(path)


def test_zip_is_not_unpacked(refused, tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("../../it-ran", "")
        archive.writestr("archive/data.pkl", pickle.dumps(CALLS["system"], 2))
    assert "zip format" in refused(content.getvalue())


def test_long_names_do_not_flood_the_error(refused):
    name = "n" * 100_000
    refused(weights({name: b"K\x01"}))
    refused(weights({name: tensor(shape=(7,))}))
    refused(weights({"w": tensor(stored=storage(key=name, length=-1))}))
    refused(weights({"w": b"c" + name.encode() + b"\n" + name.encode() + b"\n"}))
    refused(b"F" + name.encode() + b"\n.")
    refused(b"I" + name.encode() + b"\n.")
