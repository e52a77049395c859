"""The format in which files of weights travel: an uncompressed tar, or a folder, and a manifest.

The manifest holds the size and SHA-256 of each file. Nothing that is read is trusted: members are
stretches of bytes, never unpacked by their names, and everything that makes a tar dangerous (links,
devices, sparse files, extended headers) is a type of member of its own, of which none is read.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sktransfer._errors import WeightsError
from sktransfer._replacing import replacing

__all__ = ["Listed", "Member", "copy_member", "read_bundle", "write_folder", "write_tar"]

_FORMAT = "sktransfer weights 1"
_MANIFEST = "manifest.json"
_MAX_MANIFEST = 1 << 20  # bytes
_CHUNK = 1 << 20  # bytes


class Listed(NamedTuple):
    """What a manifest says of a file."""

    size: int
    sha256: str


class Member(NamedTuple):
    """A stretch of a file, which is the content of one that travels."""

    source: Path
    offset: int
    size: int

    def chunks(self) -> Iterator[bytes]:
        """Read the stretch, as far as it is there."""
        with self.source.open("rb") as stream:
            stream.seek(self.offset)
            left = self.size
            while chunk := stream.read(min(_CHUNK, left)):
                left -= len(chunk)
                yield chunk


def write_tar(path: Path, files: Mapping[Path, Listed]) -> None:
    """Write a tar, which appears whole or not at all."""
    with replacing(path) as temporary:
        _fill_tar(temporary, files)


def _fill_tar(path: Path, files: Mapping[Path, Listed]) -> None:
    manifest = _manifest(files)
    with tarfile.open(path, "w:", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(_header(_MANIFEST, len(manifest)), io.BytesIO(manifest))
        for file, listed in files.items():
            with file.open("rb") as stream:
                tar.addfile(_header(file.name, listed.size), stream)


def write_folder(path: Path, files: Mapping[Path, Listed]) -> None:
    """Fill an empty folder; the manifest comes last, so that without it nothing is read."""
    path.mkdir(exist_ok=True)
    if any(path.iterdir()):
        raise FileExistsError(f"{path} is not empty; weights are exported to a new folder")
    for file in files:
        shutil.copyfile(file, path / file.name)
    (path / _MANIFEST).write_bytes(_manifest(files))


def _header(name: str, size: int) -> tarfile.TarInfo:
    """Describe a plain file without date and owner, so that equal files make equal tars."""
    header = tarfile.TarInfo(name)
    header.size = size
    return header


def _manifest(files: Mapping[Path, Listed]) -> bytes:
    entries = {file.name: listed._asdict() for file, listed in files.items()}
    return json.dumps({"format": _FORMAT, "files": entries}, indent=1).encode()


def read_bundle(path: Path, known: Collection[str]) -> dict[str, tuple[Member, Listed]]:
    """List what is in a tar or folder, having checked all but the hashes.

    Parameters
    ----------
    path : Path
        The tar or folder.
    known : collection of str
        The names that files may have.

    Raises
    ------
    WeightsError
        If it is no export, or anything in it is not as it must be; the message names the file.
    """
    members = _folder_members(path, known) if path.is_dir() else _tar_members(path)
    listed = _read_manifest(members.pop(_MANIFEST, None))
    for name, entry in listed.items():
        _check_name(name)
        if name not in known:
            raise WeightsError(f"{name!r} is no file of weights of a known backbone")
        if name not in members:
            raise WeightsError(f"{name!r} is in the manifest, but is no plain file beside it")
        if members[name].size != entry.size:
            raise WeightsError(
                f"{name!r} has {members[name].size} bytes, in the manifest {entry.size}"
            )
    for name in members:
        if name not in listed:
            raise WeightsError(f"{name!r} is not in the manifest")
    return {name: (members[name], entry) for name, entry in listed.items()}


def copy_member(name: str, member: Member, listed: Listed, path: Path) -> None:
    """Write a file to `path`, which is of use only if its hash proves right."""
    found = hashlib.sha256()
    with path.open("xb") as stream:
        for chunk in member.chunks():
            found.update(chunk)
            stream.write(chunk)
        stream.flush()
        os.fsync(stream.fileno())
    if found.hexdigest() != listed.sha256:
        raise WeightsError(
            f"the SHA-256 of {name!r} is {found.hexdigest()}, in the manifest {listed.sha256}"
        )


def _check_name(name: str) -> None:
    """Refuse a name that is a path."""
    if re.fullmatch(r"\w[\w.+-]*", name, flags=re.ASCII) is None:
        raise WeightsError(f"{name[:100]!a} is no plain name of a file")


def _folder_members(folder: Path, known: Collection[str]) -> dict[str, Member]:
    """List the plain files of a folder that could be meant; others, such as a system's, may be."""
    members = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in known or entry.name == _MANIFEST:
                if not entry.is_file(follow_symlinks=False):
                    raise WeightsError(f"{entry.name!r} is no plain file")
                members[entry.name] = Member(Path(entry.path), 0, entry.stat().st_size)
    return members


def _tar_members(path: Path) -> dict[str, Member]:
    """List the members of a tar, all of which must be plain files with plain names."""
    members: dict[str, Member] = {}
    end, position = path.stat().st_size, 0
    with path.open("rb") as stream:
        while (header := _read_header(stream.read(tarfile.BLOCKSIZE))) is not None:
            _check_name(header.name)
            if header.type != tarfile.REGTYPE:
                raise WeightsError(f"{header.name!r} is no plain file, but of type {header.type!r}")
            if header.name in members:
                raise WeightsError(f"{header.name!r} is there twice")
            position += tarfile.BLOCKSIZE
            if not 0 <= header.size <= end - position:
                raise WeightsError(f"{header.name!r} has {header.size} bytes, more than there are")
            members[header.name] = Member(path, position, header.size)
            position += -(-header.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            stream.seek(position)
    return members


def _read_header(block: bytes) -> tarfile.TarInfo | None:
    """Read the header of a member; None at the end of a tar."""
    if block == bytes(tarfile.BLOCKSIZE):
        return None
    try:
        return tarfile.TarInfo.frombuf(block, "ascii", "backslashreplace")
    except (tarfile.HeaderError, ValueError) as error:
        raise WeightsError(f"it is no uncompressed tar, or damaged ({error})") from None


def _read_manifest(member: Member | None) -> dict[str, Listed]:
    """Read what a manifest says of each file."""
    if member is None:
        raise WeightsError(f"there is no {_MANIFEST!r} in it: it is no complete export of weights")
    if member.size > _MAX_MANIFEST:
        raise WeightsError(f"{_MANIFEST!r} has {member.size} bytes, more than {_MAX_MANIFEST}")
    try:
        manifest = json.loads(b"".join(member.chunks()))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{_MANIFEST!r} is damaged ({error})") from None
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise WeightsError(f"{_MANIFEST!r} does not name the format {_FORMAT!r}")
    if not isinstance(manifest.get("files"), dict):
        raise WeightsError(f"{_MANIFEST!r} has no dictionary of files")
    return {name: _read_entry(name, entry) for name, entry in manifest["files"].items()}


def _read_entry(name: str, entry: Any) -> Listed:
    """Read what a manifest says of one file."""
    try:
        listed = Listed(**entry)
    except TypeError:
        raise WeightsError(f"{_MANIFEST!r} does not give size and sha256 of {name!r}") from None
    is_hash = isinstance(listed.sha256, str) and re.fullmatch("[0-9a-f]{64}", listed.sha256)
    if type(listed.size) is not int or listed.size < 0 or not is_hash:
        raise WeightsError(f"{_MANIFEST!r} gives {name!r} a size or sha256 that is none")
    return listed
