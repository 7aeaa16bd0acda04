"""bgem3.SentenceTransformer by itself: shapes, types, prompts, precisions, refusals. tests/parity compares it."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bgem3
import numpy as np
import pytest
from bgem3 import Embedder, EmbeddingWarning, InvalidInputError, ModelLoadingError, SentenceTransformer
from make_model import ModelSpec

TEXTS = ["the sea is deep", "bread is baked", "große Städte"]

try:
    import torch  # noqa: F401

    HAS_TORCH = True
except ImportError:
    HAS_TORCH = False


def same_bits(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


@pytest.fixture(scope="module")
def model(tiny: Path) -> SentenceTransformer:
    return SentenceTransformer(str(tiny))


@pytest.fixture(scope="module")
def bert(model_folder: Callable[[ModelSpec], Path]) -> SentenceTransformer:
    """A BERT that does not scale its vectors."""
    return SentenceTransformer(model_folder(ModelSpec(family="bert", normalize=False)))


def with_config(folder: Path, config: dict[str, Any], at: Path) -> Path:
    """The same model with another config_sentence_transformers.json."""
    at.mkdir(parents=True)
    for file in folder.iterdir():
        (at / file.name).symlink_to(file)
    (at / "config_sentence_transformers.json").unlink(missing_ok=True)
    (at / "config_sentence_transformers.json").write_text(json.dumps(config))
    return at


def test_encode_is_the_embedder(model: SentenceTransformer, embedder: Embedder) -> None:
    vectors = model.encode(TEXTS)
    assert same_bits(vectors, embedder.encode(TEXTS))
    assert vectors.flags.c_contiguous
    assert vectors.flags.writeable
    assert same_bits(model.encode(TEXTS[0]), vectors[0])
    assert same_bits(model.encode(inputs=TEXTS), vectors)
    for texts in (tuple(TEXTS), np.array(TEXTS), iter(TEXTS)):
        assert same_bits(model.encode(texts), vectors)
    assert same_bits(model.encode(TEXTS, batch_size=1, show_progress_bar=False, device="cpu"), vectors)
    assert same_bits(model.encode([]), np.array([]))


def test_truncate_dim_and_normalize(model: SentenceTransformer, embedder: Embedder, tiny: Path) -> None:
    whole = model.encode(TEXTS)
    cut = model.encode(TEXTS, truncate_dim=10)
    assert same_bits(cut, np.ascontiguousarray(whole[:, :10]))
    assert cut.flags.c_contiguous
    unit = model.encode(TEXTS, truncate_dim=10, normalize_embeddings=True)
    assert same_bits(unit, embedder.encode(TEXTS, truncate_dim=10))
    assert same_bits(model.encode(TEXTS, truncate_dim=1000), whole)

    assert model.get_sentence_embedding_dimension() == model.get_embedding_dimension() == 48
    with model.truncate_sentence_embeddings(10):
        assert model.get_sentence_embedding_dimension() == 10
        assert same_bits(model.encode(TEXTS), cut)
        assert model.encode(TEXTS, truncate_dim=12).shape == (3, 12)
    assert same_bits(model.encode(TEXTS), whole)
    assert same_bits(SentenceTransformer(tiny, truncate_dim=10).encode(TEXTS), cut)


def test_a_model_that_does_not_normalize(bert: SentenceTransformer) -> None:
    raw, unit = bert.encode(TEXTS), bert.encode(TEXTS, normalize_embeddings=True)
    assert np.abs(np.linalg.norm(raw, axis=1) - 1).min() > 0.1
    assert np.abs(np.linalg.norm(unit, axis=1) - 1).max() < 1e-6
    with pytest.raises(InvalidInputError, match="normalize_embeddings=True"):
        bert.encode(TEXTS, precision="int8")
    assert bert.encode(TEXTS, precision="int8", normalize_embeddings=True).dtype == np.int8


def test_precisions(model: SentenceTransformer) -> None:
    vectors = model.encode(TEXTS)
    scale = 127 / min(1, 8 / np.sqrt(48))
    expected = np.rint(vectors.astype(np.float64) * scale)
    int8 = model.encode(TEXTS, precision="int8")
    assert (int8.dtype, int8.shape) == (np.int8, (3, 48))
    assert np.array_equal(int8, expected)
    assert np.abs(int8 / scale - vectors).max() <= 0.5 / scale * 1.001
    uint8 = model.encode(TEXTS, precision="uint8")
    assert uint8.dtype == np.uint8
    assert np.array_equal(uint8.astype(int), int8.astype(int) + 128)

    bits = np.unpackbits(model.encode(TEXTS, precision="ubinary"), axis=1)
    assert np.array_equal(bits, vectors > 0)
    binary = model.encode(TEXTS, precision="binary")
    assert binary.dtype == np.int8
    assert np.array_equal(binary.astype(int), np.packbits(vectors > 0, axis=1).astype(int) - 128)
    # A vector's bytes do not depend on its neighbours, which is not so in sentence-transformers.
    assert same_bits(model.encode(TEXTS[0], precision="int8"), int8[0])
    with pytest.raises(InvalidInputError, match="int4"):
        model.encode(TEXTS, precision="int4")  # type: ignore[arg-type]


def test_prompts(tiny: Path, tmp_path: Path) -> None:
    prompts = {"query": "find ", "passage": "text ", "title": "title "}
    folder = with_config(tiny, {"prompts": prompts, "default_prompt_name": "title"}, tmp_path / "model")
    model = SentenceTransformer(folder, prompts={"title": "name ", "other": "see "})
    assert model.prompts == {"query": "find ", "document": "", "passage": "text ", "title": "name ", "other": "see "}
    plain = Embedder(tiny)

    def expect(vectors: Any, prompt: str) -> None:
        assert same_bits(vectors, plain.encode(TEXTS, prompt=prompt)), prompt

    expect(model.encode(TEXTS), "name ")
    expect(model.encode(TEXTS, "passage"), "text ")
    expect(model.encode(TEXTS, prompt_name="other"), "see ")
    expect(model.encode(TEXTS, prompt="own "), "own ")
    expect(model.encode(TEXTS, "other", "own "), "own ")
    expect(model.encode(TEXTS, prompt=""), "")
    expect(model.encode_query(TEXTS), "find ")
    expect(model.encode_query(inputs=TEXTS, batch_size=2), "find ")
    expect(model.encode_query(TEXTS, "passage"), "text ")
    expect(model.encode_document(TEXTS), "")
    expect(model.encode_document(TEXTS, prompt="own "), "own ")
    del model.prompts["document"]
    expect(model.encode_document(TEXTS), "text ")
    with pytest.raises(InvalidInputError, match="'nothing': not among .*'passage'"):
        model.encode(TEXTS, prompt_name="nothing")
    with pytest.raises(InvalidInputError, match="'nothing'"):
        SentenceTransformer(folder, default_prompt_name="nothing")
    expect(SentenceTransformer(folder, default_prompt_name="query").encode(TEXTS), "find ")


def test_what_the_model_asks_for(tiny: Path, tmp_path: Path) -> None:
    folder = with_config(tiny, {"similarity_fn_name": "dot", "truncate_dim": 12}, tmp_path / "model")
    model = SentenceTransformer(folder)
    assert (model.similarity_fn_name, model.truncate_dim) == ("dot", 12)
    model = SentenceTransformer(folder, similarity_fn_name="euclidean", truncate_dim=20)
    assert (model.similarity_fn_name, model.truncate_dim) == ("euclidean", 20)


def test_max_seq_length(tiny: Path) -> None:
    model = SentenceTransformer(tiny)
    assert model.max_seq_length == model.get_max_seq_length() == 8192
    long = "word " * 40
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = model.encode(long)
    model.max_seq_length = 12
    with pytest.warns(EmbeddingWarning, match="1 of 1 texts were cut to 12 tokens") as caught:
        cut = model.encode([long])[0]
    assert caught[0].filename == __file__
    assert not same_bits(cut, whole)
    assert model.tokenize([long, "a"])["input_ids"].shape == (2, 12)
    for tokens in (8193, 2, -1):
        with pytest.raises(InvalidInputError, match="8192"):
            model.max_seq_length = tokens


@pytest.mark.parametrize("family", ["xlm-roberta", "bert"])
def test_tokenize(family: str, model: SentenceTransformer, bert: SentenceTransformer) -> None:
    tested = bert if family == "bert" else model
    tokens = tested.tokenize(TEXTS)
    types = ["token_type_ids"] if family == "bert" else []
    assert list(tokens) == ["input_ids", *types, "attention_mask"]
    for row, encoding in enumerate(tested.embedder.tokenize(TEXTS)):
        count = len(encoding.ids)
        assert tokens["input_ids"][row, :count].tolist() == encoding.ids
        assert set(tokens["input_ids"][row, count:].tolist()) <= {0 if family == "bert" else 1}
        assert tokens["attention_mask"][row].tolist() == [1] * count + [0] * (tokens["input_ids"].shape[1] - count)
    assert "int64" in str(tokens["input_ids"].dtype)
    with pytest.raises(InvalidInputError, match="a str"):
        tested.tokenize("a text")


def test_similarity(model: SentenceTransformer) -> None:
    a = np.array([[3, 4, 0], [0, 2, 0]], dtype=np.float32)
    b = np.array([[6, 8, 0], [0, 0, 1], [1, 0, 0]], dtype=np.float32)
    expected: dict[str, list[list[float]]] = {
        "cosine": [[1, 0, 0.6], [0.8, 0, 0]],
        "dot": [[50, 0, 3], [16, 0, 0]],
        "euclidean": [[-5, -np.sqrt(26), -np.sqrt(20)], [-np.sqrt(72), -np.sqrt(5), -np.sqrt(5)]],
        "manhattan": [[-7, -8, -6], [-12, -3, -3]],
    }
    assert model.similarity_fn_name == "cosine"
    try:
        for name, values in expected.items():
            model.similarity_fn_name = name
            assert np.asarray(model.similarity(a, b)) == pytest.approx(np.array(values), abs=1e-6), name
            assert np.asarray(model.similarity(a[0], list(b))) == pytest.approx(np.array(values[:1]), abs=1e-6), name
            pairs = np.asarray(model.similarity_pairwise(a, b[:2]))
            assert pairs == pytest.approx(np.diag(np.array(values)), abs=1e-6), name
        with pytest.raises(InvalidInputError, match="cosine, dot, euclidean, manhattan"):
            model.similarity_fn_name = "angle"
    finally:
        model.similarity_fn_name = None
    assert model.similarity_fn_name == "cosine"


@pytest.mark.skipif(HAS_TORCH, reason="torch is here")
def test_without_torch(model: SentenceTransformer) -> None:
    for keywords in ({"convert_to_tensor": True}, {"convert_to_numpy": False}):
        with pytest.raises(InvalidInputError, match="torch is not installed"):
            model.encode(TEXTS, **keywords)  # type: ignore[arg-type]
    assert isinstance(model.similarity(model.encode(TEXTS), model.encode(TEXTS)), np.ndarray)
    assert model.device == "cpu"


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"device": "cuda"}, "device: 'cuda', expected None or 'cpu'"),
        ({"device": ["cpu", "cpu"]}, "device"),
        ({"output_value": "token_embeddings"}, "output_value"),
        ({"output_value": None}, "output_value"),
        ({"pool": {"input": None}}, "pool"),
        ({"chunk_size": 10}, "chunk_size"),
        ({"batch_size": 0}, "batch_size"),
        ({"truncate_dim": -1}, "truncate_dim"),
        ({"inputs": ["a"]}, "either `sentences` or `inputs`"),
    ],
)
def test_arguments_of_encode_that_are_refused(
    model: SentenceTransformer, keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        model.encode(TEXTS, **keywords)


@pytest.mark.parametrize(
    "keywords",
    [
        {"device": "cuda:0"},
        {"modules": []},
        {"model_kwargs": {"torch_dtype": "bfloat16"}},
        {"tokenizer_kwargs": {"padding_side": "left"}},
        {"processor_kwargs": {"padding_side": "left"}},
        {"config_kwargs": {"a": 1}},
        {"model_card_data": object()},
        {"backend": "onnx"},
        {"dtype": "fp4"},
        {"truncate_dim": -1},
    ],
)
def test_arguments_of_the_constructor_that_are_refused(tiny: Path, keywords: dict[str, Any]) -> None:
    (name,) = keywords
    with pytest.raises(InvalidInputError, match=name):
        SentenceTransformer(str(tiny), **keywords)


def test_inputs_that_are_refused(model: SentenceTransformer) -> None:
    for texts, message in (([("a", "b")], "text 0: .*tuple"), (["a", {"text": "b"}], "text 1: .*dict"), (5, "an? int")):
        with pytest.raises(InvalidInputError, match=message):
            model.encode(texts)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="either"):
        model.encode()
    with pytest.raises(TypeError, match="task_type"):
        model.encode(TEXTS, task_type="query")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="dtipe"):
        SentenceTransformer("model", dtipe="int8")  # type: ignore[call-arg]


def test_accepted_without_effect(tiny: Path, model: SentenceTransformer) -> None:
    again = SentenceTransformer(
        tiny, device="cpu", trust_remote_code=True, local_files_only=True, token=False, model_kwargs={}, threads=1
    )
    assert same_bits(again.encode(TEXTS), model.encode(TEXTS))


def test_options_of_the_embedder(tiny: Path) -> None:
    model = SentenceTransformer(tiny, dtype="bf16", threads=1)
    assert (model.embedder.info.dtype, model.embedder.info.threads) == ("bf16", 1)


def test_pickle(tiny: Path, model: SentenceTransformer) -> None:
    changed = SentenceTransformer(tiny, prompts={"query": "find "}, truncate_dim=7)
    copy = pickle.loads(pickle.dumps(changed))
    assert same_bits(copy.encode_query(TEXTS), changed.encode_query(TEXTS))


def test_cache_folder(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: SentenceTransformer) -> None:
    repository = tmp_path / "hub/models--sentence-transformers--tiny"
    with_config(tiny, {}, repository / "snapshots/0123abcd")
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("0123abcd")
    expected = model.encode(TEXTS)
    for name, keywords in (("tiny", {}), ("sentence-transformers/tiny", {"revision": "0123abcd"})):
        found = SentenceTransformer(name, cache_folder=tmp_path / "hub", **keywords)  # type: ignore[arg-type]
        assert same_bits(found.encode(TEXTS), expected)
    with pytest.raises(ModelLoadingError, match="no-such"):
        SentenceTransformer("tiny", cache_folder=tmp_path / "hub", revision="no-such")
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path / "hub"))
    assert same_bits(SentenceTransformer("tiny").encode(TEXTS), expected)
    monkeypatch.delenv("SENTENCE_TRANSFORMERS_HOME")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert same_bits(SentenceTransformer("tiny", revision="main").encode(TEXTS), expected)


def test_importing_bgem3_imports_no_framework() -> None:
    program = (
        "import sys, bgem3\n"
        "heavy = {'torch', 'langchain_core', 'llama_index', 'haystack', 'chromadb', 'bgem3.integrations'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
    assert "SentenceTransformer" in bgem3.__all__
