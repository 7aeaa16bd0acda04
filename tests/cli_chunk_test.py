"""`bgem3 chunk` and `bgem3 embed --chunk`: what they print; how they and the files beside an .npy fit together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_test import error_line, records
from make_model import ModelSpec
from support import Program

MakeModel = Callable[[ModelSpec], Path]

DOCUMENT = """# The sea

The tide turns twice a day. It follows the moon.

## Ships

- A *schooner* has two masts or more.
- A sloop has one.

```sh
echo "ahoy"
```
"""


@pytest.fixture(scope="session")
def model(model_folder: MakeModel) -> Path:
    return model_folder(ModelSpec())


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "sea.md"
    path.write_text(DOCUMENT)
    return path


def chunk(program: Program, model: Path, *arguments: object, **options: Any) -> list[dict[str, Any]]:
    return records(program.run("chunk", *arguments, "--model", model, **options).stdout)


def test_a_document(program: Program, model: Path, document: Path) -> None:
    chunks = chunk(program, model, document, "--max", 40, "--min", 4)
    assert len(chunks) > 2
    assert [c["index"] for c in chunks] == list(range(len(chunks)))
    assert {c["document"] for c in chunks} == {str(document)}
    assert chunks[0]["text"].startswith("# The sea") and chunks[0]["headings"] == ["The sea"]
    assert chunks[-1]["headings"] == ["The sea", "Ships"]
    assert {"paragraph", "list", "code"} >= {c["type"] for c in chunks} >= {"paragraph", "list"}
    end = 0
    for c in chunks:
        begin, after = c["bytes"]
        assert DOCUMENT.encode()[begin:after].decode() == c["text"]
        assert DOCUMENT[slice(*c["characters"])] == c["text"]
        assert DOCUMENT.encode()[end:begin].strip() == b"" and begin >= end
        end = after
    assert DOCUMENT.encode()[end:].strip() == b""
    assert [c["tokens"] for c in chunks] == [len(ids) for ids in program.tokenize(model, [c["text"] for c in chunks])]
    assert max(c["tokens"] for c in chunks) <= 40


def test_ids_are_the_same_every_time_and_differ(program: Program, model: Path, document: Path) -> None:
    first = chunk(program, model, document, "--max", 20)
    assert first == chunk(program, model, document, "--max", 20)
    assert len({c["id"] for c in first}) == len(first)


def test_standard_input_jsonl_and_several_files(program: Program, model: Path, document: Path, tmp_path: Path) -> None:
    chunks = chunk(program, model, stdin=DOCUMENT)
    assert [c["text"] for c in chunks] == [DOCUMENT.strip()] and chunks[0]["document"] == "stdin"
    (tmp_path / "more.jsonl").write_text('{"id": "x", "text": "One."}\n{"text": "Two."}\n')
    chunks = chunk(program, model, document, tmp_path / "more.jsonl")
    assert [(c["document"], c["text"]) for c in chunks[1:]] == [("x", "One."), (2, "Two.")]
    lines = chunk(program, model, document, "--input-format", "lines")
    assert lines[0]["text"] == "# The sea" and lines[0]["document"] == 0


def test_characters_need_no_model(program: Program, document: Path, tmp_path: Path) -> None:
    arguments = ["chunk", document, "--unit", "characters", "--max", 60, "-o", tmp_path / "out.jsonl"]
    program.run(*arguments)
    chunks = records((tmp_path / "out.jsonl").read_bytes())
    assert max(len(c["text"]) for c in chunks) <= 60 and "tokens" not in chunks[0]
    result = program.run("chunk", document, "--model", tmp_path / "none", check=False)
    assert result.returncode == 5


def test_overlap(program: Program, model: Path) -> None:
    text = " ".join(f"Sentence {i} is here." for i in range(60))
    chunks = chunk(program, model, "--max", 60, "--overlap", 20, stdin=text)
    assert all(b["bytes"][0] < a["bytes"][1] for a, b in zip(chunks, chunks[1:], strict=False))
    assert all(c["text"].startswith("Sentence") and c["tokens"] <= 60 for c in chunks)


def test_a_document_of_ten_megabytes(program: Program, model: Path) -> None:
    text = "The tide turns twice a day, and nobody knows why. " * 200_000
    chunks = chunk(program, model, stdin=text)
    assert chunks[-1]["bytes"][1] == len(text) - 1
    assert max(c["tokens"] for c in chunks) <= 512


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--max", "2"], "max_chunk_size"),
        (["--max", "10", "--target", "11"], "target_chunk_size"),
        (["--min", "401"], "min_chunk_size"),
        (["--overlap", "400"], "overlap"),
        (["--min", "-1"], "--min"),
        (["--unit", "words"], "tokens|characters"),
    ],
)
def test_sizes_that_cannot_be(program: Program, model: Path, flags: list[str], part: str) -> None:
    result = program.run("chunk", "-", "--model", model, *flags, stdin="x", check=False)
    assert result.returncode == 2 and part in error_line(result)


def test_bad_documents(program: Program, model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"ab\xff")
    (tmp_path / "empty").write_bytes(b" \n")
    (tmp_path / "good").write_text("Good.")
    files = [tmp_path / name for name in ("bad", "empty", "good")]
    result = program.run("chunk", *files, "--model", model, check=False)
    assert result.returncode == 1 and "byte 2: not UTF-8" in error_line(result)
    result = program.run(
        "chunk", *files, "--model", model, "--on-error", "skip", "-o", tmp_path / "o.jsonl", check=False
    )
    assert result.returncode == 3
    assert [c["text"] for c in records((tmp_path / "o.jsonl").read_bytes())] == ["Good."]
    assert records((tmp_path / "o.rejected.jsonl").read_bytes())[0]["id"] == str(tmp_path / "bad")
    assert b"1 document without text" in result.stderr and b"1 chunk of 2 documents" in result.stderr
    result = program.run("chunk", "-", "-o", tmp_path / "a.npy", "--model", model, stdin="x", check=False)
    assert result.returncode == 2


def test_embed_in_chunks(program: Program, model: Path, document: Path, tmp_path: Path) -> None:
    chunks = chunk(program, model, document, "--max", 40)
    embedded = records(program.run("embed", document, "--chunk", 40, "--model", model).stdout)
    fields = ("id", "document", "index", "tokens", "type", "bytes", "characters", "headings")
    assert [{f: e[f] for f in fields} for e in embedded] == [{f: c[f] for f in fields} for c in chunks]
    assert not any(e["truncated"] for e in embedded)

    vectors = program.embed(model, [c["text"] for c in chunks])
    assert np.array_equal(np.array([e["embedding"] for e in embedded], dtype=np.float32), vectors)

    output = tmp_path / "v.npy"
    program.run("embed", document, "--chunk", 40, "--model", model, "-o", output)
    assert np.array_equal(np.load(output), vectors)
    assert records((tmp_path / "v.chunks.jsonl").read_bytes()) == chunks
    result = program.run("embed", document, "--chunk", 40, "--model", model, "-o", tmp_path / "v.npy", check=False)
    assert result.returncode == 2
    output.unlink()
    result = program.run("embed", document, "--chunk", 40, "--model", model, "-o", output, check=False)
    assert result.returncode == 2 and "v.chunks.jsonl" in error_line(result)


def test_embed_in_chunks_leaves_room_for_the_prompt(program: Program, model: Path) -> None:
    text = "word " * 200
    embedded = records(
        program.run("embed", "-", "--chunk", 30, "--prompt", "passage: ", "--model", model, stdin=text).stdout
    )
    assert max(e["tokens"] for e in embedded) <= 30 and len(embedded) > 2
    assert embedded[-1]["bytes"][1] == len(text) - 1


def test_embed_in_chunks_with_bad_documents(program: Program, model: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    lines = [{"id": "a", "text": "One.\n\nTwo."}, {"id": "b"}, {"id": "c", "text": " "}, {"id": "d", "text": "Three."}]
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    output = tmp_path / "v.npy"
    result = program.run(
        "embed", source, "--chunk", 9, "--model", model, "-o", output, "--on-error", "skip", check=False
    )
    assert result.returncode == 3 and b"1 document without text" in result.stderr
    rows = records((tmp_path / "v.chunks.jsonl").read_bytes())
    vectors = np.load(output)
    assert len(rows) == len(vectors)
    assert [row["document"] for row in rows] == ["a"] * (len(rows) - 2) + ["b", "d"]
    rejected = len(rows) - 2
    assert "rejected" in rows[rejected] and np.isnan(vectors[rejected]).all()
    assert np.isfinite(np.delete(vectors, rejected, axis=0)).all()


def test_chunks_that_the_model_would_truncate_are_refused(program: Program, model: Path) -> None:
    for flags in (["--chunk", 100_000], ["--chunk", 20, "--max-length", 10]):
        result = program.run("embed", "-", "--model", model, *flags, stdin="x", check=False)
        assert result.returncode == 2 and "--chunk" in error_line(result)
