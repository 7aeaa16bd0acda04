"""Documents into chunks that fit a model, cut where a reader would cut. Start at TextChunker.chunk_text.

A binding of the C++ TextChunker (bgem3/chunker.h); docs/chunking.md has the rules.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, asdict, dataclass, field
from enum import Enum
from typing import Any, Literal

from bgem3 import _native
from bgem3.errors import InvalidInputError

__all__ = [
    "ChunkContext",
    "ChunkMetadata",
    "ChunkType",
    "ChunkingConfig",
    "DocumentChunk",
    "TextChunk",
    "TextChunker",
]


class ChunkType(Enum):
    """What most of a chunk is. Headings count only where nothing else is in it."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    CODE = "code"
    TABLE = "table"


@dataclass
class ChunkingConfig:
    """How to chunk. Sizes are in `unit`s; one in tokens counts the tokens around every text and the prompt."""

    target_chunk_size: int = 400
    """Chunks of long sections come close to it from below."""
    min_chunk_size: int = 50
    """A smaller chunk is joined with a neighbour if both fit into the maximum."""
    max_chunk_size: int = 512
    """Never exceeded."""
    overlap: int = 0
    """Most units that a chunk repeats from the end of the one before."""
    unit: Literal["tokens", "characters"] = "tokens"
    model_name: str = "BAAI/bge-m3"
    """Whose tokens; in characters no model is needed."""

    _: KW_ONLY
    prompt: str = ""
    """What will be put in front of every chunk: it is counted."""
    special_tokens_in_text: Literal["match", "escape"] = "match"


@dataclass
class ChunkContext:
    """What is known of a document; all of it becomes its chunks' document_metadata."""

    document_id: str | None = None
    """Also part of the chunk ids."""
    title: str | None = None
    source: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class ChunkMetadata:
    """What is known of a chunk."""

    chunk_id: str
    """16 hexadecimal digits: the same document gives the same ids."""
    token_count: int
    """As the model will count them, prompt included; 0 if the unit is characters."""
    chunk_type: ChunkType
    start_byte: int
    end_byte: int
    """In the document's UTF-8."""
    start_char: int
    end_char: int
    """The content is document[start_char:end_char]."""
    index: int
    """In the document, from 0."""
    heading_path: list[str]
    """Titles of the sections that the chunk's first text is in, outermost first."""


@dataclass
class TextChunk:
    """A part of a document."""

    content: str
    metadata: ChunkMetadata


@dataclass
class DocumentChunk:
    """A part of a document, and what is known of the document."""

    text_chunk: TextChunk
    document_metadata: dict[str, Any]


class TextChunker:
    """Cuts documents. Any number of threads may call its methods at the same time."""

    def __init__(self, config: ChunkingConfig | None = None) -> None:
        """Checks the configuration and opens the tokenizer.

        Raises:
            InvalidInputError: sizes that contradict each other, an unknown unit.
            ModelLoadingError: the tokenizer cannot be read.
        """
        self.config = ChunkingConfig() if config is None else config
        self._opened = _native.TextChunker.open(**asdict(self.config))

    def __getstate__(self) -> ChunkingConfig:
        return self.config

    def __setstate__(self, config: ChunkingConfig) -> None:
        self.__init__(config)  # type: ignore[misc]

    def chunk_text(self, text: str, context: ChunkContext | None = None) -> list[DocumentChunk]:
        """The chunks of a document, Markdown or plain text, in its order; none if it is all white space.

        Every character that is not white space is in a chunk. No grapheme cluster is cut, and no word but one that
        alone exceeds the maximum.

        Raises:
            InvalidInputError: no str, or one with a lone surrogate; a maximum that does not hold a single character.
        """
        if not isinstance(text, str):
            raise InvalidInputError(f"text: a {type(text).__name__}, expected a str", "invalid_input")
        context = context or ChunkContext()
        known = {name: getattr(context, name) for name in ("document_id", "title", "source")}
        document = context.metadata | {name: value for name, value in known.items() if value is not None}
        chunks = []
        for chunk_id, tokens, kind, *places in self._opened.chunk_text(text, context.document_id):
            rest: list[Any] = places
            metadata = ChunkMetadata(chunk_id, tokens, ChunkType(kind), *rest)
            content = text[metadata.start_char : metadata.end_char]
            chunks.append(DocumentChunk(TextChunk(content, metadata), dict(document)))
        return chunks
