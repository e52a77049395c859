from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from PIL import Image

from sktransfer._errors import ImageError, UnreadableImagesWarning
from sktransfer.datasets import load_image_folder
from sktransfer.images import ImageReader


def add_images(folder, *names):
    for name in names:
        file = Path(folder, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(file)


def relative(paths, folder):
    return [Path(path).relative_to(folder).as_posix() for path in paths]


def test_paths_and_labels_are_sorted_by_class_then_path(tmp_path):
    add_images(tmp_path, "dog/b.png", "cat/z.png", "dog/a.jpg", "cat/deep/er/y.gif")
    pets = load_image_folder(tmp_path)
    assert relative(pets.X, tmp_path) == [
        "cat/deep/er/y.gif",
        "cat/z.png",
        "dog/a.jpg",
        "dog/b.png",
    ]
    assert pets.y.tolist() == ["cat", "cat", "dog", "dog"]
    assert pets.target_names == ["cat", "dog"]
    assert pets.X.dtype.kind == pets.y.dtype.kind == "U"


@pytest.mark.parametrize(
    "suffix", ["jpg", "jpeg", "png", "bmp", "gif", "webp", "tif", "tiff", "JPG", "Png"]
)
def test_known_suffixes_in_any_case(tmp_path, suffix):
    add_images(tmp_path, f"cat/one.{suffix}", f"dog/two.{suffix}")
    assert len(load_image_folder(str(tmp_path)).X) == 2


def test_hidden_and_other_files_are_left_out(tmp_path):
    add_images(tmp_path, "cat/1.png", "dog/2.png")
    add_images(tmp_path, "cat/.hidden.png", "cat/.thumbnails/1.png", ".cache/x.png", "loose.png")
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    (tmp_path / "cat" / "folder.png").mkdir()
    pets = load_image_folder(tmp_path)
    assert relative(pets.X, tmp_path) == ["cat/1.png", "dog/2.png"]


def test_hidden_folder_above_does_not_hide_the_images(tmp_path):
    folder = tmp_path / ".data"
    add_images(folder, "cat/1.png", "dog/2.png")
    assert len(load_image_folder(folder).X) == 2


def test_missing_path(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        load_image_folder(tmp_path / "absent")


def test_file_instead_of_folder(tmp_path):
    add_images(tmp_path, "cat.png")
    with pytest.raises(NotADirectoryError, match=r"cat\.png"):
        load_image_folder(tmp_path / "cat.png")


@pytest.mark.parametrize("images", [[], ["loose.png"], ["cat/1.png"]])
def test_fewer_than_two_class_folders(tmp_path, images):
    add_images(tmp_path, *images)
    with pytest.raises(ValueError, match="at least two folders"):
        load_image_folder(tmp_path)


def test_class_folder_without_images_is_named(tmp_path):
    add_images(tmp_path, "cat/1.png", "dog/2.png")
    (tmp_path / "emu").mkdir()
    with pytest.raises(ValueError, match=r"without an image file: \['emu'\]"):
        load_image_folder(tmp_path)


@pytest.mark.parametrize("parts", [["train"], ["test", "train"], ["train", "val"]])
def test_parts_of_a_data_set_are_not_taken_for_classes(tmp_path, parts):
    for part in parts:
        add_images(tmp_path, f"{part}/cat/1.png", f"{part}/dog/2.png")
    with pytest.raises(ValueError, match=f"beginning with .*{parts[0]}'"):
        load_image_folder(tmp_path)
    assert len(load_image_folder(tmp_path / parts[0]).X) == 2


def test_part_names_may_be_classes_among_others(tmp_path):
    add_images(tmp_path, "train/1.png", "tram/2.png")
    assert load_image_folder(tmp_path).target_names == ["train", "tram"]


@pytest.fixture
def damaged_pets(tmp_path):
    """Six files, of which two cannot be read."""
    add_images(tmp_path, "cat/0.png", "cat/1.png", "cat/2.png", "dog/3.png", "dog/5.png")
    content = (tmp_path / "cat" / "1.png").read_bytes()
    (tmp_path / "cat" / "1.png").write_bytes(content[:-20])
    (tmp_path / "dog" / "4.png").symlink_to(tmp_path / "gone.png")
    return tmp_path


def test_unreadable_files_are_skipped_with_their_labels(damaged_pets):
    with pytest.warns(UnreadableImagesWarning) as caught:
        pets = load_image_folder(damaged_pets, on_error="skip")
    assert relative(pets.X, damaged_pets) == ["cat/0.png", "cat/2.png", "dog/3.png", "dog/5.png"]
    assert pets.y.tolist() == ["cat", "cat", "dog", "dog"]
    assert pets.target_names == ["cat", "dog"]
    assert relative(pets.skipped["file"], damaged_pets) == ["cat/1.png", "dog/4.png"]
    assert pets.skipped["position"].tolist() == [1, 4]
    assert pets.skipped["target"].tolist() == ["cat", "dog"]
    assert pets.skipped["error"].tolist() == ["PNG file is truncated", "no such file"]
    [warning] = caught
    assert "2 of 6 images cannot be read" in str(warning.message)
    assert "1.png" in str(warning.message)
    assert "4.png" in str(warning.message)
    assert warning.message.unreadable["position"].tolist() == [1, 4]
    assert ImageReader().fit_transform(pets.X).shape == (4, 4, 4, 3)


def test_unreadable_files_are_listed_unless_skipped(damaged_pets):
    pets = load_image_folder(damaged_pets)
    assert len(pets.X) == len(pets.y) == 6
    assert pets.skipped.empty
    with pytest.raises(ImageError, match=r"X\[4\] \('.*4\.png'\): no such file"):
        ImageReader().fit(pets.X)


def test_readable_folders_are_loaded_without_a_warning(tmp_path):
    add_images(tmp_path, "cat/1.png", "dog/2.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pets = load_image_folder(tmp_path, on_error="skip")
    assert len(pets.X) == 2
    assert pets.skipped.columns.tolist() == ["position", "file", "target", "error"]
    assert pets.skipped.empty


def test_class_of_which_nothing_can_be_read_is_named(tmp_path):
    add_images(tmp_path, "cat/1.png", "dog/2.png")
    (tmp_path / "cat" / "1.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"no file can be read: \['cat'\].*1\.png"):
        load_image_folder(tmp_path, on_error="skip")


def test_on_error_is_checked(tmp_path):
    with pytest.raises(ValueError, match=r"on_error must be one of .*'ignore'"):
        load_image_folder(tmp_path, on_error="ignore")
