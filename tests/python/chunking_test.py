"""bgem3.text_chunking: spans, ids, types, and the way of a chunk into the generator."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import pytest
from bgem3 import Embedder, InvalidInputError, ModelLoadingError
from bgem3.embedding_generation import EmbeddingConfig, EmbeddingGenerator
from bgem3.text_chunking import ChunkContext, ChunkingConfig, ChunkType, DocumentChunk, TextChunker
from hypothesis import given
from hypothesis import strategies as st

DOCUMENT = """# The sea

The sea is deep and wide. It größer is than any land; 深い海 is a deep sea.

## Bread

Bread is baked every morning. It is good.

- flour
- water

```
bake(bread)
```
"""


@pytest.fixture(scope="module")
def chunker(tiny: Path) -> TextChunker:
    return TextChunker(ChunkingConfig(30, 5, 40, model_name=str(tiny)))


def test_fields_and_defaults_are_the_specified_ones() -> None:
    config = ChunkingConfig()
    assert (config.target_chunk_size, config.min_chunk_size, config.max_chunk_size) == (400, 50, 512)
    assert (config.overlap, config.unit, config.model_name) == (0, "tokens", "BAAI/bge-m3")
    assert ChunkContext() == ChunkContext(document_id=None, title=None, source=None, metadata={})
    assert {kind.value for kind in ChunkType} == {"heading", "paragraph", "list", "code", "table"}


def test_chunks_are_parts_of_the_document(chunker: TextChunker, tiny: Path) -> None:
    context = ChunkContext(document_id="sea", title="The sea", metadata={"year": 2024})
    chunks = chunker.chunk_text(DOCUMENT, context)
    assert len(chunks) > 1
    embedder = Embedder(tiny)
    for index, chunk in enumerate(chunks):
        assert isinstance(chunk, DocumentChunk)
        metadata = chunk.text_chunk.metadata
        assert chunk.text_chunk.content == DOCUMENT[metadata.start_char : metadata.end_char]
        assert chunk.text_chunk.content.encode() == DOCUMENT.encode()[metadata.start_byte : metadata.end_byte]
        assert metadata.token_count == len(embedder.tokenize(chunk.text_chunk.content).ids) <= 40
        assert metadata.index == index
        assert isinstance(metadata.chunk_type, ChunkType)
        assert chunk.document_metadata == {"document_id": "sea", "title": "The sea", "year": 2024}
    assert chunks == chunker.chunk_text(DOCUMENT, context)
    assert [c.text_chunk.metadata.chunk_id for c in chunks] != [
        c.text_chunk.metadata.chunk_id for c in chunker.chunk_text(DOCUMENT, ChunkContext(document_id="other"))
    ]
    assert pickle.loads(pickle.dumps(chunks)) == chunks


@given(st.text(max_size=400), st.integers(20, 60))
def test_nothing_is_lost(text: str, most: int) -> None:
    chunker = TextChunker(ChunkingConfig(most // 2, 3, most, unit="characters"))
    covered = [False] * len(text)
    for chunk in chunker.chunk_text(text):
        metadata = chunk.text_chunk.metadata
        assert chunk.text_chunk.content == text[metadata.start_char : metadata.end_char]
        covered[metadata.start_char : metadata.end_char] = [True] * (metadata.end_char - metadata.start_char)
    assert all(
        done or character.isspace() or character in "\u200b\ufeff"
        for done, character in zip(covered, text, strict=True)
    )


def test_chunks_go_into_the_generator(chunker: TextChunker, tiny: Path) -> None:
    chunks = chunker.chunk_text(DOCUMENT, ChunkContext(title="The sea"))
    generator = EmbeddingGenerator(EmbeddingConfig(model_name=str(tiny), num_threads=1))
    for chunk, embedding in zip(chunks, generator.generate_embeddings(chunks), strict=True):
        metadata = chunk.text_chunk.metadata
        assert embedding.chunk_id == metadata.chunk_id
        assert embedding.metadata.sequence_length == metadata.token_count
        assert embedding.chunk_metadata == {
            "token_count": metadata.token_count,
            "chunk_type": metadata.chunk_type.value,
            "document_metadata": {"title": "The sea"},
        }


def test_errors_are_clear(chunker: TextChunker, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="unit"):
        TextChunker(ChunkingConfig(unit="words"))  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="chunk sizes"):
        TextChunker(ChunkingConfig(target_chunk_size=600, unit="characters"))
    with pytest.raises(ModelLoadingError):
        TextChunker(ChunkingConfig(model_name=str(tmp_path / "nothing")))
    with pytest.raises(InvalidInputError, match="UTF-8"):
        chunker.chunk_text("a \ud800")
    no_text: Any = None
    with pytest.raises(InvalidInputError, match="a NoneType, expected a str"):
        chunker.chunk_text(no_text)


def test_pickling(chunker: TextChunker) -> None:
    copy = pickle.loads(pickle.dumps(chunker))
    assert copy.config == chunker.config == dataclasses.replace(chunker.config)
    assert copy.chunk_text(DOCUMENT) == chunker.chunk_text(DOCUMENT)
