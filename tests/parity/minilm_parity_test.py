"""The program with the real weights of all-MiniLM-L6-v2 against sentence-transformers, and its retrieval figure."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from peers import MAX_ERROR, PEER_FACTOR, Transformers, largest_error
from retrieval import SCIFACT, measures_of, read_scifact
from sentence_transformers import SentenceTransformer
from support import ROOT, Program, read_golden


def mixed_texts() -> list[str]:
    """Golden texts, the passages of the demo, and random strings of several scripts.

    White space around a text is removed: sentence-transformers does so itself in this version (str.strip, until 5.4),
    while the program passes every text as it is.
    """
    generator = random.Random(5)
    alphabets = [
        "abcdefghijklmnop qrstuvwxyz ",
        "äöüßéèñç ABCDEF 0123456789 .,;",
        "абвгд еёжзик ",
        "你好世界 东京都 ",
        "αβγδ εζη ",
    ]
    strings = [
        "".join(generator.choice(alphabets[index % len(alphabets)]) for _ in range(generator.randrange(1, 400)))
        for index in range(60)
    ]
    passages = [json.loads(line)["text"] for line in (ROOT / "examples/passages.jsonl").read_text().splitlines()]
    return [text.strip() for text in [*read_golden("texts")["texts"], *passages[:100], *strings]]


def cosine_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 - cosine of each pair of rows, in float64."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return 1 - (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def test_vectors_equal_sentence_transformers(program: Program, minilm: Path) -> None:
    texts = mixed_texts()
    ours = program.embed(minilm, texts)
    theirs = SentenceTransformer(str(minilm), device="cpu").encode(texts, batch_size=8)
    assert cosine_distances(ours, theirs).max() < 1e-6
    assert largest_error(ours, theirs.astype(np.float64)) < 1e-6


def test_vectors_are_as_exact_as_those_of_transformers(program: Program, minilm: Path) -> None:
    texts = mixed_texts()
    ours = program.embed(minilm, texts)
    model = Transformers(minilm)
    theirs = np.array(list(model.vectors(texts, torch.float32)))
    exact = np.array(list(model.vectors(texts, torch.float64)))
    our_error, their_error = largest_error(ours, exact), largest_error(theirs, exact)
    print(f"MiniLM, {len(texts)} texts: bgem3 {our_error:.3g}, transformers f32 {their_error:.3g}")
    assert our_error <= min(MAX_ERROR, PEER_FACTOR * their_error)


def test_same_bits_alone_and_in_any_order(program: Program, minilm: Path) -> None:
    texts = mixed_texts()
    together = program.embed(minilm, texts)
    order = list(range(len(texts)))
    random.Random(6).shuffle(order)
    shuffled = program.embed(minilm, [texts[index] for index in order], "--threads", 1)
    assert shuffled.tobytes() == together[order].tobytes()
    for index in range(0, len(texts), 10):
        assert program.embed(minilm, [texts[index]]).tobytes() == together[index].tobytes()
    for isa in program.isas(minilm):
        count = 24 if isa == "scalar" else len(texts)  # the scalar kernels take minutes for all
        assert program.embed(minilm, texts[:count], "--isa", isa).tobytes() == together[:count].tobytes(), isa


@pytest.mark.slow
def test_scifact(program: Program, minilm: Path) -> None:
    if not SCIFACT.exists():
        pytest.skip(f"{SCIFACT.name} is not at hand")
    scifact = read_scifact()
    texts, queries = list(scifact.documents.values()), list(scifact.queries.values())
    document_vectors, query_vectors = program.embed(minilm, texts), program.embed(minilm, queries)
    ndcg, recall = measures_of(scifact, document_vectors, query_vectors)
    print(f"SciFact: nDCG@10 {ndcg:.5f}, recall@100 {recall:.4f}")
    assert ndcg == pytest.approx(0.64508, abs=5e-5)
    assert recall == pytest.approx(0.9250, abs=5e-5)

    # The figure forgives much: noise of 0.01 in every vector moves it by 0.005. So the vectors themselves, a sample of
    # the documents (all of them take sentence-transformers several minutes) and every query.
    sample = random.Random(7).sample(range(len(texts)), 300)
    model = SentenceTransformer(str(minilm), device="cpu")
    theirs = model.encode([texts[index] for index in sample], batch_size=4)
    assert cosine_distances(document_vectors[sample], theirs).max() < 1e-6
    assert cosine_distances(query_vectors, model.encode(queries)).max() < 1e-6
