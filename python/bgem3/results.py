"""What the calls of an Embedder return: arrays over all texts, and what happened to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bgem3.errors import EmbeddingGenerationError


@dataclass(frozen=True, eq=False)
class SparseVectors:
    """The sparse output of several texts, end to end: token ids and their weights, as in a CSR matrix."""

    starts: npt.NDArray[np.int64]
    """[texts + 1]: text i has ids[starts[i] : starts[i + 1]], in the order in which they first occur in it."""
    ids: npt.NDArray[np.uint32]
    weights: npt.NDArray[np.float32]
    """Above zero; the largest of each id."""
    vocab: int
    """Width of the matrix."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, text: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
        """(ids, weights) of one text, without a copy."""
        text = range(len(self))[text]
        part = slice(self.starts[text], self.starts[text + 1])
        return self.ids[part], self.weights[part]

    def to_dicts(self) -> list[dict[str, np.float32]]:
        """For each text a map from the token id as a decimal string to its weight, as FlagEmbedding returns it."""
        return [
            dict(zip(map(str, ids.tolist()), weights, strict=True))
            for ids, weights in (self[text] for text in range(len(self)))
        ]

    def to_scipy(self) -> Any:
        """The scipy.sparse.csr_matrix [texts, vocab], columns of each row in ascending order. Needs SciPy."""
        from scipy.sparse import csr_matrix

        shape = len(self), self.vocab
        matrix = csr_matrix((self.weights, self.ids.astype(np.int64), self.starts), shape=shape, copy=True)
        matrix.sort_indices()
        return matrix


@dataclass(frozen=True, eq=False)
class MultiVectors:
    """The multi-vector output of several texts, end to end, without padding."""

    starts: npt.NDArray[np.int64]
    """[texts + 1]: text i has vectors[starts[i] : starts[i + 1]], one for each of its tokens but the first."""
    vectors: npt.NDArray[np.float32]
    """[tokens, dimensions], memory of the C++ result."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, text: int) -> npt.NDArray[np.float32]:
        """[tokens - 1, dimensions] of one text, without a copy."""
        text = range(len(self))[text]
        return self.vectors[self.starts[text] : self.starts[text + 1]]


@dataclass(frozen=True, eq=False)
class EmbedResult:
    """The outputs of one request, in the caller's order, and what happened to each text."""

    vectors: npt.NDArray[np.float32]
    """[texts, dimensions] float32, rows contiguous, memory of the C++ result; the rows of failed texts are NaN. No rows
    if the dense output was not asked for."""
    tokens: npt.NDArray[np.int64]
    """[texts]: tokens of each text, template tokens included, after truncation."""
    truncated: npt.NDArray[np.bool_]
    """[texts]: the text had more tokens than the limit; the first ones were kept."""
    windows: npt.NDArray[np.int64]
    """[texts]: how many windows each was computed in; more than one only with long_text="windows"."""
    replaced_utf8: npt.NDArray[np.int64]
    """[texts]: lone surrogates replaced by U+FFFD."""
    errors: dict[int, EmbeddingGenerationError]
    """Texts that failed, by their index; their neighbours are unharmed."""
    sparse: SparseVectors | None = None
    """None if it was not asked for; a failed text has no ids."""
    multi: MultiVectors | None = None
    """None if it was not asked for; a failed text has no rows, or rows of NaN."""

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, eq=False)
class SpanResult:
    """The vectors of parts of a document, in the caller's order."""

    vectors: npt.NDArray[np.float32]
    """[spans, dimensions] float32, rows contiguous, memory of the C++ result; the rows of failed spans are NaN."""
    tokens: npt.NDArray[np.int64]
    """[spans]: tokens of each."""
    errors: dict[int, EmbeddingGenerationError]
    """Spans that failed, by their index: those without tokens."""

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Encoding:
    """The tokens of one text."""

    ids: list[int]
    tokens: list[str]
    """The published string of each token."""
    offsets: list[tuple[int, int]]
    """Each token's part of the text, in characters: text[begin:end]. Template tokens have (0, 0)."""
    truncated: bool
    replaced_utf8: int
