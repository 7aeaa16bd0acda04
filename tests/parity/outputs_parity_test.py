"""All three outputs against FlagEmbedding's rules on transformers' XLMRobertaModel, in float32 and float64.

The rules are those of FlagEmbedding 1.4.0 (inference/embedder/encoder_only/m3.py); the heads are read by torch itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from encoder_parity_test import FULL, TINY_LENGTHS, large_model  # noqa: F401  (a fixture)
from make_model import BGE_M3_TOKENIZER, ModelSpec
from outputs_test import MAX_DENSE_ERROR, MAX_MULTI_ERROR, MAX_SPARSE_ERROR, check_sparse
from peers import PEER_FACTOR, exact_text, load_tokenizer
from support import Program, multi_of, sparse_of

TINY = {
    "48, 4 heads": ModelSpec(seed=31),
    "84, 12 heads": ModelSpec(hidden=84, heads=12, ffn=145, bin=True, seed=32),
    "201, 3 heads": ModelSpec(hidden=201, heads=3, ffn=403, layers=6, full_precision=True, seed=33),
}
DROPPED = (0, 2, 1, 3)  # the tokenizer's cls, eos, pad and unk
# What rounding to float32 may cost: of a component of a unit vector, and of a weight below 4.
DENSE_FLOOR, SPARSE_FLOOR, MULTI_FLOOR = 1e-7, 5e-7, 1e-7

MakeModel = Callable[[ModelSpec], Path]


@dataclasses.dataclass
class TextOutputs:
    dense: np.ndarray
    sparse: dict[int, float]
    multi: np.ndarray


class Flag:
    """A folder's encoder and heads in torch."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = load_tokenizer(folder)
        self.model = transformers.AutoModel.from_pretrained(folder).eval()
        self.sparse, self.colbert = (
            torch.load(folder / f"{name}_linear.pt", weights_only=True) for name in ("sparse", "colbert")
        )

    def outputs(self, text: str, dtype: torch.dtype) -> TextOutputs:
        self.model.to(dtype)
        ids = self.tokenizer.encode(text).ids
        with torch.inference_mode():
            batch = torch.tensor([ids])
            states = self.model(input_ids=batch, attention_mask=torch.ones_like(batch)).last_hidden_state[0]
            sparse, colbert = (
                torch.nn.functional.linear(rows, head["weight"].to(dtype), head["bias"].to(dtype))
                for rows, head in ((states, self.sparse), (states[1:], self.colbert))
            )
            dense = torch.nn.functional.normalize(states[:1], dim=-1)[0]
            multi = torch.nn.functional.normalize(colbert, dim=-1)
        weights = torch.relu(sparse)[:, 0].double().numpy()
        result: dict[int, float] = {}
        for weight, token in zip(weights.tolist(), ids, strict=True):
            if token not in DROPPED and weight > 0:
                result[token] = max(result.get(token, 0.0), weight)
        return TextOutputs(dense.double().numpy(), result, multi.double().numpy())


def differences(found: TextOutputs, exact: TextOutputs) -> list[np.ndarray]:
    """Of every component and weight: dense, sparse, multi."""
    tokens = found.sparse.keys() | exact.sparse.keys()
    sparse = [found.sparse.get(token, 0.0) - exact.sparse.get(token, 0.0) for token in tokens]
    return [found.dense - exact.dense, np.array(sparse), (found.multi - exact.multi).ravel()]


def compare(program: Program, folder: Path, counts: dict[int, int]) -> None:
    """Texts of each length in one request, all outputs: the limits, and about as exact as torch's own float32."""
    flag = Flag(folder)
    texts = [
        exact_text(flag.tokenizer, tokens, 2000 * tokens + seed)
        for tokens, count in counts.items()
        for seed in range(count)
    ]
    arrays = program.embed_outputs(folder, texts)
    singles = [flag.outputs(text, torch.float32) for text in texts]
    exacts = [flag.outputs(text, torch.float64) for text in texts]
    ours, theirs = [], []
    for text, (single, exact) in enumerate(zip(singles, exacts, strict=True)):
        found = TextOutputs(arrays["dense"][text], sparse_of(arrays, text), multi_of(arrays, text))
        check_sparse(found.sparse, exact.sparse)
        assert found.multi.shape == exact.multi.shape
        ours.append(differences(found, exact))
        theirs.append(differences(single, exact))
    columns = [[np.concatenate(parts) for parts in zip(*side, strict=True)] for side in (ours, theirs)]
    largest = np.array([[np.abs(column).max() for column in side] for side in columns])
    rms = np.array([[np.sqrt(np.mean(column**2)) for column in side] for side in columns])
    names = ("dense", "sparse", "multi")
    for what, (mine, reference) in (("largest", largest), ("root mean square", rms)):
        errors = ", ".join(f"{name} {a:.2e} / {b:.2e}" for name, a, b in zip(names, mine, reference, strict=True))
        print(f"\n{folder.name}, {counts}: {what} errors, ours / float32 torch: {errors}")
    assert (largest[0] <= [MAX_DENSE_ERROR, MAX_SPARSE_ERROR, MAX_MULTI_ERROR]).all(), largest
    floors = np.array([DENSE_FLOOR, SPARSE_FLOOR, MULTI_FLOOR])
    assert (rms[0] <= np.maximum(PEER_FACTOR * rms[1], floors / 10)).all(), rms
    if len(texts) > 1:  # the largest of the thousand components of a single text is a matter of luck
        assert (largest[0] <= np.maximum(PEER_FACTOR * largest[1], floors)).all(), largest


@pytest.mark.parametrize("name", TINY)
def test_tiny_model(name: str, program: Program, model_folder: MakeModel) -> None:
    compare(program, model_folder(TINY[name]), {tokens: 4 if tokens <= 33 else 2 for tokens in TINY_LENGTHS})


# Random sparse weights are about 2, ten times bge-m3's: the absolute limit holds for the ids it was measured with.
needs_published_tokenizer = pytest.mark.skipif(
    not BGE_M3_TOKENIZER.exists(),
    reason="the published tokenizer, with whose ids the limits were measured, is not there",
)


@needs_published_tokenizer
def test_full_size_short_texts(program: Program, large_model: Callable[[str, ModelSpec], Path]) -> None:  # noqa: F811
    compare(program, large_model("random-full", FULL), {3: 4, 16: 4, 128: 2, 512: 1})


@needs_published_tokenizer
@pytest.mark.slow
def test_full_size_2048_tokens(program: Program, large_model: Callable[[str, ModelSpec], Path]) -> None:  # noqa: F811
    compare(program, large_model("random-full", FULL), {2048: 1})


@needs_published_tokenizer
@pytest.mark.slow
def test_full_width_8192_tokens(program: Program, large_model: Callable[[str, ModelSpec], Path]) -> None:  # noqa: F811
    """Three of the 24 layers: what is particular to long texts shows in any layer."""
    compare(program, large_model("random-3-layers", dataclasses.replace(FULL, layers=3)), {8192: 1})
