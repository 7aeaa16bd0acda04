"""Haystack: BGEM3TextEmbedder for queries, BGEM3DocumentEmbedder for documents. Needs haystack-ai."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict

from bgem3.sentence_transformer import SentenceTransformer


@component
class BGEM3TextEmbedder:
    """The vector of a query. The model is loaded by warm_up(), which a pipeline calls, or by the first run()."""

    def __init__(self, model: str = "BAAI/bge-m3", options: dict[str, Any] | None = None) -> None:
        """
        Args:
            model: a folder, or a name in the Hugging Face cache.
            options: arguments of SentenceTransformer.
        """
        self.model = model
        self.options = options
        self._model: SentenceTransformer | None = None

    def warm_up(self) -> None:
        """Loads the model, once."""
        if self._model is None:
            self._model = SentenceTransformer(self.model, **(self.options or {}))

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, list[float]]:
        """{"embedding": the vector}."""
        self.warm_up()
        assert self._model is not None
        return {"embedding": self._model.encode_query(text).tolist()}

    def to_dict(self) -> dict[str, Any]:
        """For from_dict()."""
        data: dict[str, Any] = default_to_dict(self, model=self.model, options=self.options)
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> BGEM3TextEmbedder:
        """The component of which to_dict() is."""
        made: BGEM3TextEmbedder = default_from_dict(cls, data)
        return made


@component
class BGEM3DocumentEmbedder:
    """Documents with their vectors. The model is loaded by warm_up(), which a pipeline calls, or by the first run()."""

    def __init__(
        self,
        model: str = "BAAI/bge-m3",
        options: dict[str, Any] | None = None,
        meta_fields_to_embed: list[str] | None = None,
        embedding_separator: str = "\n",
    ) -> None:
        """
        Args:
            model: a folder, or a name in the Hugging Face cache.
            options: arguments of SentenceTransformer.
            meta_fields_to_embed: names of metadata that are embedded in front of the content.
            embedding_separator: between those.
        """
        self.model = model
        self.options = options
        self.meta_fields_to_embed = meta_fields_to_embed or []
        self.embedding_separator = embedding_separator
        self._model: SentenceTransformer | None = None

    def warm_up(self) -> None:
        """Loads the model, once."""
        if self._model is None:
            self._model = SentenceTransformer(self.model, **(self.options or {}))

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, list[Document]]:
        """{"documents": copies of the documents, with `embedding` filled}."""
        self.warm_up()
        assert self._model is not None
        vectors = self._model.encode_document([self._text(document) for document in documents]).tolist()
        pairs = zip(documents, vectors, strict=True)
        return {"documents": [replace(document, embedding=vector) for document, vector in pairs]}

    def to_dict(self) -> dict[str, Any]:
        """For from_dict()."""
        data: dict[str, Any] = default_to_dict(
            self,
            model=self.model,
            options=self.options,
            meta_fields_to_embed=self.meta_fields_to_embed,
            embedding_separator=self.embedding_separator,
        )
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> BGEM3DocumentEmbedder:
        """The component of which to_dict() is."""
        made: BGEM3DocumentEmbedder = default_from_dict(cls, data)
        return made

    def _text(self, document: Document) -> str:
        fields = [str(document.meta[name]) for name in self.meta_fields_to_embed if document.meta.get(name) is not None]
        return self.embedding_separator.join([*fields, document.content or ""])
