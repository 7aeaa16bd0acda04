"""What bgem3 pulls, huggingface_hub finds, and the other way round: the same cache, files and locks.

Both see the hub of tests/fake_hub.py.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fake_hub import FakeHub, HubFile, HubUser, commit_of, tree
from make_model import ModelSpec
from support import Program


@pytest.fixture(scope="session")
def model(model_folder: Callable[[ModelSpec], Path]) -> Path:
    return model_folder(ModelSpec())


LOOK = """
import json
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download, try_to_load_from_cache
folder = snapshot_download("org/model", local_files_only=True)
paths = {name: hf_hub_download("org/model", name, local_files_only=True) for name in NAMES}
absent = repr(try_to_load_from_cache("org/model", "sentence_roberta_config.json", revision=COMMIT))
scan = scan_cache_dir()
print(json.dumps([folder, paths, absent, [str(w) for w in scan.warnings], [r.repo_id for r in scan.repos]]))
"""


def test_huggingface_hub_finds_what_was_pulled_without_network(
    hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]
) -> None:
    hub.add("org/model", hub_files)
    names = [file["name"] for file in user.pull("org/model")["files"]]
    asked = len(hub.requests)
    look = LOOK.replace("NAMES", repr(names)).replace("COMMIT", repr(commit_of(1)))
    folder, paths, absent, warnings, repositories = json.loads(user.offline().python(look))
    assert folder == str(user.repository() / "snapshots" / commit_of(1))
    assert all(Path(paths[name]).read_bytes() == hub_files[name] for name in names)
    assert "object" in absent and warnings == [] and repositories == ["org/model"]
    # Nor does it transfer anything when it may ask.
    user.python(look.replace(", local_files_only=True", ""))
    assert not [request for request in hub.requests[asked:] if request.server == "storage"]


def test_what_huggingface_hub_downloaded_is_found(
    hub: FakeHub, user: HubUser, program: Program, model: Path, hub_files: dict[str, bytes]
) -> None:
    hub.add("org/model", hub_files)
    user.python("from huggingface_hub import snapshot_download; snapshot_download('org/model')")
    asked = len(hub.requests)
    lines = user.run("embed", "-", "--model", "org/model", stdin="tide")
    vector = np.array([json.loads(lines.stdout)["embedding"]], dtype=np.float32)
    assert vector.tobytes() == program.embed(model, ["tide"]).tobytes()
    assert len(user.offline().pull(f"org/model@{commit_of(1)}")["files"]) == 10
    assert len(hub.requests) == asked
    before = tree(user.repository() / "blobs")
    assert sum(file["bytes_transferred"] for file in user.pull("org/model")["files"]) == 0
    assert tree(user.repository() / "blobs") == before


@pytest.mark.parametrize("symlinks", [True, False])
def test_both_write_the_same_files(
    hub: FakeHub, user: HubUser, hub_files: dict[str, bytes], tmp_path: Path, symlinks: bool
) -> None:
    user.env |= {} if symlinks else {"HF_HUB_DISABLE_SYMLINKS": "1"}
    hub.add("org/model", hub_files)
    names = [file["name"] for file in user.pull("org/model")["files"]]
    other = dataclasses.replace(user, home=tmp_path / "other")
    other.home.mkdir()
    other.python(f"from huggingface_hub import snapshot_download as s; s('org/model', allow_patterns={names!r})")
    ours, theirs = tree(user.cache), tree(other.cache)
    own = re.compile(r"CACHEDIR\.TAG|.*/trees/|.*/\.no_exist/|blobs/")
    assert {name: at for name, at in ours.items() if not own.match(name)} == {
        name: at for name, at in theirs.items() if not own.match(name)
    }
    assert all(path.is_symlink() == symlinks for path in (user.repository() / "snapshots").rglob("*.json"))
    assert ours["CACHEDIR.TAG"][0].startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")


def test_without_symlinks_two_revisions_and_a_second_pull(
    hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]
) -> None:
    user.env["HF_HUB_DISABLE_SYMLINKS"] = "1"
    hub.add("org/model", hub_files, commit=commit_of(1))
    user.pull("org/model")
    assert sum(file["bytes_transferred"] for file in user.pull("org/model")["files"]) == 0
    hub.add("org/model", hub_files, commit=commit_of(2))
    user.pull("org/model")
    for commit in (1, 2):
        folder = user.repository() / "snapshots" / commit_of(commit)
        assert (folder / "model.safetensors").read_bytes() == hub_files["model.safetensors"]


def test_huggingface_hub_waits_for_our_lock_and_we_for_its(
    hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]
) -> None:
    hub.add("org/model", hub_files)
    weights = HubFile(hub_files["model.safetensors"], large=True)
    lock = user.cache / ".locks/models--org--model" / f"{weights.etag}.lock"
    lock.parent.mkdir(parents=True)
    hold = f"""
import sys
from huggingface_hub.utils import WeakFileLock
with WeakFileLock({str(lock)!r}):
    print("held", flush=True)
    sys.stdin.readline()
"""
    holder = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdin and holder.stdout and holder.stdout.readline() == b"held\n"
    waiting = user.start("pull", "org/model")
    assert waiting.stderr
    assert b"model.safetensors: another process is downloading it; waiting" in waiting.stderr.readline()
    assert not hub.asked("storage")
    holder.stdin.write(b"\n")
    holder.communicate()
    assert waiting.wait() == 0
    waiting.communicate()

    hub.add("org/model", {**hub_files, "model.safetensors": os.urandom(1 << 20)}, commit=commit_of(2))
    slow = hub.fault("/blobs/", pause=0.05)
    pulling = user.start("pull", "org/model")
    while not hub.asked(
        "storage", "GET", hub.repositories["org/model"].commits[commit_of(2)]["model.safetensors"].sha256
    ):
        assert pulling.poll() is None
    etag = hub.repositories["org/model"].commits[commit_of(2)]["model.safetensors"].etag
    look = f"""
from filelock import FileLock, Timeout
try:
    FileLock({str(lock.parent / etag)!r} + ".lock", timeout=0.1).acquire()
    print("free")
except Timeout:
    print("held")
"""
    assert user.python(look) == "held\n"
    slow.pause = 0
    assert pulling.wait() == 0
    pulling.communicate()


def test_pulls_and_huggingface_hub_at_the_same_time(hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]) -> None:
    hub.add("org/model", hub_files)
    hub.fault("/blobs/", pause=0.01)
    code = "from huggingface_hub import snapshot_download; snapshot_download('org/model')"
    running = [user.start("pull", "org/model", "--quiet") for _ in range(3)]
    running.append(
        subprocess.Popen(
            [sys.executable, "-c", code], env=user.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    )
    for process in running:
        _, said = process.communicate()
        assert process.returncode == 0, said.decode()
    assert len(hub.asked("storage", "GET")) == 1
    folder = user.repository() / "snapshots" / commit_of(1)
    assert (folder / "model.safetensors").read_bytes() == hub_files["model.safetensors"]
    assert not list((user.repository() / "blobs").glob("*.incomplete"))
