#!/usr/bin/env python3
"""What a call from Python costs over the same call from C++: bgem3.Embedder.encode beside Embedder::embed.

    bench/python_overhead.py MODEL [--dtype f32] [--rounds 30]

Both run in turn on the same texts, each in a process of its own (C++: build/bench/bin/embed_server). Prints the median
time of each and their ratio, with the spread of the ratio between rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from pathlib import Path

from bgem3 import Embedder
from workload import one_token_words

ROOT = Path(__file__).resolve().parent.parent
SHAPES = {"1x9": (1, 9), "1x128": (1, 128), "16x128": (16, 128), "256x16": (256, 16)}


def cpp_seconds(server: subprocess.Popen[str], texts: list[str]) -> float:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps({"texts": texts, "vectors": False}) + "\n")
    server.stdin.flush()
    return float(json.loads(server.stdout.readline())["seconds"])


def python_seconds(embedder: Embedder, texts: list[str]) -> float:
    begin = time.perf_counter()
    embedder.encode(texts)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--binaries", type=Path, default=ROOT / "build/bench/bin")
    arguments = parser.parse_args()

    words = one_token_words(arguments.binaries / "bgem3", arguments.model)
    embedder = Embedder(arguments.model, dtype=arguments.dtype)
    command = [arguments.binaries / "embed_server", "--model", arguments.model, "--dtype", arguments.dtype]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        print(f"{'texts':>8} {'C++ ms':>10} {'Python ms':>10} {'ratio':>7}  ratio of the middle half of the rounds")
        for name, (count, tokens) in SHAPES.items():
            texts = [" ".join(words[i * (tokens - 2) : (i + 1) * (tokens - 2)]) for i in range(count)]
            rounds = []
            for _ in range(arguments.rounds + 1):
                rounds.append((cpp_seconds(server, texts), python_seconds(embedder, texts)))
            cpp, python = zip(*rounds[1:], strict=True)  # the first one warms up
            low, _, high = statistics.quantiles([p / c for c, p in rounds[1:]], n=4)
            cpp_ms, python_ms = statistics.median(cpp) * 1000, statistics.median(python) * 1000
            print(f"{name:>8} {cpp_ms:10.3f} {python_ms:10.3f} {python_ms / cpp_ms:7.3f}  {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
