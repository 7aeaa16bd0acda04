#!/usr/bin/env python3
"""What all three outputs of bge-m3 cost beside the dense one alone, and beside FlagEmbedding where it is installed.

    bench/outputs.py MODEL [--dtypes f32,bf16,int8] [--texts 16] [--tokens 128] [--rounds 3]

Everything runs in turn in one process on the same texts; the best round counts, the spread is (worst - best) / best.
make test-parity installs FlagEmbedding: run it with build/venv-parity/bin/python and PYTHONPATH=build/parity-site.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from bgem3 import BGEM3FlagModel, Embedder
from report import table
from workload import one_token_words

ROOT = Path(__file__).resolve().parent.parent
ALL = {"return_dense": True, "return_sparse": True, "return_colbert_vecs": True}


def seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def flag_embedding(model: Path) -> Callable[[list[str]], object] | None:
    try:
        import FlagEmbedding
    except ImportError:
        return None
    peer = FlagEmbedding.BGEM3FlagModel(str(model), devices="cpu", use_fp16=False)
    return lambda texts: peer.encode(texts, **ALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--dtypes", default="f32,bf16,int8")
    parser.add_argument("--texts", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--program", type=Path, default=ROOT / "build/bench/bin/bgem3")
    arguments = parser.parse_args()

    words, count = one_token_words(arguments.program, arguments.model), arguments.tokens - 2
    texts = [" ".join(words[i * count : (i + 1) * count]) for i in range(arguments.texts)]
    calls: dict[str, Callable[[], object]] = {}
    for dtype in arguments.dtypes.split(","):
        embedder = Embedder(arguments.model, dtype=dtype)
        model = BGEM3FlagModel(arguments.model, dtype=dtype)
        calls[f"{dtype}, dense"] = lambda embedder=embedder: embedder.embed(texts)
        calls[f"{dtype}, all three"] = lambda embedder=embedder: embedder.embed(
            texts, outputs=("dense", "sparse", "multi")
        )
        calls[f"{dtype}, all three, BGEM3FlagModel"] = lambda model=model: model.encode(texts, **ALL)
    peer = flag_embedding(arguments.model)
    if peer:
        calls["f32, all three, FlagEmbedding"] = lambda: peer(texts)

    for call in calls.values():
        call()  # warms up
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(arguments.rounds):
        for name, call in calls.items():
            times[name].append(seconds(call))
    rows = []
    for name, spent in times.items():
        dense = min(times[f"{name.split(',')[0]}, dense"])
        spread = (max(spent) - min(spent)) / min(spent)
        rows.append([name, f"{min(spent):.3f}", f"{100 * spread:.0f} %", f"{min(spent) / dense:.3f}"])
    threads = Embedder(arguments.model).info.threads
    title = f"{arguments.texts} texts of {arguments.tokens} tokens, {threads} threads"
    print(table(title, ["", "seconds", "spread", "of dense alone"], rows))


if __name__ == "__main__":
    main()
