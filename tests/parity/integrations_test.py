"""bgem3.integrations in the real frameworks: used as their users do, vectors equal to SentenceTransformer's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bgem3 import InvalidInputError, SentenceTransformer
from docs_test import python_blocks, run_python
from make_model import ModelSpec

TEXTS = ["The sea is deep.", "Bread is baked.", "The ocean has great depth."]
QUESTION = "How deep is the ocean?"
OPTIONS: dict[str, Any] = {"prompts": {"query": "find ", "document": "text "}, "threads": 1}


@pytest.fixture(scope="module")
def folder(model_folder: Callable[[ModelSpec], Path]) -> str:
    return str(model_folder(ModelSpec()))


@pytest.fixture(scope="module")
def documents(folder: str) -> list[list[float]]:
    return SentenceTransformer(folder, **OPTIONS).encode_document(TEXTS).tolist()


@pytest.fixture(scope="module")
def query(folder: str, documents: list[list[float]]) -> list[float]:
    vector = SentenceTransformer(folder, **OPTIONS).encode_query(QUESTION).tolist()
    assert vector != SentenceTransformer(folder, **OPTIONS).encode_document(QUESTION).tolist()
    return vector


def test_langchain(folder: str, documents: list[list[float]], query: list[float], minilm: Path) -> None:
    from bgem3.integrations.langchain import BGEM3Embeddings
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import InMemoryVectorStore

    embeddings = BGEM3Embeddings(folder, **OPTIONS)
    assert isinstance(embeddings, Embeddings)
    assert embeddings.embed_documents(TEXTS) == documents
    assert embeddings.embed_query(QUESTION) == query
    assert embeddings.embed_documents([]) == []
    assert asyncio.run(embeddings.aembed_documents(TEXTS)) == documents
    assert asyncio.run(embeddings.aembed_query(QUESTION)) == query
    with pytest.raises(InvalidInputError, match="text 1"):
        embeddings.embed_documents(["a", None])  # type: ignore[list-item]

    store = InMemoryVectorStore.from_texts(TEXTS, BGEM3Embeddings(str(minilm)))
    found = store.similarity_search(QUESTION, k=2)
    assert [document.page_content for document in found] == [TEXTS[2], TEXTS[0]]


def test_llama_index(folder: str, documents: list[list[float]], query: list[float], minilm: Path) -> None:
    from bgem3.integrations.llama_index import BGEM3Embedding
    from llama_index.core import VectorStoreIndex
    from llama_index.core.schema import TextNode

    embedding = BGEM3Embedding(folder, options=OPTIONS)
    assert embedding.get_text_embedding_batch(TEXTS) == documents
    assert embedding.get_text_embedding(TEXTS[0]) == documents[0]
    assert embedding.get_query_embedding(QUESTION) == query
    assert asyncio.run(embedding.aget_text_embedding_batch(TEXTS)) == documents
    assert asyncio.run(embedding.aget_text_embedding(TEXTS[0])) == documents[0]
    assert asyncio.run(embedding.aget_query_embedding(QUESTION)) == query
    assert BGEM3Embedding(folder, embed_batch_size=2, options=OPTIONS).get_text_embedding_batch(TEXTS) == documents
    again = BGEM3Embedding.from_dict(embedding.to_dict())
    assert again.get_query_embedding(QUESTION) == query

    index = VectorStoreIndex([TextNode(text=text) for text in TEXTS], embed_model=BGEM3Embedding(str(minilm)))
    found = index.as_retriever(similarity_top_k=2).retrieve(QUESTION)
    assert [node.text for node in found] == [TEXTS[2], TEXTS[0]]


def test_haystack(folder: str, documents: list[list[float]], query: list[float], minilm: Path) -> None:
    from bgem3.integrations.haystack import BGEM3DocumentEmbedder, BGEM3TextEmbedder
    from haystack import Document, Pipeline

    given = [Document(content=text, meta={"title": f"title {index}"}) for index, text in enumerate(TEXTS)]
    filled = BGEM3DocumentEmbedder(folder, OPTIONS).run(given)["documents"]
    assert [document.embedding for document in filled] == documents
    assert [document.content for document in filled] == TEXTS
    assert all(document.embedding is None for document in given)
    assert BGEM3TextEmbedder(folder, OPTIONS).run(QUESTION) == {"embedding": query}

    titled = BGEM3DocumentEmbedder(folder, meta_fields_to_embed=["title", "none"], embedding_separator=": ").run(given)
    expected = SentenceTransformer(folder).encode_document([f"title {i}: {text}" for i, text in enumerate(TEXTS)])
    assert [document.embedding for document in titled["documents"]] == expected.tolist()

    pipeline = Pipeline()
    pipeline.add_component("query", BGEM3TextEmbedder(str(minilm), {"dtype": "bf16"}))
    pipeline.add_component("documents", BGEM3DocumentEmbedder(str(minilm), meta_fields_to_embed=["title"]))
    pipeline = Pipeline.loads(pipeline.dumps(), allowed_modules=["bgem3.integrations.haystack"])
    assert pipeline.get_component("query").options == {"dtype": "bf16"}
    assert pipeline.get_component("documents").meta_fields_to_embed == ["title"]
    result = pipeline.run({"query": {"text": QUESTION}, "documents": {"documents": given}})
    scores = [np.dot(document.embedding, result["query"]["embedding"]) for document in result["documents"]["documents"]]
    assert int(np.argmin(scores)) == 1


def test_chroma(folder: str, documents: list[list[float]], query: list[float], minilm: Path, tmp_path: Path) -> None:
    import chromadb
    from bgem3.integrations.chroma import BGEM3EmbeddingFunction

    function = BGEM3EmbeddingFunction(folder, **OPTIONS)
    assert function.is_legacy() is False
    assert "model" not in vars(function), "looking at it has loaded the model"
    vectors = function(TEXTS)
    assert [(vector.dtype, vector.tolist()) for vector in vectors] == [(np.float32, values) for values in documents]
    assert [vector.tolist() for vector in function.embed_query([QUESTION])] == [query]

    client = chromadb.PersistentClient(str(tmp_path))
    collection = client.create_collection("sea", embedding_function=BGEM3EmbeddingFunction(str(minilm), threads=1))
    collection.add(ids=["a", "b", "c"], documents=TEXTS)
    assert collection.query(query_texts=[QUESTION], n_results=2)["ids"] == [["c", "a"]]
    again = client.get_collection("sea")  # with the function that the collection remembers
    assert again.query(query_texts=[QUESTION], n_results=2)["ids"] == [["c", "a"]]
    assert again.configuration["hnsw"]["space"] == "cosine"


@pytest.mark.parametrize(("name", "text"), python_blocks(frameworks=True))
def test_documentation(name: str, text: str, minilm: Path, tmp_path: Path) -> None:
    run_python(name, text, {"all-MiniLM-L6-v2": minilm}, tmp_path)
