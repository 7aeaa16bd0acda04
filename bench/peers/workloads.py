"""The texts that every engine gets: exact numbers of tokens, distinct, made of what the repository holds.

Lengths count the tokens of the template (`<s>`, `</s>`) too. The same tokenizer gives the same texts on every machine.
No two texts begin alike, within a workload and across them: an engine that computes equal texts once, or that reuses a
common beginning, gains nothing here.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parents[2]

# Lengths of the mix, by kind: (share of the texts, tokens) points of the distribution, straight lines between them.
# It is that of a search service: many questions and titles, paragraphs, a few long documents that hold a third of all
# tokens. 512 texts, 24,490 tokens.
MIX_KINDS = {
    "query": (200, ((0, 7), (0.25, 12), (0.5, 16), (0.75, 21), (0.9, 30), (1, 62))),
    "title": (140, ((0, 4), (0.25, 7), (0.5, 10), (0.75, 13), (1, 22))),
    "passage": (166, ((0, 24), (0.25, 42), (0.5, 57), (0.75, 78), (0.9, 104), (1, 186))),
}
MIX_LONG = (1006, 1160, 1290, 1380, 1440, 1975)
EQUAL_LENGTHS = {"U128": (32, 128), "U512": (8, 512), "U2048": (2, 2048), "L8192": (1, 8192), "Q9": (1, 9)}
ACCURACY_TEXTS = 30
CALIBRATION_TEXTS = 64


def source_texts() -> list[str]:
    """The example passages and the multilingual sample: 395 texts in some 70 languages, most of them English."""
    passages = (ROOT / "examples/passages.jsonl").read_text(encoding="utf-8").splitlines()
    sample = (ROOT / "tests/data/multilingual_sample.txt").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in passages] + [line for line in sample if line.strip()]


def spread_lengths(count: int, points: tuple[tuple[float, int], ...]) -> list[int]:
    """`count` lengths spread evenly over a distribution, shortest first; the first and the last are its ends."""
    lengths = []
    for index in range(count):
        share = index / (count - 1)
        for (low, begin), (high, end) in zip(points, points[1:], strict=False):
            if share <= high:
                lengths.append(round(begin + (end - begin) * (share - low) / (high - low)))
                break
    return lengths


class TextMaker:
    """Makes texts of exact lengths out of the sources: each begins somewhere in one and goes on with others."""

    def __init__(self, tokenizer: Tokenizer, seed: int = 1) -> None:
        self.tokenizer = tokenizer
        self.random = random.Random(seed)
        self.sources = source_texts()
        self.beginnings: set[tuple[int, ...]] = set()

    def text(self, tokens: int) -> str:
        """A text of that many tokens that begins like no other before. Raises ValueError if none is found."""
        for _ in range(1000):
            for candidate in self.cuts(tokens):
                ids = self.tokenizer.encode(candidate).ids
                beginning = tuple(ids[1:4])
                if len(ids) == tokens and beginning not in self.beginnings:
                    self.beginnings.add(beginning)
                    return candidate
        raise ValueError(f"no text of {tokens} tokens can be made with this tokenizer")

    def texts(self, count: int, tokens: int) -> list[str]:
        return [self.text(tokens) for _ in range(count)]

    def cuts(self, tokens: int) -> Iterator[str]:
        """One random text cut after about that many tokens; it may have a few more or less when tokenized again."""
        words = self.random.choice(self.sources).split(" ")
        buffer = " ".join(words[self.random.randrange(len(words)) :])
        while len(encoding := self.tokenizer.encode(buffer)) < tokens + 8:
            buffer += " " + " ".join(self.random.sample(self.sources, max(1, tokens // 64)))
        for last in range(tokens - 2, tokens + 4):
            yield buffer[: encoding.offsets[last][1]].rstrip()


def make_workloads(tokenizer: Tokenizer) -> dict[str, list[str]]:
    """Every workload by name.

    U128, U512, U2048, L8192, Q9: equal lengths, as EQUAL_LENGTHS says. MIX: 512 texts of 4 to 1,975 tokens in a random
    order. ACC: 30 texts, most of them from MIX, to compare vectors. CALIBRATION: other texts like the paragraphs of
    MIX, for static quantisation. `tokenizer` must neither truncate nor pad.
    """
    maker = TextMaker(tokenizer)
    workloads = {name: maker.texts(count, tokens) for name, (count, tokens) in EQUAL_LENGTHS.items()}
    short = [maker.text(tokens) for count, points in MIX_KINDS.values() for tokens in spread_lengths(count, points)]
    long = [maker.text(tokens) for tokens in MIX_LONG]
    workloads["MIX"] = short + long
    maker.random.shuffle(workloads["MIX"])
    workloads["ACC"] = maker.random.sample(short, ACCURACY_TEXTS - 2) + long[:1] + workloads["U512"][:1]
    workloads["CALIBRATION"] = [maker.text(tokens) for tokens in spread_lengths(CALIBRATION_TEXTS, ((0, 12), (1, 160)))]
    return workloads


def count_tokens(tokenizer: Tokenizer, texts: list[str]) -> int:
    return sum(len(encoding.ids) for encoding in tokenizer.encode_batch(texts))


def load_tokenizer(model: Path) -> Tokenizer:
    """The model's tokenizer without the truncation and padding that its file may ask for."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def quick_workloads(workloads: dict[str, list[str]]) -> dict[str, list[str]]:
    """The same names with a few texts of at most 512 tokens, to see whether everything runs."""
    long = workloads["U512"]
    return {
        "U128": workloads["U128"][:2],
        "U512": long[:1],
        "U2048": long[1:2],
        "L8192": long[2:3],
        "Q9": workloads["Q9"],
        "MIX": workloads["ACC"][:12],
        "ACC": workloads["ACC"][:4],
    }


def main() -> None:
    """Prints {name: {"texts": [...], "tokens": their sum}} of a model (a folder) as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    tokenizer = load_tokenizer(arguments.model)
    workloads = make_workloads(tokenizer)
    if arguments.quick:
        workloads = quick_workloads(workloads)
    found = {name: {"texts": texts, "tokens": count_tokens(tokenizer, texts)} for name, texts in workloads.items()}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
