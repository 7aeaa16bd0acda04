"""Text embeddings on CPUs, exact and fast: BAAI/bge-m3 and the BERT sentence encoders. Start at Embedder."""

from bgem3.embedder import Embedder, EmbeddingWarning
from bgem3.errors import (
    EmbeddingGenerationError,
    InferenceError,
    InvalidInputError,
    ModelLoadingError,
    QualityValidationError,
    ResourceLimitError,
)
from bgem3.flag_model import BGEM3FlagModel
from bgem3.results import EmbedResult, Encoding, MultiVectors, SpanResult, SparseVectors
from bgem3.sentence_transformer import SentenceTransformer

__all__ = [
    "BGEM3FlagModel",
    "EmbedResult",
    "Embedder",
    "EmbeddingGenerationError",
    "EmbeddingWarning",
    "Encoding",
    "InferenceError",
    "InvalidInputError",
    "ModelLoadingError",
    "MultiVectors",
    "QualityValidationError",
    "ResourceLimitError",
    "SentenceTransformer",
    "SpanResult",
    "SparseVectors",
]
