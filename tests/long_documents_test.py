"""Texts over the model's limit: windows and late chunking of `bgem3 embed`, against definitions in float64."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_test import error_line, records
from make_model import ModelSpec
from reference_encoder import ReferenceEncoder, unit
from support import Program
from tokenizers import Tokenizer

MakeModel = Callable[[ModelSpec], Path]
Array = np.ndarray

DOCUMENT = """# The sea

The tide turns twice a day. It follows the moon, and  größer  深い海 comes after.

## Ships

A schooner has two masts or more. A sloop has one.
"""
LONG = " ".join(f"The tide turns {number} times a day." for number in range(60))
MAX_TOKENS = 64


@pytest.fixture(scope="session", params=["xlm-roberta", "bert"])
def model(model_folder: MakeModel, request: pytest.FixtureRequest) -> Path:
    return model_folder(ModelSpec(family=request.param))


def tokenize(model: Path, text: str, add_special_tokens: bool = True) -> Any:
    return Tokenizer.from_file(str(model / "tokenizer.json")).encode(text, add_special_tokens=add_special_tokens)


def windowed(model: Path, text: str) -> tuple[Array, int]:
    """The vector of a text in windows, and how many there are, by the definition."""
    reference = ReferenceEncoder(model)
    ids = tokenize(model, text, add_special_tokens=False).ids
    first, *_, last = tokenize(model, text).ids
    room = MAX_TOKENS - 2
    step = room - room // 8
    vectors, weights, begin = [], [], 0
    while True:
        window = ids[begin : begin + room]
        vectors.append(reference.embed([first, *window, last]))
        weights.append(len(window))
        if begin + room >= len(ids):
            return unit(np.average(vectors, axis=0, weights=weights)), len(vectors)
        begin += step


def test_windows_are_the_weighted_mean(program: Program, model: Path) -> None:
    texts = [LONG, "The tide turns.", LONG[::-1]]
    vectors = program.embed(model, texts, "--max-length", MAX_TOKENS, "--long-text", "windows")
    for text, vector in zip(texts, vectors, strict=True):
        expected, count = windowed(model, text)
        assert count == 1 or len(text) > 100
        np.testing.assert_allclose(vector, expected, atol=5e-7)
    plain = program.embed(model, texts, "--max-length", MAX_TOKENS)
    assert plain[1].tobytes() == vectors[1].tobytes()
    assert np.abs(plain[0] - vectors[0]).max() > 1e-3


def test_windows_are_told(program: Program, model: Path) -> None:
    run = program.run("embed", "-", "--model", model, "--max-length", MAX_TOKENS, "--long-text", "windows", stdin=LONG)
    (line,) = records(run.stdout)
    assert line["windows"] == windowed(model, LONG)[1]
    assert line["tokens"] == len(tokenize(model, LONG).ids)
    assert not line["truncated"]
    assert "1 of 1 text computed in windows" in run.stderr.decode()
    cut = program.run("embed", "-", "--model", model, "--max-length", MAX_TOKENS, stdin=LONG)
    assert "windows" not in records(cut.stdout)[0]
    assert "truncated" in cut.stderr.decode()


def test_late_chunks_are_means_over_their_tokens(program: Program, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "sea.md"
    path.write_text(DOCUMENT)
    run = program.run("embed", path, "--model", model, "--chunk", 40, "--late-chunking", "--input-format", "document")
    chunks = records(run.stdout)
    assert len(chunks) > 1
    encoding = tokenize(model, DOCUMENT)
    hidden = ReferenceEncoder(model).hidden_states(encoding.ids)
    for chunk in chunks:
        begin, end = chunk["characters"]
        rows = [
            row
            for row, (left, right) in enumerate(encoding.offsets)
            if right > left and begin <= left + len(DOCUMENT[left:right]) - len(DOCUMENT[left:right].lstrip()) < end
        ]
        assert chunk["tokens"] == len(rows)
        np.testing.assert_allclose(chunk["embedding"], unit(hidden[rows].mean(axis=0)), atol=5e-7)
    in_text = [left for left, right in encoding.offsets if right > left and DOCUMENT[left:].strip()]
    assert sum(chunk["tokens"] for chunk in chunks) == len(in_text)  # each in one chunk


def test_a_document_over_the_limit_rejects_its_chunks_only(program: Program, model: Path, tmp_path: Path) -> None:
    documents = [DOCUMENT, LONG, "", "The tide."]
    lines = "".join(json.dumps({"id": f"d{i}", "text": text}) + "\n" for i, text in enumerate(documents))
    output = tmp_path / "vectors.npy"
    arguments = ["--model", model, "--max-length", 200, "--chunk", 40, "--late-chunking", "--input-format", "jsonl"]
    run = program.run("embed", "-", *arguments, "--on-error", "skip", "-o", output, stdin=lines, check=False)
    assert run.returncode == 3
    rejected = records((tmp_path / "vectors.rejected.jsonl").read_bytes())
    assert all("more than 200 tokens" in line["reason"] for line in rejected)
    vectors = np.load(output)
    rows = records((tmp_path / "vectors.chunks.jsonl").read_bytes())
    assert len(rows) == len(vectors)
    failed = np.isnan(vectors).any(axis=1)
    assert failed.tolist() == [row["document"] == "d1" for row in rows]
    assert 0 < failed.sum() < len(rows)
    alone = program.run("embed", "-", *arguments, stdin=json.dumps({"id": "d3", "text": documents[3]}))
    assert np.float32(records(alone.stdout)[0]["embedding"]).tobytes() == vectors[-1].tobytes()
    ended = program.run("embed", "-", *arguments, stdin=lines, check=False)
    assert ended.returncode == 1
    assert "more than 200 tokens" in error_line(ended)


def test_what_has_no_meaning_is_refused(program: Program, model: Path, tmp_path: Path) -> None:
    def error(*flags: object) -> str:
        output = tmp_path / "never.npz"
        run = program.run("embed", "-", "--model", model, "-o", output, *flags, stdin="a", check=False)
        assert run.returncode == 2 or run.returncode == 1
        assert not output.exists()
        return error_line(run)

    assert "--chunk" in error("--late-chunking")
    assert "pooling" in error("--chunk", 40, "--late-chunking", "--pooling", "cls")
    assert "long_text" in error("--chunk", 40, "--late-chunking", "--long-text", "windows")
    assert "--long-text" in error("--long-text", "half")
    if "xlm" in json.loads((model / "config.json").read_text())["model_type"]:
        assert "outputs" in error("--chunk", 40, "--late-chunking", "--outputs", "dense,sparse")
        assert "long_text" in error("--long-text", "windows", "--outputs", "dense,multi")
