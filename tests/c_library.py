"""include/bgem3/bgem3.h as ctypes sees it: its structs, and its functions on a shared library."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_float, c_int, c_size_t, c_uint, c_uint32, c_void_p
from pathlib import Path
from typing import Any

from support import ROOT

OK, INVALID_INPUT, NOT_FOUND, UNSUPPORTED, CANCELLED = 0, 1, 2, 4, 7
DENSE, SPARSE, MULTI = 1, 2, 4

ON_PROGRESS = ctypes.CFUNCTYPE(c_int, c_void_p, c_size_t, c_size_t)


class OpenOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("model", c_char_p),
        ("dtype", c_char_p),
        ("isa", c_char_p),
        ("threads", c_int),
        ("no_packed_cache", c_int),
        ("pass_tokens", c_size_t),
        ("max_memory_bytes", c_size_t),
        ("cache_dir", c_char_p),
        ("hash_files", c_int),
    ]


class Info(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p),
        ("folder", c_char_p),
        ("revision", c_char_p),
        ("dtype", c_char_p),
        ("isa", c_char_p),
        ("tokenizer", c_char_p),
        ("default_prompt", c_char_p),
        ("dimensions", c_size_t),
        ("max_tokens", c_size_t),
        ("vocab_size", c_size_t),
        ("outputs", c_uint),
        ("threads", c_int),
    ]


class Text(ctypes.Structure):
    _fields_ = [("data", c_char_p), ("size_bytes", c_size_t)]


class EmbedOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("outputs", c_uint),
        ("normalize", c_int),
        ("max_tokens", c_size_t),
        ("truncate_dim", c_size_t),
        ("long_text", c_char_p),
        ("pooling", c_char_p),
        ("prompt", c_char_p),
        ("special_tokens_in_text", c_char_p),
        ("invalid_utf8", c_char_p),
        ("on_progress", ON_PROGRESS),
        ("context", c_void_p),
    ]


class Embedding(ctypes.Structure):
    _fields_ = [
        ("error", c_int),
        ("error_message", c_char_p),
        ("tokens", c_size_t),
        ("truncated", c_int),
        ("windows", c_size_t),
        ("replaced_utf8", c_size_t),
        ("dense", POINTER(c_float)),
        ("sparse_ids", POINTER(c_uint32)),
        ("sparse_weights", POINTER(c_float)),
        ("sparse_size", c_size_t),
        ("multi", POINTER(c_float)),
        ("multi_rows", c_size_t),
    ]


class TokenizeOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("max_tokens", c_size_t),
        ("special_tokens_in_text", c_char_p),
        ("invalid_utf8", c_char_p),
        ("no_special_tokens", c_int),
    ]


class Tokens(ctypes.Structure):
    _fields_ = [
        ("ids", POINTER(c_uint32)),
        ("offsets", POINTER(c_size_t * 2)),
        ("size", c_size_t),
        ("truncated", c_int),
        ("replaced_utf8", c_size_t),
    ]


def options(kind: type[ctypes.Structure], **fields: Any) -> Any:
    return kind(ctypes.sizeof(kind), **fields)


def texts_of(texts: Sequence[str | bytes]) -> Any:
    data = [text.encode() if isinstance(text, str) else text for text in texts]
    return (Text * len(data))(*[Text(text, len(text)) for text in data])


def load(path: Path) -> ctypes.CDLL:
    """The library, its functions with their types: all that the header declares."""
    library = ctypes.CDLL(str(path))
    functions = {
        "bgem3_status_name": (c_char_p, [c_int]),
        "bgem3_last_error": (c_char_p, []),
        "bgem3_version": (c_char_p, []),
        "bgem3_open": (c_int, [c_void_p, POINTER(c_void_p)]),
        "bgem3_embedder_free": (None, [c_void_p]),
        "bgem3_embedder_info": (POINTER(Info), [c_void_p]),
        "bgem3_find_prompt": (c_char_p, [c_void_p, c_char_p]),
        "bgem3_embed": (c_int, [c_void_p, c_void_p, c_size_t, c_void_p, POINTER(c_void_p)]),
        "bgem3_embed_spans": (
            c_int,
            [c_void_p, Text, POINTER(c_size_t * 2), c_size_t, c_void_p, POINTER(c_void_p)],
        ),
        "bgem3_result_free": (None, [c_void_p]),
        "bgem3_result_texts": (c_size_t, [c_void_p]),
        "bgem3_result_dimensions": (c_size_t, [c_void_p]),
        "bgem3_result_dense": (POINTER(c_float), [c_void_p]),
        "bgem3_result_embedding": (POINTER(Embedding), [c_void_p, c_size_t]),
        "bgem3_tokenize": (c_int, [c_void_p, Text, c_void_p, POINTER(POINTER(Tokens))]),
        "bgem3_tokens_free": (None, [POINTER(Tokens)]),
        "bgem3_token": (c_int, [c_void_p, c_uint32, POINTER(Text)]),
    }
    declared = set(re.findall(r"\b(bgem3_\w+)\(", (ROOT / "include/bgem3/bgem3.h").read_text()))
    assert set(functions) == declared - {"bgem3_open_options", "bgem3_embed_options", "bgem3_tokenize_options"}
    for name, (result, arguments) in functions.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
