"""bgem3 cache: what bgem3 itself keeps is shown and freed, whatever runs at the same time."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from make_model import ModelSpec
from support import Program, jsonl

MakeModel = Callable[[ModelSpec], Path]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def run(program: Program, command: str, cache: Path, *flags: str) -> dict[str, Any]:
    return json.loads(program.run("cache", command, "--json", "--cache-dir", cache, *flags).stdout)


def states(program: Program, cache: Path) -> dict[str, str]:
    return {file["name"]: file["state"] for file in run(program, "list", cache)["files"]}


def start(program: Program, model: Path, cache: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [program.path, "embed", "-", "--model", model, "--cache-dir", cache, "--input-format", "jsonl"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_lists_and_cleans(program: Program, model_folder: MakeModel, cache: Path) -> None:
    assert run(program, "list", cache) == {"folder": str(cache), "files": []}
    model = model_folder(ModelSpec())
    for dtype in ("f32", "int8"):
        program.embed(model, ["text"], "--cache-dir", cache, "--dtype", dtype)
    weights = [file for file in run(program, "list", cache)["files"] if file["content"] == "packed weights"]
    assert [file["dtype"] for file in weights] == ["f32", "int8"]
    for file in weights:
        path = Path(file["path"])
        assert file["state"] == "current" and file["model"] == str(model)
        assert file["size_bytes"] == path.stat().st_size
        assert abs(file["used_s"] - time.time()) < 3600
        assert path.name == f"{file['digest']}-{file['dtype']}-{file['layout']}.packed"
    old = cache / Path(weights[0]["path"]).name.replace(f"-{weights[0]['layout']}.", "-1.")
    shutil.copyfile(weights[0]["path"], old)
    (cache / "notes.txt").write_text("mine")

    listed = program.run("cache", "list", "--cache-dir", cache).stdout.decode()
    assert old.name in listed and "notes.txt" in listed and str(model) in listed
    dry = run(program, "clean", cache, "--dry-run")
    assert [file["name"] for file in dry["deleted"]] == [old.name] and old.exists()
    assert dry["freed_bytes"] == old.stat().st_size
    done = run(program, "clean", cache)
    assert done["deleted"] == dry["deleted"] and not old.exists()
    assert {file["name"] for file in done["kept"]} >= {"notes.txt", *(Path(file["path"]).name for file in weights)}
    text = program.run("cache", "clean", "--all", "--cache-dir", cache).stdout.decode()
    assert "deleted" in text
    assert sorted(path.name for path in cache.iterdir()) == ["notes.txt"]


def test_check_reads_every_byte(program: Program, model_folder: MakeModel, cache: Path) -> None:
    program.embed(model_folder(ModelSpec()), ["text"], "--cache-dir", cache)
    [file] = cache.glob("*.packed")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert states(program, cache)[file.name] == "current"
    [checked] = [entry for entry in run(program, "list", cache, "--check")["files"] if entry["name"] == file.name]
    assert checked["state"] == "damaged" and "checksum" in checked["note"]
    assert run(program, "clean", cache)["deleted"] == []
    assert [entry["name"] for entry in run(program, "clean", cache, "--check")["deleted"]] == [file.name]


def test_running_program_keeps_what_it_uses(program: Program, model_folder: MakeModel, cache: Path) -> None:
    model = model_folder(ModelSpec())
    expected = program.run("embed", "-", "--model", model, "--cache-dir", cache, "--input-format", "jsonl",
                           stdin=jsonl(["one", "two"])).stdout  # fmt: skip
    process = start(program, model, cache)
    assert process.stdin and process.stdout
    process.stdin.write(jsonl(["one"]).encode())
    process.stdin.flush()
    time.sleep(0.5)
    run(program, "clean", cache, "--all")
    assert list(cache.glob("*.packed")) == []
    out, errors = process.communicate(jsonl(["two"]).encode())
    assert process.returncode == 0, errors
    assert out == expected


def test_unfinished_file_goes_when_its_writer_has_ended(program: Program, model_folder: MakeModel, cache: Path) -> None:
    model = model_folder(ModelSpec(layers=8, hidden=384, heads=4, ffn=1536))
    for _ in range(30):
        shutil.rmtree(cache, ignore_errors=True)
        process = start(program, model, cache)
        while process.poll() is None and not list(cache.glob("*.packed.part")):
            time.sleep(0.001)
        process.send_signal(signal.SIGSTOP)
        [*parts] = cache.glob("*.packed.part")
        if not parts:
            process.kill()
            process.communicate()
            continue
        assert states(program, cache)[parts[0].name] == "writing"
        assert run(program, "clean", cache, "--all")["deleted"] == [] and parts[0].exists()
        process.kill()
        process.communicate()
        assert states(program, cache)[parts[0].name] == "partial"
        assert [file["name"] for file in run(program, "clean", cache)["deleted"]] == [parts[0].name]
        return
    pytest.fail("never caught the program while it wrote")


def test_what_cannot_be_deleted_is_said(program: Program, model_folder: MakeModel, cache: Path) -> None:
    """A read-only mount, which stops root as well."""
    program.embed(model_folder(ModelSpec()), ["text"], "--cache-dir", cache)
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", cache]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs a mount namespace of its own")
    clean = [*unshare, program.path, "cache", "clean", "--all", "--json", "--cache-dir", cache]
    result = subprocess.run(clean, capture_output=True, check=False)
    assert result.returncode == 1
    report = json.loads(result.stdout)
    assert report["deleted"] == [] and report["freed_bytes"] == 0
    [file] = cache.glob("*.packed")
    assert any(str(file) in failure and "cannot delete" in failure for failure in report["failures"])
    assert "cannot delete" in result.stderr.decode()


def test_usage(program: Program) -> None:
    result = program.run("cache", check=False)
    assert result.returncode == 2 and b"subcommand" in result.stderr
    assert b"clean" in program.run("cache", "--help").stdout
    assert b"--dry-run" in program.run("cache", "clean", "--help").stdout
