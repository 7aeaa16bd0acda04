"""The three outputs from Python, their scores, and BGEM3FlagModel by itself, which tests/parity compares."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bgem3 import BGEM3FlagModel, Embedder, EmbeddingWarning, EmbedResult, InvalidInputError, ModelLoadingError
from bgem3.embedder import Output
from bgem3.scoring import MaxSim, hybrid_scores, lexical_matching_score, lexical_matching_scores, max_sim
from make_model import ModelSpec

TEXTS = ["the sea is deep, the sea is wide", "", "bread is baked", "große Städte 你好"]
ALL: tuple[Output, ...] = ("dense", "sparse", "multi")


@pytest.fixture(scope="module")
def result(embedder: Embedder) -> EmbedResult:
    return embedder.embed(TEXTS, outputs=ALL)


@pytest.fixture(scope="module")
def model(tiny: Path) -> BGEM3FlagModel:
    return BGEM3FlagModel(str(tiny))


def test_outputs_in_any_combination_are_the_same_bits(embedder: Embedder, result: EmbedResult) -> None:
    assert embedder.info.outputs == list(ALL)
    assert result.sparse is not None and result.multi is not None
    assert np.array_equal(embedder.encode(TEXTS), result.vectors)
    sparse = embedder.embed(TEXTS, outputs=["sparse"])
    assert sparse.sparse is not None and sparse.multi is None and len(sparse) == len(TEXTS) and len(sparse.vectors) == 0
    assert sparse.sparse.weights.tobytes() == result.sparse.weights.tobytes()
    multi = embedder.embed(TEXTS[::-1], outputs=("multi",)).multi
    assert multi is not None
    for i in range(len(TEXTS)):
        assert multi[len(TEXTS) - 1 - i].tobytes() == result.multi[i].tobytes()


def test_multi_vectors(embedder: Embedder, result: EmbedResult) -> None:
    assert result.multi is not None
    for i, text in enumerate(TEXTS):
        vectors = result.multi[i]
        assert vectors.shape == (len(embedder.tokenize(text).ids) - 1, embedder.dimensions)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        assert np.shares_memory(vectors, result.multi.vectors)
    assert np.array_equal(result.multi[-1], result.multi[len(TEXTS) - 1])
    with pytest.raises(IndexError):
        result.multi[len(TEXTS)]
    cut = embedder.embed(TEXTS, outputs=("dense", "multi"), truncate_dim=8)
    assert cut.multi is not None and cut.multi.vectors.shape[1] == cut.vectors.shape[1] == 8


def test_sparse_vectors(embedder: Embedder, result: EmbedResult) -> None:
    assert result.sparse is not None
    assert len(result.sparse[1][0]) == 0  # the empty text
    matrix = result.sparse.to_scipy()
    assert matrix.shape == (len(TEXTS), embedder.info.config.vocab)
    assert matrix.has_sorted_indices
    for i, (text, weights) in enumerate(zip(TEXTS, result.sparse.to_dicts(), strict=True)):
        ids = embedder.tokenize(text).ids
        assert {int(token) for token in weights} <= set(ids) - {0, 1, 2, 3}
        assert all(weight > 0 and isinstance(weight, np.float32) for weight in weights.values())
        assert {int(token): weight for token, weight in weights.items()} == {
            int(column): matrix[i, column] for column in matrix[i].indices
        }
    assert any(result.sparse.to_dicts())


def test_failed_texts_leave_their_neighbours(embedder: Embedder, result: EmbedResult) -> None:
    given: list[Any] = [TEXTS[0], None, "\ud800", TEXTS[2]]
    failed = embedder.embed(given, outputs=ALL)
    assert failed.sparse is not None and failed.multi is not None and result.sparse is not None
    assert list(failed.errors) == [1, 2]
    for i in (1, 2):
        assert len(failed.sparse[i][0]) == 0
        assert np.isnan(failed.multi[i]).all() and np.isnan(failed.vectors[i]).all()
    assert failed.sparse.to_dicts()[3] == result.sparse.to_dicts()[2]
    assert np.array_equal(failed.vectors[3], result.vectors[2])


def test_outputs_that_are_none(embedder: Embedder, model_folder: Callable[[ModelSpec], Path]) -> None:
    for outputs in ([], ["dense", "colbert"]):
        with pytest.raises(InvalidInputError, match="expected some of 'dense', 'sparse', 'multi'"):
            embedder.embed(TEXTS, outputs=outputs)  # type: ignore[arg-type]
    bert = Embedder(model_folder(ModelSpec(family="bert")))
    assert bert.info.outputs == ["dense"]
    with pytest.raises(InvalidInputError, match="sparse"):
        bert.embed(TEXTS, outputs=["sparse"])


def test_scores(result: EmbedResult) -> None:
    sparse, multi = result.sparse, result.multi
    assert sparse is not None and multi is not None
    query, query_vectors = sparse[0], multi[0]
    lexical = lexical_matching_scores(query, sparse)
    scores = MaxSim(threads=1).scores(query_vectors, multi)
    maps = sparse.to_dicts()
    for i in range(len(TEXTS)):
        expected = sum(float(weight) * float(maps[i].get(token, 0)) for token, weight in maps[0].items())
        assert lexical[i] == lexical_matching_score(query, sparse[i]) == pytest.approx(expected, rel=1e-6)
        exact = (query_vectors.astype(np.float64) @ multi[i].T.astype(np.float64)).max(axis=1).mean()
        assert scores[i] == max_sim(query_vectors, multi[i]) == pytest.approx(exact, abs=1e-6)
    assert hybrid_scores(0.5, 0.25, 0.75, (1, 0.5, 1)) == pytest.approx(((0.5 + 0.125) / 1.5, (1.25 + 0.125) / 2.5))
    with pytest.raises(InvalidInputError):
        max_sim(query_vectors, multi[0][:, :8])
    with pytest.raises(InvalidInputError):
        max_sim(query_vectors, multi[0][:0])


def test_flag_model_is_the_embedder(model: BGEM3FlagModel, result: EmbedResult) -> None:
    outputs = model.encode(TEXTS, return_sparse=True, return_colbert_vecs=True)
    assert list(outputs) == ["dense_vecs", "lexical_weights", "colbert_vecs"]
    assert result.sparse is not None and result.multi is not None
    assert np.array_equal(outputs["dense_vecs"], result.vectors)
    assert outputs["lexical_weights"] == result.sparse.to_dicts()
    assert all(isinstance(weights, defaultdict) for weights in outputs["lexical_weights"])
    for i, vectors in enumerate(outputs["colbert_vecs"]):
        assert np.array_equal(vectors, result.multi[i])
    alone = model.encode(TEXTS[0])
    assert alone["dense_vecs"].shape == (model.embedder.dimensions,)
    assert alone["lexical_weights"] is None and alone["colbert_vecs"] is None
    nothing = model.encode(TEXTS, return_dense=False)
    assert list(nothing.values()) == [None, None, None]
    assert model.encode([])["dense_vecs"].shape == (0, model.embedder.dimensions)


def test_flag_model_lengths_and_instructions(tiny: Path) -> None:
    model = BGEM3FlagModel(
        tiny, query_instruction_for_retrieval="find", query_instruction_format="{}: {}", query_max_length=8
    )
    with pytest.warns(EmbeddingWarning, match="1 of 1 texts were cut to 8 tokens"):
        query = model.encode_queries("the sea is deep and wide and blue")["dense_vecs"]
        expected = model.embedder.encode("find: the sea is deep and wide and blue", max_tokens=8)
    assert np.array_equal(query, expected)
    assert np.array_equal(model.encode_corpus("sea")["dense_vecs"], model.embedder.encode("sea"))


def test_flag_model_scores(model: BGEM3FlagModel) -> None:
    pairs = [(TEXTS[0], TEXTS[2]), (TEXTS[2], TEXTS[2])]
    scores = model.compute_score(pairs, weights_for_different_modes=[1, 0.5, 1])
    assert list(scores) == ["colbert", "sparse", "dense", "sparse+dense", "colbert+sparse+dense"]
    assert scores["dense"][1] == pytest.approx(1, abs=1e-6)
    assert model.compute_score(pairs[0], weights_for_different_modes=(1, 0.5, 1)) == {
        name: values[0] for name, values in scores.items()
    }
    assert model.compute_score([]) == []
    weights = model.encode(TEXTS, return_sparse=True)["lexical_weights"]
    matrix = model.compute_lexical_matching_score(weights, weights)
    assert matrix.shape == (4, 4)
    assert matrix[0, 2] == model.compute_lexical_matching_score(weights[0], weights[2])
    assert model.compute_lexical_matching_score({}, weights[0]) == 0
    with pytest.raises(ValueError, match="two maps or two lists"):
        model.compute_lexical_matching_score(weights[0], weights)
    with pytest.raises(InvalidInputError, match="expected 3"):
        model.compute_score(pairs, weights_for_different_modes=[1, 1])


def test_flag_model_tokens(model: BGEM3FlagModel) -> None:
    assert model.convert_id_to_token({"0": 1.0}) == {"<s>": 1.0}
    assert model.convert_id_to_token([{"0": 1.0}, {}]) == [{"<s>": 1.0}, {}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"use_bf16": True}, "dtype"),
        ({"devices": "cuda:0"}, "cuda:0"),
        ({"devices": ["cpu", "cpu"]}, "devices"),
        ({"colbert_dim": 7}, "colbert_dim: 7"),
    ],
)
def test_flag_model_refuses(options: dict[str, Any], message: str, tiny: Path) -> None:
    with pytest.raises(InvalidInputError, match=message):
        BGEM3FlagModel(tiny, **options)


def test_flag_model_elsewhere(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadingError, match="no folder"):
        BGEM3FlagModel("BAAI/bge-m3", cache_dir=tmp_path)
    snapshots = tmp_path / "models--BAAI--bge-m3/snapshots"
    snapshots.mkdir(parents=True)
    (snapshots / "main").symlink_to(tiny.resolve())
    model = BGEM3FlagModel("BAAI/bge-m3", devices=["cpu"], cache_dir=tmp_path)
    copy = pickle.loads(pickle.dumps(model))
    assert np.array_equal(copy.encode("sea")["dense_vecs"], model.encode("sea")["dense_vecs"])
