"""The commands of the program: usage, results, formats.

Bad input is in cli_input_test.py, outputs and signals are in cli_output_test.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make_model import ModelSpec
from support import Program, jsonl

MakeModel = Callable[[ModelSpec], Path]

TEXTS = [
    "The tide turns twice a day.",
    "short",
    "",
    "Ein längerer Satz, der aus einigen Wörtern mehr besteht als die anderen Sätze in dieser Liste.",
    "моря и океаны",
    "海は広い",
    "short",
    "one two three four five six seven eight nine ten eleven twelve",
]


@pytest.fixture(scope="session")
def model(model_folder: MakeModel) -> Path:
    return model_folder(ModelSpec())


def records(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def error_line(result: Any) -> str:
    """What the program says when it fails: one line, the last one."""
    lines = result.stderr.decode().splitlines()
    assert lines and lines[-1].startswith("bgem3: error: "), lines
    assert sum(line.startswith("bgem3: error: ") for line in lines) == 1
    return lines[-1]


# Usage


COMMANDS = ("embed", "tokenize", "chunk", "info", "search", "pull", "history")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], *([command, "--help"] for command in COMMANDS)])
def test_help_begins_with_examples_and_succeeds(program: Program, arguments: list[str]) -> None:
    result = program.run(*arguments)
    text = result.stdout.decode()
    assert 0 < text.index("Examples:") < text.index("Usage: bgem3") and result.stderr == b""
    assert "\x1b" not in text


def test_version(program: Program) -> None:
    assert program.run("--version").stdout.decode().startswith("bgem3 ")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "subcommand"),
        (["frobnicate"], "embed, tokenize, chunk, info, search, pull, history"),
        (["embed", "--frobnicate"], "--frobnicate"),
        (["embed", "--pooling", "max"], "cls|mean"),
        (["embed", "--dtype", "f8"], "f32|float32|bf16|bfloat16|int8"),
        (["embed", "--threads", "-1"], "--threads"),
        (["embed", "--max-length", "0"], "--max-length"),
        (["search", "x.txt"], "--query"),
    ],
)
def test_wrong_usage_exits_with_2_and_one_line(program: Program, arguments: list[str], part: str) -> None:
    result = program.run(*arguments, check=False)
    assert result.returncode == 2 and result.stdout == b""
    assert part in error_line(result)
    assert result.stderr.count(b"\n") == 1


def test_isa_nonsense_lists_the_valid_names(program: Program, model: Path) -> None:
    result = program.run("embed", "-", "--model", model, "--isa", "nonsense", stdin="x", check=False)
    assert result.returncode == 2
    assert all(name in error_line(result) for name in ("nonsense", "scalar", "avx2", "avx512", "auto"))


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--max-length", "1000000"], "max_tokens"),
        (["--truncate-dim", "1000"], "truncate_dim"),
        (["--prompt-name", "no"], "no"),
    ],
)
def test_options_that_do_not_fit_the_model(
    program: Program, model: Path, tmp_path: Path, flags: list[str], part: str
) -> None:
    result = program.run("embed", "-", "--model", model, "-o", tmp_path / "a.npy", *flags, stdin="x", check=False)
    assert result.returncode == 2 and part in error_line(result)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command", [["embed", "-"], ["tokenize", "-"], ["chunk", "-"], ["info"], ["search", "-", "--query", "q"]]
)
def test_a_missing_model_exits_with_5(program: Program, tmp_path: Path, command: list[str]) -> None:
    result = program.run(*command, "--model", tmp_path / "none", stdin="x", check=False)
    assert result.returncode == 5 and str(tmp_path / "none") in error_line(result)


def test_a_corrupt_model_exits_with_5(program: Program, model: Path, tmp_path: Path) -> None:
    for file in model.rglob("*"):
        if file.is_file():
            target = tmp_path / file.relative_to(model)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_text("<!DOCTYPE html>")
    result = program.run("embed", "-", "--model", tmp_path, stdin="x", check=False)
    assert result.returncode == 5 and "model.safetensors" in error_line(result)


# embed


def test_jsonl_and_npy_have_the_same_bits(program: Program, model: Path) -> None:
    vectors = program.embed(model, TEXTS)
    result = program.run("embed", "-", "--model", model, "--input-format", "jsonl", stdin=jsonl(TEXTS))
    lines = records(result.stdout)
    assert [line["id"] for line in lines] == list(range(len(TEXTS)))
    assert all(set(line) == {"id", "embedding", "tokens", "truncated"} for line in lines)
    assert np.array([line["embedding"] for line in lines], dtype=np.float32).tobytes() == vectors.tobytes()


def test_order_of_the_input_is_kept(program: Program, model: Path) -> None:
    texts = [f"{'word ' * (i * 7 % 50)}number {i}" for i in range(300)]
    vectors = program.embed(model, texts)
    backwards = program.embed(model, texts[::-1])
    assert vectors.tobytes() == backwards[::-1].tobytes()
    assert len(np.unique(vectors, axis=0)) == len(texts)


def test_ids_are_passed_on(program: Program, model: Path) -> None:
    lines = ['{"text":"a","id":"x\\"y"}', '{"text":"b","id":-3}', "", '{"text":"c"}']
    lines += ['{"text":"d","id":18446744073709551615}']
    result = program.run("embed", "-", "--model", model, stdin="\n".join(lines))
    assert [r["id"] for r in records(result.stdout)] == ['x"y', -3, 2, 18446744073709551615]


def test_repeated_ids_are_kept_and_counted(program: Program, model: Path) -> None:
    lines = "".join(json.dumps({"text": str(i), "id": i % 4}) + "\n" for i in range(10))
    result = program.run("embed", "-", "--model", model, "--input-format", "jsonl", stdin=lines)
    assert len(records(result.stdout)) == 10
    assert "6 records with the id of an earlier one" in result.stderr.decode()


def test_other_field_names(program: Program, model: Path) -> None:
    line = '{"body":"tide","key":"k","text":1,"id":2.5}'
    result = program.run("embed", "-", "--model", model, "--text-field", "body", "--id-field", "key", stdin=line)
    assert records(result.stdout)[0]["id"] == "k"


def test_several_files_are_one_input(program: Program, model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo")
    (tmp_path / "b.jsonl").write_text('{"text":"three","id":"t"}\n{"text":"four"}\n')
    result = program.run("embed", tmp_path / "a.txt", "-", tmp_path / "b.jsonl", "--model", model, stdin="dash\n")
    assert [r["id"] for r in records(result.stdout)] == [0, 1, 2, "t", 4]


def test_tokens_and_truncated_are_told(program: Program, model: Path) -> None:
    arguments = ["embed", "-", "--model", model, "--input-format", "jsonl"]
    full = records(program.run(*arguments, stdin=jsonl(TEXTS)).stdout)
    result = program.run(*arguments, "--max-length", 8, stdin=jsonl(TEXTS))
    cut = records(result.stdout)
    assert not any(r["truncated"] for r in full)
    assert [r["tokens"] for r in cut] == [min(r["tokens"], 8) for r in full]
    assert [r["truncated"] for r in cut] == [r["tokens"] > 8 for r in full]
    count = sum(r["truncated"] for r in cut)
    assert 0 < count < len(TEXTS)
    assert f"{count} of {len(TEXTS)} texts truncated" in result.stderr.decode()


def test_a_prompt_stands_in_front(program: Program, model: Path) -> None:
    prompted = program.embed(model, TEXTS, "--prompt", "query: ")
    assert prompted.tobytes() == program.embed(model, ["query: " + text for text in TEXTS]).tobytes()


def test_a_prompt_by_name_or_by_default(program: Program, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).symlink_to(file)
    config = folder / "config_sentence_transformers.json"
    config.unlink(missing_ok=True)
    config.write_text(json.dumps({"prompts": {"query": "question: "}}))
    named = program.embed(folder, ["tide"], "--prompt-name", "query")
    assert named.tobytes() == program.embed(model, ["question: tide"]).tobytes()
    plain = program.embed(folder, ["tide"])
    config.write_text(json.dumps({"prompts": {"query": "question: "}, "default_prompt_name": "query"}))
    assert program.embed(folder, ["tide"]).tobytes() == named.tobytes()
    assert program.embed(folder, ["tide"], "--prompt", "").tobytes() == plain.tobytes()


def test_truncate_dim_and_no_normalize(program: Program, model: Path) -> None:
    raw = program.embed(model, TEXTS, "--no-normalize")
    short = program.embed(model, TEXTS, "--truncate-dim", 5, "--no-normalize")
    assert short.tobytes() == raw[:, :5].tobytes()
    unit = program.embed(model, TEXTS, "--truncate-dim", 5, "--normalize").astype(np.float64)
    assert np.allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
    lengths = np.linalg.norm(raw[:, :5].astype(np.float64), axis=1, keepdims=True)
    assert np.allclose(unit, raw[:, :5] / lengths, atol=1e-6)


def test_pooling_can_be_chosen(program: Program, model: Path) -> None:
    cls, mean = (program.embed(model, TEXTS, "--pooling", name) for name in ("cls", "mean"))
    assert cls.tobytes() == program.embed(model, TEXTS).tobytes()
    assert np.abs(cls - mean).max() > 1e-3


def test_quiet_says_nothing_but_warnings(program: Program, model: Path) -> None:
    assert program.run("embed", "-", "--model", model, "--quiet", stdin="x").stderr == b""
    assert b"truncated" in program.run("embed", "-", "--model", model, "-q", "--max-length", 3, stdin="a b c").stderr
    assert b"1 text, " in program.run("embed", "-", "--model", model, stdin="x").stderr


# tokenize


def test_tokenize_tells_what_embed_counts(program: Program, model: Path) -> None:
    arguments = ["-", "--model", model, "--input-format", "jsonl", "--max-length", 8]
    tokens = records(program.run("tokenize", *arguments, stdin=jsonl(TEXTS)).stdout)
    embedded = records(program.run("embed", *arguments, stdin=jsonl(TEXTS)).stdout)
    for text, line, other in zip(TEXTS, tokens, embedded, strict=True):
        assert list(line) == ["id", "ids", "tokens", "offsets", "truncated"]
        assert line["id"] == other["id"] and line["truncated"] == other["truncated"]
        assert len(line["ids"]) == len(line["tokens"]) == len(line["offsets"]) == other["tokens"]
        assert all(0 <= begin <= end <= len(text.encode()) for begin, end in line["offsets"])


def test_tokenize_reads_no_weights(program: Program, model: Path, tmp_path: Path) -> None:
    for file in model.iterdir():
        if "safetensors" not in file.name:
            (tmp_path / file.name).symlink_to(file)
    (tmp_path / "model.safetensors").write_text("not weights")
    expected = program.run("tokenize", "-", "--model", model, stdin="some words").stdout
    assert program.run("tokenize", "-", "--model", tmp_path, "--max-length", 100, stdin="some words").stdout == expected


def test_special_tokens_in_a_text(program: Program, model: Path) -> None:
    def ids(rule: str) -> list[int]:
        arguments = ["tokenize", "-", "--model", model, "--special-tokens-in-text", rule]
        return records(program.run(*arguments, stdin="a </s> b").stdout)[0]["ids"]

    match, escape = ids("match"), ids("escape")
    assert match[-1] in match[1:-1] and escape[-1] not in escape[1:-1]


# info


def test_info(program: Program, model: Path) -> None:
    facts = json.loads(program.run("info", "--json", "--model", model, "--threads", 1, "--isa", "scalar").stdout)
    config = json.loads((model / "config.json").read_text())
    assert facts["config"]["hidden"] == config["hidden_size"]
    assert facts["config"]["layers"] == config["num_hidden_layers"]
    assert facts["dtype"] == "f32" and facts["isa"] == "scalar" and "scalar" in facts["isas_present"]
    assert facts["threads"] == 1 and facts["threads_reason"]
    sizes = {file["name"]: file["size_bytes"] for file in facts["files"]}
    assert sizes["model.safetensors"] == (model / "model.safetensors").stat().st_size
    assert all(len(file["sha256"]) == 64 for file in facts["files"])
    text = program.run("info", "--model", model).stdout.decode()
    assert str(model) in text and facts["files"][0]["sha256"] in text
