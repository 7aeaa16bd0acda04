"""The C++ library, for the package bgem3 alone. Use bgem3.Embedder."""

from collections.abc import Callable, Sequence
from typing import Annotated

import numpy
from numpy.typing import NDArray


class ModelConfig:
    """Sizes and rules of an encoder, as its files state them."""

    @property
    def model_type(self) -> str:
        """'xlm-roberta' or 'bert'."""

    @property
    def hidden(self) -> int:
        """Width of a vector."""

    @property
    def layers(self) -> int: ...

    @property
    def heads(self) -> int: ...

    @property
    def ffn(self) -> int:
        """Inner width of the feed-forward block."""

    @property
    def vocab(self) -> int:
        """Rows of the word embedding table."""

    @property
    def pad_id(self) -> int:
        """Id of the padding token."""

    @property
    def max_tokens(self) -> int:
        """Longest text in tokens, template tokens included."""

    @property
    def pooling(self) -> str:
        """'cls' or 'mean'."""

    @property
    def normalize(self) -> bool:
        """The model's own last step scales vectors to length one."""

class ModelFile:
    """One file of a model."""

    @property
    def name(self) -> str:
        """Relative to the model's folder."""

    @property
    def path(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...

    @property
    def sha256(self) -> str:
        """Lower-case hexadecimal; empty unless hash_files was asked for."""

    @property
    def verified(self) -> str:
        """Against what: 'published', 'blob name', or empty: nothing."""

class PackedCacheFile:
    """The file of weights in kernel order that starts map."""

    @property
    def path(self) -> str:
        """Empty without a cache folder."""

    @property
    def size_bytes(self) -> int: ...

    @property
    def state(self) -> str:
        """'present', 'built', 'none', 'absent' or 'damaged'."""

class ModelInfo:
    """What was read and decided when a model was opened."""

    @property
    def name(self) -> str:
        """As the caller named it."""

    @property
    def folder(self) -> str:
        """Where its files are."""

    @property
    def revision(self) -> str:
        """Commit of a Hugging Face cache snapshot; empty for a plain folder."""

    @property
    def config(self) -> ModelConfig: ...

    @property
    def outputs(self) -> list[str]:
        """Those that the model has: 'dense', 'sparse', 'multi'."""

    @property
    def weights_format(self) -> str:
        """'safetensors' or 'pytorch'."""

    @property
    def tokenizer(self) -> str:
        """'unigram' or 'wordpiece'."""

    @property
    def prompts(self) -> dict[str, str]:
        """Name to text."""

    @property
    def default_prompt(self) -> str:
        """Name of the prompt that the model asks for; or empty."""

    @property
    def files(self) -> list[ModelFile]:
        """Those that were read."""

    @property
    def verification(self) -> str:
        """Of all files: 'published', 'blob names' or 'unverified'."""

    @property
    def dtype(self) -> str:
        """'f32', 'bf16' or 'int8'."""

    @property
    def isa(self) -> str:
        """Instruction set in use."""

    @property
    def isas_present(self) -> list[str]:
        """Those this machine could use, slowest first."""

    @property
    def threads(self) -> int:
        """In use."""

    @property
    def threads_reason(self) -> str:
        """Why so many."""

    @property
    def packed(self) -> PackedCacheFile: ...

    @property
    def notices(self) -> list[str]:
        """What the user may want to know, one line each."""

    def __repr__(self) -> str: ...

class StopSource:
    """Cancels the calls it is given to, from any thread."""

    def __init__(self) -> None: ...

    def request_stop(self) -> bool: ...

class Outputs:
    """Which outputs a call computes."""

    def __init__(self, *, dense: bool, sparse: bool, multi: bool) -> None: ...

class Embedder:
    @staticmethod
    def open(model: str, *, dtype: str, isa: str, threads: int, pass_tokens: int, max_memory_bytes: int, packed_cache: bool, cache_dir: str, hash_files: bool) -> Embedder: ...

    @property
    def info(self) -> ModelInfo: ...

    def embed(self, texts: tuple[str, ...], *, outputs: Outputs, max_tokens: int, long_text: str, pooling: str | None, normalize: bool | None, prompt: str, truncate_dim: int, special_tokens_in_text: str, invalid_utf8: str, progress: object | None, stop: StopSource) -> tuple[Annotated[NDArray[numpy.float32], dict(shape=(None, None))] | None, tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,))], Annotated[NDArray[numpy.uint32], dict(shape=(None,))], Annotated[NDArray[numpy.float32], dict(shape=(None,))]] | None, tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,))], Annotated[NDArray[numpy.float32], dict(shape=(None, None))]] | None, Annotated[NDArray[numpy.int64], dict(shape=(None,))], Annotated[NDArray[numpy.bool_], dict(shape=(None,))], Annotated[NDArray[numpy.int64], dict(shape=(None,))], Annotated[NDArray[numpy.int64], dict(shape=(None,))], list[tuple[int, str, str]]]: ...

    def embed_spans(self, document: str, spans: Sequence[tuple[int, int]], *, max_tokens: int, normalize: bool | None, prompt: str, truncate_dim: int, special_tokens_in_text: str, invalid_utf8: str) -> tuple[Annotated[NDArray[numpy.float32], dict(shape=(None, None))], Annotated[NDArray[numpy.int64], dict(shape=(None,))], list[tuple[int, str, str]]]: ...

    def tokenize(self, texts: tuple[str, ...], *, max_tokens: int = 0, add_special_tokens: bool = True, special_tokens_in_text: str = 'match', invalid_utf8: str = 'error') -> list[tuple[list[int], list[str], list[tuple[int, int]], bool, int]]: ...

    def decode(self, ids: Sequence[int], skip_special_tokens: bool) -> str: ...

class EmbeddingGenerator:
    def __init__(self, config: object, on_event: Callable[[str, str, str, dict[str, object]], None]) -> None: ...

    def generate_embeddings(self, texts: tuple[str, ...], chunk_ids: Sequence[str], progress: object | None) -> tuple[Annotated[NDArray[numpy.float32], dict(shape=(None, None))], list[tuple[str, str, str, float, float, int, bool, float, str]]]: ...

    def batch_process(self, texts: tuple[str, ...], batch_size: int, progress: object | None) -> Annotated[NDArray[numpy.float32], dict(shape=(None, None))]: ...

    def safe_process(self, texts: tuple[str, ...], progress: object | None) -> Annotated[NDArray[numpy.float32], dict(shape=(None, None))]: ...

    def validate_embedding_quality(self, vectors: Sequence[Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)]], texts: tuple[str, ...], quality_scores: Sequence[float], processing_times_ms: Sequence[float], errors: Sequence[str], min_quality_score: float | None) -> tuple[int, float, bool, bool, int, list[str], dict[str, float], list[tuple[str, int | None, float, str]]]: ...

    def warm_up_model(self) -> None: ...

    def get_processing_stats(self) -> dict[str, object]: ...

    def clear_cache(self) -> None: ...

    def last_failures(self) -> list[tuple[int, str, str]]: ...

    def model(self) -> Embedder: ...

    @property
    def model_loaded(self) -> bool: ...

    @property
    def dimensions(self) -> int: ...

class TextChunker:
    @staticmethod
    def open(target_chunk_size: int, min_chunk_size: int, max_chunk_size: int, overlap: int, unit: str, model_name: str, prompt: str, special_tokens_in_text: str) -> TextChunker: ...

    def chunk_text(self, text: str, document_id: str | None) -> list[tuple[str, int, str, int, int, int, int, int, list[str]]]: ...

class MaxSim:
    def __init__(self, threads: int, isa: str) -> None: ...

    def scores(self, query: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], starts: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], passages: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], zero_rows_to: int) -> Annotated[NDArray[numpy.float32], dict(shape=(None,))]: ...

def max_sim(query: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], passage: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], zero_rows_to: int) -> float: ...

def lexical_matching_score(query_ids: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], query_weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], ids: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> float: ...

def lexical_matching_scores(query_ids: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], query_weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], starts: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], ids: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None,))]: ...

def hybrid_scores(dense: float, sparse: float, colbert: float, dense_weight: float, sparse_weight: float, colbert_weight: float) -> tuple[float, float]: ...

def int8_range(dimensions: int) -> float: ...

def to_int8(vectors: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.int8], dict(shape=(None, None))]: ...

def from_int8(vectors: Annotated[NDArray[numpy.int8], dict(shape=(None, None), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None, None))]: ...

def to_ubinary(vectors: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.uint8], dict(shape=(None, None))]: ...

def from_ubinary(bits: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)], dimensions: int) -> Annotated[NDArray[numpy.float32], dict(shape=(None, None))]: ...
