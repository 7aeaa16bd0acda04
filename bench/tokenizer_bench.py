#!/usr/bin/env python3
"""How fast texts become tokens, on one thread: bgem3, the Hugging Face tokenizers library, sentencepiece.

    bench/tokenizer_bench.py [TOKENIZER_JSON] [--text FILE] [--megabytes 4] [--rounds 5] [--json]

Without TOKENIZER_JSON: bge-m3's where it is at hand (../shared/data), else a Unigram trained on the sample. Without
--text: texts put together from the words of tests/data/multilingual_sample.txt in a random order (fixed seed), so that
whole sentences do not repeat; words do. Every engine gets the same texts of about 1,000 bytes and also gives offsets,
but for the rows that say otherwise. Ids are compared first. --json prints rows of bench/report.py instead of a table.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import tokenizer_files  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402


def sample_texts(size_bytes: int) -> list[str]:
    """Texts of about 1,000 bytes, each of one language, as many as `size_bytes` has room for."""
    rng = random.Random(1)
    lines = tokenizer_files.sample_lines()
    texts, total = [], 0
    while total < size_bytes:
        line = rng.choice(lines)
        words = line.split(" ") if line.count(" ") > 2 else [line[i : i + 4] for i in range(0, len(line), 4)]
        joint = " " if line.count(" ") > 2 else ""
        text = ""
        while len(text.encode()) < 1000:
            text += rng.choice(words) + joint
        texts.append(text.strip())
        total += len(texts[-1].encode())
    return texts


def timed(run: Callable[[], object]) -> float:
    """Seconds of one run."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def main() -> None:
    """Runs every engine on the same texts, in turns, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer", nargs="?", type=Path)
    parser.add_argument("--text", type=Path)
    parser.add_argument("--megabytes", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    optimised = ROOT / "build/bench/bin/tokenize_lines"
    if optimised.exists():
        os.environ.setdefault("BGEM3_TOKENIZE_LINES", str(optimised))
    path = arguments.tokenizer or tokenizer_files.bge_m3() or tokenizer_files.trained_unigram()
    if arguments.text:
        content = arguments.text.read_text(errors="ignore")
        texts = [content[i : i + 1000] for i in range(0, len(content), 1000)]
    else:
        texts = sample_texts(int(arguments.megabytes * 1e6))
    size = sum(len(text.encode()) for text in texts)
    library = Tokenizer.from_file(str(path))
    library.no_truncation()
    library.no_padding()
    expected = [encoding.ids for encoding in library.encode_batch(texts)]
    found = [result.ids for result in tokenizer_files.tokenize(path, texts)]
    assert found == expected, "the ids differ: run tests/tokenizer_parity_test.py"

    data = b"".join(struct.pack("<I", len(raw)) + raw for raw in (text.encode() for text in texts))
    command = [tokenizer_files.driver(), path, "--bench", "3"]
    engines: dict[str, Callable[[], float]] = {
        "bgem3": lambda: float(subprocess.run(command, input=data, check=True, capture_output=True).stdout),
        "tokenizers encode_batch": lambda: timed(lambda: library.encode_batch(texts)),
        "tokenizers encode_batch_fast (no offsets)": lambda: timed(lambda: library.encode_batch_fast(texts)),
    }
    if tokenizer_files.is_unigram(path):
        processor = tokenizer_files.sentencepiece_processor(path)
        engines["sentencepiece (no offsets)"] = lambda: timed(
            lambda: processor.encode(texts, out_type=int, num_threads=1)
        )
    samples: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(arguments.rounds):
        for name, run in engines.items():
            samples[name].append(run())

    if not arguments.json:
        print(f"{path.name}: {len(texts)} texts, {size / 1e6:.1f} MB, one thread, best of {arguments.rounds} rounds")
    for name, seconds in samples.items():
        best = min(seconds)
        if arguments.json:
            row = {"group": "tokenizer", "workload": path.name, "engine": name, "unit": "B/s", "value": size / best}
            print(json.dumps({**row, "spread": 1 - best / statistics.median(seconds), "samples": len(seconds)}))
        else:
            ratio = best / min(samples["bgem3"])
            print(f"{name:45} {size / 1e6 / best:8.1f} MB/s   bgem3 is {ratio:.1f} times as fast")


if __name__ == "__main__":
    main()
