"""LlamaIndex: BGEM3Embedding, to give to an index or to Settings.embed_model. Needs llama-index-core."""

from __future__ import annotations

import asyncio
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr

from bgem3.sentence_transformer import SentenceTransformer


class BGEM3Embedding(BaseEmbedding):
    """A loaded model. Any number of threads may use it; the async methods run on threads and leave Python free."""

    embed_batch_size: int = Field(default=512, description="Texts of one call of the engine.", gt=0, le=2048)
    options: dict[str, Any] = Field(default_factory=dict, description="Arguments of bgem3.SentenceTransformer.")
    _model: SentenceTransformer = PrivateAttr()

    def __init__(self, model_name: str = "BAAI/bge-m3", **fields: Any) -> None:
        super().__init__(model_name=model_name, **fields)
        self._model = SentenceTransformer(self.model_name, **self.options)

    @classmethod
    def class_name(cls) -> str:
        return "BGEM3Embedding"

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._model.encode_document(texts).tolist()
        return vectors

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        vector: list[float] = self._model.encode_query(query).tolist()
        return vector

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)
