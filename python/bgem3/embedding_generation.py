"""The product: chunks of text in, vectors with metadata out. Start at EmbeddingGenerator.generate_embeddings.

A binding of the C++ EmbeddingGenerator (bgem3/generator.h): the rules of quality, failures, limits and caches are there
and in docs/generator.md. Vectors are rows of one array that the C++ result owns, not copies.
"""

from __future__ import annotations

import difflib
import functools
import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field, fields
from datetime import datetime, timezone
from types import TracebackType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bgem3 import _native
from bgem3.embedder import Embedder, ProgressLine
from bgem3.errors import (
    EmbeddingGenerationError,
    InferenceError,
    InvalidInputError,
    ModelLoadingError,
    QualityValidationError,
    ResourceLimitError,
)

__all__ = [
    "ChunkEmbedding",
    "EmbeddingConfig",
    "EmbeddingGenerationError",
    "EmbeddingGenerator",
    "EmbeddingGeneratorContext",
    "EmbeddingMetadata",
    "InferenceError",
    "InvalidInputError",
    "ModelLoadingError",
    "QualityIssue",
    "QualityReport",
    "QualityValidationError",
    "ResourceLimitError",
    "TextFailure",
    "create_embedding_generator",
    "safe_embedding_generation",
]

Vector = npt.NDArray[np.float32]


@dataclass
class EmbeddingConfig:
    """How a generator works. Checked when one is made: a wrong value is an InvalidInputError that names it."""

    model_name: str = "BAAI/bge-m3"
    """A folder, or "organisation/name[@revision]" in the Hugging Face cache."""
    batch_size: int = 32
    """Most texts computed at a time; inside, passes are cut by tokens and memory."""
    max_sequence_length: int = 512
    """Tokens of a text, template included; longer texts are cut, and say so. A model's smaller limit stays."""
    normalize_embeddings: bool = True
    device: str = "cpu"
    """Anything else is refused."""
    cache_model: bool = True
    """Share one loaded model with other generators."""
    cache_embeddings: bool = False
    """Remember vectors by content."""
    max_memory_gb: float = 4.0
    """GiB: ceiling for the whole process, planned when the model is loaded; 0: none."""
    num_threads: int = 4
    """More than the process may use cores are capped."""
    deterministic: bool = True
    """Same text, same bits, always; there is no faster way that False could allow."""
    warmup_iterations: int = 3

    _: KW_ONLY
    dtype: str = "float32"
    """Or "bfloat16", "int8"."""
    model_revision: str = ""
    """Branch, tag or commit in the Hugging Face cache; empty: main."""
    cache_dir: str = ""
    """Folder of the packed weights."""
    embedding_cache_bytes: int = 256 << 20
    """Most memory, and most disk, of remembered vectors."""
    embedding_cache_path: str = ""
    """SQLite file that remembers them too; empty: memory only."""
    on_error: Literal["zero", "raise"] = "zero"
    """A failed text becomes a zero vector with its reason, or an InferenceError with its index."""
    special_tokens_in_text: Literal["match", "escape"] = "match"
    max_text_bytes: int = 64 << 20
    """A longer text is a failed text; 0: no limit."""
    max_texts_per_call: int = 0
    """More are a ResourceLimitError; 0: no limit."""
    max_total_tokens: int = 0
    """The same for the tokens of a call, after truncation; 0: no limit."""
    history_path: str = ""
    """SQLite file that gets a row a call; empty: none."""
    show_progress: bool = False
    """A line on stderr during calls."""


@dataclass
class EmbeddingMetadata:
    """What is known of one vector."""

    chunk_id: str
    embedding_hash: str
    """First 16 hexadecimal digits of SHA-256 over the vector's float32 bytes."""
    model_version: str
    generation_timestamp: datetime
    """In UTC."""
    processing_time_ms: float
    """This text's share, by tokens, of its batch's time."""
    sequence_length: int
    """Tokens, template tokens included, after truncation; 0 for a failed text."""
    was_truncated: bool
    quality_score: float
    """From 0 to 1."""
    error: str = field(default="", kw_only=True)
    """Why this text failed; empty if it did not."""


@dataclass
class ChunkEmbedding:
    """A chunk, its vector, and what is known of both."""

    chunk_id: str
    text_content: str
    embedding_vector: Vector
    metadata: EmbeddingMetadata
    chunk_metadata: dict[str, Any]
    """Of a chunk object: its token_count, chunk_type and document_metadata, as far as it has them."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ChunkEmbedding):
            return NotImplemented
        return np.array_equal(self.embedding_vector, other.embedding_vector, equal_nan=True) and all(
            getattr(self, name) == getattr(other, name)
            for name in ("chunk_id", "text_content", "metadata", "chunk_metadata")
        )


@dataclass
class QualityIssue:
    """One thing that validate_embedding_quality found."""

    kind: str
    """"failed", "not_finite", "dimension", "zero", "not_normalized", "duplicate", "near_constant",
    "far_from_centroid" or "low_quality"."""
    index: int | None
    """Of the embedding; None: the set as a whole."""
    value: float
    """What was measured; for a duplicate the index of the first equal vector."""
    message: str


@dataclass
class QualityReport:
    """The quality of a set of vectors."""

    total_embeddings: int
    avg_quality_score: float
    dimension_consistency: bool
    """Every vector has the first one's width."""
    normalization_status: bool
    """Every vector that is not zero has length one."""
    outlier_count: int
    """Vectors that are not finite, or far from the centroid."""
    processing_issues: list[str]
    performance_metrics: dict[str, float]
    """avg_processing_time_ms, median_processing_time_ms, max_processing_time_ms, total_processing_time_s."""
    issues: list[QualityIssue] = field(default_factory=list, kw_only=True)
    """What processing_issues says, as data."""


@dataclass
class TextFailure:
    """A text of a call that failed."""

    index: int
    code: str
    reason: str


class _Dimension:
    """The loaded model's width on a generator; bge-m3's on the class, and before a model is loaded."""

    def __get__(self, generator: EmbeddingGenerator | None, owner: type) -> int:
        return 1024 if generator is None else generator._native.dimensions


class EmbeddingGenerator:
    """Turns chunks into vectors with metadata. Any number of threads may call all methods at the same time.

    The model is loaded by the first call that needs it, and again after clear_cache(). Ctrl-C ends a call. Pickling
    takes the configuration along; a forked process loads the model again with its first call.
    """

    MODEL_DIMENSION = _Dimension()
    DEFAULT_QUALITY_THRESHOLD = 0.8

    config: EmbeddingConfig
    logger: logging.Logger
    """"bgem3.embedding_generation"; each record has `event`, a stable name, and `fields` (docs/generator.md)."""
    model_lock: threading.RLock
    """Guards what `model` returns."""

    def __init__(self, config: EmbeddingConfig | None = None) -> None:
        """Checks the configuration, and opens the embedding cache and the history if they are asked for.

        Raises:
            InvalidInputError: a field of the configuration, by its name.
            ModelLoadingError: the cache or the history cannot be written.
        """
        self.config = _checked(EmbeddingConfig() if config is None else config)
        self.logger = logging.getLogger(__name__)
        self.model_lock = threading.RLock()
        self._model: Embedder | None = None
        self._open()

    def _open(self) -> None:
        # The callback must not hold this object: nobody could see that circle, and the model would stay for ever.
        self._opened = _native.EmbeddingGenerator(self.config, functools.partial(_log, self.logger))
        self._process = os.getpid()

    @property
    def _native(self) -> _native.EmbeddingGenerator:
        if self._process != os.getpid():  # a fork takes no threads along
            self._inherited = self._opened, self._model  # never closed here: they are the parent's
            self._model = None
            self._open()
        return self._opened

    def __getstate__(self) -> EmbeddingConfig:
        return self.config

    def __setstate__(self, config: EmbeddingConfig) -> None:
        self.__init__(config)  # type: ignore[misc]

    def generate_embeddings(self, chunks: Iterable[Any]) -> list[ChunkEmbedding]:
        """The vectors of chunks with their metadata, in the order of the chunks.

        Args:
            chunks: each one a str; or an object with `content`, and perhaps `metadata`; or one whose `text_chunk` is
                such an object, and perhaps with `document_metadata`. From `metadata` come chunk_id, token_count and
                chunk_type. Without a chunk_id it is the first 16 hexadecimal digits of the text's MD5.

        Raises:
            ResourceLimitError: a limit of the configuration, or memory; before work starts.
            ModelLoadingError: the model cannot be loaded.
            InferenceError: a text failed, with on_error="raise".
            InvalidInputError: something that is no chunk, by its index.
        """
        read = [_read_chunk(index, chunk) for index, chunk in enumerate(_sequence("chunks", chunks))]
        texts = tuple(text for text, _, _ in read)
        vectors, metadata = self._run(self._native.generate_embeddings, texts, [chunk_id for _, chunk_id, _ in read])
        return [
            ChunkEmbedding(about[0], text, vector, _to_metadata(*about), chunk_metadata)
            for vector, about, (text, _, chunk_metadata) in zip(vectors, metadata, read, strict=True)
        ]

    def generate_single_embedding(self, text: str) -> Vector:
        """The vector of one text, [dimensions] float32; zero if it failed (last_failures says why)."""
        return self.batch_process([text])[0]

    def batch_process(self, texts: Iterable[str], batch_size: int | None = None) -> list[Vector]:
        """The vectors of texts, each [dimensions] float32, rows of one array.

        Failed texts are zero, with a warning in the log, and in last_failures. batch_size: None is the configuration's.
        Raises as generate_embeddings.
        """
        read = _texts(texts)
        return list(self._run(self._native.batch_process, read, 0 if batch_size is None else batch_size))

    def _run(self, call: Callable[..., Any], *arguments: Any) -> Any:
        line = ProgressLine() if self.config.show_progress else None
        try:
            return call(*arguments, line)
        finally:
            if line:
                line.close()

    def validate_embedding_quality(
        self, embeddings: Sequence[ChunkEmbedding], min_quality_score: float | None = None
    ) -> QualityReport:
        """A report on vectors of any width and value: docs/generator.md has the rules. Needs no model.

        Raises:
            QualityValidationError: min_quality_score is given, and the average quality is below it.
            InvalidInputError: min_quality_score is not from 0 to 1.
        """
        report: tuple[Any, ...] = self._native.validate_embedding_quality(
            [np.ascontiguousarray(e.embedding_vector, dtype=np.float32).ravel() for e in embeddings],
            _texts(e.text_content for e in embeddings),
            [e.metadata.quality_score for e in embeddings],
            [e.metadata.processing_time_ms for e in embeddings],
            [e.metadata.error for e in embeddings],
            min_quality_score,
        )
        return QualityReport(*report[:-1], issues=[QualityIssue(*issue) for issue in report[-1]])

    def warm_up_model(self) -> None:
        """Loads the model and runs it warmup_iterations times, so that the next call finds everything in memory."""
        self._native.warm_up_model()

    def get_processing_stats(self) -> dict[str, Any]:
        """Counts since the generator was made: docs/generator.md has their meaning."""
        return self._native.get_processing_stats()

    def clear_cache(self) -> None:
        """Gives the model up and forgets the vectors in memory; those on disk stay. The next use loads the model again.

        The memory is free when no other generator, and nobody who took `model`, uses it.
        """
        with self.model_lock:
            self._model = None
        self._native.clear_cache()

    @property
    def model(self) -> Embedder:
        """The loaded model, loaded now if it is not."""
        opened = self._native.model()
        with self.model_lock:
            if self._model is None or self._model._opened is not opened:
                threads, memory = self.config.num_threads, round(self.config.max_memory_gb * (1 << 30))
                self._model = Embedder._around(
                    opened, threads=threads, max_memory_bytes=memory, cache_dir=self.config.cache_dir
                )
            return self._model

    @property
    def _model_loaded(self) -> bool:
        return self._native.model_loaded

    @property
    def processing_stats(self) -> dict[str, Any]:
        """The same as get_processing_stats()."""
        return self.get_processing_stats()

    @property
    def last_failures(self) -> list[TextFailure]:
        """The texts that failed in the call that ended last, in their order."""
        return [TextFailure(*failure) for failure in self._native.last_failures()]


class EmbeddingGeneratorContext:
    """`with EmbeddingGeneratorContext(config) as generator:` gives the model up at the end."""

    def __init__(self, config: EmbeddingConfig | None = None) -> None:
        self._config = config
        self._generator: EmbeddingGenerator | None = None

    def __enter__(self) -> EmbeddingGenerator:
        self._generator = EmbeddingGenerator(self._config)
        return self._generator

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._generator is not None:
            self._generator.clear_cache()
            self._generator = None


def create_embedding_generator(config: Mapping[str, Any] | None = None) -> EmbeddingGenerator:
    """A generator from the fields of an EmbeddingConfig by name.

    Raises:
        InvalidInputError: an unknown name, with the nearest one that exists; and what EmbeddingGenerator raises.
    """
    names = [field.name for field in fields(EmbeddingConfig)]
    for name in config or {}:
        if name not in names:
            nearest = difflib.get_close_matches(str(name), names, n=1, cutoff=0)
            raise InvalidInputError(f"config: unknown field {name!r}; the nearest is {nearest[0]!r}", "invalid_input")
    return EmbeddingGenerator(EmbeddingConfig(**(config or {})))


def safe_embedding_generation(generator: EmbeddingGenerator, texts: Iterable[str]) -> list[Vector]:
    """batch_process for callers who want an answer whatever happens.

    Where memory does not suffice the batch is halved, down to one text; a text that fails even so becomes a zero vector
    and is in last_failures. A model that cannot be loaded is raised all the same, and so are limits on the whole call.
    """
    return list(generator._run(generator._native.safe_process, _texts(texts)))


def _checked(config: EmbeddingConfig) -> EmbeddingConfig:
    """The values are checked in C++; here that they have the types to get there."""
    if not isinstance(config, EmbeddingConfig):
        raise InvalidInputError(
            f"config: a {type(config).__name__}, expected an EmbeddingConfig; for a dict: create_embedding_generator",
            "invalid_input",
        )
    for name, value in asdict(config).items():
        expected = type(getattr(EmbeddingConfig, name))
        fits = isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
        if not fits and not (expected is float and type(value) is int):
            raise InvalidInputError(f"{name}: {value!r}, expected a {expected.__name__}", "invalid_input")
    return config


def _sequence(name: str, items: Iterable[Any]) -> Iterable[Any]:
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        raise InvalidInputError(
            f"{name}: a {type(items).__name__}, expected several of them, in an order", "invalid_input"
        )
    return items


def _texts(texts: Iterable[str]) -> tuple[str, ...]:
    read = tuple(_sequence("texts", texts))
    for index, text in enumerate(read):
        if not isinstance(text, str):
            raise InvalidInputError(f"texts[{index}]: a {type(text).__name__}, expected a str", "invalid_input", index)
    return read


def _read_chunk(index: int, chunk: Any) -> tuple[str, str, dict[str, Any]]:
    """Text, chunk_id (or empty) and chunk_metadata of a chunk."""
    source = getattr(chunk, "text_chunk", chunk)
    text = source if isinstance(source, str) else getattr(source, "content", None)
    if not isinstance(text, str):
        raise InvalidInputError(
            f"chunks[{index}]: a {type(chunk).__name__}, expected a str, or an object with text_chunk or content",
            "invalid_input",
            index,
        )
    metadata: Any = getattr(source, "metadata", None)
    about: dict[str, Any] = {}
    if hasattr(metadata, "token_count"):
        about["token_count"] = metadata.token_count
    if hasattr(metadata, "chunk_type"):
        about["chunk_type"] = getattr(metadata.chunk_type, "value", metadata.chunk_type)
    if hasattr(chunk, "document_metadata"):
        about["document_metadata"] = chunk.document_metadata
    return text, str(getattr(metadata, "chunk_id", None) or ""), about


def _to_metadata(
    chunk_id: str, embedding_hash: str, model_version: str, seconds: float, *rest: Any
) -> EmbeddingMetadata:
    when = datetime.fromtimestamp(seconds, timezone.utc)
    return EmbeddingMetadata(chunk_id, embedding_hash, model_version, when, *rest[:-1], error=rest[-1])


def _log(logger: logging.Logger, level: str, event: str, message: str, fields: dict[str, Any]) -> None:
    logger.log(getattr(logging, level), message, extra={"event": event, "fields": fields})
