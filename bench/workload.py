"""Texts of exact lengths in tokens for a benchmark, put together from the words of the model's own vocabulary.

Words are those of one token each, in a fixed order that does not repeat before the vocabulary ends, so that texts are
distinct and read as many rows of the embedding table as they can. Start at write_workloads.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

TEMPLATE_TOKENS = 2  # <s> and </s>


def spread_lengths(count: int, shortest: int, median: int, longest: int) -> list[int]:
    """Lengths whose logarithms rise evenly from the shortest to the median and from there to the longest."""
    lengths = []
    for index in range(count):
        place = 2 * index / (count - 1)
        low, high = (shortest, median) if place <= 1 else (median, longest)
        lengths.append(round(math.exp(math.log(low) + (place % 1 if place < 2 else 1) * math.log(high / low))))
    return lengths


def mixed_lengths() -> list[int]:
    """128 lengths as a search service sees them: questions, titles, passages and a long document; fixed order."""
    lengths = spread_lengths(50, 7, 14, 62) + spread_lengths(35, 4, 10, 22) + spread_lengths(42, 24, 52, 150) + [1975]
    random.Random(1).shuffle(lengths)
    return lengths


# Name of the workload to the lengths of its texts.
WORKLOADS = {
    "1x9": [9],
    "4x128": [128] * 4,
    "16x128": [128] * 16,
    "8x512": [512] * 8,
    "2x2048": [2048] * 2,
    "1x8192": [8192],
    "mixed": mixed_lengths(),
}


def one_token_words(program: Path, model: Path) -> list[str]:
    """Every word that the model's tokenizer makes exactly one token of, in a fixed random order."""
    vocabulary = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    words = [piece[1:] for piece, _ in vocabulary if piece.startswith("\u2581") and piece[1:].isalpha()]
    lines = "".join(json.dumps({"text": word}) + "\n" for word in words)
    command: list[str | Path] = [program, "tokenize", "-", "--model", model, "--input-format", "jsonl"]
    output = subprocess.run(command, input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout
    ids = [json.loads(line)["ids"] for line in output.splitlines()]
    kept = [word for word, found in zip(words, ids, strict=True) if len(found) == TEMPLATE_TOKENS + 1]
    random.Random(1).shuffle(kept)
    return kept


def texts_of(lengths: list[int], words: Iterator[str]) -> list[str]:
    """One text of each length in tokens, template tokens included, from the words as they come."""
    return [" ".join(itertools.islice(words, length - TEMPLATE_TOKENS)) for length in lengths]


def write_texts(path: Path, texts: list[str]) -> None:
    """One text a line."""
    path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")


def write_workloads(folder: Path, words: list[str]) -> None:
    """A file NAME.txt for each of WORKLOADS."""
    folder.mkdir(parents=True, exist_ok=True)
    endless = itertools.cycle(words)
    for name, lengths in WORKLOADS.items():
        write_texts(folder / f"{name}.txt", texts_of(lengths, endless))
