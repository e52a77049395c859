"""From raw pixels to pooled features: a backbone with everything that has to stand before it.

Resizing and preprocessing are layers of the network, so that it takes pixels of 0 to 255 wherever
it goes, and nobody can hand it pixels on another scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from sktransfer._errors import unknown_name
from sktransfer.backbones._precision import float32_layers, in_bfloat16
from sktransfer.backbones._registry import BackboneSpec, get_backbone
from sktransfer.backbones._weights import Weights, find_again
from sktransfer.images._batch import ImageBatch

if TYPE_CHECKING:
    import keras

POOLINGS = ("avg", "max", "avg+max", "gem", "flatten")

PREPROCESSINGS = ("backbone", "rescale")

Size = tuple[int, int]


@dataclass(frozen=True)
class NetworkRecipe:
    """All that determines a network of pixels to features, and small enough to pickle."""

    backbone: str
    weights: Weights
    image_size: Size
    input_size: Size
    preprocessing: str | None
    interpolation: str
    pooling: str
    layers: tuple[str, ...] | None = None
    precision: str = "float32"
    engine: str = "tensorflow"
    seed: int = 0

    def fingerprint(self) -> str:
        """Tell this recipe from every other one, wherever the file of weights lies."""
        spec = get_backbone(self.backbone)  # may have been registered otherwise another time
        registered = spec.builder, spec.preprocessing, spec.input_scale
        return f"{replace(self, weights=replace(self.weights, path=None))!r}|{registered}"


def recipe_for(
    estimator: Any, images: ImageBatch, weights: Weights, input_size: Size
) -> NetworkRecipe:
    """Return the recipe of an estimator that has the parameters of a backbone."""
    return NetworkRecipe(
        backbone=estimator.backbone,
        weights=weights,
        image_size=images.size or input_size,
        input_size=input_size,
        preprocessing=estimator.preprocessing if images.canonical else None,
        interpolation=estimator.interpolation,
        pooling=estimator.pooling,
        layers=as_names(estimator.layers),
        precision=estimator.precision,
        engine=estimator.engine,
        seed=draw_seed(estimator.random_state) if estimator.weights is None else 0,
    )


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Return the seed of a backbone's random weights."""
    return int(check_random_state(random_state).randint(2**31 - 1))


def choose_input_size(
    input_size: int | Size | None, images: ImageBatch, spec: BackboneSpec
) -> Size:
    """Return the (height, width) that a backbone is given.

    None is the images' own size, raised to what the backbone recommends, or its native size where
    the images' sizes differ.
    """
    if input_size is None:
        if images.size is None:
            return spec.native_size, spec.native_size
        height, width = images.size
        return max(height, spec.recommended_size), max(width, spec.recommended_size)
    size = as_size(input_size)
    if min(size) < spec.min_size:
        raise ValueError(
            f"input_size={input_size!r} is smaller than {spec.name} takes: at least {spec.min_size}"
        )
    return size


def as_size(input_size: int | Size) -> Size:
    """Return (height, width), which are equal where one number is given."""
    if isinstance(input_size, (int, np.integer)):
        return int(input_size), int(input_size)
    height, width = input_size
    return int(height), int(width)


def as_names(layers: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the names of layers, of one or several; None for the last feature map."""
    if layers is None:
        return None
    names = (layers,) if isinstance(layers, str) else tuple(layers)
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"layers must be a layer's name, several of them or None, got {layers!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"layers names a layer twice: {names}")
    return names


def check_input_size(input_size: Any) -> None:
    """Refuse an input size that is neither None, a positive integer nor a pair of them."""
    if input_size is None:
        return
    is_pair = isinstance(input_size, (tuple, list)) and len(input_size) == 2
    sides = input_size if is_pair else (input_size,)
    if not all(isinstance(side, (int, np.integer)) and side >= 1 for side in sides):
        raise ValueError(
            "input_size must be a positive integer, a pair (height, width) of them or None, "
            f"got {input_size!r}"
        )


def fit_sizes(images: ImageBatch, image_size: Size, input_size: Size, interpolation: str):
    """Return images as a network of this recipe takes them: of `image_size`, or resized already."""
    if images.size == image_size:
        return images
    return images.resized(input_size, interpolation)


def pixel_input(image_size: Size, input_size: Size) -> Any:
    """Return the input of a network that may have to resize."""
    import keras

    size = input_size if image_size == input_size else (None, None)
    return keras.Input((*size, 3), name="pixels")


def resize_layer(tensor: Any, image_size: Size, input_size: Size, interpolation: str) -> Any:
    """Bring images of `image_size` to `input_size` where the two differ."""
    import keras

    if image_size == input_size:
        return tensor
    shrinks = input_size[0] < image_size[0] or input_size[1] < image_size[1]
    return keras.layers.Resizing(*input_size, interpolation=interpolation, antialias=shrinks)(
        tensor
    )


def preprocessing_layers(tensor: Any, spec: BackboneSpec, preprocessing: str | None) -> Any:
    """Scale pixels of 0 to 255 as the backbone was trained on, or to 0 to 1 ("rescale")."""
    import keras

    if preprocessing is None:
        return tensor
    if preprocessing == "rescale":
        return keras.layers.Rescaling(1 / 255)(tensor)
    scaling = spec.preprocessing
    if scaling.bgr:
        tensor = tensor[..., ::-1]
    scale = 1 / np.asarray(scaling.std, dtype=float)
    offset = -np.asarray(scaling.mean, dtype=float) * scale
    if not offset.any() and (scale == 1).all():
        return tensor
    return keras.layers.Rescaling(scale.tolist(), offset=offset.tolist())(tensor)


def pooling_layer(tensor: Any, pooling: str) -> Any:
    """Turn a feature map into a vector, in float32 whatever the map was computed in."""
    import keras

    from sktransfer.backbones._generalized_mean import GeneralizedMeanPooling2D

    if pooling == "avg+max":
        return keras.layers.Concatenate()(
            [pooling_layer(tensor, "avg"), pooling_layer(tensor, "max")]
        )
    layer = {
        "avg": keras.layers.GlobalAveragePooling2D,
        "max": keras.layers.GlobalMaxPooling2D,
        "gem": GeneralizedMeanPooling2D,
        "flatten": keras.layers.Flatten,
    }[pooling]
    return layer(dtype="float32")(tensor)


def pool_maps(maps: Any, pooling: str) -> Any:
    """Turn one feature map or several into one vector."""
    import keras

    pooled = [pooling_layer(feature_map, pooling) for feature_map in keras.tree.flatten(maps)]
    return keras.layers.Concatenate()(pooled) if len(pooled) > 1 else pooled[0]


def build_network(
    recipe: NetworkRecipe, *, training_mode: bool = False, stochastic_depth: float = 0.0
) -> keras.Model:
    """Build the network of a recipe, with its weights, to be trained or looked at.

    Parameters
    ----------
    recipe : NetworkRecipe
        What to build.
    training_mode : bool, default=False
        Whether the backbone's batch normalization and dropout follow the mode in which the whole is
        called. Else batch normalization always uses the statistics that it was trained with.
    stochastic_depth : float in [0, 1), default=0.0
        How often the last residual branch is dropped in training, without `training_mode`.

    Returns
    -------
    network : keras.Model
        From pixels (n, height, width, 3) to features (n, n_features). Its layer "backbone" is the
        backbone.
    """
    from sktransfer._seeding import seeded_build
    from sktransfer.backbones._held import hold_statistics

    backbone = build_backbone(recipe, trains=True)
    if not training_mode:
        with seeded_build(recipe.seed):
            backbone = hold_statistics(backbone, stochastic_depth)
    return attach_backbone(recipe, backbone)


def build_backbone(recipe: NetworkRecipe, *, trains: bool = False) -> keras.Model:
    """Build a backbone with its weights: from preprocessed images to one or more feature maps.

    `trains` says whether it is to be trained; the precision of its layers depends on it.
    """
    import keras

    from sktransfer._seeding import seeded_build

    spec = get_backbone(recipe.backbone)
    with seeded_build(recipe.seed), float32_layers():
        backbone = spec.build((*recipe.input_size, 3), find_again(spec, recipe.weights))
        maps = backbone.outputs  # `output` is missing where a backbone is Sequential
        if recipe.layers is not None:
            maps = [_map_of(backbone, name) for name in recipe.layers]
        backbone = keras.Model(
            backbone.inputs[0], maps if len(maps) > 1 else maps[0], name="backbone"
        )
        short = recipe.precision == "bfloat16"
        return in_bfloat16(backbone, trains=trains) if short else backbone


def _map_of(backbone: keras.Model, name: str) -> Any:
    """Return the feature map that a layer of a backbone makes."""
    names = [layer.name for layer in backbone.layers]
    if name not in names:
        raise unknown_name("layer", name, names)
    tensor = backbone.get_layer(name).output
    if len(tensor.shape) != 4:
        raise ValueError(
            f"layers: {name!r} makes no feature map (n, height, width, channels), but "
            f"{tuple(tensor.shape)}"
        )
    return tensor


def attach_backbone(recipe: NetworkRecipe, backbone: keras.Model) -> keras.Model:
    """Put resizing and preprocessing before a backbone, and pooling behind its feature maps."""
    import keras

    from sktransfer._seeding import seeded_build

    with seeded_build(recipe.seed), float32_layers():
        pixels = pixel_input(recipe.image_size, recipe.input_size)
        tensor = resize_layer(pixels, recipe.image_size, recipe.input_size, recipe.interpolation)
        tensor = preprocessing_layers(tensor, get_backbone(recipe.backbone), recipe.preprocessing)
        return keras.Model(pixels, pool_maps(backbone(tensor), recipe.pooling))
