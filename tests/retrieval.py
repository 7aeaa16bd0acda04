"""Retrieval on SciFact (BEIR's test split: 5183 documents, 300 queries), where it is at hand. Start at measures_of."""

from __future__ import annotations

import json
import math
import tarfile
from typing import NamedTuple

import numpy as np
from support import ROOT

SCIFACT = ROOT / "../shared/data/scifact.tar.xz"

Judgements = dict[str, dict[str, int]]


class Collection(NamedTuple):
    """Documents and queries by id, without white space around them, and the gain of documents for each query."""

    documents: dict[str, str]
    queries: dict[str, str]
    judgements: Judgements


def read_scifact() -> Collection:
    """SciFact from the file SCIFACT, which must exist."""
    with tarfile.open(SCIFACT) as archive:

        def lines(name: str) -> list[str]:
            member = archive.extractfile(f"scifact/{name}")
            assert member is not None
            return member.read().decode().splitlines()

        documents = {record["id"]: record["text"].strip() for record in map(json.loads, lines("documents.jsonl"))}
        queries = {record["id"]: record["text"].strip() for record in map(json.loads, lines("queries.jsonl"))}
        judgements: Judgements = {}
        for line in lines("qrels.tsv"):
            query, document, gain = line.split("\t")
            judgements.setdefault(query, {})[document] = int(gain)
    assert (len(documents), len(queries), len(judgements)) == (5183, 300, 300)
    return Collection(documents, queries, judgements)


def ndcg_at_10(ranked: dict[str, list[str]], judgements: Judgements) -> float:
    """The mean over queries of DCG / ideal DCG, gains linear, as BEIR and trec_eval compute it."""

    def dcg(gains: list[int]) -> float:
        return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains[:10]))

    scores = []
    for query, relevant in judgements.items():
        gains = [relevant.get(document, 0) for document in ranked[query]]
        scores.append(dcg(gains) / dcg(sorted(relevant.values(), reverse=True)))
    return sum(scores) / len(scores)


def recall_at_100(ranked: dict[str, list[str]], judgements: Judgements) -> float:
    """The mean over queries of the share of relevant documents among the first hundred."""
    found = [
        sum(document in relevant for document in ranked[query][:100]) / len(relevant)
        for query, relevant in judgements.items()
    ]
    return sum(found) / len(found)


def measures_of(collection: Collection, document_vectors: np.ndarray, query_vectors: np.ndarray) -> tuple[float, float]:
    """nDCG@10 and recall@100 of unit vectors in the collection's order, ranked by cosine; equal ones as they come."""
    names = list(collection.documents)
    scores = query_vectors.astype(np.float64) @ document_vectors.T.astype(np.float64)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :100]
    ranked = {query: [names[i] for i in row] for query, row in zip(collection.queries, order, strict=True)}
    return ndcg_at_10(ranked, collection.judgements), recall_at_100(ranked, collection.judgements)
