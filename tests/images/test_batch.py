"""What counts as images, and what comes out of a batch of them."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image, ImageOps
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

from sktransfer._errors import ImageError
from sktransfer.images import as_images
from sktransfer.images._batch import check_images
from sktransfer.images._resize import INTERPOLATIONS, resize

ORIENTATION = 0x0112


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Random pixels, uint8."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(image: np.ndarray | Image.Image, file_format: str = "PNG", **options) -> bytes:
    """An image as the bytes of a file."""
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, file_format, **options)
    return file.getvalue()


def everything(X, **options) -> np.ndarray:
    """All the images of X."""
    return as_images(X, **options).take(slice(None))


def decoded(data: bytes) -> np.ndarray:
    """The one image in a file."""
    return everything([data])[0]


@pytest.fixture
def photos() -> np.ndarray:
    """Twenty colour images, uint8 (20, 6, 5, 3): enough for several threads."""
    return noise(20, 6, 5, 3)


@pytest.fixture
def files(photos, tmp_path) -> list[str]:
    """The same, as PNG files."""
    paths = [str(tmp_path / f"{k:02d}.png") for k in range(len(photos))]
    for path, photo in zip(paths, photos, strict=True):
        Path(path).write_bytes(encoded(photo))
    return paths


class TestArrays:
    @given(
        X=npst.arrays(
            np.uint8,
            st.tuples(*[st.integers(1, 5)] * 3, st.sampled_from([1, 3])),
        )
    )
    def test_types_that_hold_the_same_pixels_agree(self, X):
        pixels = everything(X)
        assert pixels.dtype == np.uint8
        for dtype in (np.int16, np.uint16, np.int64):
            same = everything(X.astype(dtype))
            assert same.dtype == np.uint8
            np.testing.assert_array_equal(same, pixels)
        for dtype in (np.float32, np.float64):
            for floats, declared in (
                (X.astype(dtype), (0, 255)),
                ((X / 255).astype(dtype), (0, 1)),
            ):
                same = everything(floats, pixel_range=declared)
                assert same.dtype == np.float32
                np.testing.assert_allclose(same, pixels, rtol=1e-4)

    @given(
        X=npst.arrays(
            np.uint8,
            st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 2, 4, 5])),
        )
    )
    def test_grey_is_three_equal_channels(self, X):
        pixels = everything(X)
        assert pixels.shape == (*X.shape, 3)
        for channel in range(3):
            np.testing.assert_array_equal(pixels[..., channel], X)
        np.testing.assert_array_equal(everything(X[..., np.newaxis]), pixels)

    @given(data=st.data())
    def test_take_indexes_as_numpy_does(self, data):
        X = noise(7, 3, 2, 3)
        indices = data.draw(
            st.one_of(
                st.lists(st.integers(-7, 6), max_size=10),
                st.lists(st.booleans(), min_size=7, max_size=7),
                st.slices(7),
            )
        )
        expected = X[indices] if indices else X[:0]
        np.testing.assert_array_equal(as_images(X).take(indices), expected)
        np.testing.assert_array_equal(as_images(list(X)).take(indices), expected)

    @pytest.mark.parametrize("form", [np.asarray, list], ids=["array", "list"])
    def test_index_beyond_the_end_is_an_error(self, photos, form):
        with pytest.raises(IndexError):
            as_images(form(photos)).take([20])

    def test_chunks_are_the_images_in_order(self, photos):
        chunks = list(as_images(photos).chunks(8))
        assert [len(chunk) for chunk in chunks] == [8, 8, 4]
        np.testing.assert_array_equal(np.concatenate(chunks), photos)

    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize("image_shape", [(6, 5, 3), (-1, 5, 3), [6, -1, 3], (6, 5, -1)])
    def test_rows_are_flattened_images(self, photos, image_shape, order):
        rows = np.asarray(photos.reshape(20, -1), order=order)
        np.testing.assert_array_equal(everything(rows, image_shape=image_shape), photos)
        frame = pd.DataFrame(rows)
        np.testing.assert_array_equal(everything(frame, image_shape=image_shape), photos)

    def test_image_shape_concerns_rows_only(self, photos):
        np.testing.assert_array_equal(everything(photos, image_shape=(1, -1, 1)), photos)

    def test_memory_order_is_of_no_account(self, photos):
        X = np.asfortranarray(photos)
        taken = as_images(X).take([4, 2])
        assert taken.flags.c_contiguous
        np.testing.assert_array_equal(taken, photos[[4, 2]])

    def test_array_likes(self, photos):
        class NotAnArray:
            def __array__(self, dtype=None, copy=None):
                return photos

        np.testing.assert_array_equal(everything(photos.tolist()), photos)
        np.testing.assert_array_equal(everything(NotAnArray()), photos)

    def test_scaled_floats_are_used_as_they_are(self):
        X = np.random.default_rng(0).normal(size=(2, 4, 4, 3))
        images = as_images(X, pixel_range=None)
        assert not images.canonical
        np.testing.assert_array_equal(images.take([1, 0]), X[::-1].astype(np.float32))

    def test_declared_images_are_canonical(self, photos):
        assert as_images(photos).canonical
        assert as_images(photos / 255, pixel_range=(0, 1)).canonical
        assert as_images(photos / 255, pixel_range=[0.0, 1.0]).resized((2, 2)).canonical

    @pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
    def test_x_is_not_changed_by_what_is_done_to_its_images(self, photos, dtype):
        X = photos.astype(dtype)
        before = X.copy()
        images = as_images(X, pixel_range=(0, 255))
        for taken in (images.take(slice(None)), images.resized(images.size).take(slice(None))):
            taken[:] = 0
        np.testing.assert_array_equal(X, before)

    @pytest.mark.parametrize(
        ("prepare", "options"),
        [
            (lambda X: X, {}),
            (lambda X: X.astype(np.int16), {}),
            (lambda X: X / np.float32(255), {"pixel_range": (0, 1)}),
            (lambda X: X.astype(np.float64), {"pixel_range": None}),
            (lambda X: np.asfortranarray(X.reshape(len(X), -1)), {"image_shape": (32, 32, 3)}),
        ],
        ids=["uint8", "int16", "0 to 1", "scaled", "fortran rows"],
    )
    def test_x_is_never_copied_whole(self, prepare, options):
        X = prepare(noise(5000, 32, 32, 3))
        tracemalloc.start()
        try:
            as_images(X, **options).take(np.arange(0, 3200, 100))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < X.nbytes / 8


class TestRefusedArrays:
    @pytest.mark.parametrize(
        ("X", "message"),
        [
            (np.zeros((2, 3, 3, 3)), "floats do not tell.*pixel_range="),
            (np.zeros((2, 3, 3, 3), bool), "booleans.*astype"),
            (np.zeros((2, 3, 3, 3), complex), "[Cc]omplex"),
            (np.zeros((2, 3, 3, 3), "M8[s]"), "datetime64"),
            (np.full((2, 3, 3, 3), 256), "256.*pixel_range='auto'.*0 to 255"),
            (np.full((2, 3, 3, 3), -1), "-1"),
            (np.zeros(5, int), "Reshape your data"),
            (np.zeros((2, 12), int), r"set image_shape="),
            (np.zeros((1, 2, 3, 3, 3), int), r"\(1, 2, 3, 3, 3\)"),
            (np.zeros((2, 5, 5, 2), int), "1 or 3 channels"),
            (np.zeros((2, 5, 5, 4), int), r"alpha, pass X\[\.\.\., :3\]"),
            (np.zeros((2, 3, 5, 5), int), r"transpose\(0, 2, 3, 1\)"),
            (np.zeros((32, 32, 3), int), "one colour image"),
            (np.zeros((0, 3, 3, 3), int), "0 sample"),
            (np.zeros((2, 0, 3, 3), int), "no pixels"),
            ([], "0 sample"),
            (pd.Series([], dtype=object), "0 sample"),
            ([[[1, 2], [3]]], "makes no array"),
        ],
    )
    def test_says_what_is_wrong(self, X, message):
        with pytest.raises(ValueError, match=message):
            as_images(X)

    @pytest.mark.parametrize(
        ("X", "message"),
        [
            ("a.png", r"single image \(str\); pass a list"),
            (Path("a.png"), "pass a list"),
            (b"abc", "pass a list"),
            (Image.new("RGB", (2, 2)), "pass a list"),
            (sparse.csr_matrix(np.eye(3)), "toarray"),
            ([{"image": 1}], r"\{'image': 1\} \(dict\)"),
            ((path for path in ["a.png"]), "generator"),
            (None, "NoneType"),
        ],
    )
    def test_what_stands_for_no_images(self, X, message):
        with pytest.raises(TypeError, match=message):
            as_images(X)

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    @pytest.mark.parametrize("pixel_range", ["auto", (0, 1), None])
    def test_infinity_and_nan(self, bad, pixel_range):
        X = np.zeros((2, 3, 3, 3))
        X[1, 2, 2, 0] = bad
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            as_images(X, pixel_range=pixel_range)

    @pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
    def test_values_outside_of_the_declared_range(self, dtype):
        X = np.array([0, 1, 7], dtype).reshape(3, 1, 1, 1)
        with pytest.raises(ValueError, match=r"from 0(\.0)? to 7(\.0)?.*\(0, 1\)"):
            as_images(X, pixel_range=(0, 1))

    def test_values_that_float32_cannot_hold(self):
        with pytest.raises(ValueError, match="1e\\+300"):
            as_images(np.full((1, 2, 2, 3), 1e300), pixel_range=None)

    @pytest.mark.parametrize("pixel_range", ["unit", (0, 2), (0,), 255, {0, 1}])
    def test_pixel_range(self, photos, pixel_range):
        with pytest.raises(ValueError, match="pixel_range must be 'auto'"):
            as_images(photos, pixel_range=pixel_range)

    @pytest.mark.parametrize(
        "image_shape", [(4, 4), (-1, -1, 3), (4, 4, 2), (0, 4, 3), (2.0, 2, 3), 4, "443"]
    )
    def test_image_shape(self, photos, image_shape):
        with pytest.raises(ValueError, match="image_shape must be None or"):
            as_images(photos, image_shape=image_shape)

    @pytest.mark.parametrize("image_shape", [(4, 4, 3), (7, -1, 1), (5, 5, -1)])
    def test_rows_that_do_not_fit_image_shape(self, image_shape):
        with pytest.raises(ValueError, match=rf"50 values.*{image_shape[0]}, {image_shape[1]}"):
            as_images(np.zeros((2, 50), int), image_shape=image_shape)


class TestSequences:
    def test_all_forms_of_an_image_agree(self, photos, files):
        data = [Path(path).read_bytes() for path in files]
        forms = {
            "str": files,
            "tuple": tuple(files),
            "Path": [Path(path) for path in files],
            "bytes": data,
            "bytearray": [bytearray(item) for item in data],
            "PIL": [Image.fromarray(photo) for photo in photos],
            "opened": [Image.open(path) for path in files],
            "ndarray": list(photos),
            "mixed": [files[0], data[1], Image.open(files[2]), *photos[3:]],
            "Series": pd.Series(files, index=range(100, 120)),
            "Series of bytes": pd.Series(data),
            "categories": pd.Series(files, dtype="category"),
            "array of str": np.array(files),
            "object array": np.array(files, dtype=object),
            "column": pd.DataFrame({"path": files}),
            "2-D column": np.array(files, dtype=object)[:, np.newaxis],
        }
        for name, X in forms.items():
            images = as_images(X)
            assert images.size == (6, 5), name
            np.testing.assert_array_equal(images.take(slice(None)), photos, err_msg=name)

    def test_order_holds_over_threads(self):
        greys = np.random.default_rng(0).permutation(200)
        X = [encoded(np.full((40, 30), grey, np.uint8)) for grey in greys]
        np.testing.assert_array_equal(everything(X)[:, 0, 0, 0], greys)

    def test_one_opened_image_taken_many_times_at_once(self):
        image = noise(600, 800, 3)
        data = encoded(image)
        for _ in range(5):
            pixels = as_images([Image.open(io.BytesIO(data))]).take(np.zeros(16, int))
            assert (pixels == image).all()

    def test_files_are_not_decoded_until_they_are_taken(self, files):
        whole = Path(files[0]).read_bytes()
        Path(files[0]).write_bytes(whole[:60])  # the header, and no more
        images = as_images(files)
        assert len(images.take([1, 2])) == 2
        with pytest.raises(ImageError, match=r"X\[0\].*00\.png"):
            images.take([1, 0])

    def test_already_scaled_images(self, photos):
        images = as_images(list(photos), pixel_range=None)
        assert not images.canonical
        assert images.take([0]).dtype == np.float32
        np.testing.assert_array_equal(images.take([0]), photos[:1])

    def test_cifar10_files(self, cifar10_zip):
        with zipfile.ZipFile(cifar10_zip) as archive:
            data = [archive.read(name) for name in archive.namelist()[:5]]
        expected = [np.asarray(Image.open(io.BytesIO(item))) for item in data]
        np.testing.assert_array_equal(everything(data), expected)


class TestDecoding:
    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation(self, orientation, file_format):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        data = encoded(noise(9, 14, 3), file_format, exif=exif)
        expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
        assert as_images([data]).size == expected.shape[:2]
        np.testing.assert_array_equal(decoded(data), expected)
        np.testing.assert_array_equal(everything([Image.open(io.BytesIO(data))])[0], expected)

    def test_damaged_exif_is_no_reason_to_refuse_pixels(self):
        image = noise(4, 4, 3)
        data = encoded(image, exif=b"Exif\x00\x00not a TIFF header at all")
        np.testing.assert_array_equal(decoded(data), image)

    def test_orientation_that_follows_the_pixels(self):
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        image = noise(4, 7, 3)
        data = encoded(image, exif=exif)
        start = data.index(b"eXIf") - 4
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        chunk, trailer = data[start:end], data[-12:]
        images = as_images([data[:start] + data[end:-12] + chunk + trailer])
        upright = np.rot90(image, -1)
        np.testing.assert_array_equal(images.resized((7, 4)).take([0])[0], upright)
        with pytest.raises(ImageError, match=r"X\[0\].*\(7, 4\).*header says \(4, 7\)"):
            images.take([0])

    def test_grey(self):
        image = noise(4, 5)
        np.testing.assert_array_equal(decoded(encoded(image)), np.stack([image] * 3, axis=-1))

    def test_black_and_white(self):
        image = Image.fromarray(noise(4, 5) > 127)
        assert image.mode == "1"
        assert set(decoded(encoded(image)).ravel()) == {0, 255}

    @pytest.mark.parametrize("channels", [2, 4])
    def test_alpha_is_dropped(self, channels):
        image = noise(4, 5, channels)
        expected = np.broadcast_to(image[..., :-1], (4, 5, 3))
        np.testing.assert_array_equal(decoded(encoded(image)), expected)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("transparency", [None, 0, bytes(range(16))])
    def test_palette(self, transparency):
        image = Image.fromarray(noise(8, 8, 3)).quantize(16)
        expected = np.asarray(image.convert("RGB"))
        options = {} if transparency is None else {"transparency": transparency}
        np.testing.assert_array_equal(decoded(encoded(image, **options)), expected)

    def test_cmyk(self):
        image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))  # magenta and yellow make red
        red, green, blue = decoded(encoded(image, "JPEG"))[4, 4].astype(int)
        assert red > 240 and green < 15 and blue < 15

    @pytest.mark.parametrize("file_format", ["PNG", "TIFF", "PPM"])
    def test_sixteen_bits_are_scaled(self, file_format):
        image = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
        pixels = decoded(encoded(image, file_format))
        np.testing.assert_array_equal(pixels[..., 1], np.arange(256).reshape(16, 16))

    @pytest.mark.parametrize("dtype", [np.int32, np.float32])
    def test_32_bits_have_no_known_range(self, dtype):
        image = Image.fromarray(np.zeros((3, 3), dtype))
        with pytest.raises(ImageError, match=r"X\[0\].*no known range"):
            everything([image])

    @pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG"])
    def test_first_frame_of_an_animation(self, file_format):
        frames = [Image.new("RGB", (8, 8), colour) for colour in ("white", "black", "red")]
        data = encoded(
            frames[0], file_format, save_all=True, append_images=frames[1:], lossless=True
        )
        assert Image.open(io.BytesIO(data)).n_frames == 3
        assert (decoded(data) == 255).all()


class TestRefusedSequences:
    def test_missing_files_are_counted_and_the_first_named(self, files):
        X = [files[0], "gone-1.png", files[1], *(f"gone-{k}.png" for k in range(2, 7))]
        with pytest.raises(ImageError) as caught:
            as_images(X)
        message = str(caught.value)
        assert "6 of 8 images" in message
        assert "X[1] ('gone-1.png'): no such file" in message
        assert "X[4] ('gone-3.png')" in message
        assert "gone-4" not in message
        assert "3 more" in message

    @pytest.mark.parametrize(
        ("item", "message"),
        [
            (b"not an image", "format"),
            (b"", "format"),
            (None, "None"),
            (3.5, r"3\.5 \(float\)"),
            (np.zeros((4, 4, 3)), "must be uint8, got float64"),
            (noise(4, 4, 4), r"\[\.\.\., :3\]"),
            (noise(4), r"\(4,\)"),
            (noise(2, 4, 4, 3), r"\(2, 4, 4, 3\)"),
            (noise(0, 4, 3), r"\(0, 4, 3\)"),
        ],
    )
    def test_names_the_position(self, files, item, message):
        with pytest.raises(ImageError, match=rf"1 of 3 images.*X\[1\].*{message}"):
            as_images([files[0], item, files[1]])

    def test_a_folder_is_no_image(self, files, tmp_path):
        with pytest.raises(ImageError, match=r"X\[1\].*IsADirectoryError|PermissionError"):
            as_images([files[0], tmp_path])

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
    def test_truncated_file(self, tmp_path, file_format):
        path = tmp_path / "half.img"
        data = encoded(noise(64, 64, 3), file_format)
        path.write_bytes(data[: len(data) // 2])
        images = as_images([encoded(noise(64, 64, 3)), path])
        with pytest.raises(ImageError, match=r"X\[1\] \('.*half\.img'\)"):
            images.take(slice(None))

    def test_decompression_bomb(self, files, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        with pytest.raises(ImageError, match=r"X\[0\].*DecompressionBomb"):
            as_images(files)

    def test_range_that_decoded_pixels_do_not_have(self, files):
        with pytest.raises(ImageError, match=r"pixel_range=\(0, 1\)"):
            as_images(files, pixel_range=(0, 1))

    def test_mixed_sizes_need_a_size(self, photos):
        images = as_images([photos[0], photos[1], noise(8, 9, 3)])
        assert images.size is None
        with pytest.raises(ValueError, match=r"X\[0\].*\(6, 5\).*X\[2\].*\(8, 9\)"):
            images.take([0])


class TestResizing:
    @pytest.mark.parametrize("size", [(12, 13), (3, 2), (3, 11), (6, 5)])
    @pytest.mark.parametrize("interpolation", INTERPOLATIONS)
    def test_alone_and_in_a_batch_the_bits_are_the_same(self, photos, size, interpolation):
        alone = np.stack([resize(photo, size, interpolation) for photo in photos])
        assert alone.shape == (20, *size, 3) and alone.dtype == np.float32
        for X in (photos, list(photos), [*photos, noise(8, 9, 3)]):
            images = as_images(X).resized(size, interpolation)
            assert images.size == size
            np.testing.assert_array_equal(images.take(np.arange(20)), alone)
        np.testing.assert_array_equal(
            as_images(photos.astype(np.float32), pixel_range=(0, 255))
            .resized(size, interpolation)
            .take(slice(None)),
            alone,
        )

    def test_mixed_sizes_and_kinds(self, files):
        X = [files[0], encoded(noise(8, 9)), noise(30, 20, 3)]
        assert as_images(X).resized((7, 7)).take([2, 0, 1]).shape == (3, 7, 7, 3)

    def test_what_shrinks_is_antialiased(self):
        # Every third column is white: those that a kernel of the width of one pixel would see.
        stripes = np.tile(np.array([0, 255, 0], np.uint8), (1, 15, 5))
        assert as_images(stripes).resized((15, 5)).take([0]).max() < 128
        assert (as_images(stripes).resized((15, 5), "nearest").take([0]) == 255).all()

    def test_twice(self, photos):
        once = as_images(photos).resized((12, 12))
        np.testing.assert_array_equal(
            once.resized((4, 4)).take([3]), resize(once.take([3]), (4, 4))
        )

    def test_nothing_to_resize(self, photos):
        assert as_images(photos).resized((3, 3)).take([]).shape == (0, 3, 3, 3)
        assert as_images(list(photos)).resized((3, 3)).take([]).shape == (0, 3, 3, 3)

    @pytest.mark.parametrize("size", [0, (0, 3), (3, 3, 3), (2.5, 2), "ab", None])
    def test_size_must_be_two_positive_integers(self, photos, size):
        with pytest.raises(ValueError, match=r"size must be \(height, width\)"):
            as_images(photos).resized(size)

    def test_unknown_interpolation(self, photos):
        with pytest.raises(ValueError, match=r"'bilinaer'.*'bilinear'"):
            as_images(photos).resized((3, 3), "bilinaer")


class Flattener(TransformerMixin, BaseEstimator):
    """Gives the pixels of images as rows."""

    def __init__(self, image_shape=(1, -1, 1), pixel_range=None, input_size=None):
        self.image_shape = image_shape
        self.pixel_range = pixel_range
        self.input_size = input_size

    def fit(self, X, y=None):
        check_images(self, X, reset=True)
        return self

    def transform(self, X):
        check_is_fitted(self)
        images = check_images(self, X, reset=False)
        size = self.input_size or images.size
        return images.resized(size).take(slice(None)).reshape(len(images), -1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags


@parametrize_with_checks([Flattener()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


class TestCheckImages:
    @pytest.fixture
    def estimator(self):
        return Flattener(pixel_range="auto")

    def test_size_of_fit_is_kept_and_asked_for(self, estimator, photos):
        estimator.fit(photos)
        assert estimator.image_size_ == (6, 5)
        estimator.transform(list(photos))
        with pytest.raises(ValueError, match=r"\(5, 6\).*fitted on images of \(6, 5\)"):
            estimator.transform(photos.transpose(0, 2, 1, 3))
        with pytest.raises(ValueError, match=r"mixed sizes.*fitted on images of \(6, 5\)"):
            estimator.transform([photos[0], noise(3, 3, 3)])

    def test_size_is_free_where_it_is_set(self, photos):
        estimator = Flattener(pixel_range="auto", input_size=(4, 4)).fit(photos)
        assert estimator.transform([photos[0], noise(3, 3, 3)]).shape == (2, 48)

    def test_size_is_free_where_fit_had_mixed_sizes(self, estimator, photos):
        estimator.fit([photos[0], noise(3, 3, 3)])
        assert estimator.image_size_ is None
        assert estimator.transform(photos).shape == (20, 90)

    def test_features_are_counted_of_rows_only(self, estimator, photos, files):
        estimator.fit(photos.reshape(20, -1))
        assert estimator.n_features_in_ == 90
        with pytest.raises(ValueError, match=r"X has 10 features.*expecting 90"):
            estimator.transform(photos.reshape(20, -1)[:, :10])
        for X in (photos, list(photos), files):
            assert not hasattr(estimator.fit(X), "n_features_in_")
            estimator.transform(X)

    @pytest.mark.filterwarnings("error")
    def test_name_of_the_column_is_kept(self, estimator, files):
        frame = pd.DataFrame({"path": files})
        estimator.fit(frame).transform(frame)
        assert estimator.feature_names_in_.tolist() == ["path"]
        with pytest.raises(ValueError, match=r"feature names should match"):
            estimator.transform(frame.rename(columns={"path": "file"}))
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            estimator.transform(files)
        assert not hasattr(estimator.fit(files), "feature_names_in_")
