"""bgem3.Embedder: what goes in, what comes out, and that it is what the program computes, bit for bit."""

from __future__ import annotations

import json
import resource
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import bgem3
import numpy as np
import pandas as pd
import pytest
from bgem3 import Embedder, EmbeddingWarning, InferenceError, InvalidInputError, ModelLoadingError, ResourceLimitError
from hypothesis import given
from hypothesis import strategies as st
from make_model import ModelSpec
from safetensors.numpy import load_file, save_file
from support import Program
from tokenizers import Tokenizer

TEXTS = ["The sea is deep.", "Bread is baked.", "", "größer 深い海", "a " * 300, "The sea is deep."]


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("dtype", ["f32", "bf16", "int8"])
def test_equals_the_program(program: Program, tiny: Path, dtype: str) -> None:
    embedder = Embedder(tiny, dtype=dtype)
    assert embedder.info.dtype == dtype
    assert same_bits(embedder.encode(TEXTS), program.embed(tiny, TEXTS, "--dtype", dtype))


def test_shapes(embedder: Embedder) -> None:
    vectors = embedder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimensions)
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    assert vectors.flags.writeable
    assert not vectors.flags.owndata  # the memory of the C++ result, not a copy
    one = embedder.encode(TEXTS[0])
    assert one.shape == (embedder.dimensions,)
    assert same_bits(one, vectors[0])
    assert embedder.encode([]).shape == (0, embedder.dimensions)
    assert len(embedder.embed([])) == 0


@pytest.mark.parametrize(
    "wrap",
    [
        list,
        tuple,
        iter,
        lambda texts: (text for text in texts),
        np.array,
        lambda texts: np.array(texts, dtype=object),
        lambda texts: np.array(texts, dtype=np.dtypes.StringDType()),
        pd.Series,
        lambda texts: pd.Series(texts, dtype="str"),
        lambda texts: pd.Series(texts, index=range(9, 9 - len(texts), -1), dtype=object),
        lambda texts: dict.fromkeys(enumerate(texts)).keys() and dict(enumerate(texts)).values(),
    ],
)
def test_any_iterable_of_texts(embedder: Embedder, wrap: Callable[[list[str]], Iterable[str]]) -> None:
    assert same_bits(embedder.encode(wrap(TEXTS)), embedder.encode(TEXTS))


@pytest.mark.parametrize(
    "texts", [b"bytes", bytearray(b"b"), {"a": "b"}, {"a", "b"}, 7, None, np.array("zero-dimensional")]
)
def test_what_has_no_order_or_no_texts_is_refused(embedder: Embedder, texts: Any) -> None:
    with pytest.raises((InvalidInputError, TypeError), match=r"texts: a|0-d"):
        embedder.encode(texts)


def test_an_error_while_texts_are_read_is_the_callers_own(embedder: Embedder) -> None:
    def texts() -> Iterable[str]:
        yield "a"
        raise LookupError("the caller's")

    with pytest.raises(LookupError, match="the caller's"):
        embedder.encode(texts())


def test_a_bad_text_is_an_error_of_its_own(embedder: Embedder) -> None:
    texts: list[Any] = ["a", None, "b", "lone \ud800", float("nan"), "c"]
    result = embedder.embed(texts)
    assert {index: error.code for index, error in result.errors.items()} == dict.fromkeys((1, 3, 4), "invalid_input")
    assert [error.index for error in result.errors.values()] == [1, 3, 4]
    assert str(result.errors[1]) == "text 1: the text is a NoneType, expected a str"
    assert "UTF-8" in str(result.errors[3])
    assert same_bits(result.vectors[[0, 2, 5]], embedder.encode(["a", "b", "c"]))
    assert np.isnan(result.vectors[[1, 3, 4]]).all()
    assert (result.tokens[[1, 4]] == 0).all()


def test_encode_raises_or_warns(embedder: Embedder) -> None:
    with pytest.raises(InvalidInputError, match=r"text 1: .*UTF-8") as raised:
        embedder.encode(["a", "\udcff", "b"])
    assert (raised.value.index, raised.value.code) == (1, "invalid_input")
    assert isinstance(raised.value, ValueError)
    with pytest.warns(EmbeddingWarning, match=r"1 of 3 texts failed.*text 1: ") as caught:
        vectors = embedder.encode(["a", "\udcff", "b"], on_error="nan")
    assert caught[0].filename == __file__
    assert np.isnan(vectors).all(axis=1).tolist() == [False, True, False]
    with pytest.raises(InvalidInputError, match=r"on_error.*'raise' or 'nan'"):
        embedder.encode("a", on_error="ignore")  # type: ignore[arg-type]


def test_replaced_characters_are_counted(embedder: Embedder) -> None:
    result = embedder.embed(["a \ud800 b", "a"], invalid_utf8="replace")
    assert not result.errors
    assert result.replaced_utf8[0] > 0
    assert result.replaced_utf8[1] == 0


def test_truncation_is_told(embedder: Embedder) -> None:
    texts = ["a", "a " * 100]
    result = embedder.embed(texts, max_tokens=10)
    assert result.truncated.tolist() == [False, True]
    assert result.truncated.dtype == np.bool_
    assert result.tokens[1] == 10
    with pytest.warns(EmbeddingWarning, match="1 of 2 texts were cut to 10 tokens; the first is text 1"):
        vectors = embedder.encode(texts, max_tokens=10)
    assert same_bits(vectors, result.vectors)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embedder.encode(texts)


def test_options_are_those_of_the_program(program: Program, tiny: Path, embedder: Embedder) -> None:
    options: list[tuple[dict[str, Any], list[object]]] = [
        ({"pooling": "mean"}, ["--pooling", "mean"]),
        ({"normalize": False}, ["--no-normalize"]),
        ({"prompt": "query: "}, ["--prompt", "query: "]),
        ({"truncate_dim": 7}, ["--truncate-dim", 7]),
        ({"special_tokens_in_text": "escape"}, ["--special-tokens-in-text", "escape"]),
    ]
    texts = [*TEXTS, "</s> in a text"]
    for keywords, flags in options:
        assert same_bits(embedder.encode(texts, **keywords), program.embed(tiny, texts, *flags)), keywords


def test_the_models_own_prompt_is_used(model_folder: Callable[[ModelSpec], Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in model_folder(ModelSpec()).iterdir():
        (folder / file.name).symlink_to(file)
    prompts = {"prompts": {"query": "find "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").unlink(missing_ok=True)
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    embedder = Embedder(folder)
    assert embedder.info.prompts == {"query": "find "}
    assert same_bits(embedder.encode("bread"), embedder.encode("find bread", prompt=""))


def test_wrong_options_are_named(embedder: Embedder, tiny: Path) -> None:
    with pytest.raises(TypeError, match="normalise"):
        embedder.encode("a", normalise=True)  # type: ignore[call-arg]
    with pytest.raises(InvalidInputError, match=r"special_tokens_in_text.*'match' or 'escape'"):
        embedder.encode("a", special_tokens_in_text="no")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="max_tokens: 9000"):
        embedder.encode("a", max_tokens=9000)
    with pytest.raises(InvalidInputError, match="f33"):
        Embedder(tiny, dtype="f33")


def test_errors_have_class_and_code(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadingError) as missing:
        Embedder(tmp_path / "nothing")
    assert missing.value.code == "not_found"
    with pytest.raises(ResourceLimitError, match="1000000") as limit:
        Embedder(tiny, max_memory_bytes=1_000_000)
    assert limit.value.code == "overloaded"
    for kind in (
        ModelLoadingError,
        ResourceLimitError,
        InferenceError,
        InvalidInputError,
        bgem3.QualityValidationError,
    ):
        assert issubclass(kind, bgem3.EmbeddingGenerationError)


def test_a_vector_that_is_not_finite_is_an_inference_error(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in tiny.iterdir():
        (folder / file.name).symlink_to(file)
    weights = load_file(tiny / "model.safetensors")
    weights["embeddings.LayerNorm.weight"] = np.full_like(weights["embeddings.LayerNorm.weight"], 3e38)
    (folder / "model.safetensors").unlink()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InferenceError, match="not finite") as raised:
        Embedder(folder).encode(["a"])
    assert raised.value.code == "internal"


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=40), max_size=12), st.randoms())
def test_batch_and_order_change_no_bit(embedder: Embedder, texts: list[str], random: Any) -> None:
    result = embedder.embed(texts)
    order = list(range(len(texts)))
    random.shuffle(order)
    shuffled = embedder.embed([texts[i] for i in order])
    assert same_bits(shuffled.vectors, result.vectors[order])
    assert [order[i] for i in shuffled.errors] == [i for i in order if i in result.errors]
    for i, text in enumerate(texts):
        alone = embedder.embed(text)
        assert same_bits(alone.vectors[0], result.vectors[i])
        assert alone.tokens[0] == result.tokens[i]
        assert bool(alone.errors) == any("\ud800" <= c <= "\udfff" for c in text)


@given(st.text(max_size=200), st.booleans())
def test_tokens_are_those_of_the_tokenizers_library(
    embedder: Embedder, reference_tokenizer: Tokenizer, text: str, template: bool
) -> None:
    encoding = embedder.tokenize(text, add_special_tokens=template)
    expected = reference_tokenizer.encode(text, add_special_tokens=template)
    assert encoding.ids == expected.ids
    assert encoding.tokens == [reference_tokenizer.id_to_token(id) for id in expected.ids]
    assert encoding.offsets == expected.offsets  # in characters, as there


def test_tokenize(embedder: Embedder) -> None:
    texts = ["The sea", "größer", ""]
    encodings = embedder.tokenize(texts)
    assert [len(encoding.ids) for encoding in encodings] == embedder.embed(texts).tokens.tolist()
    assert embedder.tokenize("größer") == encodings[1]
    cut = embedder.tokenize("a " * 50, max_tokens=5)
    assert cut.truncated
    assert len(cut.ids) == 5
    with pytest.raises(InvalidInputError, match="UTF-8"):
        embedder.tokenize("\ud800")
    with pytest.raises(InvalidInputError, match="text 1: a NoneType, expected a str"):
        embedder.tokenize(["a", None])  # type: ignore[list-item]


def test_info(embedder: Embedder, tiny: Path) -> None:
    info = embedder.info
    assert info.folder == str(tiny)
    assert info.config.hidden == embedder.dimensions == 48
    assert info.config.max_tokens == 8192
    assert info.config.pooling == "cls"
    assert {"config.json", "model.safetensors"} <= {file.name for file in info.files}
    assert info.isa in info.isas_present
    assert info.dtype in repr(embedder)
    with pytest.raises(AttributeError):
        info.dtype = "int8"  # type: ignore[misc]


def test_memory_stays_flat(embedder: Embedder) -> None:
    def peak_kib() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    texts = ["größer 深い海 " * 20] * 4
    for _ in range(200):
        embedder.embed([*texts, "\ud800"])
    before = peak_kib()
    for _ in range(3000):
        embedder.embed([*texts, "\ud800"])
    assert peak_kib() - before < 8 * 1024
