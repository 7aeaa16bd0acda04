"""Texts over the limit from Python: windows, and parts of a document by embed_spans()."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from bgem3 import Embedder, InvalidInputError
from bgem3.text_chunking import ChunkingConfig, TextChunker
from support import Program

DOCUMENT = (
    "Größer als 深い海 ist nur der Himmel. 🐟 The tide turns twice a day.\n\nA sloop has one mast, a schooner two."
)


def spans_of(document: str, tiny: Path) -> list[tuple[int, int]]:
    chunker = TextChunker(
        ChunkingConfig(target_chunk_size=20, min_chunk_size=4, max_chunk_size=24, model_name=str(tiny))
    )
    places = [chunk.text_chunk.metadata for chunk in chunker.chunk_text(document)]
    return [(place.start_char, place.end_char) for place in places]


def test_windows_equal_the_program(program: Program, tiny: Path, embedder: Embedder) -> None:
    texts = ["a b c " * 100, "a"]
    result = embedder.embed(texts, max_tokens=32, long_text="windows")
    expected = program.embed(tiny, texts, "--max-length", 32, "--long-text", "windows")
    assert result.vectors.tobytes() == expected.tobytes()
    assert result.windows[0] > 1 and result.windows[1] == 1
    assert not result.truncated.any()
    assert embedder.encode(texts, max_tokens=32, long_text="windows").tobytes() == expected.tobytes()
    assert embedder.embed(texts, max_tokens=32).windows.tolist() == [1, 1]
    with pytest.raises(InvalidInputError, match="long_text.*'truncate' or 'windows'"):
        embedder.embed(texts, long_text="half")  # type: ignore[arg-type]


def test_spans_count_characters_and_equal_the_program(
    program: Program, tiny: Path, embedder: Embedder, tmp_path: Path
) -> None:
    spans = spans_of(DOCUMENT, tiny)
    assert len(spans) > 2
    result = embedder.embed_spans(DOCUMENT, spans)
    path = tmp_path / "sea.md"
    path.write_text(DOCUMENT)
    output = tmp_path / "sea.npy"
    # --chunk 24 has other sizes below its maximum: the program's own chunks, then.
    program.run(
        "embed", path, "--model", tiny, "--chunk", 24, "--late-chunking", "-o", output, "--input-format", "document"
    )
    lines = [json.loads(line) for line in (tmp_path / "sea.chunks.jsonl").read_text().splitlines()]
    own = embedder.embed_spans(DOCUMENT, [tuple(line["characters"]) for line in lines])
    assert own.vectors.tobytes() == np.load(output).tobytes()
    assert len(result) == len(spans) == len(result.vectors)
    assert not result.errors
    begin, end = spans[1]
    assert embedder.embed_spans(DOCUMENT, [(begin, end)]).vectors.tobytes() == result.vectors[1].tobytes()
    assert np.abs(embedder.encode(DOCUMENT[begin:end]) - result.vectors[1]).max() > 1e-4
    np.testing.assert_allclose(np.linalg.norm(result.vectors, axis=1), 1, atol=1e-6)


def test_bad_spans_and_documents(embedder: Embedder) -> None:
    for span in [(-1, 2), (2, 2), (3, 2), (0, 5)]:
        with pytest.raises(InvalidInputError, match=rf"span 1: characters {span[0]} to {span[1]}.* 4 characters"):
            embedder.embed_spans("größ", [(0, 1), span])
    with pytest.raises(InvalidInputError, match="not UTF-8"):
        embedder.embed_spans("a \ud800", [(0, 1)])
    with pytest.raises(InvalidInputError, match="document: a int"):
        embedder.embed_spans(3, [(0, 1)])  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="more than 16 tokens"):
        embedder.embed_spans("a " * 30, [(0, 1)], max_tokens=16)
    result = embedder.embed_spans("a   b", [(0, 1), (1, 3)])
    assert list(result.errors) == [1]
    assert "no tokens" in str(result.errors[1])
    assert np.isnan(result.vectors).all(axis=1).tolist() == [False, True]
    assert embedder.embed_spans("a", []).vectors.shape == (0, embedder.dimensions)


def test_spans_from_threads(embedder: Embedder, tiny: Path) -> None:
    spans = spans_of(DOCUMENT, tiny)
    expected = embedder.embed_spans(DOCUMENT, spans).vectors.tobytes()
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(embedder.embed_spans(DOCUMENT, spans).vectors.tobytes()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4
