"""The packed weight cache: the second start maps what the first wrote; nothing that happens to the file harms."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from make_model import ModelSpec
from support import Program, jsonl

MakeModel = Callable[[ModelSpec], Path]

TEXTS = ["The tide turns twice a day.", "", "моря и океаны", "one two three four five six seven"]


@pytest.fixture
def model(model_folder: MakeModel, tmp_path: Path) -> Path:
    """A model of its own for each test, written long enough ago that its hashes are remembered."""
    folder = tmp_path / "model"
    shutil.copytree(model_folder(ModelSpec()), folder)
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def info(program: Program, model: Path, cache: Path, *flags: str) -> dict[str, Any]:
    return json.loads(program.run("info", "--json", "--model", model, "--cache-dir", cache, *flags).stdout)


def state(program: Program, model: Path, cache: Path, *flags: str) -> str:
    return str(info(program, model, cache, *flags)["packed"]["state"])


def packed_files(cache: Path) -> list[Path]:
    return sorted(cache.glob("*.packed"))


def embed(program: Program, model: Path, cache: Path, *flags: str) -> bytes:
    return program.embed_bytes(model, TEXTS, "--cache-dir", cache, *flags)


def notes(program: Program, model: Path, *flags: object) -> list[str]:
    """The notes of a run that must succeed."""
    result = program.run("embed", "-", "--model", model, *flags, stdin="text")
    return [line for line in result.stderr.decode().splitlines() if line.startswith("bgem3: note: ")]


@pytest.mark.parametrize("dtype", ["f32", "bf16", "int8"])
def test_second_start_maps_what_the_first_wrote(program: Program, model: Path, cache: Path, dtype: str) -> None:
    assert state(program, model, cache, "--dtype", dtype) == "absent"
    without = embed(program, model, cache, "--dtype", dtype, "--no-packed-cache")
    assert packed_files(cache) == []
    first = embed(program, model, cache, "--dtype", dtype)
    [file] = packed_files(cache)
    written = file.stat()
    second = embed(program, model, cache, "--dtype", dtype)
    assert first == second == without
    assert file.stat() == written
    found = info(program, model, cache, "--dtype", dtype)
    assert found["packed"] == {"path": str(file), "size_bytes": written.st_size, "state": "present"}
    assert found["notices"] == []
    assert list(cache.glob("*.part")) == []


def test_warm_start_does_not_read_the_weights(program: Program, model: Path, cache: Path) -> None:
    before = embed(program, model, cache)
    time.sleep(2.2)  # files this fresh are hashed anew: they could still change unseen
    assert embed(program, model, cache) == before
    weights = model / "model.safetensors"
    trace = program.scratch / "trace"
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    arguments = ["embed", "-", "--model", model, "--cache-dir", cache, "-o", program.scratch / "traced.npy"]
    subprocess.run(
        ["strace", "-f", "-y", "-o", trace, program.path, *map(str, arguments), "--overwrite"],
        input=b"text",
        check=True,
        capture_output=True,
    )
    # "710 pread64(4</folder/file>, ..." or, of a call that another thread's line cut, "710 <... pread64 resumed>..."
    calls = [line for line in trace.read_text().splitlines() if str(weights) in line]
    reads = [line for line in calls if re.match(r"\d+ +(<\.\.\. )?p?read", line)]
    assert reads == []


def test_each_precision_has_its_own_file(program: Program, model: Path, cache: Path) -> None:
    outputs = {dtype: embed(program, model, cache, "--dtype", dtype) for dtype in ("f32", "bf16", "int8")}
    assert len(packed_files(cache)) == 3
    for dtype, output in outputs.items():
        assert embed(program, model, cache, "--dtype", dtype) == output
    assert len(set(outputs.values())) == 3


def test_changed_model_is_packed_anew(program: Program, model: Path, model_folder: MakeModel, cache: Path) -> None:
    before = embed(program, model, cache)
    other = model_folder(ModelSpec(seed=99))
    times = (model / "model.safetensors").stat()
    shutil.copyfile(other / "model.safetensors", model / "model.safetensors")
    os.utime(model / "model.safetensors", ns=(times.st_atime_ns, times.st_mtime_ns))  # as `cp -p` would leave it
    changed = embed(program, model, cache)
    assert changed != before
    assert changed == embed(program, model, cache, "--no-packed-cache")
    assert len(packed_files(cache)) == 2


def test_model_is_known_by_its_content(program: Program, model: Path, cache: Path, tmp_path: Path) -> None:
    """A copy elsewhere, or the links of a Hugging Face cache, use the same packed file."""
    before = embed(program, model, cache)
    linked = tmp_path / "linked"
    linked.mkdir()
    for file in model.rglob("*"):
        target = linked / file.relative_to(model)
        target.mkdir(parents=True) if file.is_dir() else target.symlink_to(file)
    assert embed(program, linked, cache) == before
    assert len(packed_files(cache)) == 1


def damaged_copies(content: bytes) -> Iterator[tuple[str, bytes]]:
    table = int.from_bytes(content[16:24], "little")
    for name, at in {"magic": 0, "version": 8, "sections": 12, "key": 40, "checksum": 200, "table": table + 70}.items():
        yield name, content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]
    yield "empty", b""
    yield "cut short", content[: len(content) // 2]
    yield "another file", b"x" * len(content)
    yield "never finished", bytes(256) + content[256:]


def test_damaged_file_is_built_again(program: Program, model: Path, cache: Path) -> None:
    before = embed(program, model, cache)
    [file] = packed_files(cache)
    content = file.read_bytes()
    for name, damaged in damaged_copies(content):
        file.unlink()
        file.write_bytes(damaged)
        assert state(program, model, cache) == "damaged", name
        assert embed(program, model, cache) == before, name
        assert file.read_bytes() == content, name
        assert state(program, model, cache) == "present", name


def test_info_checks_every_byte(program: Program, model: Path, cache: Path) -> None:
    embed(program, model, cache)
    [file] = packed_files(cache)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    found = info(program, model, cache)
    assert found["packed"]["state"] == "damaged"
    assert any("checksum" in notice and str(file) in notice for notice in found["notices"])


def test_file_of_another_model_is_not_used(
    program: Program, model: Path, model_folder: MakeModel, cache: Path, tmp_path: Path
) -> None:
    before = embed(program, model, cache)
    [file] = packed_files(cache)
    embed(program, model_folder(ModelSpec(seed=99)), tmp_path / "other")
    shutil.copyfile(packed_files(tmp_path / "other")[0], file)
    assert embed(program, model, cache) == before


def test_cache_that_cannot_be_written_is_a_note(program: Program, model: Path, cache: Path) -> None:
    expected = embed(program, model, cache, "--no-packed-cache")
    cache.write_text("a file, where the folder should be")
    assert embed(program, model, cache) == expected
    [note] = notes(program, model, "--cache-dir", cache)
    assert "no packed file" in note and str(cache) in note
    assert notes(program, model, "--no-packed-cache") == []
    assert state(program, model, cache) == "none"


def test_folder_follows_the_environment(program: Program, model: Path, tmp_path: Path) -> None:
    def run(**variables: str) -> None:
        base = {name: value for name, value in os.environ.items() if name not in ("BGEM3_CACHE_DIR", "XDG_CACHE_HOME")}
        subprocess.run(
            [program.path, "embed", "-", "--model", model],
            input=b"x",
            env={**base, **variables},
            check=True,
            capture_output=True,
        )

    home, xdg, own = tmp_path / "home", tmp_path / "xdg", tmp_path / "own"
    run(HOME=str(home))
    assert len(packed_files(home / ".cache/bgem3")) == 1
    run(HOME=str(home), XDG_CACHE_HOME=str(xdg))
    assert len(packed_files(xdg / "bgem3")) == 1
    run(HOME=str(home), XDG_CACHE_HOME=str(xdg), BGEM3_CACHE_DIR=str(own))
    assert len(packed_files(own)) == 1


def test_full_disk_is_a_note(program: Program, model: Path, tmp_path: Path) -> None:
    """A file system of 64 KiB, less than the packed file takes."""
    cache = tmp_path / "small"
    cache.mkdir()
    script = 'mount -t tmpfs -o size=64k none "$1" && shift && exec "$@"'
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", cache]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs a mount namespace of its own")
    inside = 'for i in 1 2; do "$@" || exit 1; done; ls -A "$BGEM3_CACHE_DIR" >&2'
    result = subprocess.run(
        [*unshare, "sh", "-c", inside, "sh", program.path, "embed", "-", "--model", model],
        input=b"x",
        env={**os.environ, "BGEM3_CACHE_DIR": str(cache)},
        capture_output=True,
        check=True,
    )
    lines = result.stderr.decode().splitlines()
    [*rest] = (line for line in lines if "note: no packed file" in line and "No space left" in line)
    assert len(rest) == 2, lines
    assert not any(line.endswith((".part", ".packed")) for line in lines), lines


def start(program: Program, model: Path, cache: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [program.path, "embed", "-", "--model", model, "--cache-dir", cache, "--input-format", "jsonl"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_starts_at_the_same_time_do_not_harm_each_other(program: Program, model: Path, cache: Path) -> None:
    expected = program.run("embed", "-", "--model", model, "--no-packed-cache", "--input-format", "jsonl",
                           stdin=jsonl(TEXTS)).stdout  # fmt: skip
    for _ in range(5):
        shutil.rmtree(cache, ignore_errors=True)
        processes = [start(program, model, cache) for _ in range(6)]
        for process in processes:
            out, errors = process.communicate(jsonl(TEXTS).encode())
            assert process.returncode == 0, errors
            assert sorted(out.splitlines()) == sorted(expected.splitlines())
        assert len(packed_files(cache)) == 1 and list(cache.glob("*.part")) == []
        assert state(program, model, cache) == "present"


def test_killed_while_building_leaves_nothing_that_harms(
    program: Program, model_folder: MakeModel, cache: Path
) -> None:
    model = model_folder(ModelSpec(layers=8, hidden=384, heads=4, ffn=1536))
    expected = embed(program, model, cache, "--no-packed-cache")
    killed_within = 0
    for _ in range(30):
        shutil.rmtree(cache, ignore_errors=True)
        process = start(program, model, cache)
        while process.poll() is None and not list(cache.glob("*.packed.part")):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed_within += len(list(cache.glob("*.packed.part")))
        assert embed(program, model, cache) == expected
        assert list(cache.glob("*.part")) == []
        assert state(program, model, cache) == "present"
        if killed_within == 3:
            return
    assert killed_within > 0
