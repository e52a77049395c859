"""Compare the speed of augmentation with Keras and Albumentations.

    python -m benchmarks.augmentation

The seven changes of the CIFAR-10 study (rotation, two shifts, shear, zoom, flip, filled with the
nearest pixels) to images of 32x32 pixels in batches of 40. The libraries draw their numbers each in
its own way, so the pictures are alike in kind and strength, not pixel by pixel. Keras' layers and
Albumentations' operations resample an image several times or once, as they do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks._settings import image_parser, load_images
from benchmarks._side_by_side import compared, installed, store, take_turns

BATCH = 40
GENERATOR = "Keras ImageDataGenerator"


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    images: int = 8000


QUICK = Sizes(images=80)


def by_sktransfer(images: np.ndarray, study: dict) -> Callable[[], int]:
    """Return a call of the library's augmentation."""
    from sktransfer import ImageAugmentation

    augmentation = ImageAugmentation(**study)

    def run() -> int:
        ids = np.arange(len(images))
        return sum(
            len(augmentation.augment(images[some], seed=0, ids=some))
            for some in np.split(ids, len(ids) // BATCH)
        )

    return run


def by_generator(images: np.ndarray, study: dict) -> Callable[[], int]:
    """Return a call of the generator that the study used."""
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    augmentation = ImageDataGenerator(
        rotation_range=study["rotation"],
        width_shift_range=study["width_shift"],
        height_shift_range=study["height_shift"],
        shear_range=study["shear"],
        zoom_range=study["zoom"],
        horizontal_flip=study["horizontal_flip"],
        fill_mode=study["fill_mode"],
    )

    def run() -> int:
        batches = augmentation.flow(images, batch_size=BATCH, shuffle=False)
        return sum(len(batches[position]) for position in range(len(batches)))

    return run


def by_layers(images: np.ndarray, study: dict) -> Callable[[], int]:
    """Return a pass over a tf.data pipeline of Keras' preprocessing layers."""
    import keras
    import tensorflow as tf

    fill = study["fill_mode"]
    shear = np.radians(study["shear"])
    augmentation = keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomRotation(study["rotation"] / 360, fill_mode=fill),
            keras.layers.RandomTranslation(
                study["height_shift"], study["width_shift"], fill_mode=fill
            ),
            keras.layers.RandomShear(x_factor=shear, fill_mode=fill),
            keras.layers.RandomZoom(study["zoom"], study["zoom"], fill_mode=fill),
        ]
    )
    batches = (
        tf.data.Dataset.from_tensor_slices(images)
        .batch(BATCH)
        .map(lambda batch: augmentation(batch, training=True), tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )
    return lambda: sum(len(batch) for batch in batches.as_numpy_iterator())


def by_albumentations(images: np.ndarray, study: dict) -> Callable[[], int]:
    """Return a loop over the images, as Albumentations asks for it."""
    import albumentations
    import cv2

    shift_x, shift_y, zoom = study["width_shift"], study["height_shift"], study["zoom"]
    augmentation = albumentations.Compose(
        [
            albumentations.HorizontalFlip(p=0.5),
            albumentations.Affine(
                scale={"x": (1 - zoom, 1 + zoom), "y": (1 - zoom, 1 + zoom)},
                translate_percent={"x": (-shift_x, shift_x), "y": (-shift_y, shift_y)},
                rotate=(-study["rotation"], study["rotation"]),
                shear=(-study["shear"], study["shear"]),
                border_mode=cv2.BORDER_REPLICATE,
                p=1,
            ),
        ]
    )
    return lambda: sum(len([augmentation(image=image)["image"]]) for image in images)


def measure(images: np.ndarray, repeats: int) -> list[dict]:
    """Measure all that are installed."""
    from sktransfer import ImageAugmentation

    study = ImageAugmentation.preset("study").get_params()
    makers = {
        GENERATOR: by_generator,
        "sktransfer": by_sktransfer,
        "Keras layers in tf.data": by_layers,
    }
    if installed("Albumentations", "albumentations"):
        makers["Albumentations"] = by_albumentations
    timed = take_turns({name: make(images, study) for name, make in makers.items()}, repeats)
    for name, one in timed.items():
        if one.result != len(images):
            raise RuntimeError(f"{name} gave {one.result} images of {len(images)}")
    return [
        one | {"images_per_second": len(images) / one["seconds"]}
        for one in compared(timed, GENERATOR)
    ]


def main(words: list[str] | None = None) -> None:
    arguments = image_parser(__doc__, repeats=5).parse_args(words)
    sizes = QUICK if arguments.quick else Sizes()
    images, _ = load_images(arguments.data, sizes.images, arguments.seed)
    store(
        "augmentation",
        measure(images, arguments.repeats),
        arguments,
        sizes,
        packages=("albumentations", "opencv-python-headless"),
        batch_size=BATCH,
    )


if __name__ == "__main__":
    main()
