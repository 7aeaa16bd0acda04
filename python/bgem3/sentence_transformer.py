"""The class SentenceTransformer of sentence-transformers, computed by bgem3: change the import, keep the program."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from bgem3.embedder import Embedder, OpenOptions, read_texts
from bgem3.errors import InvalidInputError
from bgem3.hugging_face import find_model
from bgem3.quantize import to_int8, to_ubinary

if TYPE_CHECKING:
    from typing_extensions import Unpack

Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]
Array = npt.NDArray[Any]


class SentenceTransformer:
    """The class of this name in sentence-transformers, over an Embedder: the same arguments, defaults and results.

    Vectors are within 1e-6 of theirs. docs/python.md has what differs. An argument that bgem3 has no meaning for is an
    InvalidInputError. Any number of threads may call the methods while none sets an attribute.

    Pickling takes the options along, not the weights, as with Embedder.
    """

    prompts: dict[str, str]
    """Name to text: the model's (config_sentence_transformers.json), and the constructor's, which go before them."""
    default_prompt_name: str | None
    """The prompt of calls that name none."""
    truncate_dim: int | None
    """Dimensions that encode() keeps; None: all."""
    embedder: Embedder
    """The engine."""

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str],
        *,
        device: Any = None,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
        similarity_fn_name: Any = None,
        cache_folder: str | os.PathLike[str] | None = None,
        trust_remote_code: bool = False,
        revision: str | None = None,
        local_files_only: bool = False,
        token: bool | str | None = None,
        truncate_dim: int | None = None,
        modules: None = None,
        model_kwargs: Mapping[str, Any] | None = None,
        tokenizer_kwargs: Mapping[str, Any] | None = None,
        processor_kwargs: Mapping[str, Any] | None = None,
        config_kwargs: Mapping[str, Any] | None = None,
        model_card_data: None = None,
        backend: Literal["torch"] = "torch",
        **options: Unpack[OpenOptions],
    ) -> None:
        """Finds, checks and loads a model.

        Args:
            model_name_or_path: a folder, or a name in the Hugging Face cache (without "/": sentence-transformers').
            device: None or "cpu".
            prompts: prompts by name, in addition to the model's own or instead of those of the same name.
            default_prompt_name: the prompt of calls that name none; None: the model's own.
            similarity_fn_name: "cosine", "dot", "euclidean" or "manhattan"; None: the model's own, else "cosine".
            cache_folder: the folder of the Hugging Face cache; None: SENTENCE_TRANSFORMERS_HOME, else as Embedder.
            trust_remote_code, local_files_only, token: accepted, and change nothing: bgem3 runs none of a model's code
                and downloads nothing.
            revision: a branch, tag or commit in the cache; a folder has none.
            truncate_dim: dimensions that encode() keeps; None: as the model says, else all.
            modules, model_kwargs, tokenizer_kwargs, processor_kwargs, config_kwargs, model_card_data, backend: an
                InvalidInputError unless left as they are. `dtype` is what model_kwargs={"torch_dtype": ...} is for.
            options: those of Embedder: dtype, threads, max_memory_bytes and so on.

        Raises:
            ModelLoadingError, InvalidInputError, ResourceLimitError: as Embedder does.
        """
        _refuse(modules, "modules", "a model's modules are read from its files")
        _refuse(model_kwargs, "model_kwargs", "use dtype= for the precision")
        _refuse(tokenizer_kwargs, "tokenizer_kwargs", "set max_seq_length for the limit")
        _refuse(processor_kwargs, "processor_kwargs", "set max_seq_length for the limit")
        _refuse(config_kwargs, "config_kwargs", "the model's configuration is read from its files")
        _refuse(model_card_data, "model_card_data", "models are not saved")
        _refuse(backend if backend != "torch" else None, "backend", "bgem3 is the backend, leave it out")
        _check_device(device)
        self.embedder = Embedder(_find(model_name_or_path, cache_folder, revision), **options)
        info = self.embedder.info
        config = _read_config(info.folder)
        given = dict(prompts or {})
        self.prompts = {"query": "", "document": "", **given, **info.prompts, **given}  # the order of theirs
        self.default_prompt_name = default_prompt_name or info.default_prompt or None
        if self.default_prompt_name is not None:
            self._prompt(self.default_prompt_name)
        self.truncate_dim = config.get("truncate_dim") if truncate_dim is None else truncate_dim
        self._dimensions(self.truncate_dim)
        self._max_seq_length = info.config.max_tokens
        self.similarity_fn_name = similarity_fn_name or config.get("similarity_fn_name")

    def encode(
        self,
        sentences: str | Iterable[str] | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: Literal["sentence_embedding"] = "sentence_embedding",
        precision: Precision | None = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        pool: None = None,
        chunk_size: None = None,
        *,
        inputs: str | Iterable[str] | None = None,
    ) -> Any:
        """The vectors of texts.

        Args:
            sentences: a str, or any iterable of them. Texts are taken as they are, white space at their ends included.
            prompt_name: the name of the prompt to put in front of every text.
            prompt: its text itself, which goes before prompt_name.
            batch_size: changes nothing: passes are made by tokens, without padding.
            show_progress_bar: True: a line on stderr.
            output_value: only "sentence_embedding".
            precision: "float32"; "int8", "uint8": 8 bits a component, by a fixed range that needs vectors no longer
                than one; "binary", "ubinary": 1 bit a component.
            convert_to_numpy: an array; False: a list of torch tensors.
            convert_to_tensor: one torch tensor, whatever convert_to_numpy says. Both need torch.
            device: None or "cpu".
            normalize_embeddings: scale vectors to length one, after truncate_dim, if the model does not.
            truncate_dim: keep the first dimensions; None: the attribute of that name. The model's own scaling comes
                before, as in sentence-transformers: without normalize_embeddings a cut vector is shorter than one.
            pool, chunk_size: an InvalidInputError unless None; one call uses all threads.
            inputs: another name of `sentences`.

        Returns:
            [texts, dimensions], [dimensions] for a lone str, of float32, int8 or uint8; (0,) if there are no texts.

        Raises:
            InvalidInputError, InferenceError, ResourceLimitError: a text failed, or as Embedder.encode. An
                EmbeddingWarning tells of texts that were cut to max_seq_length.
        """
        if (sentences is None) == (inputs is None):
            raise InvalidInputError("encode: expected either `sentences` or `inputs`", "invalid_input")
        _refuse(pool, "pool", "one call uses all threads, see threads=")
        _refuse(chunk_size, "chunk_size", "one call uses all threads, see threads=")
        _refuse(None if output_value == "sentence_embedding" else str(output_value), "output_value", "leave it out")
        _check_device(device)
        if precision is not None and precision not in get_args(Precision):
            raise InvalidInputError(
                f"precision: {precision!r}, expected one of {', '.join(get_args(Precision))}", "invalid_input"
            )
        if batch_size <= 0:
            raise InvalidInputError(f"batch_size: {batch_size}, expected at least 1", "invalid_input")
        given = inputs if sentences is None else sentences
        assert given is not None
        texts = read_texts(given)
        if prompt is None:
            name = self.default_prompt_name if prompt_name is None else prompt_name
            prompt = "" if name is None else self._prompt(name)
        dimensions = self._dimensions(self.truncate_dim if truncate_dim is None else truncate_dim)
        vectors: Array = self.embedder.encode(
            texts,
            max_tokens=self._max_seq_length,
            normalize=True if normalize_embeddings else None,
            prompt=prompt,
            truncate_dim=dimensions if normalize_embeddings else 0,
            progress=bool(show_progress_bar),
        )
        vectors = _quantize(np.ascontiguousarray(vectors[:, :dimensions]), precision or "float32")
        if not texts:
            vectors = np.array([], dtype=np.float32 if convert_to_tensor else None)
        result: Any = vectors
        if convert_to_tensor or not convert_to_numpy:
            torch = _torch()
            if torch is None:
                raise InvalidInputError(
                    "encode: a torch tensor was asked for and torch is not installed; leave convert_to_tensor and "
                    "convert_to_numpy out for a NumPy array",
                    "unsupported",
                )
            result = torch.from_numpy(vectors)
            if not convert_to_tensor:
                result = list(result)
        return result[0] if isinstance(given, str) else result

    def encode_query(
        self,
        sentences: str | Iterable[str] | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        *arguments: Any,
        **keywords: Any,
    ) -> Any:
        """encode() with the prompt "query" if none is named."""
        return self.encode(sentences, *self._choose(("query",), prompt_name, prompt), *arguments, **keywords)

    def encode_document(
        self,
        sentences: str | Iterable[str] | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        *arguments: Any,
        **keywords: Any,
    ) -> Any:
        """encode() with the prompt "document", else "passage" or "corpus", if none is named."""
        names = ("document", "passage", "corpus")
        return self.encode(sentences, *self._choose(names, prompt_name, prompt), *arguments, **keywords)

    def tokenize(self, texts: Iterable[str]) -> dict[str, Any]:
        """The tokens of texts as the model gets them, cut to max_seq_length and padded to the longest.

        Returns:
            "input_ids", "token_type_ids" (BERT only), "attention_mask": [texts, tokens] int64; torch tensors where
            torch is installed, else NumPy arrays.
        """
        if isinstance(texts, str):
            raise InvalidInputError("tokenize: a str, expected a list of them", "invalid_input")
        config = self.embedder.info.config
        rows = [encoding.ids for encoding in self.embedder.tokenize(texts, max_tokens=self._max_seq_length)]
        ids = np.full((len(rows), max(map(len, rows), default=0)), config.pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, row_ids in enumerate(rows):
            ids[row, : len(row_ids)] = row_ids
            mask[row, : len(row_ids)] = 1
        types = {"token_type_ids": _tensor(np.zeros_like(ids))} if config.model_type == "bert" else {}
        return {"input_ids": _tensor(ids), **types, "attention_mask": _tensor(mask)}

    @property
    def max_seq_length(self) -> int:
        """Longest text in tokens, template tokens included; longer ones are cut. Settable up to the model's limit."""
        return self._max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, tokens: int) -> None:
        limit = self.embedder.info.config.max_tokens
        if not 2 < tokens <= limit:
            raise InvalidInputError(f"max_seq_length: {tokens}, expected 3 to the model's {limit}", "invalid_input")
        self._max_seq_length = tokens

    def get_max_seq_length(self) -> int:
        """max_seq_length."""
        return self._max_seq_length

    def get_embedding_dimension(self) -> int:
        """Width of the vectors that encode() gives."""
        return self._dimensions(self.truncate_dim)

    get_sentence_embedding_dimension = get_embedding_dimension

    @contextmanager
    def truncate_embeddings(self, truncate_dim: int | None) -> Iterator[None]:
        """Sets truncate_dim within a `with`."""
        before, self.truncate_dim = self.truncate_dim, truncate_dim
        try:
            yield
        finally:
            self.truncate_dim = before

    truncate_sentence_embeddings = truncate_embeddings

    @property
    def device(self) -> Any:
        """torch.device("cpu") where torch is installed, else "cpu"."""
        torch = _torch()
        return torch.device("cpu") if torch else "cpu"

    @property
    def similarity_fn_name(self) -> str:
        """What similarity() computes: "cosine", "dot", "euclidean" or "manhattan". Settable."""
        return self._similarity_fn_name

    @similarity_fn_name.setter
    def similarity_fn_name(self, value: Any) -> None:
        name = getattr(value, "value", value) or "cosine"  # an Enum in sentence-transformers, or a str
        if name not in PAIRWISE:
            raise InvalidInputError(
                f"similarity_fn_name: {name!r}, expected one of {', '.join(PAIRWISE)}", "invalid_input"
            )
        self._similarity_fn_name: str = name

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Of every float32 vector of the one with every vector of the other: [vectors 1, vectors 2]; larger is nearer.

        A torch tensor where torch is installed, else a NumPy array. Distances have a minus sign.
        """
        a, b = np.atleast_2d(_array(embeddings1)), np.atleast_2d(_array(embeddings2))
        if self._similarity_fn_name == "cosine":
            return _tensor(_unit(a) @ _unit(b).T)
        if self._similarity_fn_name == "dot":
            return _tensor(a @ b.T)
        pairwise = PAIRWISE[self._similarity_fn_name]
        return _tensor(np.array([pairwise(row, b) for row in a]))

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Of each float32 vector of the one with that of the other at its place: [vectors]. Else as similarity()."""
        return _tensor(PAIRWISE[self._similarity_fn_name](_array(embeddings1), _array(embeddings2)))

    def __repr__(self) -> str:
        return f"<SentenceTransformer over {self.embedder!r}>"

    def _prompt(self, name: str) -> str:
        if name not in self.prompts:
            raise InvalidInputError(
                f"prompt {name!r}: not among the model's prompts, which are {', '.join(map(repr, self.prompts))}",
                "invalid_input",
            )
        return self.prompts[name]

    def _choose(
        self, names: Iterable[str], prompt_name: str | None, prompt: str | None
    ) -> tuple[str | None, str | None]:
        """(prompt_name, prompt) with the first of the names that there is, if the caller gave neither."""
        if prompt_name is None and prompt is None:
            prompt_name = next((name for name in names if name in self.prompts), None)
        return prompt_name, prompt

    def _dimensions(self, truncate_dim: int | None) -> int:
        if truncate_dim is not None and truncate_dim < 1:
            raise InvalidInputError(f"truncate_dim: {truncate_dim}, expected None or at least 1", "invalid_input")
        return min(truncate_dim or self.embedder.dimensions, self.embedder.dimensions)


def _quantize(vectors: npt.NDArray[np.float32], precision: Precision) -> Array:
    """By bgem3.quantize: "uint8" is "int8" plus 128, "binary" is "ubinary" minus 128."""
    if precision == "float32":
        return vectors
    if precision in ("binary", "ubinary"):
        bits = to_ubinary(vectors)
        return bits if precision == "ubinary" else (bits ^ 128).view(np.int8)
    try:
        values = to_int8(vectors)
    except InvalidInputError as error:
        message = f"precision {precision}: {error}; pass normalize_embeddings=True"
        raise InvalidInputError(message, error.code) from None
    return values if precision == "int8" else values.view(np.uint8) ^ 128


def _unit(vectors: Array) -> Array:
    units: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return units


# Of vectors at the same place.
PAIRWISE: dict[str, Callable[[Array, Array], Array]] = {
    "cosine": lambda a, b: (_unit(a) * _unit(b)).sum(axis=-1),
    "dot": lambda a, b: (a * b).sum(axis=-1),
    "euclidean": lambda a, b: -np.linalg.norm(a - b, axis=-1),
    "manhattan": lambda a, b: -np.abs(a - b).sum(axis=-1),
}


def _torch() -> Any:
    """The module torch, or None. It takes seconds to load: only for what is a tensor in sentence-transformers."""
    try:
        import torch
    except ImportError:
        return None
    return torch


def _tensor(values: Array) -> Any:
    torch = _torch()
    return torch.from_numpy(values) if torch else values


def _array(embeddings: Any) -> Array:
    """Of an array, a torch tensor, or a list of either or of numbers."""
    if hasattr(embeddings, "dtype"):
        return np.asarray(embeddings)
    return np.array([np.asarray(row) for row in embeddings], dtype=np.float32)


def _refuse(value: object, name: str, instead: str) -> None:
    """InvalidInputError for an argument that has no meaning here, unless it is None or empty."""
    if value is not None and value != {}:
        raise InvalidInputError(f"{name}: not supported by bgem3, got {value!r}; {instead}", "unsupported")


def _check_device(device: object) -> None:
    if device is not None and str(device) != "cpu":
        raise InvalidInputError(f"device: {device!r}, expected None or 'cpu'; bgem3 computes on CPUs", "unsupported")


def _find(model: str | os.PathLike[str], cache_folder: str | os.PathLike[str] | None, revision: str | None) -> str:
    """What Embedder is to open."""
    name = os.fspath(model)
    if not os.path.isdir(name) and "/" not in name:
        name = f"sentence-transformers/{name}"
    return find_model(name, cache_folder or os.environ.get("SENTENCE_TRANSFORMERS_HOME"), revision)


def _read_config(folder: str) -> dict[str, Any]:
    file = Path(folder) / "config_sentence_transformers.json"
    config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return config
