"""The same programs with sentence-transformers and with bgem3.SentenceTransformer: values, types, dtypes, shapes."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bgem3
import numpy as np
import pytest
import sentence_transformers
import torch
from make_model import ModelSpec

# No white space at the ends, also not of a prompt and an empty text: sentence-transformers removes it in this version
# (str.strip, until 5.4), bgem3 does not.
TEXTS = ["The sea is deep.", "Bread is baked.", "word " * 400 + "end", "Größe 你好", "The ocean has great depth."]
MAX_ERROR = 1e-6  # as minilm_parity_test.py; of vectors that are longer than one, in relation to the largest component

Model = Any  # either class
Program = Callable[[Model], Any]

PROGRAMS: dict[str, Program] = {
    "list": lambda m: m.encode(TEXTS),
    "string": lambda m: m.encode(TEXTS[0]),
    "tuple": lambda m: m.encode(tuple(TEXTS)),
    "array": lambda m: m.encode(np.array(TEXTS)),
    "empty text": lambda m: m.encode(["", "a"]),
    "none": lambda m: m.encode([]),
    "by name": lambda m: m.encode(sentences=TEXTS, batch_size=2, show_progress_bar=False, device="cpu"),
    "by place": lambda m: m.encode(TEXTS, None, "query: ", 4, False, "sentence_embedding", "float32", False, True),
    "tensor": lambda m: m.encode(TEXTS, convert_to_tensor=True),
    "tensor of a string": lambda m: m.encode(TEXTS[0], convert_to_tensor=True),
    "tensor of none": lambda m: m.encode([], convert_to_tensor=True),
    "tensors": lambda m: m.encode(TEXTS, convert_to_numpy=False),
    "no tensors": lambda m: m.encode([], convert_to_numpy=False),
    "unit": lambda m: m.encode(TEXTS, normalize_embeddings=True),
    "cut": lambda m: m.encode(TEXTS, truncate_dim=16),
    "cut, unit": lambda m: m.encode(TEXTS, truncate_dim=16, normalize_embeddings=True),
    "prompt": lambda m: m.encode(TEXTS, prompt="query: "),
    "prompt name": lambda m: m.encode(TEXTS, prompt_name="other"),
    "query": lambda m: m.encode_query(TEXTS),
    "query by place": lambda m: m.encode_query(TEXTS, None, None, 8, None, "sentence_embedding", "float32", False),
    "document": lambda m: m.encode_document(TEXTS, prompt_name="other", batch_size=8),
    "tokens": lambda m: m.tokenize(TEXTS),
    "similarity": lambda m: m.similarity(m.encode(TEXTS), m.encode(TEXTS[:2])),
    "similarity of vectors": lambda m: m.similarity(m.encode(TEXTS[0]), m.encode(TEXTS[1])),
    "similarity of tensors": lambda m: m.similarity(*[m.encode(TEXTS, convert_to_tensor=True)] * 2),
    "pairs": lambda m: m.similarity_pairwise(m.encode(TEXTS), m.encode(TEXTS[::-1])),
    "facts": lambda m: (
        [m.max_seq_length, m.get_max_seq_length(), m.get_sentence_embedding_dimension(), m.similarity_fn_name]
        + [m.prompts, m.default_prompt_name, m.truncate_dim, m.device]
    ),
}


def compare(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    if isinstance(theirs, np.ndarray | torch.Tensor):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        if ours.dtype.kind == "f":
            assert np.abs(ours - theirs).max(initial=0) < MAX_ERROR * np.abs(theirs).max(initial=1)
        else:
            assert (ours == theirs).all()
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            compare(a, b)
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        compare(list(ours.values()), list(theirs.values()))
    else:
        assert ours == theirs


@pytest.fixture(scope="module", params=["MiniLM", "xlm-roberta", "bert, plain"])
def pair(
    request: pytest.FixtureRequest, minilm: Path, model_folder: Callable[[ModelSpec], Path]
) -> tuple[Model, Model]:
    """bgem3's and sentence-transformers' object of the same model."""
    specs = {"xlm-roberta": ModelSpec(), "bert, plain": ModelSpec(family="bert", normalize=False)}
    folder = str(minilm if request.param == "MiniLM" else model_folder(specs[request.param]))
    keywords: dict[str, Any] = {"device": "cpu", "prompts": {"query": "find ", "other": "other: "}}
    return (
        bgem3.SentenceTransformer(folder, **keywords),
        sentence_transformers.SentenceTransformer(folder, **keywords),
    )


@pytest.mark.filterwarnings("ignore::bgem3.EmbeddingWarning")
@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program: str, pair: tuple[Model, Model]) -> None:
    ours, theirs = (PROGRAMS[program](model) for model in pair)
    compare(ours, theirs)


@pytest.mark.filterwarnings("ignore::bgem3.EmbeddingWarning")
@pytest.mark.parametrize("precision", ["binary", "ubinary"])
@pytest.mark.parametrize("texts", [TEXTS, TEXTS[0]], ids=["list", "string"])
@pytest.mark.parametrize("tensor", [False, True])
def test_bits(precision: str, texts: list[str] | str, tensor: bool, pair: tuple[Model, Model]) -> None:
    ours, theirs = (model.encode(texts, precision=precision, convert_to_tensor=tensor) for model in pair)
    assert type(ours) is type(theirs)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    values = np.abs(pair[1].encode(texts))
    unequal = np.unpackbits(np.asarray(ours).view(np.uint8) ^ np.asarray(theirs).view(np.uint8), axis=-1)
    assert not (unequal & (values > 10 * MAX_ERROR)).any(), "what is nearly 0 may be on either side of it"


@pytest.mark.filterwarnings("ignore::bgem3.EmbeddingWarning")
def test_attributes_that_are_set(pair: tuple[Model, Model]) -> None:
    def program(model: Model) -> list[Any]:
        results = []
        before = model.max_seq_length
        model.max_seq_length = 16
        results += [model.max_seq_length, model.encode(TEXTS), model.tokenize(TEXTS)]
        model.max_seq_length = before
        for name in ("dot", "euclidean", "manhattan", sentence_transformers.SimilarityFunction.COSINE):
            model.similarity_fn_name = name
            a, b = model.encode(TEXTS, normalize_embeddings=True), model.encode(TEXTS[1:4], normalize_embeddings=True)
            results += [model.similarity_fn_name, model.similarity(a, b), model.similarity_pairwise(a[:3], b)]
        with model.truncate_sentence_embeddings(12):
            results += [model.get_sentence_embedding_dimension(), model.encode(TEXTS), model.truncate_dim]
        model.default_prompt_name = "other"
        results += [model.encode(TEXTS), model.encode(TEXTS, prompt="")]
        model.default_prompt_name = None
        return results

    compare(program(pair[0]), program(pair[1]))


@pytest.mark.parametrize("precision", ["int8", "uint8"])
def test_eight_bits_have_their_type_and_layout(precision: str, pair: tuple[Model, Model]) -> None:
    """Values differ: ours come from a fixed range, theirs from the least and largest of the call's own vectors."""
    ours, theirs = (model.encode(TEXTS[:2], precision=precision, normalize_embeddings=True) for model in pair)
    assert (type(ours), ours.dtype, ours.shape) == (type(theirs), theirs.dtype, theirs.shape)


@pytest.mark.parametrize(
    "program",
    [
        lambda m: m.encode(TEXTS, prompt_name="nothing"),
        lambda m: m.encode(TEXTS, precision="int4"),
    ],
)
def test_errors_have_their_type(program: Program, pair: tuple[Model, Model]) -> None:
    for model in pair:
        with pytest.raises(ValueError):
            program(model)


def test_pickled_it_gives_the_same(pair: tuple[Model, Model]) -> None:
    ours = pair[0]
    assert pickle.loads(pickle.dumps(ours)).encode(TEXTS[:2]).tobytes() == ours.encode(TEXTS[:2]).tobytes()
