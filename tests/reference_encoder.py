"""A float64 reference of the encoder in plain NumPy: token ids to the vector of a text, one text at a time.

It is independent of the C++ code, of torch and of transformers, and written to be read: every step is one line of the
published definition (XLM-RoBERTa and BERT, post-norm). It is slow and exact to about 1e-15.
"""

from __future__ import annotations

import json
import math
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

Array = np.ndarray
QUERY_ROWS = 256  # rows of the score matrix held at a time, so that 8192 tokens fit in memory

erf = np.vectorize(math.erf, otypes=[np.float64])


def read_safetensors(path: Path) -> dict[str, Array]:
    """Every tensor of a file as a view (bf16 as its uint16 bits shifted up to float32)."""
    data = np.memmap(path, np.uint8, mode="r")
    (header_bytes,) = struct.unpack("<Q", data[:8].tobytes())
    header = json.loads(data[8 : 8 + header_bytes].tobytes())
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + header_bytes + offset for offset in entry["data_offsets"])
        dtype = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8"}[entry["dtype"]]
        values = np.frombuffer(data[begin:end], dtype)
        if entry["dtype"] == "BF16":
            values = (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def read_head(path: Path) -> tuple[Array, Array]:
    """Weight and bias of a head that tools/make_model.py wrote: torch's zip with two float16 records."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if "/data/" in name)
        weight, bias = (np.frombuffer(archive.read(name), "<f2").astype(np.float64) for name in names)
    return weight.reshape(len(bias), -1), bias


def gelu(x: Array) -> Array:
    return 0.5 * x * (1.0 + erf(x / math.sqrt(2.0)))


def softmax(x: Array) -> Array:
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def unit(x: Array) -> Array:
    return x / max(float(np.sqrt((x * x).sum())), 1e-12)


class ReferenceEncoder:
    """A model in a folder of safetensors files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = json.loads((folder / "config.json").read_text())
        pooling = json.loads((folder / "1_Pooling/config.json").read_text())
        modules = json.loads((folder / "modules.json").read_text())
        self.mean_pooling: bool = pooling["pooling_mode_mean_tokens"]
        self.normalize = any(module["type"].endswith("Normalize") for module in modules)
        self.tensors: dict[str, Array] = {}
        for file in sorted(folder.glob("*.safetensors")):
            for name, values in read_safetensors(file).items():
                self.tensors[name.removeprefix("roberta.").removeprefix("bert.").removeprefix("model.")] = values

    def tensor(self, name: str) -> Array:
        return self.tensors[name].astype(np.float64)

    def linear(self, x: Array, name: str) -> Array:
        return x @ self.tensor(f"{name}.weight").T + self.tensor(f"{name}.bias")

    def layer_norm(self, x: Array, name: str) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt(variance + self.config["layer_norm_eps"])
        return scaled * self.tensor(f"{name}.weight") + self.tensor(f"{name}.bias")

    def positions(self, ids: Array) -> Array:
        """Rows of the position table: BERT counts from 0, XLM-RoBERTa from pad + 1 and skips padding in the text."""
        if self.config["model_type"] == "bert":
            return np.arange(len(ids))
        pad = self.config["pad_token_id"]
        real = ids != pad
        return np.cumsum(real) * real + pad

    def attention(self, x: Array, layer: str) -> Array:
        tokens, hidden = x.shape
        heads = self.config["num_attention_heads"]
        size = hidden // heads
        query, key, value = (
            self.linear(x, f"{layer}.attention.self.{name}").reshape(tokens, heads, size).transpose(1, 0, 2)
            for name in ("query", "key", "value")
        )
        context = np.empty((heads, tokens, size))
        for head in range(heads):
            for begin in range(0, tokens, QUERY_ROWS):
                rows = slice(begin, begin + QUERY_ROWS)
                scores = query[head, rows] @ key[head].T / math.sqrt(size)
                context[head, rows] = softmax(scores) @ value[head]
        return self.linear(context.transpose(1, 0, 2).reshape(tokens, hidden), f"{layer}.attention.output.dense")

    def hidden_states(self, token_ids: Sequence[int]) -> Array:
        """The last layer's output, [tokens, hidden]."""
        ids = np.asarray(token_ids)
        x = self.tensors["embeddings.word_embeddings.weight"][ids].astype(np.float64)
        x = x + self.tensor("embeddings.token_type_embeddings.weight")[0]
        x = x + self.tensors["embeddings.position_embeddings.weight"][self.positions(ids)].astype(np.float64)
        x = self.layer_norm(x, "embeddings.LayerNorm")
        for index in range(self.config["num_hidden_layers"]):
            layer = f"encoder.layer.{index}"
            x = self.layer_norm(x + self.attention(x, layer), f"{layer}.attention.output.LayerNorm")
            inner = gelu(self.linear(x, f"{layer}.intermediate.dense"))
            x = self.layer_norm(x + self.linear(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        return x

    def outputs(self, token_ids: Sequence[int], dimensions: int | None = None) -> tuple[Array, dict[int, float], Array]:
        """The dense vector, the sparse weights and the multi-vectors of a text, by FlagEmbedding's rules."""
        states = self.hidden_states(token_ids)
        pooled = states.mean(axis=0) if self.mean_pooling else states[0]

        weight, bias = read_head(self.folder / "sparse_linear.pt")
        sparse: dict[int, float] = {}
        for token, value in zip(token_ids, (states @ weight.T + bias)[:, 0], strict=True):
            if token not in (0, 1, 2, 3) and value > 0:  # <s>, <pad>, </s>, <unk>
                sparse[token] = max(sparse.get(token, 0.0), float(value))

        weight, bias = read_head(self.folder / "colbert_linear.pt")
        vectors = (states[1:] @ weight.T + bias)[:, :dimensions]
        return unit(pooled[:dimensions]), sparse, np.array([unit(vector) for vector in vectors])

    def embed(self, token_ids: Sequence[int]) -> Array:
        """The vector of a text, [hidden], pooled and scaled as the model's own files say."""
        states = self.hidden_states(token_ids)
        pooled = states.mean(axis=0) if self.mean_pooling else states[0]
        return unit(pooled) if self.normalize else pooled
