"""Downloads from a server that is slow, lies, breaks off, or is asked by many at once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sktransfer._errors import MissingWeightsError, WeightsError
from sktransfer.backbones import _weights_download
from sktransfer.backbones._registry import WeightsFile, get_backbone
from sktransfer.backbones._weights import resolve_weights
from sktransfer.backbones._weights_download import download

REPOSITORY = Path(__file__).resolve().parents[2]
CONTENT = bytes(range(256)) * 4096  # a megabyte, so that it takes several reads
MD5 = hashlib.md5(CONTENT).hexdigest()
NAME = "tiny_upstream.h5"


class Upstream:
    """A server on this machine which behaves as a test wants it to."""

    def __init__(self):
        self.content = CONTENT
        self.sent = len(CONTENT)  # bytes of it before the connection ends
        self.tells_length = True
        self.status = 200
        self.halfway = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.n_requests = 0

    def answer(self, request):
        self.n_requests += 1
        request.send_response(self.status)
        if self.tells_length:
            request.send_header("Content-Length", str(len(self.content)))
        request.end_headers()
        half = self.sent // 2
        request.wfile.write(self.content[:half])
        request.wfile.flush()
        self.halfway.set()
        self.go_on.wait(30)
        request.wfile.write(self.content[half : self.sent])


@pytest.fixture
def upstream():
    behaviour = Upstream()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            with contextlib.suppress(OSError):  # the other side has gone
                behaviour.answer(self)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        behaviour.url = f"http://127.0.0.1:{server.server_port}/remote.h5"
        yield behaviour
        behaviour.go_on.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Keras' cache, the only place in which weights are."""
    monkeypatch.delenv("SKTRANSFER_WEIGHTS", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("SKTRANSFER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "keras" / "models"


@pytest.fixture
def spec(upstream):
    """The entry of a network whose weights are on the server."""
    file = WeightsFile(NAME, upstream.url, MD5, "md5", aliases=("tiny_notop.weights.h5",))
    return replace(get_backbone("vgg16"), name="tiny", weights=file)


def kept(folder):
    """What is in a folder, but for the locks."""
    return [path.name for path in folder.iterdir() if path.suffix != ".lock"]


def wait_for(condition):
    """Wait until something is so, which happens elsewhere."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


# Each says "waiting" once nothing but the download is left to do.
PROGRAM = """
import json, sys
from pathlib import Path
from sktransfer.backbones._registry import WeightsFile
from sktransfer.backbones._weights_download import download
import filelock, tqdm
print("waiting", flush=True)
url, md5, folder = sys.argv[1:]
path = download(WeightsFile("tiny_upstream.h5", url, md5, "md5"), Path(folder))
print(json.dumps([path.name, path.stat().st_size]))
"""


def start_download(upstream, folder):
    """Download in another process."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, upstream.url, MD5, str(folder)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "waiting\n"
    return process


def test_download_leaves_nothing_but_the_file(spec, folder):
    path = resolve_weights(spec, "imagenet").path
    assert path == folder / NAME
    assert path.read_bytes() == CONTENT
    assert kept(folder) == [NAME]


def test_it_is_downloaded_once(spec, upstream):
    for _ in range(3):
        resolve_weights(spec, "imagenet")
    assert upstream.n_requests == 1


def test_nothing_is_seen_before_all_is_there(spec, upstream, folder):
    upstream.go_on.clear()
    thread = threading.Thread(target=download, args=(spec.weights, folder))
    thread.start()
    assert upstream.halfway.wait(30)
    assert not (folder / NAME).exists()
    upstream.go_on.set()
    thread.join()
    assert (folder / NAME).read_bytes() == CONTENT


def test_wrong_content_is_refused_and_removed(spec, upstream, folder):
    upstream.content = CONTENT[::-1]
    with pytest.raises(WeightsError, match=f"does not give {NAME}.*the published one is {MD5}"):
        resolve_weights(spec, "imagenet")
    assert kept(folder) == []


@pytest.mark.parametrize("published", [MD5, None])
def test_connection_that_breaks_off_leaves_nothing(spec, upstream, folder, published):
    upstream.sent = 600_000
    spec = replace(spec, weights=replace(spec.weights, hash=published))
    message = f"received 600000 of {len(CONTENT)} bytes"
    with pytest.raises(MissingWeightsError, match=message) as caught:
        resolve_weights(spec, "imagenet")
    assert upstream.url in str(caught.value)
    assert kept(folder) == []
    upstream.sent = len(CONTENT)
    assert resolve_weights(spec, "imagenet").path.read_bytes() == CONTENT


def test_file_without_length_and_hash_could_be_cut_and_is_not_taken(spec, upstream, folder):
    upstream.tells_length = False
    assert download(spec.weights, folder).read_bytes() == CONTENT
    (folder / NAME).unlink()
    spec = replace(spec, weights=replace(spec.weights, hash=None))
    with pytest.raises(MissingWeightsError, match="neither length nor hash"):
        resolve_weights(spec, "imagenet")
    assert kept(folder) == []


def test_silent_server_is_not_waited_for(spec, upstream, folder, monkeypatch):
    monkeypatch.setattr(_weights_download, "_TIMEOUT", 0.1)
    upstream.go_on.clear()
    with pytest.raises(MissingWeightsError, match=r"downloading them failed .*timed out"):
        resolve_weights(spec, "imagenet")
    assert kept(folder) == []


def test_answer_of_a_server_that_has_no_such_file(spec, upstream, folder):
    upstream.status = 404
    with pytest.raises(MissingWeightsError, match="404"):
        resolve_weights(spec, "imagenet")
    assert kept(folder) == []


def test_download_of_another_content_than_was_pinned_is_refused(spec, upstream, folder):
    spec = replace(spec, weights=replace(spec.weights, hash=None))
    resolve_weights(spec, "imagenet").path.unlink()
    upstream.content = CONTENT[::-1]
    with pytest.raises(WeightsError, match="has changed since it was first used"):
        resolve_weights(spec, "imagenet")
    assert kept(folder) == []
    pins = json.loads((folder.parents[1] / "home" / "pins.json").read_text())
    assert pins == {str(folder / NAME): hashlib.sha256(CONTENT).hexdigest()}


def test_processes_at_once_download_once(upstream, folder):
    upstream.go_on.clear()
    processes = [start_download(upstream, folder) for _ in range(2)]
    assert upstream.halfway.wait(30)
    time.sleep(0.3)  # enough for the other one to ask, if it did
    upstream.go_on.set()
    for process in processes:
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert json.loads(output) == [NAME, len(CONTENT)]
    assert upstream.n_requests == 1
    assert kept(folder) == [NAME]


def test_what_a_killed_process_leaves_is_not_used(spec, upstream, folder):
    upstream.go_on.clear()
    process = start_download(upstream, folder)
    partial = folder / f".{NAME}.part"
    wait_for(lambda: partial.exists() and partial.stat().st_size > 0)
    process.kill()
    process.communicate()
    assert kept(folder) == [partial.name]
    upstream.go_on.set()
    assert resolve_weights(spec, "imagenet").path.read_bytes() == CONTENT
    assert upstream.n_requests == 2
    assert kept(folder) == [NAME]


def test_waiting_process_goes_on_where_the_first_was_killed(upstream, folder):
    upstream.go_on.clear()
    first = start_download(upstream, folder)
    assert upstream.halfway.wait(30)
    second = start_download(upstream, folder)
    first.kill()
    first.communicate()
    upstream.go_on.set()
    output, _ = second.communicate(timeout=30)
    assert json.loads(output) == [NAME, len(CONTENT)]
    assert (folder / NAME).read_bytes() == CONTENT
    assert kept(folder) == [NAME]
