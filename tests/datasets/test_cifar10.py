from __future__ import annotations

import io
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from sktransfer._errors import ImageError
from sktransfer.datasets import load_cifar10

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def encoded(value, size=(32, 32), file_format="PNG", mode="RGB"):
    """A picture of one colour as the bytes of a file."""
    colour = value if mode == "L" else (value, 0, 255)
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, file_format)
    return buffer.getvalue()


@pytest.fixture
def files():
    """A small CIFAR-10: two training images and one test image a class, in no order."""
    contents = {}
    for number, name in reversed(list(enumerate(CLASSES))):
        contents[f"cifar10/train/{name}/0001.png"] = encoded(10 * number + 1)
        contents[f"cifar10/train/{name}/0000.png"] = encoded(10 * number)
        contents[f"cifar10/test/{name}/0000.png"] = encoded(10 * number + 2)
    return contents


@pytest.fixture
def as_zip(tmp_path):
    def write(contents, compression=zipfile.ZIP_STORED):
        path = tmp_path / "small.zip"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
        return path

    return write


@pytest.fixture
def as_folder(tmp_path):
    def write(contents):
        for name, content in contents.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return tmp_path

    return write


def check_small_cifar10(cifar10):
    assert cifar10.X_train.shape == (20, 32, 32, 3)
    assert cifar10.X_test.shape == (10, 32, 32, 3)
    assert cifar10.X_train.dtype == cifar10.X_test.dtype == np.uint8
    assert cifar10.y_train.tolist() == np.repeat(CLASSES, 2).tolist()
    assert cifar10.y_test.tolist() == cifar10.target_names == CLASSES
    # Sorted by class, then by file name; red is the number of the image, blue is full.
    numbers = 10 * np.arange(10)
    np.testing.assert_array_equal(
        cifar10.X_train[:, 5, 7, 0], np.stack([numbers, numbers + 1], axis=1).ravel()
    )
    np.testing.assert_array_equal(cifar10.X_test[:, 31, 0, 0], numbers + 2)
    assert (cifar10.X_train[..., 2] == 255).all()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip(files, as_zip, compression):
    check_small_cifar10(load_cifar10(as_zip(files, compression)))


def test_folder_around_the_parts(files, as_folder):
    check_small_cifar10(load_cifar10(as_folder(files)))


def test_folder_of_the_parts(files, as_folder):
    check_small_cifar10(load_cifar10(str(as_folder(files) / "cifar10")))


def test_files_that_are_no_images_of_the_set_are_left_out(files, as_zip):
    files["cifar10/README.txt"] = b"about"
    files["cifar10/train/cat/labels.csv"] = b"1,2"
    files["cifar10/train/cat/._0000.png"] = b"a resource fork"
    files["__MACOSX/cifar10/train/cat/0000.png"] = b"a resource fork"
    check_small_cifar10(load_cifar10(as_zip(files)))


def test_jpeg_in_any_case_and_grey(files, as_zip):
    files["cifar10/train/cat/0000.png"] = encoded(30, mode="L")
    del files["cifar10/test/dog/0000.png"]
    files["cifar10/test/dog/0000.JPG"] = encoded(52, file_format="JPEG")
    cifar10 = load_cifar10(as_zip(files))
    assert (cifar10.X_train[cifar10.y_train == "cat"][0] == 30).all()
    assert abs(int(cifar10.X_test[CLASSES.index("dog"), 0, 0, 0]) - 52) <= 3


def test_description(files, as_zip):
    path = as_zip(files)
    description = load_cifar10(path).DESCR
    assert "20 training and 10 test images" in description
    assert str(path) in description


def test_missing_path(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.zip"):
        load_cifar10(tmp_path / "absent.zip")


def test_neither_folder_nor_zip(tmp_path):
    path = tmp_path / "cifar10.zip"
    path.write_bytes(b"this is not a zip")
    with pytest.raises(ValueError, match=r"cifar10\.zip' is neither a folder nor a complete zip"):
        load_cifar10(path)


def test_cut_off_zip(files, as_zip):
    path = as_zip(files)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="neither a folder nor a complete zip"):
        load_cifar10(path)


def test_missing_class_is_named(files, as_zip):
    del files["cifar10/test/frog/0000.png"]
    with pytest.raises(ValueError, match=r"test/ should hold .* lacks \['frog'\]"):
        load_cifar10(as_zip(files))


def test_missing_part_is_named(files, as_zip):
    only_train = {name: content for name, content in files.items() if "/train/" in name}
    with pytest.raises(ValueError, match=r"test/ should hold .* lacks \['airplane', "):
        load_cifar10(as_zip(only_train))


def test_unknown_class_is_named(files, as_zip):
    files["cifar10/train/zebra/0000.png"] = encoded(1)
    with pytest.raises(ValueError, match=r"train/ should hold .* has \['zebra'\]"):
        load_cifar10(as_zip(files))


def test_damaged_file_in_a_zip_is_named(files, as_zip):
    path = as_zip(files)
    content = bytearray(path.read_bytes())
    content[content.index(files["cifar10/train/deer/0001.png"]) + 50] ^= 1
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"train/deer/0001\.png' in .*small\.zip' is damaged"):
        load_cifar10(path)


def test_file_that_is_no_image_is_named(files, as_folder):
    files["cifar10/train/ship/0000.png"] = b"no image"
    with pytest.raises(ImageError, match=r"cifar10/train/ship/0000\.png' in .* is damaged"):
        load_cifar10(as_folder(files))


def test_image_of_another_size_is_named(files, as_zip):
    files["cifar10/train/ship/0000.png"] = encoded(1, size=(64, 48))
    with pytest.raises(ImageError, match=r"ship/0000\.png' in .* has 48 x 64 pixels"):
        load_cifar10(as_zip(files))


def test_without_a_path_keras_provides_the_images(monkeypatch):
    X_train = np.arange(3 * 32 * 32 * 3, dtype=np.uint8).reshape(3, 32, 32, 3)
    X_test = X_train[:1] + 1
    source = SimpleNamespace(
        load_data=lambda: ((X_train, np.array([[9], [0], [3]])), (X_test, np.array([[6]])))
    )
    keras_datasets = pytest.importorskip("keras.datasets")
    monkeypatch.setattr(keras_datasets, "cifar10", source)
    cifar10 = load_cifar10()
    np.testing.assert_array_equal(cifar10.X_train, X_train)
    np.testing.assert_array_equal(cifar10.X_test, X_test)
    assert cifar10.y_train.tolist() == ["truck", "airplane", "cat"]
    assert cifar10.y_test.tolist() == ["frog"]
    assert cifar10.target_names == CLASSES


@pytest.mark.slow
def test_complete_zip(cifar10_zip):
    cifar10 = load_cifar10(cifar10_zip)
    assert cifar10.X_train.shape == (50_000, 32, 32, 3)
    assert cifar10.X_test.shape == (10_000, 32, 32, 3)
    for y, per_class in ((cifar10.y_train, 5_000), (cifar10.y_test, 1_000)):
        names, counts = np.unique(y, return_counts=True)
        assert names.tolist() == CLASSES
        assert set(counts) == {per_class}
    # The published channel means of CIFAR-10's training images.
    means = cifar10.X_train.mean(axis=(0, 1, 2)) / 255
    np.testing.assert_allclose(means, [0.4914, 0.4822, 0.4465], atol=0.002)


def test_without_a_network_the_way_around_is_named(monkeypatch):
    def load_data():
        raise Exception("URL fetch failure on https://www.cs.toronto.edu/: None -- unreachable")

    keras_datasets = pytest.importorskip("keras.datasets")
    monkeypatch.setattr(keras_datasets, "cifar10", SimpleNamespace(load_data=load_data))
    with pytest.raises(OSError, match=r"URL fetch failure .* give as path a zip or a folder"):
        load_cifar10()
