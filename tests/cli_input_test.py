"""Bad input through the program: every record is embedded, or rejected with its place and reason; nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_test import error_line, records
from make_model import ModelSpec
from support import Program, jsonl

MakeModel = Callable[[ModelSpec], Path]


@pytest.fixture(scope="session")
def model(model_folder: MakeModel) -> Path:
    return model_folder(ModelSpec())


BAD_UTF8 = {
    "lone continuation": b"ab\x80c",
    "cut short": b"ab\xe2\x82",
    "overlong": b"ab\xc0\x80",
    "surrogate": b"ab\xed\xa0\x80",
    "above 10FFFF": b"ab\xf4\x90\x80\x80",
    "FF": b"ab\xff",
}


@pytest.mark.parametrize("name", BAD_UTF8)
def test_invalid_utf8_in_lines_is_rejected_with_its_byte(program: Program, model: Path, name: str) -> None:
    stdin = b"good\n" + BAD_UTF8[name] + b"\ngood\n"
    for command in ("embed", "tokenize"):
        result = program.run(command, "-", "--model", model, stdin=stdin, check=False)
        assert result.returncode == 1
        assert "stdin:2: " in error_line(result) and "byte 2" in error_line(result)
        assert [r["id"] for r in records(result.stdout)] == [0]  # what came before it is there
        result = program.run(command, "-", "--model", model, "--on-error", "skip", stdin=stdin, check=False)
        assert result.returncode == 3
        assert [r["id"] for r in records(result.stdout)] == [0, 2]
        assert b"rejected: stdin:2: " in result.stderr


@pytest.mark.parametrize("name", BAD_UTF8)
def test_invalid_utf8_is_replaced_and_counted(program: Program, model: Path, name: str) -> None:
    arguments = ["-", "--model", model, "--input-format", "lines", "--invalid-utf8", "replace"]
    text = BAD_UTF8[name].decode(errors="replace")
    for command in ("embed", "tokenize"):
        result = program.run(command, *arguments, stdin=BAD_UTF8[name] + b"\n")
        parts = text.count("\ufffd")
        assert records(result.stdout)[0].pop("replaced_utf8") == parts
        assert f"{parts} ill-formed part" in result.stderr.decode()
    found = records(program.run("embed", *arguments, stdin=BAD_UTF8[name]).stdout)[0]["embedding"]
    assert np.array(found, np.float32).tobytes() == program.embed(model, [text]).tobytes()


BAD_RECORDS = {
    "not json": (b"nope", "invalid JSON"),
    "invalid UTF-8": (b'{"text":"a\xffb"}', "invalid UTF-8 at byte 10"),
    "overlong": (b'{"text":"\xc0\x80"}', "invalid UTF-8 at byte 9"),
    "surrogate bytes": (b'{"text":"\xed\xa0\x80"}', "invalid UTF-8 at byte 9"),
    "raw NUL": (b'{"text":"a\x00b"}', "control character"),
    "lone high surrogate": (rb'{"text":"\ud800"}', "lone surrogate"),
    "lone low surrogate": (rb'{"text":"\udc00"}', "lone surrogate"),
    "text twice": (b'{"text":"a","text":"b"}', 'field "text" occurs twice'),
    "id twice": (b'{"id":1,"text":"a","id":2}', 'field "id" occurs twice'),
    "text missing": (b'{"txt":"a"}', 'no field "text"'),
    "text a number": (b'{"text":1}', "found an integer"),
    "text null": (b'{"text":null}', "found null"),
    "text an array": (b'{"text":["a"]}', "found an array"),
    "id a float": (b'{"text":"a","id":1.5}', "found a number"),
    "id an object": (b'{"text":"a","id":{}}', "found an object"),
    "id too large": (b'{"text":"a","id":18446744073709551616}', "invalid JSON"),
    "trailing bytes": (b'{"text":"a"} x', "invalid JSON"),
    "two objects": (b'{"text":"a"}{"text":"b"}', "invalid JSON"),
    "NaN": (b'{"text":"a","x":NaN}', "invalid JSON"),
    "1e400": (b'{"text":"a","x":1e400}', "invalid JSON"),
    "cut off": (b'{"text":"a', "invalid JSON"),
    "an array": (b'["a"]', "expected a JSON object"),
    "deep": (b'{"text":"a","x":' + b"[" * 2000 + b"]" * 2000 + b"}", "1024 levels"),
    "very deep": (b'{"text":"a","x":' + b"[" * 5_000_000 + b"]" * 5_000_000 + b"}", "1024 levels"),
}


@pytest.mark.parametrize("name", BAD_RECORDS)
def test_bad_records_are_rejected_with_line_and_reason(
    program: Program, model: Path, tmp_path: Path, name: str
) -> None:
    line, reason = BAD_RECORDS[name]
    source = tmp_path / "in.jsonl"
    source.write_bytes(b'{"text":"first","id":"a"}\n' + line + b'\n{"text":"last","id":"b"}\n')

    result = program.run("embed", source, "--model", model, check=False)
    assert result.returncode == 1
    assert f"{source}:2: " in error_line(result) and reason in error_line(result)
    assert [r["id"] for r in records(result.stdout)] == ["a"]

    output = tmp_path / "out.npy"
    result = program.run("embed", source, "--model", model, "-o", output, "--on-error", "skip", check=False)
    assert result.returncode == 3 and b"1 record rejected" in result.stderr
    vectors = np.load(output)
    assert np.isnan(vectors[1]).all() and np.isfinite(vectors[[0, 2]]).all()
    (rejected,) = records((tmp_path / "out.rejected.jsonl").read_bytes())
    assert rejected["file"] == str(source) and rejected["line"] == 2 and rejected["row"] == 1
    assert reason in rejected["reason"]


def test_the_id_of_a_rejected_record_is_told(program: Program, model: Path, tmp_path: Path) -> None:
    flags = ["--model", model, "--on-error", "skip", "-o", tmp_path / "v.jsonl"]
    stdin = '{"id":"k","text":5}\n{"text":6}\n{"text":"good"}\n'
    assert program.run("embed", "-", *flags, stdin=stdin, check=False).returncode == 3
    rejected = records((tmp_path / "v.rejected.jsonl").read_bytes())
    assert rejected[0]["id"] == "k" and "id" not in rejected[1]
    assert [r["id"] for r in records((tmp_path / "v.jsonl").read_bytes())] == [2]


def test_without_rejections_there_is_no_file_and_no_stale_one(program: Program, model: Path, tmp_path: Path) -> None:
    flags = ["--model", model, "--on-error", "skip", "-o", tmp_path / "v.npy", "--overwrite"]
    stale = tmp_path / "v.rejected.jsonl"
    stale.write_text("{}\n")
    program.run("embed", "-", *flags, stdin="fine")
    assert not stale.exists()


def test_escaped_nul_does_not_cut_the_text(program: Program, model: Path) -> None:
    first, second, cut = program.embed(model, ["a\0b", "a\0c", "a"])
    assert first.tobytes() != second.tobytes() and first.tobytes() != cut.tobytes()


def test_nul_in_a_line_does_not_cut_the_text(program: Program, model: Path) -> None:
    result = program.run("embed", "-", "--model", model, "--input-format", "lines", stdin=b"a\0b\n")
    expected = program.embed(model, ["a\0b"])
    assert np.array(records(result.stdout)[0]["embedding"], np.float32).tobytes() == expected.tobytes()


def test_empty_and_blank_texts_are_embedded(program: Program, model: Path) -> None:
    texts = ["", " ", " \t ", "\u200b", "x"]
    vectors = program.embed(model, texts)
    assert np.isfinite(vectors).all()
    ids = program.tokenize(model, texts)
    for i in range(len(texts)):  # what a tokenizer makes of blanks is its own business; equal ids are equal vectors
        assert (ids[i] == ids[0]) == (vectors[i].tobytes() == vectors[0].tobytes())
    assert len(ids[0]) == 2
    result = program.run("embed", "-", "--model", model, stdin="\n\nx")
    assert [r["tokens"] for r in records(result.stdout)][:2] == [2, 2]


@pytest.mark.parametrize(
    "text",
    ["\u200e\u202eabc\u202c", "👩\u200d👩\u200d👧 🇩🇪 👍🏽", "\ue000\uffff\U0010fffe\u0378", "a" + "\u0301" * 1000],
)
def test_unusual_texts_are_embedded(program: Program, model: Path, text: str) -> None:
    assert np.isfinite(program.embed(model, [text])).all()


@pytest.mark.parametrize("unit", ["word ", "x", "長"])
def test_ten_megabytes_in_one_text(program: Program, model: Path, unit: str) -> None:
    text = unit * (10_000_000 // len(unit.encode()))
    for stdin, style in ((text, "lines"), (jsonl([text]), "jsonl")):
        result = program.run("embed", "-", "--model", model, "--input-format", style, "--max-length", 64, stdin=stdin)
        (record,) = records(result.stdout)
        assert record["tokens"] <= 64
        assert record["truncated"] or unit != "word "  # a word without end may be one unknown token


def test_a_line_over_the_limit_is_rejected_not_held(program: Program, model: Path) -> None:
    stdin = b"before\n" + b"x" * (65 << 20) + b"\nafter\n"
    result = program.run("embed", "-", "--model", model, "--on-error", "skip", stdin=stdin, check=False)
    assert result.returncode == 3
    assert [r["id"] for r in records(result.stdout)] == [0, 2]
    assert b"stdin:2: the line is longer than 67108864 bytes" in result.stderr


@pytest.mark.parametrize(
    "data", [b"one\ntwo\n", b"one\ntwo", b"one\r\ntwo\r\n", b"\xef\xbb\xbfone\ntwo\n", b"\xef\xbb\xbfone\r\ntwo"]
)
def test_line_ends_and_byte_order_mark(program: Program, model: Path, data: bytes) -> None:
    found = [r["embedding"] for r in records(program.run("embed", "-", "--model", model, stdin=data).stdout)]
    assert np.array(found, np.float32).tobytes() == program.embed(model, ["one", "two"]).tobytes()


def test_byte_order_mark_before_jsonl(program: Program, model: Path) -> None:
    stdin = b'\xef\xbb\xbf{"text":"one","id":"k"}\r\n'
    assert records(program.run("embed", "-", "--model", model, stdin=stdin).stdout)[0]["id"] == "k"


def test_byte_order_mark_inside_a_text_stays(program: Program, model: Path) -> None:
    ids = program.tokenize(model, ["a\ufeffb", "ab"])
    assert np.isfinite(program.embed(model, ["a\ufeffb"])).all() and ids[0]


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_empty_input(program: Program, model: Path, tmp_path: Path, data: bytes) -> None:
    assert program.run("embed", "-", "--model", model, stdin=data).stdout == b""
    program.run("embed", "-", "--model", model, "-o", tmp_path / "v.npy", stdin=data)
    hidden = json.loads((model / "config.json").read_text())["hidden_size"]
    assert np.load(tmp_path / "v.npy").shape == (0, hidden)
    assert program.run("search", "-", "--query", "q", "--model", model, stdin=data).stdout == b""


def test_inputs_that_cannot_be_read_are_told_before_the_model_is_loaded(program: Program, tmp_path: Path) -> None:
    for path, part in ((tmp_path / "none", "No such file"), (tmp_path, "is a folder")):
        result = program.run("embed", path, "--model", tmp_path / "no-model", check=False)
        assert result.returncode == 1
        assert str(path) in error_line(result) and part in error_line(result)
    result = program.run("embed", "-", "-", "--model", tmp_path / "no-model", check=False)
    assert result.returncode == 2


def test_names_in_messages_cannot_act_on_the_terminal(program: Program, tmp_path: Path) -> None:
    result = program.run("embed", tmp_path / "a\x1b[31m\u202e\nb", check=False)
    assert "a\\x1b[31m\\u{202e}\\nb" in error_line(result)
    assert b"\x1b" not in result.stderr


def test_a_named_pipe_is_read(program: Program, model: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_text("one\ntwo\n"))
    writer.start()
    result = program.run("embed", fifo, "--model", model)
    writer.join()
    assert len(records(result.stdout)) == 2


def test_results_appear_while_the_input_is_still_open(program: Program, model: Path) -> None:
    for command in ("embed", "tokenize"):
        arguments = [program.path, command, "-", "--model", str(model), "--quiet"]
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin and process.stdout
            for number in range(3):
                process.stdin.write(b"text\n")
                process.stdin.flush()
                assert json.loads(process.stdout.readline())["id"] == number
            process.stdin.close()
            assert process.wait() == 0


def test_many_texts_in_bounded_memory(program: Program, model: Path, tmp_path: Path) -> None:
    source = tmp_path / "big.txt"
    line = "word " * 2000
    with source.open("w") as file:
        for _ in range(12_000):  # 120 MB of text
            file.write(line + "\n")

    peaks = {}
    for name, limit in (("short", 600), ("long", 12_000)):
        stdin = subprocess.Popen(["head", "-n", str(limit), source], stdout=subprocess.PIPE)
        arguments = ["embed", "-", "--model", str(model), "--max-length", "4", "-o", str(tmp_path / f"{name}.npy")]
        with subprocess.Popen([program.path, *arguments], stdin=stdin.stdout, stderr=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        stdin.wait()
        assert process.returncode == 0
        peaks[name] = usage.ru_maxrss
    assert len(np.load(tmp_path / "long.npy")) == 12_000
    assert peaks["long"] < peaks["short"] + 40_000, peaks  # kilobytes; the input grew by 114 MB
