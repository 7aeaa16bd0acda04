"""The engine: texts in, vectors out. Start at Embedder and Embedder.encode."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Set
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

import numpy as np
import numpy.typing as npt

from bgem3 import _native
from bgem3.errors import InvalidInputError, error_of_text
from bgem3.results import EmbedResult, Encoding, MultiVectors, SpanResult, SparseVectors

if TYPE_CHECKING:
    from typing_extensions import Unpack

Progress = bool | Callable[[int, int], object]
Output = Literal["dense", "sparse", "multi"]


class EmbeddingWarning(UserWarning):
    """Texts of a call of encode() were cut, changed or left out. embed() returns the same as data."""


class EngineOptions(TypedDict, total=False):
    """The options of Embedder that classes over it have too, by keyword."""

    dtype: str
    isa: str
    threads: int
    pass_tokens: int
    max_memory_bytes: int
    packed_cache: bool
    hash_files: bool


class OpenOptions(EngineOptions, total=False):
    """The options of Embedder, by keyword."""

    cache_dir: str | os.PathLike[str]


class EmbedOptions(TypedDict, total=False):
    """The options of Embedder.embed, by keyword."""

    max_tokens: int
    long_text: Literal["truncate", "windows"]
    pooling: Literal["cls", "mean"] | None
    normalize: bool | None
    prompt: str | None
    truncate_dim: int
    special_tokens_in_text: Literal["match", "escape"]
    invalid_utf8: Literal["error", "replace"]
    progress: Progress


class EncodeOptions(EmbedOptions, total=False):
    """The options of Embedder.encode, by keyword."""

    on_error: Literal["raise", "nan"]


class TokenizeOptions(TypedDict, total=False):
    """The options of Embedder.tokenize, by keyword."""

    max_tokens: int
    """Longest result, template tokens included; 0: no limit."""
    add_special_tokens: bool
    special_tokens_in_text: Literal["match", "escape"]
    invalid_utf8: Literal["error", "replace"]


class Embedder:
    """A loaded model. Any number of threads may call its methods at the same time.

    Pickling takes the options along, not the weights: the copy opens the model again. So does a forked process, with
    its first call. Both take milliseconds where the packed file is present, and the processes share its memory.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "BAAI/bge-m3",
        *,
        dtype: str = "f32",
        isa: str = "auto",
        threads: int = 0,
        pass_tokens: int = 0,
        max_memory_bytes: int = 0,
        packed_cache: bool = True,
        cache_dir: str | os.PathLike[str] = "",
        hash_files: bool = False,
    ) -> None:
        """Finds, checks and loads a model.

        Args:
            model: a folder, or "organisation/name[@revision]" in the Hugging Face cache.
            dtype: the numbers of the computation: "f32" (or "float32"), "bf16" (or "bfloat16"), "int8".
            isa: "scalar", "avx2", "avx512", "avx512_vnni", "avx512_bf16" or "auto", the best one here. Changes no bit.
            threads: 0: as many as the process may use cores. More are capped to that. Changes no bit.
            pass_tokens: most tokens of one pass over the model; 0: chosen by the library. Changes no bit.
            max_memory_bytes: ceiling for the memory of the whole process, Python included; 0: none.
            packed_cache: keep the weights in kernel order in a file that later starts map.
            cache_dir: the folder of that file; empty: BGEM3_CACHE_DIR, else ~/.cache/bgem3.
            hash_files: fill the files' sha256 in `info`, and check every byte of the packed file.

        Raises:
            ModelLoadingError: files missing, corrupt or unsupported.
            InvalidInputError: an option with no meaning.
            ResourceLimitError: max_memory_bytes does not suffice.
        """
        self._options: dict[str, Any] = {
            "model": os.fspath(model),
            "dtype": dtype,
            "isa": isa,
            "threads": threads,
            "pass_tokens": pass_tokens,
            "max_memory_bytes": max_memory_bytes,
            "packed_cache": packed_cache,
            "cache_dir": os.fspath(cache_dir),
            "hash_files": hash_files,
        }
        self._open()

    @classmethod
    def _around(cls, opened: _native.Embedder, **options: Any) -> Embedder:
        """A model that C++ has opened with these options, to open it again in other processes."""
        embedder = cls.__new__(cls)
        defaults = {"isa": "auto", "pass_tokens": 0, "packed_cache": True, "hash_files": False}
        embedder._options = {"model": opened.info.name, "dtype": opened.info.dtype, **defaults, **options}
        embedder._opened, embedder._process = opened, os.getpid()
        return embedder

    def _open(self) -> None:
        self._opened = _native.Embedder.open(**self._options)
        self._process = os.getpid()

    @property
    def _engine(self) -> _native.Embedder:
        if self._process != os.getpid():  # a fork takes no threads along
            self._open()
        return self._opened

    def __getstate__(self) -> dict[str, Any]:
        return self._options

    def __setstate__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._open()

    def __repr__(self) -> str:
        info = self.info
        return f"<Embedder {info.name!r}: {info.dtype}, {info.isa}, {info.threads} threads>"

    @property
    def info(self) -> _native.ModelInfo:
        """What was read and decided when the model was opened."""
        return self._opened.info

    @property
    def dimensions(self) -> int:
        """Width of the model's vectors."""
        return self.info.config.hidden

    def embed(
        self,
        texts: str | Iterable[str],
        *,
        outputs: Iterable[Output] = ("dense",),
        max_tokens: int = 0,
        long_text: Literal["truncate", "windows"] = "truncate",
        pooling: Literal["cls", "mean"] | None = None,
        normalize: bool | None = None,
        prompt: str | None = None,
        truncate_dim: int = 0,
        special_tokens_in_text: Literal["match", "escape"] = "match",
        invalid_utf8: Literal["error", "replace"] = "error",
        progress: Progress = False,
        _stop: _native.StopSource | None = None,
    ) -> EmbedResult:
        """The outputs of texts, and what happened to each: truncation, replaced characters, errors.

        A text's vector is the same, bit for bit, alone or with others, in any order, with any number of threads and on
        any instruction set. Other Python threads run meanwhile. Ctrl-C ends the call with KeyboardInterrupt.

        Args:
            texts: a str, or any iterable of them: list, NumPy array, pandas Series, generator (which is read whole).
            outputs: "dense", "sparse", "multi": any of those in info.outputs, all from one pass.
            max_tokens: longest text, template tokens included; 0: the model's own limit.
            long_text: what becomes of a longer one. "truncate": its first tokens are kept. "windows": it is computed in
                windows of max_tokens, each repeating the last eighth of the one before and beginning with the prompt;
                its dense vector is the mean of theirs, weighted by their tokens. For the dense output only.
            pooling: None: the model's own.
            normalize: scale vectors to length one; None: as the model does.
            prompt: put in front of every text; None: the one that the model itself asks for, if it does.
            truncate_dim: keep the first dimensions only; 0: all.
            special_tokens_in_text: what "<s>" written in a text is: the special token, or ordinary characters.
            invalid_utf8: a lone surrogate is that text's error, or is replaced by U+FFFD.
            progress: True writes a line to stderr; a callable gets (texts done, texts in all), about 20 times a second
                and at the end.

        Raises:
            InvalidInputError: options that fit no text, or `texts` is no iterable of texts in an order.
            ResourceLimitError: memory runs out, or max_memory_bytes does not suffice for the results.
        """
        line = ProgressLine() if progress is True else None
        try:
            dense, sparse, multi, tokens, truncated, windows, replaced, failures = self._engine.embed(
                read_texts(texts),
                outputs=_read_outputs(outputs),
                max_tokens=max_tokens,
                long_text=long_text,
                pooling=pooling,
                normalize=normalize,
                prompt=self._prompt(prompt),
                truncate_dim=truncate_dim,
                special_tokens_in_text=special_tokens_in_text,
                invalid_utf8=invalid_utf8,
                progress=line or progress or None,
                stop=_stop or _native.StopSource(),
            )
        finally:
            if line:
                line.close()
        errors = {index: error_of_text(index, code, reason) for index, code, reason in failures}
        return EmbedResult(
            np.empty((0, truncate_dim or self.dimensions), np.float32) if dense is None else dense,
            tokens,
            truncated,
            windows,
            replaced,
            errors,
            SparseVectors(*sparse, self.info.config.vocab) if sparse else None,
            MultiVectors(*multi) if multi else None,
        )

    def embed_spans(
        self,
        document: str,
        spans: Iterable[tuple[int, int]],
        *,
        max_tokens: int = 0,
        normalize: bool | None = None,
        prompt: str | None = None,
        truncate_dim: int = 0,
        special_tokens_in_text: Literal["match", "escape"] = "match",
        invalid_utf8: Literal["error", "replace"] = "error",
    ) -> SpanResult:
        """Late chunking: the dense vectors of parts of one document, each with the whole document as its context.

        The document goes through the model in one pass; a part's vector is the mean of the last hidden states of its
        tokens. A token belongs to the parts that hold its first character behind white space; tokens of the template
        and the prompt belong to none. Ctrl-C ends the call with KeyboardInterrupt.

        Args:
            document: at most max_tokens tokens, the model's limit if it is 0.
            spans: parts of it in characters, (begin, end) for document[begin:end], in any order, overlapping or not:
                for example (start_char, end_char) of TextChunker's chunks.
            normalize, prompt, truncate_dim, special_tokens_in_text, invalid_utf8: as for embed().

        Raises:
            InvalidInputError: a span is empty or outside; the document is too long, or holds a lone surrogate.
            ResourceLimitError: memory runs out, or max_memory_bytes does not suffice.
        """
        if not isinstance(document, str):
            raise InvalidInputError(f"document: a {type(document).__name__}, expected a str", "invalid_input")
        vectors, tokens, failures = self._engine.embed_spans(
            document,
            list(spans),
            max_tokens=max_tokens,
            normalize=normalize,
            prompt=self._prompt(prompt),
            truncate_dim=truncate_dim,
            special_tokens_in_text=special_tokens_in_text,
            invalid_utf8=invalid_utf8,
        )
        return SpanResult(
            vectors, tokens, {index: error_of_text(index, code, reason) for index, code, reason in failures}
        )

    def encode(self, texts: str | Iterable[str], **options: Unpack[EncodeOptions]) -> npt.NDArray[np.float32]:
        """The vectors of texts as an array: [texts, dimensions] float32, [dimensions] for a lone str.

        The options are those of embed(), and `on_error`: "raise", the default, or "nan", which gives failed texts NaN
        and warns. A warning (EmbeddingWarning) tells of texts that were cut to the limit, too.

        Raises:
            InvalidInputError, InferenceError, ResourceLimitError: a text failed; the error has its index and reason.
                And what embed() raises.
        """
        return self._encode(texts, _native.StopSource(), **options)

    async def aencode(self, texts: str | Iterable[str], **options: Unpack[EncodeOptions]) -> npt.NDArray[np.float32]:
        """encode() beside the event loop, on a thread of its default executor. Cancelling it stops the computation."""
        stop = _native.StopSource()
        read = texts if isinstance(texts, str) else read_texts(texts)  # by the caller's thread
        try:
            return await asyncio.to_thread(self._encode, read, stop, **options)
        except asyncio.CancelledError:
            stop.request_stop()
            raise

    @overload
    def tokenize(self, texts: str, **options: Unpack[TokenizeOptions]) -> Encoding: ...  # type: ignore[overload-overlap]
    @overload
    def tokenize(self, texts: Iterable[str], **options: Unpack[TokenizeOptions]) -> list[Encoding]: ...
    def tokenize(self, texts: str | Iterable[str], **options: Unpack[TokenizeOptions]) -> Encoding | list[Encoding]:
        """The tokens of a text, or of each of several: as the Hugging Face tokenizers library makes them, bit for bit.

        Raises:
            InvalidInputError: a text is no str, or holds a lone surrogate; max_tokens is less than the template.
        """
        encodings = [Encoding(*fields) for fields in self._engine.tokenize(read_texts(texts), **options)]
        return encodings[0] if isinstance(texts, str) else encodings

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = True) -> str:
        """The text of token ids, as the Hugging Face tokenizers library makes it."""
        return self._engine.decode(list(ids), skip_special_tokens)

    def _prompt(self, given: str | None) -> str:
        return self.info.prompts.get(self.info.default_prompt, "") if given is None else given

    def _encode(
        self,
        texts: str | Iterable[str],
        stop: _native.StopSource,
        on_error: Literal["raise", "nan"] = "raise",
        **options: Unpack[EmbedOptions],
    ) -> npt.NDArray[np.float32]:
        if on_error not in ("raise", "nan"):
            raise InvalidInputError(f"on_error: {on_error!r}, expected 'raise' or 'nan'", "invalid_input")
        result = self.embed(texts, _stop=stop, **options)
        for error in result.errors.values():  # the first one
            if on_error == "raise":
                raise error
            warn(f"{len(result.errors)} of {len(result)} texts failed, their vectors are NaN; the first is {error}")
            break
        if result.truncated.any():
            warn(
                f"{result.truncated.sum()} of {len(result)} texts were cut to "
                f"{options.get('max_tokens') or self.info.config.max_tokens} tokens; the first is text "
                f"{result.truncated.argmax()}"
            )
        return result.vectors[0] if isinstance(texts, str) else result.vectors


class ProgressLine:
    """Progress on stderr: texts done, texts a second, time left."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._shown = ""

    def __call__(self, done: int, total: int) -> None:
        rate = done / max(time.monotonic() - self._start, 1e-9)
        line = f"bgem3: {done}/{total} texts"
        if done:
            line += f", {rate:.1f}/s, {(total - done) / rate:.0f} s left"
        print(f"\r{line:{len(self._shown)}}", end="", file=sys.stderr, flush=True)
        self._shown = line

    def close(self) -> None:
        if self._shown:
            print(file=sys.stderr, flush=True)


def read_texts(texts: str | Iterable[str]) -> tuple[str, ...]:
    """All of them, in their order. InvalidInputError for what has none: a set, a dict, bytes, a number."""
    if isinstance(texts, str):
        return (texts,)
    if isinstance(texts, bytes | bytearray | Mapping | Set) or not isinstance(texts, Iterable):
        raise InvalidInputError(
            f"texts: a {type(texts).__name__}, expected a str or an iterable of str in an order", "invalid_input"
        )
    return tuple(texts)


def _read_outputs(outputs: Iterable[Output]) -> _native.Outputs:
    names = list(outputs) if not isinstance(outputs, str) else [outputs]
    if not names or (unknown := set(names) - {"dense", "sparse", "multi"}):
        found = repr(sorted(unknown)[0]) if names else "none"
        raise InvalidInputError(f"outputs: {found}, expected some of 'dense', 'sparse', 'multi'", "invalid_input")
    return _native.Outputs(dense="dense" in names, sparse="sparse" in names, multi="multi" in names)


def warn(message: str) -> None:
    """An EmbeddingWarning at the caller's line, not one of the package's own."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals["__name__"].startswith("bgem3."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, EmbeddingWarning, stacklevel=level)
