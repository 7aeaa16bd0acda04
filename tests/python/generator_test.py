"""bgem3.embedding_generation: the surface, what chunks may be, failures, events, quality, sharing."""

from __future__ import annotations

import copy
import dataclasses
import gc
import hashlib
import logging
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bgem3 import Embedder, InferenceError, InvalidInputError, ModelLoadingError, ResourceLimitError
from bgem3.embedding_generation import (
    ChunkEmbedding,
    EmbeddingConfig,
    EmbeddingGenerationError,
    EmbeddingGenerator,
    EmbeddingGeneratorContext,
    EmbeddingMetadata,
    QualityReport,
    QualityValidationError,
    TextFailure,
    create_embedding_generator,
    safe_embedding_generation,
)
from hypothesis import given
from hypothesis import strategies as st

TEXTS = ["The sea is deep and wide.", "Bread is baked every morning.", "größer 深い海 is a mixed text", "a " * 300]
BAD = "lone \ud800 surrogate"


@pytest.fixture(scope="module")
def config(tiny: Path) -> EmbeddingConfig:
    return EmbeddingConfig(model_name=str(tiny), num_threads=1)


@pytest.fixture
def generator(config: EmbeddingConfig) -> EmbeddingGenerator:
    return EmbeddingGenerator(config)


def changed(config: EmbeddingConfig, **fields: Any) -> EmbeddingConfig:
    return dataclasses.replace(config, **fields)


class Kind(Enum):
    PARAGRAPH = "paragraph"


def document_chunk(text: str, chunk_id: str = "c-1") -> SimpleNamespace:
    metadata = SimpleNamespace(chunk_id=chunk_id, token_count=7, chunk_type=Kind.PARAGRAPH)
    return SimpleNamespace(
        text_chunk=SimpleNamespace(content=text, metadata=metadata), document_metadata={"title": "The sea"}
    )


def test_fields_and_defaults_are_the_specified_ones() -> None:
    specified = {
        "model_name": "BAAI/bge-m3",
        "batch_size": 32,
        "max_sequence_length": 512,
        "normalize_embeddings": True,
        "device": "cpu",
        "cache_model": True,
        "cache_embeddings": False,
        "max_memory_gb": 4.0,
        "num_threads": 4,
        "deterministic": True,
        "warmup_iterations": 3,
    }
    fields = dataclasses.fields(EmbeddingConfig)
    assert [(field.name, field.default) for field in fields[: len(specified)]] == list(specified.items())
    assert all(field.kw_only for field in fields[len(specified) :])
    assert not any(field.kw_only for field in fields[: len(specified)])
    assert [field.name for field in dataclasses.fields(EmbeddingMetadata)] == (
        "chunk_id embedding_hash model_version generation_timestamp processing_time_ms sequence_length was_truncated "
        "quality_score error"
    ).split()
    assert [field.name for field in dataclasses.fields(ChunkEmbedding)] == (
        "chunk_id text_content embedding_vector metadata chunk_metadata"
    ).split()
    assert [field.name for field in dataclasses.fields(QualityReport)][:7] == (
        "total_embeddings avg_quality_score dimension_consistency normalization_status outlier_count processing_issues "
        "performance_metrics"
    ).split()
    assert EmbeddingGenerator.DEFAULT_QUALITY_THRESHOLD == 0.8
    assert EmbeddingGenerator.MODEL_DIMENSION == 1024


def test_defaults_are_those_of_cpp(config: EmbeddingConfig) -> None:
    """The C++ library refuses what it cannot use: every default but the model's name passes its check."""
    assert (
        EmbeddingGenerator(EmbeddingConfig(model_name=config.model_name)).get_processing_stats()["dtype"] == "float32"
    )


def test_vectors_are_those_of_the_embedder(generator: EmbeddingGenerator, tiny: Path) -> None:
    expected = Embedder(tiny).encode(TEXTS, max_tokens=512)
    generated = generator.generate_embeddings(TEXTS)
    assert np.stack([chunk.embedding_vector for chunk in generated]).tobytes() == expected.tobytes()
    assert np.stack(generator.batch_process(TEXTS, batch_size=3)).tobytes() == expected.tobytes()
    assert generator.generate_single_embedding(TEXTS[0]).tobytes() == expected[0].tobytes()
    assert generator.generate_single_embedding(TEXTS[0]).shape == (generator.MODEL_DIMENSION,)
    assert np.stack(safe_embedding_generation(generator, TEXTS)).tobytes() == expected.tobytes()
    assert generator.generate_embeddings([]) == []
    assert generator.batch_process([]) == []
    assert generated[0].embedding_vector.dtype == np.float32
    assert not generated[0].embedding_vector.flags.owndata


def test_metadata(generator: EmbeddingGenerator, tiny: Path) -> None:
    before = datetime.now(timezone.utc)
    chunks = generator.generate_embeddings([document_chunk(TEXTS[0]), SimpleNamespace(content=TEXTS[1]), "word " * 600])
    after = datetime.now(timezone.utc)
    tokens = generator.model.embed([TEXTS[0], TEXTS[1], "word " * 600], max_tokens=512)
    for i, chunk in enumerate(chunks):
        metadata = chunk.metadata
        assert metadata.chunk_id == chunk.chunk_id
        assert metadata.embedding_hash == hashlib.sha256(chunk.embedding_vector.tobytes()).hexdigest()[:16]
        assert str(tiny) in metadata.model_version
        assert before <= metadata.generation_timestamp + timedelta(milliseconds=1)
        assert metadata.generation_timestamp <= after
        assert metadata.processing_time_ms > 0
        assert metadata.sequence_length == tokens.tokens[i]
        assert metadata.was_truncated == tokens.truncated[i]
        assert 0 < metadata.quality_score <= 1
        assert metadata.error == ""
    assert chunks[2].metadata.was_truncated
    assert chunks[0].chunk_id == "c-1"
    assert chunks[0].chunk_metadata == {
        "token_count": 7,
        "chunk_type": "paragraph",
        "document_metadata": {"title": "The sea"},
    }
    assert chunks[1].chunk_id == hashlib.md5(TEXTS[1].encode()).hexdigest()[:16]
    assert chunks[1].chunk_metadata == {}
    assert chunks[1].text_content == TEXTS[1]


def test_chunks_may_be_mixed_and_generated(generator: EmbeddingGenerator) -> None:
    mixed = (chunk for chunk in [TEXTS[0], SimpleNamespace(content=TEXTS[1]), document_chunk(TEXTS[2])])
    assert [chunk.text_content for chunk in generator.generate_embeddings(mixed)] == TEXTS[:3]


@pytest.mark.parametrize("chunks", ["a lone text", b"bytes", 7, {"a": "b"}, None])
def test_what_is_not_several_chunks_is_refused(generator: EmbeddingGenerator, chunks: Any) -> None:
    with pytest.raises(InvalidInputError, match="expected several of them, in an order"):
        generator.generate_embeddings(chunks)
    with pytest.raises(InvalidInputError, match="expected several of them, in an order"):
        generator.batch_process(chunks)


def test_what_is_no_chunk_is_named(generator: EmbeddingGenerator) -> None:
    with pytest.raises(InvalidInputError, match=r"chunks\[1\]: a NoneType") as raised:
        generator.generate_embeddings(["a", None])
    assert raised.value.index == 1
    with pytest.raises(InvalidInputError, match=r"texts\[1\]: a int, expected a str"):
        generator.batch_process(["a", 1])  # type: ignore[list-item]


def test_a_failed_text_is_a_zero_vector_and_its_neighbours_are_kept(
    generator: EmbeddingGenerator, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "bgem3.embedding_generation"):
        good, bad, other = generator.generate_embeddings([TEXTS[0], BAD, TEXTS[1]])
    assert not bad.embedding_vector.any()
    assert bad.embedding_vector.dtype == np.float32
    assert bad.metadata.quality_score == 0
    assert "UTF-8" in bad.metadata.error
    assert good.metadata.error == other.metadata.error == ""
    assert good.embedding_vector.tobytes() == generator.generate_single_embedding(TEXTS[0]).tobytes()
    assert [(record.event, record.fields["index"]) for record in caplog.records] == [("text_failed", 1)]  # type: ignore[attr-defined]
    report = generator.validate_embedding_quality([good, bad, other])
    assert any("UTF-8" in issue for issue in report.processing_issues)
    assert [issue.index for issue in report.issues if issue.kind == "failed"] == [1]

    vectors = generator.batch_process([BAD, TEXTS[0], BAD])
    assert [vector.any() for vector in vectors] == [False, True, False]
    failures = generator.last_failures
    assert [(failure.index, failure.code) for failure in failures] == [(0, "invalid_input"), (2, "invalid_input")]
    assert isinstance(failures[0], TextFailure)
    generator.batch_process([TEXTS[0]])
    assert generator.last_failures == []


def test_on_error_raise(config: EmbeddingConfig) -> None:
    generator = EmbeddingGenerator(changed(config, on_error="raise"))
    with pytest.raises(InferenceError, match=r"text 1: .*UTF-8"):
        generator.generate_embeddings([TEXTS[0], BAD])
    with pytest.raises(EmbeddingGenerationError):
        generator.batch_process([BAD])
    assert [vector.any() for vector in safe_embedding_generation(generator, [BAD, TEXTS[0]])] == [False, True]


def test_limits_are_named_with_both_numbers(config: EmbeddingConfig) -> None:
    with pytest.raises(ResourceLimitError, match=r"max_texts_per_call: 3 texts, at most 2"):
        EmbeddingGenerator(changed(config, max_texts_per_call=2)).batch_process(TEXTS[:3])
    with pytest.raises(ResourceLimitError, match=r"max_total_tokens.*at most 5"):
        EmbeddingGenerator(changed(config, max_total_tokens=5)).batch_process(TEXTS)
    generator = EmbeddingGenerator(changed(config, max_text_bytes=50))
    generator.batch_process(TEXTS)
    assert [(failure.index, failure.code) for failure in generator.last_failures] == [(3, "overloaded")]
    with pytest.raises(ResourceLimitError, match=r"needs \d+"):
        EmbeddingGenerator(changed(config, max_memory_gb=0.001)).batch_process(TEXTS)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"batch_size": 0}, "batch_size: 0"),
        ({"batch_size": "8"}, "batch_size: '8', expected a int"),
        ({"batch_size": True}, "batch_size: True, expected a int"),
        ({"max_sequence_length": -1}, "max_sequence_length: -1"),
        ({"device": "cuda"}, 'device: "cuda", expected "cpu"'),
        ({"normalize_embeddings": 1}, "normalize_embeddings: 1, expected a bool"),
        ({"dtype": "float16"}, "float16"),
        ({"max_memory_gb": float("nan")}, "max_memory_gb: nan"),
        ({"on_error": "ignore"}, "on_error: 'ignore', expected 'zero' or 'raise'"),
        ({"model_name": None}, "model_name: None, expected a str"),
    ],
)
def test_a_wrong_value_is_named(config: EmbeddingConfig, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        EmbeddingGenerator(changed(config, **fields))


def test_an_int_is_a_float(config: EmbeddingConfig) -> None:
    assert EmbeddingGenerator(changed(config, max_memory_gb=4)).batch_process(["a"])[0].any()


def test_create_embedding_generator(config: EmbeddingConfig) -> None:
    generator = create_embedding_generator({"model_name": config.model_name, "batch_size": 8})
    assert generator.config == EmbeddingConfig(model_name=config.model_name, batch_size=8)
    with pytest.raises(InvalidInputError, match=r"unknown field 'batchsize'; the nearest is 'batch_size'"):
        create_embedding_generator({"batchsize": 8})
    with pytest.raises(InvalidInputError, match="a dict, expected an EmbeddingConfig"):
        EmbeddingGenerator({"batch_size": 8})  # type: ignore[arg-type]


def test_a_missing_model_is_a_model_loading_error() -> None:
    generator = EmbeddingGenerator(EmbeddingConfig(model_name="nobody/has-this-model"))
    with pytest.raises(ModelLoadingError, match="nobody/has-this-model"):
        generator.generate_embeddings(["a"])
    with pytest.raises(ModelLoadingError):
        safe_embedding_generation(generator, ["a"])


def test_statistics(generator: EmbeddingGenerator) -> None:
    assert generator.processing_stats["total_embeddings"] == 0
    generator.batch_process([*TEXTS, BAD], batch_size=2)
    stats = generator.get_processing_stats()
    assert list(stats)[:5] == [
        "total_embeddings",
        "total_processing_time",
        "average_batch_size",
        "memory_usage_peak",
        "avg_time_per_embedding",
    ]
    assert stats["total_embeddings"] == 5
    assert stats["average_batch_size"] == 5 / 3
    assert stats["failed"] == 1
    assert stats["tokens"] > 300
    assert stats["total_processing_time"] > 0
    assert 0.01 < stats["memory_usage_peak"] < 100
    assert stats["threads"] == 1


def test_quality_report(generator: EmbeddingGenerator) -> None:
    chunks = generator.generate_embeddings(TEXTS)
    report = generator.validate_embedding_quality(chunks)
    assert report.total_embeddings == len(TEXTS)
    assert report.dimension_consistency
    assert report.normalization_status
    assert set(report.performance_metrics) == {
        "avg_processing_time_ms",
        "median_processing_time_ms",
        "max_processing_time_ms",
        "total_processing_time_s",
    }
    assert report.avg_quality_score == pytest.approx(np.mean([chunk.metadata.quality_score for chunk in chunks]))
    with pytest.raises(QualityValidationError, match="min_quality_score"):
        generator.validate_embedding_quality(generator.generate_embeddings([BAD]), min_quality_score=0.8)
    with pytest.raises(InvalidInputError, match="min_quality_score"):
        generator.validate_embedding_quality(chunks, min_quality_score=2)
    empty = generator.validate_embedding_quality([])
    assert empty.total_embeddings == 0
    assert empty.processing_issues


@given(st.lists(st.lists(st.floats(width=32), max_size=5), max_size=6))
def test_quality_never_fails_because_of_the_vectors(config: EmbeddingConfig, vectors: list[list[float]]) -> None:
    generator = EmbeddingGenerator(config)
    about = EmbeddingMetadata("c", "h", "v", datetime.now(timezone.utc), 1.0, 3, False, 0.5)
    chunks = [ChunkEmbedding("c", f"text {i}", np.array(v), about, {}) for i, v in enumerate(vectors)]
    report = generator.validate_embedding_quality(chunks)
    assert report.total_embeddings == len(vectors)
    assert report.dimension_consistency == (len({len(v) for v in vectors}) == 1)
    assert report.outlier_count >= sum(not np.isfinite(v).all() for v in vectors)


def test_results_compare_copy_and_pickle(generator: EmbeddingGenerator) -> None:
    one, two = generator.generate_embeddings(TEXTS[:2])
    assert one == copy.deepcopy(one) == pickle.loads(pickle.dumps(one))
    assert one != two
    assert one != dataclasses.replace(one, embedding_vector=two.embedding_vector)
    assert one != dataclasses.replace(one, chunk_metadata={"a": 1})
    assert one != "a str"
    config = generator.config
    assert config == copy.copy(config) == pickle.loads(pickle.dumps(config))


def test_the_model_is_loaded_when_it_is_needed(config: EmbeddingConfig, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "bgem3.embedding_generation"):
        generator = EmbeddingGenerator(config)
        assert not generator._model_loaded
        assert generator.MODEL_DIMENSION == 1024
        generator.warm_up_model()
        assert generator._model_loaded
        assert generator.MODEL_DIMENSION == 48
        assert isinstance(generator.model, Embedder)
        assert generator.model is generator.model
        generator.clear_cache()
        assert not generator._model_loaded
        generator.batch_process(["a"])
        assert generator._model_loaded
    events = [record.event for record in caplog.records]
    assert events.count("model_loaded") == 2
    assert {"model_warmed_up", "cache_cleared", "batch_completed", "call_completed"} <= set(events)
    assert generator.logger is logging.getLogger("bgem3.embedding_generation")


def test_generators_share_a_model(config: EmbeddingConfig) -> None:
    one, two = EmbeddingGenerator(config), EmbeddingGenerator(config)
    own = EmbeddingGenerator(changed(config, cache_model=False))
    assert one.model._opened is two.model._opened
    assert one.model._opened is not own.model._opened


def test_garbage_collection_gives_the_model_up(tiny: Path) -> None:
    """Mapped weights: gone from the process's address space with the last generator."""
    config = EmbeddingConfig(model_name=str(tiny), num_threads=1, max_memory_gb=3.5)
    maps = Path("/proc/self/maps")

    def mappings() -> int:
        return maps.read_text().count("bgem3-packed-")

    gc.collect()
    before = mappings()
    generator = EmbeddingGenerator(config)
    generator.batch_process(["a"])
    assert generator.model.info.packed.path
    assert mappings() > before
    del generator
    assert mappings() == before


def test_context(config: EmbeddingConfig) -> None:
    with EmbeddingGeneratorContext(config) as generator:
        assert generator.batch_process(["a"])[0].any()
        assert generator._model_loaded
    assert not generator._model_loaded
    with pytest.raises(ModelLoadingError), EmbeddingGeneratorContext(EmbeddingConfig(model_name="nobody/x")) as failing:
        failing.batch_process(["a"])


def test_a_handler_of_the_log_may_use_the_generator(generator: EmbeddingGenerator) -> None:
    seen: list[int] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(generator.get_processing_stats()["total_embeddings"])
            generator.model.encode("a")

    handler = Handler()
    generator.logger.addHandler(handler)
    generator.logger.setLevel(logging.DEBUG)
    try:
        generator.batch_process(TEXTS)
    finally:
        generator.logger.removeHandler(handler)
        generator.logger.setLevel(logging.NOTSET)
    assert seen


def test_threads_share_a_generator(config: EmbeddingConfig) -> None:
    generator = EmbeddingGenerator(config)
    expected = [vector.tobytes() for vector in generator.batch_process(TEXTS)]
    results: list[list[bytes]] = []

    def work() -> None:
        for _ in range(10):
            results.append([chunk.embedding_vector.tobytes() for chunk in generator.generate_embeddings(TEXTS)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 40


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("method", ["generate_embeddings", "batch_process"])
def test_ctrl_c_stops_a_call(config: EmbeddingConfig, method: str, caplog: pytest.LogCaptureFixture) -> None:
    generator = EmbeddingGenerator(config)
    generator.warm_up_model()
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))

    def start_once(record: logging.LogRecord) -> bool:
        if record.event == "batch_completed" and timer.ident is None:  # type: ignore[attr-defined]
            timer.start()
        return True

    generator.logger.addFilter(start_once)
    try:
        with caplog.at_level(logging.DEBUG), pytest.raises(KeyboardInterrupt):
            getattr(generator, method)([f"{i} " + "a b c d " * 60 for i in range(20_000)])
    finally:
        generator.logger.removeFilter(start_once)
    timer.join()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert generator.batch_process(["a"])[0].any()


def test_progress(config: EmbeddingConfig, capsys: pytest.CaptureFixture[str]) -> None:
    EmbeddingGenerator(changed(config, show_progress=True)).batch_process(TEXTS)
    assert "bgem3: 4/4 texts" in capsys.readouterr().err
    EmbeddingGenerator(config).batch_process(TEXTS)
    assert not capsys.readouterr().err


def process_all(generator: EmbeddingGenerator) -> list[bytes]:
    return [vector.tobytes() for vector in generator.batch_process(TEXTS)]


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_multiprocessing(config: EmbeddingConfig, method: str) -> None:
    generator = EmbeddingGenerator(config)
    expected = process_all(generator)
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map_async(process_all, [generator] * 4).get(120) == [expected] * 4


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_loads_the_model_again(generator: EmbeddingGenerator) -> None:
    expected = process_all(generator)
    process = multiprocessing.get_context("fork").Process(target=check_in_fork, args=(generator, expected))
    process.start()
    process.join(120)
    assert process.exitcode == 0


def check_in_fork(generator: EmbeddingGenerator, expected: list[bytes]) -> None:
    assert process_all(generator) == expected
    assert generator.model.encode(TEXTS[0]).tobytes() == expected[0]


@pytest.fixture(autouse=True)
def _import_paths(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.syspath_prepend(request.config.rootpath)


def test_the_specifications_import_path() -> None:
    modules: Callable[[str], Any] = __import__
    module = modules("modules.embedding_generation").embedding_generation
    assert module.EmbeddingGenerator is EmbeddingGenerator
    assert module.create_embedding_generator is create_embedding_generator
