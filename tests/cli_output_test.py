"""Outputs of the program: what is refused early, full disks, closed pipes, signals. No half file is ever published."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from cli_test import error_line, records
from make_model import ModelSpec
from support import Program

MakeModel = Callable[[ModelSpec], Path]
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.fixture(scope="session")
def model(model_folder: MakeModel) -> Path:
    return model_folder(ModelSpec())


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """More texts than any buffer holds."""
    path = tmp_path / "many.txt"
    path.write_text("".join(f"text number {i}\n" for i in range(5_000)))
    return path


def start(program: Program, *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0} | options
    return subprocess.Popen([program.path, *map(str, arguments)], **pipes)


def bytes_in_pipe(pipe: IO[bytes]) -> int:
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0"))[0]


def wait_for_work(process: subprocess.Popen[bytes]) -> None:
    """Until the model is loaded, which embed says in its first line."""
    assert process.stderr
    assert process.stderr.readline().startswith(b"bgem3: ")


# Refused before the model is loaded: the model is not there, and nobody complains about that.


@pytest.mark.parametrize(
    ("name", "flags", "code", "part"),
    [
        ("folder.npy", ["--overwrite"], 2, "is a folder"),
        ("there.npy", [], 2, "--overwrite"),
        ("there.jsonl", [], 2, "--overwrite"),
        ("in.jsonl", ["--overwrite"], 2, "also an input"),
        ("link.jsonl", ["--overwrite"], 2, "also an input"),
        ("out.csv", [], 2, ".npy, .npz or .jsonl"),
        ("out", [], 2, ".npy, .npz or .jsonl"),
        ("pipe.npy", ["--overwrite"], 2, "not a plain file"),
        ("none/out.npy", [], 4, "No such file"),
        ("there.jsonl/out.npy", [], 4, "is not a folder"),
    ],
)
def test_impossible_outputs(
    program: Program, tmp_path: Path, name: str, flags: list[str], code: int, part: str
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"text":"x"}')
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "link.jsonl").symlink_to(source)
    for there in ("there.npy", "there.jsonl"):
        (tmp_path / there).write_text("precious")
    os.mkfifo(tmp_path / "pipe.npy")
    result = program.run("embed", source, "-o", tmp_path / name, "--model", tmp_path / "no-model", *flags, check=False)
    assert result.returncode == code
    assert part in error_line(result) and name.split("/")[-1] in error_line(result)
    assert source.read_text() == '{"text":"x"}'
    assert (tmp_path / "there.npy").read_text() == (tmp_path / "there.jsonl").read_text() == "precious"


def test_a_file_of_rejections_in_the_way(program: Program, tmp_path: Path) -> None:
    (tmp_path / "out.rejected.jsonl").write_text("{}")
    arguments = ["embed", "-", "-o", tmp_path / "out.npy", "--model", tmp_path / "no-model"]
    result = program.run(*arguments, "--on-error", "skip", check=False)
    assert result.returncode == 2 and "out.rejected.jsonl" in error_line(result)
    assert program.run(*arguments, check=False).returncode == 5


def test_a_folder_that_may_not_be_written(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o555)

    def become_nobody() -> None:
        if os.geteuid() == 0:  # nothing is read-only for root
            os.setuid(65534)

    try:
        process = start(program, "embed", "-", "-o", folder / "a.npy", "--model", "none", preexec_fn=become_nobody)
    except PermissionError:
        pytest.skip("an ordinary user may not execute the program where it lies")
    _, stderr = process.communicate(b"x")
    assert process.returncode == 4 and b"Permission denied" in stderr


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_tokenize_writes_jsonl_only(program: Program, tmp_path: Path, name: str) -> None:
    result = program.run("tokenize", "-", "-o", tmp_path / name, "--model", "none", check=False)
    assert result.returncode == 2 and ".jsonl" in error_line(result)


def test_a_failing_model_leaves_the_old_output(program: Program, tmp_path: Path) -> None:
    for name in ("a.npy", "a.jsonl"):
        (tmp_path / name).write_text("precious")
        arguments = ["embed", "-", "-o", tmp_path / name, "--overwrite", "--model", tmp_path / "no-model"]
        assert program.run(*arguments, check=False).returncode == 5
        assert (tmp_path / name).read_text() == "precious"


# Written


def test_overwrite(program: Program, model: Path, tmp_path: Path) -> None:
    for name in ("a.npy", "a.jsonl"):
        (tmp_path / name).write_text("old " * 10_000)
        program.run("embed", "-", "-o", tmp_path / name, "--overwrite", "--model", model, stdin="x")
    assert np.load(tmp_path / "a.npy").shape[0] == 1
    assert len(records((tmp_path / "a.jsonl").read_bytes())) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jsonl", "a.npy"]


def rows(path: Path) -> int:
    """Of the dense vectors in an .npy or .npz."""
    loaded = np.load(path)
    return len(loaded if path.suffix == ".npy" else loaded["dense"])


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_arrays_appear_only_when_they_are_complete(program: Program, model: Path, tmp_path: Path, name: str) -> None:
    output = tmp_path / name
    output.write_text("old")
    process = start(program, "embed", "-", "-o", output, "--overwrite", "--model", model)
    assert process.stdin
    process.stdin.write(b"one\ntwo\n")
    process.stdin.flush()
    wait_for_work(process)
    assert output.read_text() == "old"
    process.communicate()
    assert process.returncode == 0
    assert rows(output) == 2 and list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_failure_leaves_no_arrays(program: Program, model: Path, tmp_path: Path, name: str) -> None:
    arguments = ["embed", "-", "--model", model, "-o", tmp_path / name]
    assert program.run(*arguments, stdin='{"text":"good"}\nbad\n', check=False).returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_a_full_device(program: Program, model: Path, many: Path, tmp_path: Path) -> None:
    for command in (["embed", many], ["tokenize", many], ["search", many, "--query", "q"], ["info"]):
        with open("/dev/full", "wb") as full:
            process = start(program, *command, "--model", model, stdout=full)
            _, stderr = process.communicate()
        assert process.returncode == 4
        assert stderr.endswith(b"bgem3: error: cannot write standard output: No space left on device\n")
    link = tmp_path / "full.jsonl"
    link.symlink_to("/dev/full")
    result = program.run("embed", many, "--model", model, "-o", link, check=False)
    assert result.returncode == 4 and "No space left on device" in error_line(result)


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_a_full_disk_leaves_whole_lines(program: Program, model: Path, many: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.jsonl"
    process = start(program, "embed", many, "--model", model, "-o", output, preexec_fn=limit_file_size)
    _, stderr = process.communicate()
    assert process.returncode == 4 and str(output).encode() in stderr
    data = output.read_bytes()
    assert 0 < len(data) <= 100_000 and data.endswith(b"\n")
    assert [r["id"] for r in records(data)] == list(range(data.count(b"\n")))


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_full_disk_leaves_no_arrays(program: Program, model: Path, many: Path, tmp_path: Path, name: str) -> None:
    output = tmp_path / name
    output.write_text("old")
    arguments = ["embed", many, "--model", model, "-o", output, "--overwrite"]
    process = start(program, *arguments, preexec_fn=limit_file_size)
    _, stderr = process.communicate()
    assert process.returncode == 4 and name.encode() in stderr
    assert output.read_text() == "old" and sorted(tmp_path.iterdir()) == [output, many]


@pytest.mark.parametrize("command", ["embed", "tokenize"])
def test_a_closed_pipe_ends_it_without_a_word(program: Program, model: Path, many: Path, command: str) -> None:
    process = start(program, command, many, "--model", model, "--quiet")
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == -signal.SIGPIPE


def test_a_closed_stderr_does_not_end_it(program: Program, model: Path, many: Path, tmp_path: Path) -> None:
    process = start(program, "embed", many, "--model", model, "-o", tmp_path / "a.npy")
    assert process.stderr
    process.stderr.close()
    assert process.wait() == 0
    assert len(np.load(tmp_path / "a.npy")) == 5_000


# Signals


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_while_waiting_for_input(program: Program, model: Path, number: int, code: int) -> None:
    process = start(program, "embed", "-", "--model", model)
    assert process.stdin and process.stdout and process.stderr
    process.stdin.write(b"one\ntwo\n")
    process.stdin.flush()
    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(number)
    assert process.wait() == code
    assert [json.loads(line)["id"] for line in lines] == [0, 1] and process.stdout.read() == b""
    last = process.stderr.read().decode().splitlines()[-1]
    assert last.startswith("bgem3: stopped: ") and "row 2" in last


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_at_work_keeps_whole_lines_in_order(
    program: Program, model: Path, many: Path, number: int, code: int
) -> None:
    process = start(program, "embed", many, "--model", model)
    assert process.stdout
    first = process.stdout.readline()
    process.send_signal(number)
    rest, _ = process.communicate()
    found = records(first + rest)
    assert [r["id"] for r in found] == list(range(len(found)))
    assert process.returncode == code and len(found) < 5_000


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_publishes_no_half_arrays(
    program: Program, model: Path, tmp_path: Path, number: int, code: int, name: str
) -> None:
    arguments = ["--model", model, "-o", tmp_path / name, "--on-error", "skip", "--input-format", "jsonl"]
    process = start(program, "embed", "-", *arguments)
    assert process.stdin and process.stderr
    process.stdin.write(b'{"text":"one"}\nbad\n')
    process.stdin.flush()
    wait_for_work(process)
    process.send_signal(number)
    assert process.wait() == code
    assert list(tmp_path.iterdir()) == []
    assert process.stderr.read().decode().splitlines()[-1].endswith(f"{name} was not written")


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_second_signal_leaves_at_once(program: Program, model: Path, many: Path, number: int, code: int) -> None:
    process = start(program, "embed", many, "--model", model)
    assert process.stdout and process.stderr
    capacity = fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    while bytes_in_pipe(process.stdout) < capacity:  # nobody reads: it hangs in writing, and that is the point
        time.sleep(0.01)
    wait_for_work(process)
    process.send_signal(number)
    assert process.stderr.readline() == b"bgem3: stopping; once more to leave at once\n"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(number)
    assert process.wait() == code


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_tokenize_and_search_stop_too(program: Program, model: Path, number: int, code: int) -> None:
    process = start(program, "tokenize", "-", "--model", model)
    assert process.stdin and process.stdout
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert process.stdout.readline()
    process.send_signal(number)
    assert process.wait() == code
    process = start(program, "search", "-", "--query", "q", "--model", model)
    wait_for_work(process)
    process.send_signal(number)
    assert process.wait() == code
    assert process.stdout and process.stdout.read() == b""
