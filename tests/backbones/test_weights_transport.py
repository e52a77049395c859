"""Weights that travel, and what is not let in."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from dataclasses import replace

import pytest

from sktransfer._errors import MissingWeightsError, WeightsError
from sktransfer.backbones import (
    _registry,
    _weights_bundle,
    export_weights,
    fetch_weights,
    import_weights,
    list_weights,
    verify_weights,
)
from sktransfer.backbones._registry import WeightsFile, get_backbone

# Of the first file upstream publishes a hash, of the second it does not.
HASHED, PINNED = "hashed_upstream.h5", "pinned_upstream.h5"
CONTENTS = {HASHED: b"weights of the first network", PINNED: b"weights of the second" * 100}


@pytest.fixture(autouse=True)
def machines(monkeypatch, tmp_path):
    """A registry of two networks, and a machine that has the weights of both."""
    registry = {}
    for name, file_name in (("hashed", HASHED), ("pinned", PINNED)):
        digest = hashlib.md5(CONTENTS[file_name]).hexdigest() if name == "hashed" else None
        file = WeightsFile(file_name, None, digest, "md5", aliases=(f"{name}_notop.weights.h5",))
        registry[name] = replace(get_backbone("vgg16"), name=name, weights=file)
    registry["random"] = replace(get_backbone("vgg16"), name="random", weights=None)
    monkeypatch.setattr(_registry, "_REGISTRY", registry)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("SKTRANSFER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SKTRANSFER_WEIGHTS", str(tmp_path / "here"))
    (tmp_path / "here").mkdir()
    for name, content in CONTENTS.items():
        (tmp_path / "here" / name).write_bytes(content)
    return tmp_path


@pytest.fixture
def move(machines, monkeypatch):
    """Go to a machine that has nothing yet."""

    def go():
        monkeypatch.setenv("SKTRANSFER_WEIGHTS", str(machines / "there"))
        return machines / "there"

    return go


def kept(folder):
    """What is in a folder, but for the locks."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def manifest_of(contents):
    entries = {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }
    return {"format": "sktransfer weights 1", "files": entries}


def make_tar(path, members, mode="w:", format=tarfile.GNU_FORMAT):
    """Write members as they are: pairs of a header, or a name, and bytes."""
    with tarfile.open(path, mode, format=format) as tar:
        for header, content in members:
            header = tarfile.TarInfo(header) if isinstance(header, str) else header
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return path


def plain_members(contents=CONTENTS, manifest=None):
    manifest = manifest_of(contents) if manifest is None else manifest
    return [("manifest.json", json.dumps(manifest).encode()), *contents.items()]


def refused(path, folder, message):
    """Import what must be refused, with an error that names the export, and no trace left."""
    with pytest.raises(WeightsError, match=message) as caught:
        import_weights(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert kept(folder) == []


# The round trip --------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["weights.tar", "weights", "new/folder/weights.tar"])
def test_weights_travel(machines, move, target):
    files = export_weights(machines / target)
    assert files == [machines / "here" / name for name in CONTENTS]
    there = move()
    assert verify_weights().empty
    assert import_weights(machines / target) == [there / name for name in CONTENTS]
    assert {name: (there / name).read_bytes() for name in kept(there)} == CONTENTS
    assert verify_weights()["fault"].tolist() == ["", ""]
    assert import_weights(machines / target)  # a second time changes nothing


def test_only_what_is_named_travels(machines, move):
    for names in ("pinned", ["pinned"], ["pinned", "pinned"]):
        assert export_weights(machines / "weights.tar", names) == [machines / "here" / PINNED]
    there = move()
    assert import_weights(machines / "weights.tar") == [there / PINNED]


def test_exported_tar_is_a_plain_one(machines):
    export_weights(machines / "weights.tar")
    with tarfile.open(machines / "weights.tar", "r:") as tar:
        assert tar.getnames() == ["manifest.json", *CONTENTS]
        assert tar.extractfile(HASHED).read() == CONTENTS[HASHED]
        assert json.load(tar.extractfile("manifest.json")) == manifest_of(CONTENTS)
    first = (machines / "weights.tar").read_bytes()
    export_weights(machines / "weights.tar")
    assert (machines / "weights.tar").read_bytes() == first


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
def test_tar_of_another_program_is_taken(machines, move, format):
    path = make_tar(machines / "by_hand.tar", plain_members()[::-1], format=format)
    there = move()
    import_weights(path)
    assert kept(there) == sorted(CONTENTS)


def test_exported_folder_can_be_used_as_it_is(machines, monkeypatch):
    export_weights(machines / "stick", "hashed")
    monkeypatch.setenv("SKTRANSFER_WEIGHTS", str(machines / "stick"))
    assert fetch_weights("hashed") == machines / "stick" / HASHED


def test_files_of_a_system_in_a_folder_do_not_matter(machines, move):
    export_weights(machines / "stick")
    (machines / "stick" / ".DS_Store").write_bytes(b"")
    (machines / "stick" / "lost+found").mkdir()
    there = move()
    import_weights(machines / "stick")
    assert kept(there) == sorted(CONTENTS)


def test_import_goes_to_keras_cache_without_a_folder_of_ones_own(machines, monkeypatch):
    export_weights(machines / "weights.tar")
    monkeypatch.delenv("SKTRANSFER_WEIGHTS")
    assert import_weights(machines / "weights.tar")[0] == machines / "keras" / "models" / HASHED
    assert fetch_weights("pinned") == machines / "keras" / "models" / PINNED


def test_import_replaces_a_damaged_file(machines):
    export_weights(machines / "weights.tar")
    (machines / "here" / HASHED).write_bytes(b"damaged")
    assert verify_weights("hashed")["fault"].item() != ""
    import_weights(machines / "weights.tar")
    assert verify_weights("hashed")["fault"].item() == ""


def test_what_a_killed_import_left_is_removed(machines, move):
    export_weights(machines / "weights.tar")
    there = move()
    (there / ".import").mkdir(parents=True)
    (there / ".import" / HASHED).write_bytes(b"half")
    import_weights(machines / "weights.tar")
    assert kept(there) == sorted(CONTENTS)


# What is not exported --------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["weights.tar", "weights"])
def test_damaged_weights_are_not_exported(machines, target):
    (machines / "here" / HASHED).write_bytes(b"damaged")
    with pytest.raises(WeightsError, match=f"{HASHED} is damaged"):
        export_weights(machines / target)
    assert not (machines / target).exists()


def test_weights_that_are_not_here_are_not_exported(machines, move):
    move()
    with pytest.raises(MissingWeightsError, match=HASHED):
        export_weights(machines / "weights.tar", "hashed")
    with pytest.raises(MissingWeightsError, match="'random' has no ImageNet weights"):
        export_weights(machines / "weights.tar", "random")
    with pytest.raises(ValueError, match="no weights to export"):
        export_weights(machines / "weights.tar")
    with pytest.raises(ValueError, match="Unknown backbone 'hashd'; did you mean 'hashed'"):
        export_weights(machines / "weights.tar", ["hashd"])


def test_folder_with_something_in_it_is_left_alone(machines):
    (machines / "full").mkdir()
    (machines / "full" / "thesis.txt").write_text("the only copy")
    with pytest.raises(FileExistsError, match="full is not empty"):
        export_weights(machines / "full")
    assert kept(machines / "full") == ["thesis.txt"]


def test_export_that_fails_leaves_the_one_before(machines, monkeypatch):
    export_weights(machines / "weights.tar", "hashed")
    before = (machines / "weights.tar").read_bytes()

    def full_disk(files):
        raise OSError("no space left on device")

    monkeypatch.setattr(_weights_bundle, "_manifest", full_disk)
    with pytest.raises(OSError, match="no space"):
        export_weights(machines / "weights.tar")
    assert (machines / "weights.tar").read_bytes() == before
    assert sorted(path.name for path in machines.iterdir()) == ["here", "home", "weights.tar"]


# What is not imported --------------------------------------------------------------------------


def test_missing_export_is_named(machines):
    with pytest.raises(FileNotFoundError, match=r"nothing\.tar"):
        import_weights(machines / "nothing.tar")


@pytest.mark.parametrize(
    "name",
    ["../evil.h5", "..", "/tmp/evil.h5", f"./{HASHED}", f"a/../{HASHED}", "a\\b.h5", "C:evil.h5",
     ".hidden", "evil\n.h5", "x" * 99 + "/" + HASHED],
)  # fmt: skip
def test_paths_as_names_are_refused(machines, move, name):
    there = move()
    path = make_tar(machines / "x.tar", plain_members({**CONTENTS, name: b"evil"}))
    refused(path, there, "is no plain name of a file")
    assert not (machines / "evil.h5").exists()
    manifest = manifest_of({**CONTENTS, name: b"evil"})
    path = make_tar(machines / "x.tar", plain_members(CONTENTS, manifest))
    refused(path, there, "is no plain name of a file")


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.DIRTYPE,
        tarfile.CHRTYPE,
        tarfile.FIFOTYPE,
        tarfile.GNUTYPE_SPARSE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.XHDTYPE,
        tarfile.AREGTYPE,
    ],
)
def test_members_that_are_no_plain_files_are_refused(machines, move, kind):
    header = tarfile.TarInfo(HASHED)
    header.type = kind
    header.linkname = "/etc/passwd"
    header.size = len(CONTENTS[HASHED])
    content = header.tobuf(tarfile.USTAR_FORMAT) + CONTENTS[HASHED]
    path = machines / "x.tar"
    path.write_bytes(content.ljust(1024, b"\0") + bytes(1024))
    refused(path, move(), f"'{HASHED}' is no plain file")


def test_extended_headers_are_refused(machines, move):
    header = tarfile.TarInfo(HASHED)
    header.pax_headers = {"path": "../evil.h5"}
    path = make_tar(machines / "x.tar", [(header, b"")], format=tarfile.PAX_FORMAT)
    refused(path, move(), "no plain name")


@pytest.mark.parametrize("name", [HASHED, "manifest.json"])
def test_links_in_a_folder_are_refused(machines, move, name):
    export_weights(machines / "stick")
    (machines / "stick" / name).rename(machines / "elsewhere")
    (machines / "stick" / name).symlink_to(machines / "elsewhere")
    refused(machines / "stick", move(), f"'{name}' is no plain file")


def test_names_that_no_backbone_knows_are_refused(machines, move):
    path = make_tar(machines / "x.tar", plain_members({**CONTENTS, "evil.h5": b""}))
    refused(path, move(), r"'evil\.h5' is no file of weights of a known backbone")


def test_what_is_not_listed_or_not_there_is_refused(machines, move):
    there = move()
    members = plain_members()
    path = make_tar(machines / "x.tar", members[:-1])
    refused(path, there, f"'{PINNED}' is in the manifest, but")
    path = make_tar(machines / "x.tar", [*members, ("pinned_notop.weights.h5", b"")])
    refused(path, there, r"'pinned_notop\.weights\.h5' is not in the manifest")
    path = make_tar(machines / "x.tar", [*members, members[-1]])
    refused(path, there, f"'{PINNED}' is there twice")


@pytest.mark.parametrize("target", ["weights.tar", "weights"])
def test_other_content_is_refused(machines, move, target):
    export_weights(machines / target)
    damaged = machines / target if target.endswith("tar") else machines / target / PINNED
    damaged.write_bytes(damaged.read_bytes().replace(b"second", b"third!", 1))
    refused(machines / target, move(), f"the SHA-256 of '{PINNED}' is .*, in the manifest")


def test_other_sizes_are_refused(machines, move):
    manifest = manifest_of({**CONTENTS, PINNED: b"short"})
    path = make_tar(machines / "x.tar", plain_members(CONTENTS, manifest))
    refused(path, move(), f"'{PINNED}' has 2100 bytes, in the manifest 5")


def test_another_hash_than_upstreams_is_refused_whatever_the_manifest_says(machines, move):
    path = make_tar(machines / "x.tar", plain_members({**CONTENTS, HASHED: b"evil weights"}))
    refused(path, move(), f"'{HASHED}' is not the file .* the published one is")


def test_another_hash_than_was_pinned_is_refused(machines):
    fetch_weights("pinned")
    path = make_tar(machines / "x.tar", plain_members({**CONTENTS, PINNED: b"evil weights"}))
    with pytest.raises(WeightsError, match="has changed since it was first used"):
        import_weights(path)
    assert {name: (machines / "here" / name).read_bytes() for name in CONTENTS} == CONTENTS


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (b"{", "is damaged"),
        (b"\xff\xfe\xfd", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (b"[]", "does not name the format"),
        (b'{"format": "sktransfer weights 2", "files": {}}', "does not name the format"),
        (b'{"format": "sktransfer weights 1"}', "no dictionary of files"),
        (b'{"format": "sktransfer weights 1", "files": {"a": 1}}', "size and sha256 of 'a'"),
        (b'{"format": "sktransfer weights 1", "files": {"a": {"size": 1}}}', "of 'a'"),
        (b'{"format": "sktransfer weights 1", "files": {"a": {"size": -1, "sha256": ""}}}', "none"),
        (b" " * ((1 << 20) + 1), "has 1048577 bytes"),
    ],
)
def test_bad_manifests_are_refused(machines, move, manifest, message):
    path = make_tar(machines / "x.tar", [("manifest.json", manifest), *CONTENTS.items()])
    refused(path, move(), f"'manifest.json' .*{message}")


def test_export_without_a_manifest_is_not_complete(machines, move):
    there = move()
    path = make_tar(machines / "x.tar", CONTENTS.items())
    refused(path, there, r"no 'manifest\.json'.*no complete export")
    (machines / "empty").mkdir()
    refused(machines / "empty", there, "no complete export")


def test_compressed_and_other_files_are_refused(machines, move):
    there = move()
    path = make_tar(machines / "x.tar", plain_members(), mode="w:gz")
    refused(path, there, "no uncompressed tar")
    path.write_bytes(b"")
    refused(path, there, "no uncompressed tar")


def test_tar_cut_anywhere_is_refused(machines, move):
    there = move()
    path = make_tar(machines / "x.tar", plain_members())
    content = path.read_bytes()
    end = content.rindex(b"second") + len(b"second")
    for length in range(0, end, 400):
        path.write_bytes(content[:length])
        refused(path, there, "no uncompressed tar, or damaged|more than there are")


@pytest.mark.parametrize("size", [1 << 40, 1 << 62, -1])
def test_sizes_that_no_file_has_take_no_memory(machines, move, size):
    header = tarfile.TarInfo("manifest.json")
    header.size = size
    path = machines / "x.tar"
    path.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    refused(path, move(), r"'manifest\.json' has .* bytes, more than there are")


def test_one_bad_file_keeps_the_good_ones_out(machines, move):
    """All are checked before the first appears: here the last is the bad one."""
    export_weights(machines / "weights")
    (machines / "weights" / PINNED).write_bytes(CONTENTS[PINNED][::-1])
    refused(machines / "weights", move(), PINNED)


# Listing and verifying -------------------------------------------------------------------------


def test_list_tells_what_is_where(machines, move):
    table = list_weights()
    assert table.index.tolist() == ["hashed", "pinned"]
    assert table["path"].tolist() == [machines / "here" / name for name in CONTENTS]
    assert table["checked_by"].tolist() == ["md5", "first use"]
    assert not (machines / "home").exists(), "nothing is hashed, let alone pinned"
    move()
    assert list_weights()["path"].tolist() == [None, None]


def test_list_knows_that_a_published_hash_says_nothing_of_a_copy(machines):
    (machines / "here" / HASHED).rename(machines / "here" / "hashed_notop.weights.h5")
    assert list_weights().loc["hashed", "checked_by"] == "first use"


def test_verify_names_the_damaged_file(machines):
    assert verify_weights()["sha256"].tolist() == [
        hashlib.sha256(content).hexdigest() for content in CONTENTS.values()
    ]
    (machines / "here" / PINNED).write_bytes(b"damaged")
    table = verify_weights()
    assert table["fault"]["hashed"] == ""
    assert str(machines / "here" / PINNED) in table["fault"]["pinned"]
    assert "has changed" in table["fault"]["pinned"]


def test_verify_sees_damage_that_left_the_date_as_it_was(machines):
    path = machines / "here" / HASHED
    status = path.stat()
    assert verify_weights("hashed")["fault"].item() == ""
    path.write_bytes(CONTENTS[HASHED][::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "the published one is" in verify_weights("hashed")["fault"].item()


def test_verify_of_weights_that_are_not_there(machines, move):
    move()
    assert verify_weights().empty
    faults = verify_weights(["hashed", "random"])["fault"].tolist()
    assert faults == ["there is no such file on this machine"] * 2
    with pytest.raises(ValueError, match="Unknown backbone"):
        verify_weights("nothing")
