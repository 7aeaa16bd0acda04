"""`bgem3 pull` when something goes wrong: the network, the server, the disk, the user. Each ends in a right file or in
one clear line, and in a cache that can be used and gone on with.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_hub import FakeHub, HubFile, HubUser, commit_of
from make_model import ModelSpec

WEIGHTS = os.urandom(3 << 20)


@pytest.fixture(scope="session")
def files(model_folder: Callable[[ModelSpec], Path]) -> dict[str, bytes]:
    """A repository's files; the weights are noise, which nobody loads here."""
    model = model_folder(ModelSpec())
    read = {str(path.relative_to(model)): path.read_bytes() for path in sorted(model.rglob("*")) if path.is_file()}
    return {**read, "model.safetensors": WEIGHTS}


@pytest.fixture
def repository(hub: FakeHub, files: dict[str, bytes]) -> FakeHub:
    hub.add("org/model", files)
    return hub


def weights(user: HubUser, commit: int = 1) -> Path:
    return user.repository() / "snapshots" / commit_of(commit) / "model.safetensors"


def partial(user: HubUser, content: bytes = WEIGHTS) -> Path:
    return user.repository() / "blobs" / f"{HubFile(content, large=True).etag}.incomplete"


def ranges(hub: FakeHub) -> list[str | None]:
    """The Range headers that the storage saw."""
    return [request.headers.get("range") for request in hub.asked("storage", "GET")]


def leave_partial(user: HubUser, content: bytes) -> None:
    partial(user).parent.mkdir(parents=True, exist_ok=True)
    partial(user).write_bytes(content)


def assert_nothing_published(user: HubUser) -> None:
    assert not weights(user).exists() and not (user.repository() / "refs").exists()
    assert not partial(user).with_suffix("").exists()


# Lost connections


def test_a_cut_connection_is_gone_on_with(repository: FakeHub, user: HubUser) -> None:
    repository.fault("/blobs/", cut_after=1_000_000, times=2)
    result = user.run("pull", "org/model")
    assert result.returncode == 0 and weights(user).read_bytes() == WEIGHTS
    assert ranges(repository) == [None, "bytes=1000000-", "bytes=2000000-"]
    assert result.stderr.count("trying again") == 2


def test_a_connection_that_is_always_cut_ends_and_keeps_what_came(repository: FakeHub, user: HubUser) -> None:
    always = repository.fault("/blobs/", cut_after=0)
    repository.fault("/blobs/", cut_after=500_000, times=1)
    error = user.refused("pull", "org/model")
    assert "what is there is kept" in error
    assert partial(user).read_bytes() == WEIGHTS[:500_000]
    always.times = 0
    pulled = user.pull("org/model")
    assert pulled["files"][-1]["bytes_transferred"] == len(WEIGHTS) - 500_000
    assert weights(user).read_bytes() == WEIGHTS and not partial(user).exists()


def wait_for_partial(user: HubUser, process: subprocess.Popen[bytes], at_least: int) -> None:
    while not partial(user).exists() or partial(user).stat().st_size < at_least:
        assert process.poll() is None
        time.sleep(0.01)


def test_after_kill_9_the_next_pull_goes_on(repository: FakeHub, user: HubUser) -> None:
    slow = repository.fault("/blobs/", pause=0.02)
    process = user.start("pull", "org/model")
    wait_for_partial(user, process, 500_000)
    process.kill()
    process.communicate()
    assert_nothing_published(user)
    size = partial(user).stat().st_size
    slow.times = 0
    result = user.run("pull", "org/model", "--json")
    assert f"model.safetensors: going on after {size} of {len(WEIGHTS)} bytes" in result.stderr
    assert json.loads(result.stdout)["files"][-1]["bytes_transferred"] == len(WEIGHTS) - size
    assert ranges(repository)[-1] == f"bytes={size}-"
    assert weights(user).read_bytes() == WEIGHTS


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_the_part(repository: FakeHub, user: HubUser, sent: signal.Signals, code: int) -> None:
    slow = repository.fault("/blobs/", pause=0.02)
    process = user.start("pull", "org/model")
    wait_for_partial(user, process, 500_000)
    process.send_signal(sent)
    _, said = process.communicate()
    assert process.returncode == code
    assert re.search(rb"stopped: SIG(INT|TERM); \d+ kB of \d+ kB are in the cache, pull again to go on", said), said
    assert_nothing_published(user)
    slow.times = 0
    assert 0 < user.pull("org/model")["files"][-1]["bytes_transferred"] < len(WEIGHTS)


def test_a_silent_server_is_left(repository: FakeHub, user: HubUser) -> None:
    user.env |= {"HF_HUB_DOWNLOAD_TIMEOUT": "1"}
    repository.fault("/blobs/", pause=3, times=1)
    result = user.run("pull", "org/model")
    assert result.returncode == 0 and "trying again" in result.stderr
    assert weights(user).read_bytes() == WEIGHTS


# What the server may answer to a range


def test_a_server_that_ignores_ranges_starts_again(repository: FakeHub, user: HubUser) -> None:
    leave_partial(user, WEIGHTS[:1_000_000])
    repository.fault("/blobs/", ignore_range=True)
    result = user.run("pull", "org/model", "--json")
    assert "cannot go on with a part; starting again" in result.stderr
    assert json.loads(result.stdout)["files"][-1]["bytes_transferred"] == len(WEIGHTS)
    assert weights(user).read_bytes() == WEIGHTS


def test_a_range_that_was_not_asked_for_is_refused(repository: FakeHub, user: HubUser) -> None:
    leave_partial(user, WEIGHTS[:1_000_000])
    fault = repository.fault("/blobs/", headers={"Content-Range": f"bytes 999999-{len(WEIGHTS) - 1}/{len(WEIGHTS)}"})
    assert "asked for bytes from 1000000 on" in user.refused("pull", "org/model")
    assert_nothing_published(user)
    fault.headers = {"Content-Range": f"bytes 1000000-{len(WEIGHTS)}/{len(WEIGHTS) + 1}"}
    assert f"the server has {len(WEIGHTS) + 1} bytes" in user.refused("pull", "org/model")
    assert partial(user).read_bytes() == WEIGHTS[:1_000_000]


def test_a_part_that_is_too_long_whole_or_unsatisfiable(repository: FakeHub, user: HubUser) -> None:
    leave_partial(user, WEIGHTS + b"x")
    user.pull("org/model")
    assert ranges(repository) == [None] and weights(user).read_bytes() == WEIGHTS

    repository.add("org/model", repository.repositories["org/model"].commits[commit_of(1)], commit=commit_of(2))
    partial(user).with_suffix("").unlink()
    leave_partial(user, WEIGHTS)
    assert user.pull("org/model")["files"][-1]["bytes_transferred"] == 0
    assert ranges(repository) == [None] and weights(user, 2).read_bytes() == WEIGHTS

    partial(user).with_suffix("").unlink()
    leave_partial(user, WEIGHTS[:5])
    repository.fault("/blobs/", status=416, times=1)
    user.pull("org/model")
    assert ranges(repository) == [None, "bytes=5-", None] and weights(user, 2).read_bytes() == WEIGHTS


def test_a_changed_file_does_not_take_the_old_part(repository: FakeHub, user: HubUser, files: dict[str, bytes]) -> None:
    leave_partial(user, WEIGHTS[:1_000_000])
    new = os.urandom(2 << 20)
    repository.add("org/model", {**files, "model.safetensors": new}, commit=commit_of(2))
    user.pull("org/model")
    assert weights(user, 2).read_bytes() == new and ranges(repository) == [None]


# Lies about content


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_wrong_content_is_never_published(
    repository: FakeHub, user: HubUser, files: dict[str, bytes], name: str
) -> None:
    content = bytearray(files[name])
    content[100] ^= 1
    etag = repository.repositories["org/model"].commits[commit_of(1)][name].etag
    fault = repository.fault(f"/blobs/{etag}" if len(etag) == 64 else f"/{name}$", method="GET", body=bytes(content))
    error = user.refused("pull", "org/model")
    assert name in error and etag in error and "its etag" in error
    assert_nothing_published(user)
    assert not (user.repository() / "blobs" / etag).exists()
    assert not list((user.repository() / "blobs").glob("*.incomplete"))
    fault.times = 0
    user.pull("org/model")
    assert (weights(user).parent / name).read_bytes() == files[name]


def test_a_damaged_part_is_found_at_the_end_and_removed(repository: FakeHub, user: HubUser) -> None:
    leave_partial(user, b"x" + WEIGHTS[1:1_000_000])
    assert "its etag" in user.refused("pull", "org/model")
    assert_nothing_published(user)
    assert not partial(user).exists()
    user.pull("org/model")


def test_other_lengths_than_the_hub_says(repository: FakeHub, user: HubUser) -> None:
    leave_partial(user, WEIGHTS[:1000])
    fault = repository.fault("/blobs/", ignore_range=True, body=b"<html>log in</html>")
    assert f'the server has "19" bytes, but the hub says {len(WEIGHTS)} bytes' in user.refused("pull", "org/model")
    assert partial(user).read_bytes() == WEIGHTS[:1000]  # a login page is no reason to begin again

    fault.chunked, fault.body = True, WEIGHTS + b"more"
    assert f"says {len(WEIGHTS)} bytes, what was received has more" in user.refused("pull", "org/model")
    assert not partial(user).exists()

    fault.body = WEIGHTS[:-1]
    error = user.refused("pull", "org/model")
    assert f"ended after {len(WEIGHTS) - 1} of {len(WEIGHTS)} bytes; try again: what is there is kept" in error
    assert partial(user).read_bytes() == WEIGHTS[:-1]
    assert_nothing_published(user)
    fault.times = 0
    assert user.pull("org/model")["files"][-1]["bytes_transferred"] == 1


@pytest.mark.parametrize("shard", ["../../../../evil", "/etc/evil", "a/b"])
def test_names_that_leave_the_snapshot(repository: FakeHub, user: HubUser, files: dict[str, bytes], shard: str) -> None:
    index = json.dumps({"weight_map": {"x": shard}}).encode()
    changed = {**files, "model.safetensors.index.json": index, shard: b"evil"}
    del changed["model.safetensors"]
    repository.add("org/model", changed, commit=commit_of(2))
    assert "is not a bare file name" in user.refused("pull", "org/model")
    assert not list(user.home.parent.rglob("evil")) and not repository.asked("storage")


def test_an_etag_that_leaves_the_folder(repository: FakeHub, user: HubUser) -> None:
    repository.fault("/config.json", method="HEAD", headers={"ETag": '"../../../evil"'})
    assert "no usable ETag" in user.refused("pull", "org/model")


def test_a_model_that_bgem3_does_not_run_is_known_before_its_weights(
    repository: FakeHub, user: HubUser, files: dict[str, bytes]
) -> None:
    config = {**json.loads(files["config.json"]), "model_type": "deberta"}
    repository.add("org/model", {**files, "config.json": json.dumps(config).encode()}, commit=commit_of(2))
    assert "deberta" in user.refused("pull", "org/model")
    assert not repository.asked("storage")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_repository_without_a_needed_file(
    repository: FakeHub, user: HubUser, files: dict[str, bytes], name: str
) -> None:
    repository.add("org/model", {key: file for key, file in files.items() if key != name}, commit=commit_of(2))
    expected = "weights" if name == "model.safetensors" else name
    assert f"revision {commit_of(2)} has no {expected}" in user.refused("pull", "org/model")


# What the hub refuses, and trouble


@pytest.mark.parametrize(
    ("options", "arguments", "parts"),
    [
        ({"token": "right"}, [], ["there is no repository org/model, or it is private", "set HF_TOKEN"]),
        (
            {"token": "right", "gated": True},
            [],
            ["org/model is gated", "accept its conditions at http", "set HF_TOKEN"],
        ),
        ({}, ["org/nothing"], ["there is no repository org/nothing"]),
        ({}, ["org/model@v9"], ['org/model has no revision "v9"']),
    ],
)
def test_what_the_hub_refuses(
    hub: FakeHub,
    user: HubUser,
    files: dict[str, bytes],
    options: dict[str, Any],
    arguments: list[str],
    parts: list[str],
) -> None:
    hub.add("org/model", files, **options)
    error = user.refused("pull", *(arguments or ["org/model"]))
    assert all(part in error for part in parts), error
    assert hub.endpoint in error


def test_a_token_that_is_not_enough(hub: FakeHub, user: HubUser, files: dict[str, bytes]) -> None:
    user.env["HF_TOKEN"] = "hf_wrong"
    hub.add("org/model", files, token="right", gated=True)
    error = user.refused("pull", "org/model")
    assert "use a token of that account" in error and "hf_wrong" not in error
    hub.fault("/api/", status=401, headers={"X-Error-Message": "Invalid credentials in Authorization header"})
    error = user.refused("pull", "org/model")
    assert "the token is not accepted" in error and "hf_wrong" not in error


@pytest.mark.parametrize(
    ("status", "headers", "part"),
    [
        (401, {}, "there is no repository org/model"),
        (403, {"X-Error-Message": "Fair use"}, 'access is forbidden (status 403): "Fair use"'),
        (404, {"X-Error-Code": "EntryNotFound"}, 'has no file "model.safetensors"'),
        (404, {}, "not found (status 404)"),
        (418, {}, "unexpected status 418"),
        (429, {"Retry-After": "3000"}, "try again in 3000 seconds"),
        (429, {"Retry-After": "0"}, "too many requests"),
        (500, {"Retry-After": "0"}, "the server has trouble (status 500)"),
        (503, {"Retry-After": "0"}, "the server has trouble (status 503)"),
    ],
)
@pytest.mark.parametrize("path", ["/resolve/.*/model.safetensors", "/blobs/"])
def test_every_status_is_one_line_and_leaves_a_usable_cache(
    repository: FakeHub, user: HubUser, status: int, headers: dict[str, str], part: str, path: str
) -> None:
    leave_partial(user, WEIGHTS[:1000])
    fault = repository.fault(path, status=status, headers=headers)
    error = user.refused("pull", "org/model")
    if path == "/blobs/" and status < 429:
        part = (
            f"/blobs/{HubFile(WEIGHTS, large=True).etag}: the storage that the hub names answers with status {status}"
        )
    assert part in error and "Signature" not in error
    assert_nothing_published(user)
    fault.times = 0
    assert user.pull("org/model")["files"][-1]["bytes_transferred"] == len(WEIGHTS) - 1000


@pytest.mark.parametrize("path", ["/api/", "/resolve/.*/model.safetensors", "/blobs/"])
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_trouble_that_passes(repository: FakeHub, user: HubUser, path: str, status: int) -> None:
    repository.fault(path, status=status, times=3, headers={"Retry-After": "0"})
    result = user.run("pull", "org/model")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count(f"status {status}; trying again") == 3
    assert weights(user).read_bytes() == WEIGHTS


def test_a_failed_pull_of_a_new_revision_leaves_the_old_one(
    repository: FakeHub, user: HubUser, files: dict[str, bytes]
) -> None:
    user.pull("org/model")
    new = {**files, "model.safetensors": os.urandom(1 << 20)}
    repository.add("org/model", new, commit=commit_of(2))
    repository.fault("/blobs/", status=500, headers={"Retry-After": "0"})
    user.refused("pull", "org/model")
    assert (user.repository() / "refs/main").read_text() == commit_of(1)
    code = "from huggingface_hub import snapshot_download as s; print(s('org/model'))"
    assert commit_of(1) in user.offline().python(code)


def test_redirects_without_end(repository: FakeHub, user: HubUser) -> None:
    repository.fault("/api/", status=302, headers={"Location": "/api/models/org/model/revision/main"})
    assert "more than 10 redirects" in user.refused("pull", "org/model")
    repository.faults.clear()
    repository.fault("/api/", status=302, headers={"Location": "file:///etc/passwd"})
    assert "without an address to go to" in user.refused("pull", "org/model")


def test_what_is_no_hub(repository: FakeHub, user: HubUser) -> None:
    repository.fault("/api/", status=200, body=b"<html>log in</html>")
    assert "is HF_ENDPOINT a hub" in user.refused("pull", "org/model")
    repository.faults.clear()
    repository.fault("/resolve/", status=200, method="HEAD")
    assert "no X-Repo-Commit" in user.refused("pull", "org/model")
    repository.faults.clear()
    repository.fault("/api/", status=200, body=b'{"sha": "main", "siblings": []}')
    assert "no commit" in user.refused("pull", "org/model")


# No network


def test_nobody_there(user: HubUser) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        user.env["HF_ENDPOINT"] = f"http://127.0.0.1:{taken.getsockname()[1]}"
        error = user.refused("pull", "org/model")
    assert user.env["HF_ENDPOINT"] in error and "check the network" in error
    user.env["HF_ENDPOINT"] = "http://hub.invalid"
    error = user.refused("pull", "org/model")
    assert "hub.invalid" in error and "resolve" in error.lower()


def test_offline(repository: FakeHub, user: HubUser) -> None:
    error = user.offline().refused("pull", "org/model")
    assert "HF_HUB_OFFLINE is set" in error and not repository.requests


def test_certificates(repository: FakeHub, user: HubUser, tmp_path: Path) -> None:
    """A hub behind TLS with a certificate of its own: refused, until it is named."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = repository.servers[0]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    user.env["HF_ENDPOINT"] = repository.endpoint.replace("http://", "https://")
    error = user.refused("pull", "org/model")
    assert "certificate cannot be trusted" in error and not repository.asked("hub")
    user.env["SSL_CERT_FILE"] = str(tmp_path / "cert.pem")
    user.pull("org/model")
    assert weights(user).read_bytes() == WEIGHTS


# The disk


def test_a_full_disk_is_told_before(repository: FakeHub, user: HubUser) -> None:
    """A file system that is too small, where the test may mount one."""
    user.cache.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", user.cache], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a tmpfs needs root")
    try:
        error = user.refused("pull", "org/model")
        assert re.search(r"the disk has \d+ bytes left, org/model needs \d+ more; make room", error)
        assert not repository.asked("storage")
        code = "import huggingface_hub as h; print([str(w) for w in h.scan_cache_dir().warnings])"
        assert user.python(code) == "[]\n"
        subprocess.run(["mount", "-o", "remount,size=16m", user.cache], check=True)
        user.pull("org/model")
        assert weights(user).read_bytes() == WEIGHTS
    finally:
        subprocess.run(["umount", user.cache], check=True)


def test_a_disk_that_fills_while_writing(repository: FakeHub, user: HubUser) -> None:
    """A limit on the size of files answers as a full disk does, at a place that is known."""
    limit = 1_500_000

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    error = user.refused("pull", "org/model", preexec_fn=limit_files)
    assert f"{partial(user)}: cannot write" in error and f"{limit} of {len(WEIGHTS)} bytes are there" in error
    assert_nothing_published(user)
    assert partial(user).read_bytes() == WEIGHTS[:limit]
    assert user.pull("org/model")["files"][-1]["bytes_transferred"] == len(WEIGHTS) - limit


def test_a_cache_that_cannot_be_written(repository: FakeHub, user: HubUser) -> None:
    user.cache.write_text("a file where the folder should be")
    error = user.refused("pull", "org/model")
    assert str(user.cache) in error and "cannot make the folder" in error


NO_FLOCK = """
#include <errno.h>
int flock(int descriptor, int operation) { (void)descriptor; (void)operation; errno = ENOSYS; return -1; }
"""


def test_a_file_system_without_locks(repository: FakeHub, user: HubUser, tmp_path: Path) -> None:
    """Then each process writes a file of its own, as huggingface_hub does, and nothing is gone on with."""
    (tmp_path / "no_flock.c").write_text(NO_FLOCK)
    library = tmp_path / "no_flock.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "no_flock.c"], check=True)
    slow = repository.fault("/blobs/", pause=0.005)
    user.env["LD_PRELOAD"] = str(library)
    running = [user.start("pull", "org/model") for _ in range(2)]
    for process in running:
        _, said = process.communicate()
        assert process.returncode == 0, said.decode()
    assert weights(user).read_bytes() == WEIGHTS
    assert not list((user.repository() / "blobs").glob("*.incomplete"))
    assert slow.times < 1 << 30


def test_a_second_signal_leaves_at_once(repository: FakeHub, user: HubUser) -> None:
    repository.fault("/blobs/", pause=30)
    process = user.start("pull", "org/model")
    while not repository.asked("storage"):
        assert process.poll() is None
        time.sleep(0.01)
    threading.Timer(0.1, process.send_signal, [signal.SIGINT]).start()
    assert process.stderr
    while b"stopping" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    process.communicate()
