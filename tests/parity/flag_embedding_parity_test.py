"""The same programs with FlagEmbedding's BGEM3FlagModel and with bgem3's: values, types, keys and their order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bgem3
import FlagEmbedding
import numpy as np
import pytest
import torch
from make_model import ModelSpec

# Of 3 to 60 tokens, some many times the same; the model's limit is 64.
QUERIES = ["What is BGE M3?", "bread", "", "the sea the sea the sea", "Größe 你好", "an ocean of great depth"]
PASSAGES = [
    "BGE M3 is a model.",
    "Bread is baked.",
    "nothing",
    "word " * 50,
    "你好 Größe Größe",
    "The sea is deep." * 3,
]
PAIRS = list(zip(QUERIES, PASSAGES, strict=True))
ALL = {"return_dense": True, "return_sparse": True, "return_colbert_vecs": True}
# Largest differences. FlagEmbedding's own from float64 is of their size.
DENSE, SPARSE, MULTI, SCORE = 5e-7, 3e-6, 2e-5, 1e-5

Model = Any  # either class
Program = Callable[[Model], Any]


def lexical(model: Model) -> Any:
    weights = model.encode(QUERIES, return_sparse=True)["lexical_weights"]
    others = model.encode(PASSAGES, return_sparse=True)["lexical_weights"]
    return [
        model.compute_lexical_matching_score(weights[0], others[0]),
        model.compute_lexical_matching_score(weights, others),
    ]


def colbert(model: Model) -> Any:
    vectors = [model.encode(text, return_colbert_vecs=True)["colbert_vecs"] for text in (QUERIES[0], PASSAGES[0])]
    return model.colbert_score(*vectors)


PROGRAMS: dict[str, Program] = {
    "defaults": lambda m: m.encode(QUERIES),
    "a text": lambda m: m.encode(QUERIES[0]),
    "all": lambda m: m.encode(QUERIES, **ALL),
    "all of a text": lambda m: m.encode(QUERIES[3], **ALL),
    "by place": lambda m: m.encode(PASSAGES, 2, 16, True, True, True),
    "sparse": lambda m: m.encode(PASSAGES, return_dense=False, return_sparse=True),
    "multi": lambda m: m.encode(PASSAGES, return_dense=False, return_colbert_vecs=True, batch_size=3, max_length=9),
    "queries": lambda m: m.encode_queries(QUERIES, **ALL),
    "corpus": lambda m: m.encode_corpus(PASSAGES, **ALL),
    "tokens": lambda m: m.convert_id_to_token(m.encode(QUERIES, return_sparse=True)["lexical_weights"]),
    "tokens of a text": lambda m: m.convert_id_to_token(m.encode(QUERIES[0], return_sparse=True)["lexical_weights"]),
    "lexical": lexical,
    "colbert": colbert,
    "score of a pair": lambda m: m.compute_score(PAIRS[0]),
    "scores of none": lambda m: m.compute_score([]),
}


def compare(ours: Any, theirs: Any, error: float = DENSE) -> None:
    assert type(ours) is type(theirs)
    if isinstance(theirs, dict):
        compare_maps(ours, theirs, error)
    elif isinstance(theirs, np.ndarray | torch.Tensor):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert np.abs(np.asarray(ours) - np.asarray(theirs)).max(initial=0) < error
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            compare(a, b, error)
    elif isinstance(theirs, float | np.floating):
        assert abs(ours - theirs) < error
    else:
        assert ours == theirs


def compare_maps(ours: dict[str, Any], theirs: dict[str, Any], error: float) -> None:
    """The maps of encode() and compute_score(), and of tokens: the same keys in the same order."""
    errors = {"dense_vecs": DENSE, "lexical_weights": SPARSE, "colbert_vecs": MULTI}
    if set(theirs) == set(errors):
        assert list(ours) == list(theirs)
        for name, value in theirs.items():
            compare(ours[name], value, errors[name])
        return
    keys = [[key for key, value in weights.items() if np.abs(value) > SPARSE] for weights in (ours, theirs)]
    assert keys[0] == keys[1]
    for key in keys[0]:
        compare(ours[key], theirs[key], error)


@pytest.fixture(scope="module", params=["plain", "instructions, cut"])
def pair(request: pytest.FixtureRequest, model_folder: Callable[[ModelSpec], Path]) -> tuple[Model, Model]:
    """bgem3's and FlagEmbedding's object of the same model."""
    folder = str(model_folder(ModelSpec()))
    options: dict[str, Any] = {"devices": "cpu", "use_fp16": False, "query_max_length": 64, "passage_max_length": 64}
    if request.param != "plain":
        options |= {"query_instruction_for_retrieval": "find ", "truncate_dim": 16}
    return bgem3.BGEM3FlagModel(folder, **options), FlagEmbedding.BGEM3FlagModel(folder, **options)


@pytest.mark.parametrize("name", PROGRAMS)
def test_same_program(name: str, pair: tuple[Model, Model]) -> None:
    ours, theirs = (PROGRAMS[name](model) for model in pair)
    compare(ours, theirs, SCORE if "score" in name or name in ("lexical", "colbert") else SPARSE)


@pytest.mark.parametrize("batch_size", [1, 2, 256])
def test_scores_of_pairs(batch_size: int, pair: tuple[Model, Model]) -> None:
    ours, theirs = pair
    weights = [0.4, 0.2, 0.4]
    expected = theirs.compute_score(PAIRS, batch_size=batch_size, weights_for_different_modes=weights)
    padded = ours.compute_score(PAIRS, batch_size=batch_size, weights_for_different_modes=weights, padded_rows=True)
    assert list(padded) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(padded[name], values, rtol=0, atol=SCORE, err_msg=name)
    # Without padding both are the exact definition.
    if batch_size == 1:
        exact = ours.compute_score(PAIRS, weights_for_different_modes=weights)
        for name, values in expected.items():
            np.testing.assert_allclose(exact[name], values, rtol=0, atol=SCORE, err_msg=name)
