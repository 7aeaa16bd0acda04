"""Vectors of the program against float64, and the promise of the same bits everywhere.

The expected vectors were written by tools/make_golden.py with Hugging Face transformers; the models' weights are made
here from the options that stand in each golden file. No torch is needed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make_model import ModelSpec
from reference_encoder import ReferenceEncoder, unit
from support import GOLDEN, Program, read_golden

MODELS = sorted(file.stem for file in GOLDEN.glob("*.json") if file.stem not in ("texts", "minilm"))
TEXTS: list[str] = read_golden("texts")["texts"]

MAX_ERROR = 5e-7  # of a component of the unit vector
# As exact as transformers in float32, by the largest error over all texts of a model. Rounding a component to float32
# alone costs up to 3e-8, and the largest of a few thousand differences is a matter of luck: hence factor and floor.
PEER_FACTOR = 1.5
PEER_FLOOR = 1e-7

MakeModel = Callable[[ModelSpec], Path]


def golden_spec(golden: dict[str, Any]) -> ModelSpec:
    return ModelSpec(**golden["spec"])


def truncated(ids: list[int], max_tokens: int) -> list[int]:
    """The first ids and the template's last one, as many as the limit allows."""
    return ids if len(ids) <= max_tokens else [*ids[: max_tokens - 1], ids[-1]]


def check_errors(vectors: np.ndarray, golden: dict[str, Any]) -> None:
    """Every component close to float64, and the worst of them about as close as transformers' own."""
    expected = np.array(golden["vectors"])
    assert vectors.shape == expected.shape
    errors = np.abs(vectors.astype(np.float64) - expected).max(axis=1)
    worst = int(errors.argmax())
    where = f"text {worst} of {golden['tokens'][worst]} tokens"
    assert errors.max() <= MAX_ERROR, where
    assert errors.max() <= max(PEER_FACTOR * golden["transformers_f32_max_error"], PEER_FLOOR), where


@pytest.mark.parametrize("name", MODELS)
def test_random_models_are_those_of_the_golden_files(name: str, model_folder: MakeModel) -> None:
    golden = read_golden(name)
    folder = model_folder(golden_spec(golden))
    for file, digest in golden["weights_sha256"].items():
        assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == digest, file


@pytest.mark.parametrize("name", MODELS)
def test_vectors_equal_transformers_in_float64(name: str, program: Program, model_folder: MakeModel) -> None:
    golden = read_golden(name)
    check_errors(program.embed(model_folder(golden_spec(golden)), TEXTS), golden)


@pytest.mark.parametrize("name", MODELS)
def test_vectors_equal_the_reference_encoder(name: str, program: Program, model_folder: MakeModel) -> None:
    golden = read_golden(name)
    spec = golden_spec(golden)
    folder = model_folder(dataclasses.replace(spec, bin=False))
    reference = ReferenceEncoder(folder)
    ids = [truncated(text_ids, spec.max_tokens) for text_ids in program.tokenize(folder, TEXTS)]
    assert [len(text_ids) for text_ids in ids] == golden["tokens"]
    exact = np.array([reference.embed(text_ids) for text_ids in ids])
    # The two references agree on everything that the golden file's nine digits can show.
    assert np.abs(exact - np.array(golden["vectors"])).max() < 2e-9
    assert np.abs(program.embed(folder, TEXTS) - exact).max() <= MAX_ERROR


def test_minilm_equals_transformers_in_float64(program: Program, minilm: Path) -> None:
    golden = read_golden("minilm")
    digest = hashlib.sha256((minilm / "model.safetensors").read_bytes()).hexdigest()
    assert digest == golden["weights_sha256"]["model.safetensors"]
    check_errors(program.embed(minilm, [TEXTS[index] for index in golden["text_indices"]]), golden)


# ---------------------------------------------------------------------------------------------------------------------
# The same model in another file


@pytest.mark.parametrize("family", ["xlm-roberta", "bert"])
@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
def test_every_weight_file_gives_the_same_bits(
    family: str, dtype: str, program: Program, model_folder: MakeModel
) -> None:
    spec = ModelSpec(family=family, layers=2, hidden=40, heads=2, ffn=72, dtype=dtype, seed=6)
    task_prefix = "bert." if family == "bert" else "roberta."
    expected = program.embed_bytes(model_folder(spec), TEXTS[:12])
    for change in (
        {"bin": True},
        {"shards": 2},
        {"prefix": task_prefix},
        {"prefix": "model."},
        {"prefix": task_prefix, "bin": True},
        {"pooler": False},
    ):
        other = model_folder(dataclasses.replace(spec, **change))
        assert program.embed_bytes(other, TEXTS[:12]) == expected, change


def test_float16_values_stored_as_float32_give_the_same_bits(program: Program, model_folder: MakeModel) -> None:
    spec = ModelSpec(layers=2, seed=7)
    half = model_folder(dataclasses.replace(spec, dtype="f16"))
    assert program.embed_bytes(half, TEXTS) == program.embed_bytes(model_folder(spec), TEXTS)


# ---------------------------------------------------------------------------------------------------------------------
# The same text in other company


def rows(data: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in data]


DTYPES = ["f32", "bf16", "int8"]


def check_same_bits(program: Program, model: Path, texts: list[str], dtype: str) -> None:
    """Alone, in a batch, in another order, next to copies: one text, one vector."""

    def embed(some: list[str]) -> list[bytes]:
        return rows(program.embed(model, some, "--dtype", dtype))

    batched = embed(texts)
    order = list(range(len(texts)))
    random.Random(1).shuffle(order)
    assert embed([texts[index] for index in order]) == [batched[index] for index in order]
    assert embed([*texts[::3], *texts, *texts[::2]]) == [*batched[::3], *batched, *batched[::2]]
    for index, text in enumerate(texts):
        assert embed([text]) == [batched[index]], f"text {index} alone"


def check_threads_and_isas(program: Program, model: Path, texts: list[str], dtype: str) -> None:
    isas = program.isas(model)
    assert isas[0] == "scalar"
    expected = program.embed_bytes(model, texts, "--dtype", dtype, "--isa", "scalar", "--threads", 1)
    for threads in (1, 2, 3, 4):
        assert program.embed_bytes(model, texts, "--dtype", dtype, "--threads", threads) == expected, threads
    for isa in isas[1:]:
        assert program.embed_bytes(model, texts, "--dtype", dtype, "--isa", isa) == expected, isa


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODELS)
def test_same_bits_alone_batched_and_shuffled(name: str, dtype: str, program: Program, model_folder: MakeModel) -> None:
    check_same_bits(program, model_folder(golden_spec(read_golden(name))), TEXTS, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODELS)
def test_same_bits_on_any_threads_and_instruction_set(
    name: str, dtype: str, program: Program, model_folder: MakeModel
) -> None:
    check_threads_and_isas(program, model_folder(golden_spec(read_golden(name))), TEXTS, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_minilm_gives_the_same_bits_everywhere(dtype: str, program: Program, minilm: Path) -> None:
    check_same_bits(program, minilm, TEXTS[:22], dtype)
    check_threads_and_isas(program, minilm, TEXTS[:28], dtype)


@pytest.mark.parametrize(("dtype", "lowest_cosine"), [("bf16", 0.9999), ("int8", 0.99)])
def test_minilm_in_fewer_bits_is_close_to_f32(dtype: str, lowest_cosine: float, program: Program, minilm: Path) -> None:
    """How close: docs/numerics.md."""
    vectors = program.embed(minilm, TEXTS[:18], "--dtype", dtype)
    cosines = (vectors.astype(np.float64) * program.embed(minilm, TEXTS[:18])).sum(axis=1)
    assert cosines.min() > lowest_cosine
    assert cosines.max() < 1 - 1e-7  # another computation than f32


# ---------------------------------------------------------------------------------------------------------------------
# Options that change the result


@pytest.fixture(scope="module")
def states(program: Program, model_folder: MakeModel) -> tuple[Path, list[np.ndarray]]:
    """The default tiny model and the float64 hidden states of all texts."""
    folder = model_folder(ModelSpec())
    reference = ReferenceEncoder(folder)
    return folder, [reference.hidden_states(ids) for ids in program.tokenize(folder, TEXTS)]


def test_pooling_and_normalisation_follow_the_flags(program: Program, states: tuple[Path, list[np.ndarray]]) -> None:
    folder, hidden = states
    mean = np.array([unit(h.mean(axis=0)) for h in hidden])
    assert np.abs(program.embed(folder, TEXTS, "--pooling", "mean") - mean).max() <= MAX_ERROR
    raw = np.array([h[0] for h in hidden])
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    assert np.abs((program.embed(folder, TEXTS, "--no-normalize") - raw) / lengths).max() <= MAX_ERROR


def test_truncated_dimensions_are_normalised_after_the_cut(
    program: Program, states: tuple[Path, list[np.ndarray]]
) -> None:
    folder, hidden = states
    cut = np.array([unit(h[0, :17]) for h in hidden])
    # Cutting makes the remaining components larger, and their errors with them.
    assert np.abs(program.embed(folder, TEXTS, "--truncate-dim", 17) - cut).max() <= 2 * MAX_ERROR


def test_max_length_keeps_the_first_tokens_and_the_template(program: Program, model_folder: MakeModel) -> None:
    folder = model_folder(ModelSpec())
    reference = ReferenceEncoder(folder)
    ids = program.tokenize(folder, TEXTS)
    cut = [reference.embed(truncated(text_ids, 10)) for text_ids in ids]
    assert np.abs(program.embed(folder, TEXTS, "--max-length", 10) - np.array(cut)).max() <= MAX_ERROR


def test_prompt_is_put_in_front_of_every_text(program: Program, model_folder: MakeModel) -> None:
    folder = model_folder(ModelSpec())
    expected = program.embed_bytes(folder, ["query: " + text for text in TEXTS])
    assert program.embed_bytes(folder, TEXTS, "--prompt", "query: ") == expected
    assert program.embed_bytes(folder, TEXTS, "--prompt-name", "query") == expected
