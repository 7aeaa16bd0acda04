"""Scores of queries and passages: lexical matching, MaxSim, and their weighted sums. docs/scoring.md has the formulas.

Computed in C++ (bgem3/scoring.h) without the interpreter's lock; the same vectors give the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bgem3 import _native
from bgem3.results import MultiVectors, SparseVectors

__all__ = ["MaxSim", "hybrid_scores", "lexical_matching_score", "lexical_matching_scores", "max_sim"]

Vectors = npt.NDArray[np.float32]
Sparse = tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]
"""(ids, weights) of one text, as SparseVectors[i] gives them."""


class MaxSim:
    """MaxSim scores of many passages, on threads of its own. Any number of threads may call it at the same time."""

    def __init__(self, *, threads: int = 0, isa: str = "auto") -> None:
        """threads: 0: as many as the process may use cores. Neither changes a bit of the scores."""
        self._native = _native.MaxSim(threads, isa)

    def scores(self, query: Vectors, passages: MultiVectors, *, zero_rows_to: int = 0) -> npt.NDArray[np.float32]:
        """For each passage the mean over the query's vectors of the largest dot product with any of the passage's.

        Args:
            query: [tokens, dimensions], as MultiVectors[i] gives it.
            passages: with the same dimensions.
            zero_rows_to: 0 is the exact definition. Otherwise passages with fewer vectors count as filled up with zero
                vectors to so many, as FlagEmbedding's compute_score has them.

        Returns:
            [passages] float32.

        Raises:
            InvalidInputError: a query or passage without vectors, dimensions that differ.
            InferenceError: in a process forked after the first call.
        """
        return self._native.scores(_rows(query), passages.starts, _rows(passages.vectors), zero_rows_to)


def max_sim(query: Vectors, passage: Vectors, *, zero_rows_to: int = 0) -> float:
    """MaxSim.scores of one passage, on the calling thread."""
    return _native.max_sim(_rows(query), _rows(passage), zero_rows_to)


def lexical_matching_score(query: Sparse, passage: Sparse) -> float:
    """The sum of the products of the weights of all ids that both have; 0 if there is none."""
    return _native.lexical_matching_score(*query, *passage)


def lexical_matching_scores(query: Sparse, passages: SparseVectors) -> npt.NDArray[np.float32]:
    """lexical_matching_score of one query with each passage: [passages] float32."""
    return _native.lexical_matching_scores(*query, passages.starts, passages.ids, passages.weights)


def hybrid_scores(
    dense: float, sparse: float, colbert: float, weights: Sequence[float] = (1, 1, 1)
) -> tuple[float, float]:
    """The weighted means (sparse and dense, all three) of a pair's scores; weights are of dense, sparse, colbert."""
    return _native.hybrid_scores(dense, sparse, colbert, *weights)


def _rows(vectors: Vectors) -> Vectors:
    return np.ascontiguousarray(vectors, dtype=np.float32)
