"""LangChain: BGEM3Embeddings, to give to a vector store. Needs langchain-core."""

from __future__ import annotations

from typing import Any

from langchain_core.embeddings import Embeddings

from bgem3.sentence_transformer import SentenceTransformer


class BGEM3Embeddings(Embeddings):
    """A loaded model. Any number of threads may use it; the async methods run on threads and leave Python free."""

    model: SentenceTransformer

    def __init__(self, model_name: str = "BAAI/bge-m3", **options: Any) -> None:
        self.model = SentenceTransformer(model_name, **options)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text."""
        vectors: list[list[float]] = self.model.encode_document(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        vector: list[float] = self.model.encode_query(text).tolist()
        return vector
