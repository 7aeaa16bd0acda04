#!/usr/bin/env python3
"""What bf16 and int8 cost in accuracy: their outputs of a model beside its f32 ones.

    bench/accuracy.py MODEL [--program build/bench/bin/bgem3] [--scifact]

Prints the lowest and the mean cosine and the largest difference of a component over 60 texts of many languages, the
empty one among them; where the model has the heads, also how many of a text's heaviest tokens stay, how far its weights
are off, and how far the MaxSim scores of all texts for the shortest ones are. --scifact adds nDCG@10 and recall@100 on
SciFact in each precision, where ../shared/data/scifact.tar.xz is at hand (MiniLM on 2 cores: 5 minutes).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from report import table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import retrieval  # noqa: E402
from support import Program, multi_of, sparse_of  # noqa: E402
from tokenizer_files import sample_lines  # noqa: E402

ROUNDED = ("bf16", "int8")
TEXTS = 60
CHARACTERS = (6, 1400)  # of the shortest text but the empty one, and of the longest
HEAVIEST = (10, 20)
QUERIES = 20  # the shortest texts


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


def compare_dense(vectors: np.ndarray, reference: np.ndarray) -> list[str]:
    vectors, reference = vectors.astype(np.float64), reference.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(reference, axis=1)
    cosines = (vectors * reference).sum(axis=1) / lengths
    return [f"{cosines.min():.6f}", f"{cosines.mean():.6f}", f"{np.abs(vectors - reference).max():.2e}"]


def compare_sparse(found: list[dict[int, float]], reference: list[dict[int, float]]) -> list[str]:
    """The share of the heaviest tokens that stay so, on average over the texts that have more, and how many texts these
    are; the sum of all differences of weights as a share of the sum of all weights."""

    def heaviest(weights: dict[int, float], count: int) -> set[int]:
        return set(sorted(weights, key=lambda token: -weights[token])[:count])

    shares = []
    for count in HEAVIEST:
        pairs = [pair for pair in zip(found, reference, strict=True) if len(pair[1]) > count]
        kept = [len(heaviest(mine, count) & heaviest(exact, count)) / count for mine, exact in pairs]
        shares.append(f"{100 * np.mean(kept):.1f} % of {len(kept)}")
    off = total = 0.0
    for mine, exact in zip(found, reference, strict=True):
        off += sum(abs(mine.get(token, 0.0) - exact.get(token, 0.0)) for token in mine.keys() | exact.keys())
        total += sum(exact.values())
    return [*shares, f"{off / total:.2e}"]


def max_sim_scores(queries: list[np.ndarray], passages: list[np.ndarray]) -> np.ndarray:
    """[queries, passages]."""
    rows = np.concatenate(queries)
    starts = np.cumsum([0, *map(len, queries[:-1])])
    counts = np.array([len(query) for query in queries])
    best = [(rows @ passage.T).max(axis=1) for passage in passages]
    return np.stack([np.add.reduceat(column, starts) / counts for column in best], axis=1)


def compare_max_sim(found: list[np.ndarray], reference: list[np.ndarray]) -> list[str]:
    """Both sides of a score are rounded, as in use; the text itself is not among its passages."""
    shortest = sorted(range(len(reference)), key=lambda text: len(reference[text]))[:QUERIES]
    scores, exact = (max_sim_scores([texts[q] for q in shortest], texts) for texts in (found, reference))
    other = np.ones_like(exact, bool)
    other[range(QUERIES), shortest] = False
    off = np.abs(scores - exact)[other]
    return [f"{off.max():.2e}", f"{off.mean():.2e}", f"{exact[other].min():.2f} to {exact[other].max():.2f}"]


def compare_outputs(program: Program, model: Path, texts: list[str]) -> str:
    tokens = [len(ids) for ids in program.tokenize(model, texts)]
    title = f"{model.name}, {len(texts)} texts of {min(tokens)} to {max(tokens)} tokens, against f32"
    outputs = json.loads(program.run("info", "--model", model, "--json").stdout)["outputs"]
    runs = {
        dtype: program.embed_outputs(model, texts, "--dtype", dtype, "--outputs", ",".join(outputs))
        for dtype in ("f32", *ROUNDED)
    }

    def section(heading: list[str], compare: Callable[[Any, Any], list[str]], part: Callable[[dict], Any]) -> str:
        reference = part(runs["f32"])
        return table(title, ["", *heading], [[dtype, *compare(part(runs[dtype]), reference)] for dtype in ROUNDED])

    sections = [section(["cosine, lowest", "mean", "largest difference"], compare_dense, lambda run: run["dense"])]
    if "sparse" in outputs:
        sections.append(
            section(
                [*(f"the {count} heaviest tokens" for count in HEAVIEST), "relative error of weights"],
                compare_sparse,
                lambda run: [sparse_of(run, text) for text in range(len(texts))],
            )
        )
    if "multi" in outputs:
        sections.append(
            section(
                ["MaxSim, largest error", "mean", "scores"],
                compare_max_sim,
                lambda run: [multi_of(run, text).astype(np.float64) for text in range(len(texts))],
            )
        )
    return "\n".join(sections)


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
        print(compare_outputs(program, arguments.model, texts_of_many_languages()), flush=True)
        if arguments.scifact and retrieval.SCIFACT.exists():
            print(compare_retrieval(program, arguments.model))
        elif arguments.scifact:
            print(f"Not measured: {retrieval.SCIFACT.name} is not at hand.")


if __name__ == "__main__":
    main()
