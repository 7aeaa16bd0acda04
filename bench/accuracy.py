#!/usr/bin/env python3
"""What bf16 and int8 cost in accuracy: their vectors of a model beside its f32 ones.

    bench/accuracy.py MODEL [--program build/bench/bin/bgem3] [--scifact]

Prints the lowest and the mean cosine and the largest difference of a component over 60 texts of many languages, the
empty one among them. --scifact adds nDCG@10 and recall@100 on SciFact in each precision, where
../shared/data/scifact.tar.xz is at hand (MiniLM on 2 cores: 5 minutes).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
from report import table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import retrieval  # noqa: E402
from support import Program  # noqa: E402
from tokenizer_files import sample_lines  # noqa: E402

ROUNDED = ("bf16", "int8")
TEXTS = 60
CHARACTERS = (6, 1400)  # of the shortest text but the empty one, and of the longest


def texts_of_many_languages() -> list[str]:
    """Texts whose lengths grow evenly in their logarithm; in a random order (fixed seed), so that no language has the
    long ones. Two thirds begin in the multilingual sample, one third in the passages, which are English."""
    passages = [json.loads(line)["text"] for line in (ROOT / "examples/passages.jsonl").read_text().splitlines()]
    sample = sample_lines()
    lines = sample + passages[: len(sample) // 2]
    lengths = [0, *np.geomspace(*CHARACTERS, TEXTS - 1).round().astype(int).tolist()]
    random.Random(1).shuffle(lengths)
    texts = []
    for index, length in enumerate(lengths):
        first = index * len(lines) // TEXTS
        texts.append(" ".join(lines[first:] + lines[:first])[:length].strip())
    return texts


def compare_vectors(program: Program, model: Path, texts: list[str]) -> str:
    tokens = [len(ids) for ids in program.tokenize(model, texts)]
    reference = program.embed(model, texts).astype(np.float64)
    lines = []
    for dtype in ROUNDED:
        vectors = program.embed(model, texts, "--dtype", dtype).astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(reference, axis=1)
        cosines = (vectors * reference).sum(axis=1) / lengths
        largest = np.abs(vectors - reference).max()
        lines.append([dtype, f"{cosines.min():.6f}", f"{cosines.mean():.6f}", f"{largest:.2e}"])
    title = f"{model.name}, {len(texts)} texts of {min(tokens)} to {max(tokens)} tokens, against f32"
    return table(title, ["", "cosine, lowest", "mean", "largest difference"], lines)


def compare_retrieval(program: Program, model: Path) -> str:
    collection = retrieval.read_scifact()
    lines = []
    for dtype in ("f32", *ROUNDED):
        documents = program.embed(model, list(collection.documents.values()), "--dtype", dtype)
        queries = program.embed(model, list(collection.queries.values()), "--dtype", dtype)
        ndcg, recall = retrieval.measures_of(collection, documents, queries)
        lines.append([dtype, f"{ndcg:.5f}", f"{recall:.4f}"])
    return table(f"{model.name} on SciFact", ["", "nDCG@10", "recall@100"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--program", type=Path, default=ROOT / "build/bench/bin/bgem3")
    parser.add_argument("--scifact", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = Program(arguments.program, Path(folder))
        print(compare_vectors(program, arguments.model, texts_of_many_languages()), flush=True)
        if arguments.scifact and retrieval.SCIFACT.exists():
            print(compare_retrieval(program, arguments.model))
        elif arguments.scifact:
            print(f"Not measured: {retrieval.SCIFACT.name} is not at hand.")


if __name__ == "__main__":
    main()
