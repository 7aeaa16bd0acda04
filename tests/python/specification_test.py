"""The specification's unit and integration examples: its import paths, names and defaults, on a model in a Hugging Face
cache whose vectors are 1024 wide.

The model is a small random one; BGEM3_SPECIFICATION_MODEL names the folder of another, such as bge-m3's own.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from make_model import ModelSpec

from modules.embedding_generation import (
    ChunkEmbedding,
    EmbeddingConfig,
    EmbeddingGenerator,
    EmbeddingGeneratorContext,
    InvalidInputError,
    ModelLoadingError,
    QualityValidationError,
    create_embedding_generator,
    safe_embedding_generation,
)
from modules.text_chunking import ChunkContext, ChunkingConfig, TextChunker

COMMIT = hashlib.sha1(b"not a published one: other files in it are refused").hexdigest()
TEXTS = [
    "Machine learning is a subset of artificial intelligence.",
    "Deep learning uses neural networks with many layers.",
    "Natural language processing deals with text and speech.",
    "Die Katze sitzt auf der Matte.",
    "深层学习是机器学习的一个分支。",
]


@pytest.fixture(scope="module", autouse=True)
def hugging_face_cache(tmp_path_factory: pytest.TempPathFactory, model_folder: Callable[[ModelSpec], Path]) -> object:
    """BAAI/bge-m3 as the Hugging Face client leaves it in its cache."""
    named = os.environ.get("BGEM3_SPECIFICATION_MODEL")
    spec = ModelSpec(layers=2, hidden=1024, heads=16, ffn=256)
    folder = Path(named) if named else model_folder(spec)
    cache = tmp_path_factory.mktemp("hub")
    repository = cache / "models--BAAI--bge-m3"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text(COMMIT)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / COMMIT).symlink_to(folder.resolve())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", str(cache))
        yield


@pytest.fixture(scope="module")
def generator() -> EmbeddingGenerator:
    return EmbeddingGenerator(EmbeddingConfig())


class TestUnit:
    def test_initialisation(self, generator: EmbeddingGenerator) -> None:
        assert generator.config.model_name == "BAAI/bge-m3"
        assert generator.config.device == "cpu"
        assert generator.MODEL_DIMENSION == 1024
        assert generator.processing_stats["total_embeddings"] >= 0

    def test_single_embedding(self, generator: EmbeddingGenerator) -> None:
        embedding = generator.generate_single_embedding("This is a test text for embedding generation.")
        assert isinstance(embedding, np.ndarray)
        assert embedding.shape == (1024,)
        assert embedding.dtype == np.float32
        assert np.linalg.norm(embedding) == pytest.approx(1.0, abs=1e-5)

    def test_batch(self, generator: EmbeddingGenerator) -> None:
        embeddings = generator.batch_process(TEXTS, batch_size=2)
        assert len(embeddings) == len(TEXTS)
        assert all(embedding.shape == (1024,) for embedding in embeddings)
        for text, embedding in zip(TEXTS, embeddings, strict=True):
            assert np.array_equal(embedding, generator.generate_single_embedding(text))

    def test_deterministic(self, generator: EmbeddingGenerator) -> None:
        first = generator.generate_single_embedding(TEXTS[0])
        second = generator.generate_single_embedding(TEXTS[0])
        np.testing.assert_array_equal(first, second)
        other = EmbeddingGenerator(EmbeddingConfig(num_threads=1, batch_size=1))
        np.testing.assert_array_equal(first, other.generate_single_embedding(TEXTS[0]))

    def test_normalisation_can_be_left_out(self) -> None:
        raw = EmbeddingGenerator(EmbeddingConfig(normalize_embeddings=False))
        unit = EmbeddingGenerator(EmbeddingConfig())
        vector = raw.generate_single_embedding(TEXTS[0])
        length = np.linalg.norm(vector)
        assert length != pytest.approx(1.0, abs=1e-3)
        np.testing.assert_allclose(vector / length, unit.generate_single_embedding(TEXTS[0]), atol=1e-6)

    def test_empty_list(self, generator: EmbeddingGenerator) -> None:
        assert generator.generate_embeddings([]) == []
        report = generator.validate_embedding_quality([])
        assert report.total_embeddings == 0
        assert report.avg_quality_score == 0.0

    def test_empty_text(self, generator: EmbeddingGenerator) -> None:
        assert generator.generate_single_embedding("").shape == (1024,)

    def test_long_text_is_cut_and_says_so(self, generator: EmbeddingGenerator) -> None:
        (chunk,) = generator.generate_embeddings(["word " * 2000])
        assert chunk.metadata.was_truncated
        assert chunk.metadata.sequence_length == 512

    def test_quality_validation(self, generator: EmbeddingGenerator) -> None:
        report = generator.validate_embedding_quality(generator.generate_embeddings(TEXTS))
        assert report.total_embeddings == len(TEXTS)
        assert report.avg_quality_score >= generator.DEFAULT_QUALITY_THRESHOLD
        assert report.dimension_consistency
        assert report.normalization_status
        assert report.performance_metrics["avg_processing_time_ms"] > 0

    def test_low_quality_is_an_error_when_asked_for(self, generator: EmbeddingGenerator) -> None:
        chunks = generator.generate_embeddings(TEXTS[:2])
        chunks[0].embedding_vector = np.zeros(1024, dtype=np.float32)
        chunks[0].metadata.quality_score = 0.0
        with pytest.raises(QualityValidationError):
            generator.validate_embedding_quality(chunks, min_quality_score=0.9)

    def test_warm_up_statistics_and_cache(self) -> None:
        generator = EmbeddingGenerator(EmbeddingConfig(warmup_iterations=1))
        generator.warm_up_model()
        assert generator._model_loaded
        generator.batch_process(TEXTS, batch_size=32)
        stats = generator.get_processing_stats()
        assert stats["total_embeddings"] == len(TEXTS)
        assert stats["average_batch_size"] == len(TEXTS)
        assert stats["avg_time_per_embedding"] == pytest.approx(stats["total_processing_time"] / len(TEXTS))
        generator.clear_cache()
        assert not generator._model_loaded
        assert generator.generate_single_embedding("again").shape == (1024,)

    def test_wrong_model_and_device(self) -> None:
        with pytest.raises(ModelLoadingError):
            EmbeddingGenerator(EmbeddingConfig(model_name="nobody/nothing")).warm_up_model()
        with pytest.raises(InvalidInputError, match="cuda"):
            EmbeddingGenerator(EmbeddingConfig(device="cuda"))

    def test_factory(self) -> None:
        generator = create_embedding_generator({"batch_size": 16, "max_sequence_length": 256})
        assert generator.config.batch_size == 16
        assert generator.config.max_sequence_length == 256

    def test_context(self) -> None:
        with EmbeddingGeneratorContext(EmbeddingConfig()) as generator:
            assert generator.generate_single_embedding("text").shape == (1024,)
        assert not generator._model_loaded

    def test_safe_generation(self, generator: EmbeddingGenerator) -> None:
        embeddings = safe_embedding_generation(generator, [TEXTS[0], "broken \ud800", TEXTS[1]])
        assert [embedding.any() for embedding in embeddings] == [True, False, True]


class TestIntegration:
    def test_metadata_of_chunks(self, generator: EmbeddingGenerator) -> None:
        chunks = generator.generate_embeddings(TEXTS)
        assert all(isinstance(chunk, ChunkEmbedding) for chunk in chunks)
        for text, chunk in zip(TEXTS, chunks, strict=True):
            assert chunk.text_content == text
            assert chunk.chunk_id == hashlib.md5(text.encode()).hexdigest()[:16]
            assert chunk.metadata.embedding_hash == hashlib.sha256(chunk.embedding_vector.tobytes()).hexdigest()[:16]
            assert chunk.metadata.model_version.startswith(f"BAAI/bge-m3@{COMMIT[:12]} float32")

    def test_document_to_vectors(self, generator: EmbeddingGenerator) -> None:
        document = "# Learning\n\n" + " ".join(f"Sentence number {i} is about learning." for i in range(200))
        chunks = TextChunker(ChunkingConfig()).chunk_text(document, ChunkContext(document_id="d-1", title="Learning"))
        embeddings = generator.generate_embeddings(chunks)
        assert len(embeddings) == len(chunks) > 1
        for chunk, embedding in zip(chunks, embeddings, strict=True):
            assert embedding.chunk_id == chunk.text_chunk.metadata.chunk_id
            assert embedding.text_content == chunk.text_chunk.content
            assert not embedding.metadata.was_truncated
            assert embedding.chunk_metadata["document_metadata"]["document_id"] == "d-1"
        assert generator.validate_embedding_quality(embeddings).dimension_consistency

    def test_many_threads(self, generator: EmbeddingGenerator) -> None:
        expected = [generator.generate_single_embedding(text) for text in TEXTS]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for _ in range(3):
                for one, other in zip(pool.map(generator.generate_single_embedding, TEXTS), expected, strict=True):
                    np.testing.assert_array_equal(one, other)

    def test_large_batch(self, generator: EmbeddingGenerator) -> None:
        texts = [f"This is test text number {i} for the batch." for i in range(100)]
        chunks = generator.generate_embeddings(texts)
        assert len(chunks) == 100
        assert len({chunk.metadata.embedding_hash for chunk in chunks}) == 100
        assert generator.validate_embedding_quality(chunks).dimension_consistency
