"""One peer as a process of its own: a request a line on standard input, an answer a line on standard output, JSON.

    build/peers/venv/bin/python bench/peers/engines.py KEY --model FOLDER --converted FOLDER --threads 2

    {"texts": [...], "batch": ["texts", 8], "vectors": false}   ->   {"seconds": 0.123} or {"error": "..."}

`batch` is a Batch of contenders.py. With `vectors`, the answer has them, too: a list of lists. The time is that of the
whole way from texts to vectors of length one: tokenizing, padding, pooling included; reading the request is not.
bench/embed_server.cc speaks the same lines for bgem3.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

MAX_TOKENS = 8192


def unit_rows(vectors: Any) -> np.ndarray:
    rows = np.asarray(vectors, np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


class Batcher:
    """Tokenizes texts with the Hugging Face library and cuts them into batches, longest first."""

    def __init__(self, model: Path) -> None:
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.no_padding()

    def batches(self, texts: list[str], batch: tuple[str, int]) -> Iterator[tuple[list[int], list[list[int]]]]:
        """(indices, ids) of every batch."""
        unit, most = batch
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(ids)), key=lambda index: -len(ids[index]))
        begin = 0
        while begin < len(order):
            count = most if unit == "texts" else max(1, most // len(ids[order[begin]]))
            part = order[begin : begin + count]
            begin += count
            yield part, [ids[index] for index in part]


def padded(ids: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Ids and attention mask, [texts, longest]."""
    mask = np.zeros((len(ids), max(map(len, ids))), np.int64)
    rows = np.ones_like(mask)
    for row, text in enumerate(ids):
        rows[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return rows, mask


class Engine:
    """A loaded model. Subclasses that are bare runtimes give `run`, libraries with a front end of their own `embed`."""

    batcher: Batcher

    def prepare(self, texts: list[str]) -> None:
        """What a caller would do once and long before: not timed."""

    def embed(self, texts: list[str], batch: tuple[str, int]) -> np.ndarray:
        """Unit vectors, [texts, hidden], in the order of the texts."""
        vectors: list[Any] = [None] * len(texts)
        for indices, ids in self.batcher.batches(texts, batch):
            for index, vector in zip(indices, self.run(ids), strict=True):
                vectors[index] = vector
        return unit_rows(vectors)

    def run(self, ids: list[list[int]]) -> np.ndarray:
        """The CLS rows of one batch."""
        raise NotImplementedError


class SentenceTransformers(Engine):
    """The torch back end with its default attention."""

    def __init__(self, model: Path, converted: Path, threads: int, *, bf16: bool = False) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads)
        self.model = SentenceTransformer(str(model), device="cpu", local_files_only=True)
        if bf16:
            self.model.bfloat16()
        self.folder = model

    def embed(self, texts: list[str], batch: tuple[str, int]) -> np.ndarray:
        unit, most = batch
        if unit == "texts":
            return self.encode(texts, most)
        # What a careful user does with mixed lengths: one call for every group of like lengths.
        if not hasattr(self, "batcher"):
            self.batcher = Batcher(self.folder)
        vectors = np.empty((len(texts), self.model.get_sentence_embedding_dimension()), np.float32)
        for indices, _ in self.batcher.batches(texts, batch):
            vectors[indices] = self.encode([texts[index] for index in indices], len(indices))
        return vectors

    def encode(self, texts: list[str], batch_size: int) -> np.ndarray:
        vectors = self.model.encode(texts, batch_size=batch_size, show_progress_bar=False, convert_to_tensor=True)
        return unit_rows(vectors.float().numpy())


class FlagEmbedding(Engine):
    """BGEM3FlagModel, dense vectors only."""

    def __init__(self, model: Path, converted: Path, threads: int) -> None:
        import torch
        from FlagEmbedding import BGEM3FlagModel

        torch.set_num_threads(threads)
        self.model = BGEM3FlagModel(str(model), use_fp16=False, devices="cpu")

    def embed(self, texts: list[str], batch: tuple[str, int]) -> np.ndarray:
        return unit_rows(self.model.encode(texts, batch_size=batch[1], max_length=MAX_TOKENS)["dense_vecs"])


class OpenVino(Engine):
    """The CPU plug-in with the latency hint: one stream over all threads."""

    def __init__(
        self, model: Path, converted: Path, threads: int, *, graph: str, precision: str, dynamic: bool = False
    ) -> None:
        import openvino

        self.batcher = Batcher(model)
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": str(threads),
        }
        if dynamic:
            settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = "1024"
        compiled = openvino.Core().compile_model(converted / graph / "model.xml", "CPU", settings)
        self.request = compiled.create_infer_request()

    def run(self, ids: list[list[int]]) -> np.ndarray:
        rows, mask = padded(ids)
        return self.request.infer({0: rows, 1: mask}, share_inputs=True)[0].copy()


class OnnxRuntime(Engine):
    """The CPU provider with every optimisation."""

    def __init__(self, model: Path, converted: Path, threads: int, *, graph: str) -> None:
        import onnxruntime

        self.batcher = Batcher(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(
            converted / graph / "model.onnx", options, providers=["CPUExecutionProvider"]
        )

    def run(self, ids: list[list[int]]) -> np.ndarray:
        rows, mask = padded(ids)
        return self.session.run(["cls"], {"input_ids": rows, "attention_mask": mask})[0]


class CTranslate2(Engine):
    """Its encoder, which removes padding by itself."""

    def __init__(self, model: Path, converted: Path, threads: int) -> None:
        import ctranslate2

        self.batcher = Batcher(model)
        self.encoder = ctranslate2.Encoder(
            str(converted / "ctranslate2-int8"),
            device="cpu",
            compute_type="int8_float32",
            inter_threads=1,
            intra_threads=threads,
        )

    def run(self, ids: list[list[int]]) -> np.ndarray:
        return np.array(self.encoder.forward_batch(ids).last_hidden_state)[:, 0]


class LlamaCpp(Engine):
    """llama-cpp-python with CLS pooling. The texts of a batch share one attention, quadratic in the batch, and a batch
    must hold its longest text: texts are grouped by length, with a context of 128, 256, ... tokens for each group."""

    def __init__(self, model: Path, converted: Path, threads: int, *, graph: str) -> None:
        self.path, self.threads = converted / graph / "model.gguf", threads
        self.contexts: dict[int, Any] = {}
        self.context(128)

    def context(self, tokens: int) -> Any:
        if tokens not in self.contexts:
            from llama_cpp import LLAMA_POOLING_TYPE_CLS, Llama

            self.contexts[tokens] = Llama(
                str(self.path),
                embedding=True,
                n_ctx=max(tokens, 512),
                n_batch=tokens,
                n_ubatch=tokens,
                n_threads=self.threads,
                n_threads_batch=self.threads,
                pooling_type=LLAMA_POOLING_TYPE_CLS,
                verbose=False,
            )
        return self.contexts[tokens]

    def groups(self, texts: list[str]) -> dict[int, list[int]]:
        """Indices of texts by the size of the context that holds them."""
        found: dict[int, list[int]] = {}
        for index, text in enumerate(texts):
            tokens = len(self.contexts[128].tokenize(text.encode()))
            found.setdefault(max(128, 1 << (tokens - 1).bit_length()), []).append(index)
        return found

    def prepare(self, texts: list[str]) -> None:
        for size in self.groups(texts):
            self.context(size)

    def embed(self, texts: list[str], batch: tuple[str, int]) -> np.ndarray:
        vectors: list[Any] = [None] * len(texts)
        for size, indices in self.groups(texts).items():
            found = self.context(size).embed([texts[index] for index in indices], normalize=True)
            for index, vector in zip(indices, found, strict=True):
                vectors[index] = vector
        return unit_rows(vectors)


ENGINES: dict[str, Callable[[Path, Path, int], Engine]] = {
    "st-f32": SentenceTransformers,
    "st-bf16": partial(SentenceTransformers, bf16=True),
    "flag-f32": FlagEmbedding,
    "openvino-f32": partial(OpenVino, graph="openvino", precision="f32"),
    "openvino-bf16": partial(OpenVino, graph="openvino", precision="bf16"),
    "openvino-w8": partial(OpenVino, graph="openvino-weights8", precision="f32", dynamic=True),
    "openvino-w8-bf16": partial(OpenVino, graph="openvino-weights8", precision="bf16", dynamic=True),
    "openvino-nncf": partial(OpenVino, graph="openvino-static8", precision="f32"),
    "openvino-nncf-bf16": partial(OpenVino, graph="openvino-static8", precision="bf16"),
    "onnxruntime-f32": partial(OnnxRuntime, graph="onnxruntime-f32"),
    "onnxruntime-int8": partial(OnnxRuntime, graph="onnxruntime-int8"),
    "ctranslate2-int8": CTranslate2,
    "llama-bf16": partial(LlamaCpp, graph="gguf-bf16"),
    "llama-q8": partial(LlamaCpp, graph="gguf-q8"),
}


def answer(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Computes one request."""
    texts, batch = request["texts"], tuple(request["batch"])
    engine.prepare(texts)
    begin = time.perf_counter()
    vectors = engine.embed(texts, batch)
    reply: dict[str, Any] = {"seconds": time.perf_counter() - begin}
    if request["vectors"]:
        reply["vectors"] = vectors.tolist()
    return reply


def main() -> None:
    """Loads the engine, then answers until standard input ends. An engine that cannot load answers that, and ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("key", choices=ENGINES)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--converted", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # some libraries print

    def send(reply: dict[str, Any]) -> None:
        answers.write(json.dumps(reply) + "\n")
        answers.flush()

    try:
        engine = ENGINES[arguments.key](arguments.model, arguments.converted, arguments.threads)
    except Exception as error:  # whatever a library throws becomes its row's gap
        send({"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)
    for line in sys.stdin:
        try:
            send(answer(engine, json.loads(line)))
        except Exception as error:
            send({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
