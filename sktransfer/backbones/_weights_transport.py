"""Carries files of pretrained weights to machines without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from sktransfer._errors import WeightsError
from sktransfer.backbones._registry import WeightsFile, get_backbone, list_backbones
from sktransfer.backbones._weights import own_folder, resolve_weights
from sktransfer.backbones._weights_bundle import (
    Listed,
    copy_member,
    read_bundle,
    write_folder,
    write_tar,
)
from sktransfer.backbones._weights_files import chosen_backbones
from sktransfer.backbones._weights_hashes import difference

__all__ = ["export_weights", "import_weights"]


def export_weights(
    target: str | os.PathLike[str], names: str | Iterable[str] | None = None
) -> list[Path]:
    """Write ImageNet weights, verified, and a manifest, for a machine that has no network.

    Parameters
    ----------
    target : path
        A file if its name ends in ``.tar``; it is replaced. Else a folder, which is made and must
        be empty; ``SKTRANSFER_WEIGHTS`` may as well name that folder.
    names : str, iterable of str or None, default=None
        Backbones; None for all whose weights are on this machine. Weights that are not are
        downloaded.

    Returns
    -------
    files : list of Path
        The files that were copied.

    Raises
    ------
    ValueError
        If there is no such backbone, or there are no weights to export.
    MissingWeightsError
        If weights are not on this machine and cannot be downloaded.
    WeightsError
        If a file has not the hash that it must have.
    FileExistsError
        If the folder is not empty.

    Examples
    --------
    >>> from sktransfer.backbones import export_weights
    >>> files = export_weights("weights.tar", ["vgg16", "mobilenet"])  # doctest: +SKIP
    """
    path = Path(target).expanduser().absolute()
    files = {}
    for spec in chosen_backbones(names):
        weights = resolve_weights(spec, "imagenet")
        assert weights.path is not None
        assert weights.sha256 is not None
        files[weights.path] = Listed(weights.path.stat().st_size, weights.sha256)
    if not files:
        raise ValueError("names: no weights to export; name backbones of which to fetch them")
    path.parent.mkdir(parents=True, exist_ok=True)
    write = write_tar if path.suffix == ".tar" else write_folder
    write(path, files)
    return list(files)


def import_weights(path: str | os.PathLike[str]) -> list[Path]:
    """Take in weights that `export_weights` wrote on another machine.

    They go into the folder that ``SKTRANSFER_WEIGHTS`` names, else into Keras' cache, and replace
    files of the same names there. All are checked before the first of them appears.

    Parameters
    ----------
    path : path
        The tar or folder. A file under upstream's name must have the published hash, where there
        is one. For the others the manifest's hashes tell damage, not ill will: take them in only
        from those you trust.

    Returns
    -------
    files : list of Path
        The files, where they are now.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    WeightsError
        If it is no export, or has a member that is no plain file, that has a path for a name, that
        no backbone knows or the manifest does not name, or whose size or hash is another; the
        message names it.

    Examples
    --------
    >>> from sktransfer.backbones import import_weights
    >>> files = import_weights("weights.tar")  # doctest: +SKIP
    """
    from filelock import FileLock

    source = Path(path).expanduser()
    if not (source.is_file() or source.is_dir()):
        raise FileNotFoundError(f"no such file or folder: {source}")
    folder = own_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".import.lock"):
        staging = folder / ".import"
        shutil.rmtree(staging, ignore_errors=True)  # what a killed import has left
        staging.mkdir()
        try:
            names = _stage(source, staging, folder)
            return [(staging / name).replace(folder / name) for name in names]
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _stage(source: Path, staging: Path, folder: Path) -> list[str]:
    """Copy all files of an export to the folder `staging`, checked, and return their names."""
    known = _known_files()
    try:
        bundle = read_bundle(source, known.keys())
        for name, (member, listed) in bundle.items():
            copy_member(name, member, listed, staging / name)
            found = difference(known[name], folder / name, staging / name)
            if found is not None:
                raise WeightsError(f"{name!r} is not the file that it is named after: {found}")
    except WeightsError as error:
        raise WeightsError(f"{source}: {error}; nothing was taken in") from None
    return list(bundle)


def _known_files() -> dict[str, WeightsFile]:
    """Map each name that a file of weights may have to what is known of the file."""
    files = (get_backbone(name).weights for name in list_backbones().index)
    return {
        name: file for file in files if file is not None for name in (file.file_name, *file.aliases)
    }
