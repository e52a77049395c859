"""What is done with files of pretrained weights by hand: looking, fetching, checking."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from sktransfer._errors import WeightsError
from sktransfer.backbones._registry import BackboneSpec, get_backbone, list_backbones
from sktransfer.backbones._weights import are_at_hand, locate, resolve_weights
from sktransfer.backbones._weights_hashes import (
    digest,
    forget_digests,
    has_published_hash,
    verify,
)

if TYPE_CHECKING:
    from sktransfer.backbones._registry import WeightsFile

__all__ = ["chosen_backbones", "fetch_weights", "list_weights", "verify_weights"]


def list_weights() -> pd.DataFrame:
    """Return a table of the files of ImageNet weights, one row for each backbone that has any.

    Nothing is opened, downloaded or verified.

    Returns
    -------
    table : DataFrame
        Index: name of the backbone. Columns: file (upstream's name of it), megabytes (of float32
        parameters, which is nearly the size of the file), checked_by (``"md5"`` or ``"sha256"``
        for upstream's published hash, ``"first use"`` where the hash of the first use must stay),
        source (address, or name of a package), path (the file that would be used, None if there
        is none on this machine).

    See Also
    --------
    list_backbones : What else is known about the networks.

    Examples
    --------
    >>> from sktransfer.backbones import list_weights
    >>> list_weights().loc["convnext_tiny", ["file", "checked_by"]].tolist()
    ['convnext_tiny_notop.h5', 'sha256']
    """
    specs = [get_backbone(name) for name in list_backbones().index]
    rows = [_listed(spec, spec.weights) for spec in specs if spec.weights is not None]
    columns = ["name", "file", "megabytes", "checked_by", "source", "path"]
    return pd.DataFrame(rows, columns=columns).set_index("name")


def _listed(spec: BackboneSpec, file: WeightsFile) -> dict[str, Any]:
    """Describe a file of weights and where it is."""
    path = locate(file)
    return {
        "name": spec.name,
        "file": file.file_name,
        "megabytes": round(spec.weights_size / 1e6, 1),
        "checked_by": _checked_by(file, Path(file.file_name) if path is None else path),
        "source": file.url or file.package,
        "path": path,
    }


def _checked_by(file: WeightsFile, path: Path) -> str:
    """Name the hash that the file at `path` must have."""
    return file.hash_algorithm if has_published_hash(file, path) else "first use"


def fetch_weights(name: str) -> Path:
    """Make sure that a backbone's ImageNet weights are on this machine, and verified.

    They are downloaded into Keras' cache where they are in none of the places in which
    ``weights="imagenet"`` looks. A file appears there complete and verified, or not at all; of
    several processes one downloads, and the others wait for it.

    Parameters
    ----------
    name : str
        One of `list_backbones`.

    Returns
    -------
    path : Path
        The file.

    Raises
    ------
    ValueError
        If there is no such backbone.
    MissingWeightsError
        If there are no weights for it, or they cannot be had.
    WeightsError
        If the file that is found or downloaded has not the hash that it must have.

    Examples
    --------
    >>> from sktransfer.backbones import fetch_weights
    >>> fetch_weights("mobilenet").name  # doctest: +SKIP
    'mobilenet_1_0_224_tf_no_top.h5'
    """
    path = resolve_weights(get_backbone(name), "imagenet").path
    assert path is not None
    return path


def verify_weights(names: str | Iterable[str] | None = None) -> pd.DataFrame:
    """Hash files of weights anew, and compare.

    Nothing is downloaded. A file without a published hash that was never used before is pinned, as
    at its first use.

    Parameters
    ----------
    names : str, iterable of str or None, default=None
        Backbones; None for all whose weights are on this machine.

    Returns
    -------
    table : DataFrame
        Index: name of the backbone. Columns: path (None if there is no file), sha256 (empty if
        there is no file, or it cannot be read), fault (what is wrong; empty if nothing is).

    Raises
    ------
    ValueError
        If there is no such backbone.

    Examples
    --------
    >>> from sktransfer.backbones import verify_weights
    >>> verify_weights([]).columns.tolist()
    ['path', 'sha256', 'fault']
    """
    forget_digests()
    rows = [_verified(spec) for spec in chosen_backbones(names)]
    return pd.DataFrame(rows, columns=["name", "path", "sha256", "fault"]).set_index("name")


def _verified(spec: BackboneSpec) -> dict[str, Any]:
    """Verify the file that would be used for a backbone."""
    row: dict[str, Any] = {"name": spec.name, "path": None, "sha256": "", "fault": ""}
    path = None if spec.weights is None else locate(spec.weights)
    if spec.weights is None or path is None:
        return {**row, "fault": "there is no such file on this machine"}
    row["path"] = path
    try:
        row["sha256"] = digest(path, "sha256")
        verify(spec.weights, path)
    except (WeightsError, OSError) as error:
        row["fault"] = str(error)
    return row


def chosen_backbones(names: str | Iterable[str] | None) -> list[BackboneSpec]:
    """Return the backbones of some names, each once; of None those with weights at hand."""
    if names is None:
        specs = map(get_backbone, list_backbones().index)
        return [spec for spec in specs if are_at_hand(spec)]
    return [
        get_backbone(name) for name in dict.fromkeys([names] if isinstance(names, str) else names)
    ]
