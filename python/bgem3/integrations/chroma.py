"""Chroma: BGEM3EmbeddingFunction, to give to a collection. Needs chromadb.

A collection remembers it, with its options: import this module before opening the collection again.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from chromadb.api.types import Documents, EmbeddingFunction, Embeddings, Space
from chromadb.utils.embedding_functions import register_embedding_function

from bgem3.sentence_transformer import SentenceTransformer


@register_embedding_function
class BGEM3EmbeddingFunction(EmbeddingFunction[Documents]):
    """A model, loaded by the first call: Chroma makes objects just to look at them."""

    def __init__(self, model_name: str = "BAAI/bge-m3", **options: Any) -> None:
        self.model_name = model_name
        self.options = options

    @cached_property
    def model(self) -> SentenceTransformer:
        """The loaded model."""
        return SentenceTransformer(self.model_name, **self.options)

    def __call__(self, input: Documents) -> Embeddings:
        """A float32 vector for each document."""
        return list(self.model.encode_document(input))

    def embed_query(self, input: Documents) -> Embeddings:
        """A float32 vector for each query."""
        return list(self.model.encode_query(input))

    @staticmethod
    def name() -> str:
        return "bgem3"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> BGEM3EmbeddingFunction:
        return BGEM3EmbeddingFunction(config["model_name"], **config["options"])

    def get_config(self) -> dict[str, Any]:
        return {"model_name": self.model_name, "options": self.options}

    def default_space(self) -> Space:
        return "cosine"

    def supported_spaces(self) -> list[Space]:
        return ["cosine", "l2", "ip"]
