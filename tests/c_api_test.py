"""The C interface by ctypes, on the shared library: the program's bits, and an answer to every misuse."""

from __future__ import annotations

import ctypes
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from ctypes import POINTER, c_size_t, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_library import (
    CANCELLED,
    DENSE,
    INVALID_INPUT,
    MULTI,
    NOT_FOUND,
    OK,
    ON_PROGRESS,
    SPARSE,
    UNSUPPORTED,
    EmbedOptions,
    OpenOptions,
    Text,
    TokenizeOptions,
    Tokens,
    load,
    options,
    texts_of,
)
from make_model import ModelSpec
from support import ROOT, Program, jsonl

TEXTS = ["The tide turns twice a day.", "", "моря и океаны", "海は広い", "short", "short", "a\0b", "word " * 300]


@pytest.fixture(scope="module")
def library(build_folder: Path) -> ctypes.CDLL:
    return load(build_folder / "libbgem3.so")


@pytest.fixture(scope="module")
def model(model_folder: Callable[[ModelSpec], Path]) -> Path:
    return model_folder(ModelSpec())


@pytest.fixture(scope="module")
def embedder(library: ctypes.CDLL, model: Path) -> Iterator[c_void_p]:
    handle = open_model(library, model=str(model).encode())
    yield handle
    library.bgem3_embedder_free(handle)


def open_model(library: ctypes.CDLL, **fields: Any) -> c_void_p:
    handle = c_void_p()
    given = options(OpenOptions, **fields)
    assert library.bgem3_open(ctypes.byref(given), ctypes.byref(handle)) == OK, library.bgem3_last_error()
    return handle


def embed(library: ctypes.CDLL, embedder: c_void_p, texts: Sequence[str | bytes], **fields: Any) -> c_void_p:
    result = c_void_p()
    given = options(EmbedOptions, **fields)
    status = library.bgem3_embed(embedder, texts_of(texts), len(texts), ctypes.byref(given), ctypes.byref(result))
    assert status == OK, library.bgem3_last_error()
    return result


def array(pointer: Any, *shape: int) -> np.ndarray:
    values: np.ndarray = np.ctypeslib.as_array(pointer, shape).copy()
    return values


def dense_of(library: ctypes.CDLL, result: c_void_p) -> np.ndarray:
    shape = library.bgem3_result_texts(result), library.bgem3_result_dimensions(result)
    return array(library.bgem3_result_dense(result), *shape)


def test_version(library: ctypes.CDLL) -> None:
    version = re.search(r'BGEM3_VERSION "(.*)"', (ROOT / "include/bgem3/version.h").read_text())
    assert version is not None
    assert library.bgem3_version().decode() == version[1]


def test_statuses_are_those_of_the_header(library: ctypes.CDLL) -> None:
    """The numbers of the header never change; their names are those of error.h."""
    listed = re.findall(r"^  BGEM3_(\w+) = (\d+),?\s", (ROOT / "include/bgem3/bgem3.h").read_text(), re.MULTILINE)
    statuses = [(name.lower(), int(number)) for name, number in listed if name not in ("DENSE", "SPARSE", "MULTI")]
    assert [number for _, number in statuses] == list(range(9))
    for name, number in statuses:
        assert library.bgem3_status_name(number).decode() == name
    assert library.bgem3_status_name(99) == b"unknown"


def test_info(library: ctypes.CDLL, embedder: c_void_p, program: Program, model: Path) -> None:
    info = library.bgem3_embedder_info(embedder).contents
    expected = json.loads(program.run("info", "--json", "--model", model).stdout)
    config = json.loads((model / "config.json").read_text())
    assert (info.name.decode(), info.folder.decode(), info.revision) == (str(model), expected["folder"], b"")
    assert (info.dtype, info.tokenizer, info.isa.decode()) == (b"f32", b"unigram", expected["isa"])
    assert (info.dimensions, info.vocab_size) == (config["hidden_size"], config["vocab_size"])
    assert (info.max_tokens, info.outputs, info.threads) == (8192, DENSE | SPARSE | MULTI, expected["threads"])


def test_prompts(library: ctypes.CDLL, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in model.rglob("*"):
        if file.is_file():
            (folder / file.relative_to(model)).parent.mkdir(exist_ok=True)
            (folder / file.relative_to(model)).symlink_to(file)
    (folder / "config_sentence_transformers.json").unlink(missing_ok=True)
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "Frage: "}, "default_prompt_name": "query"})
    )
    handle = open_model(library, model=str(folder).encode(), no_packed_cache=1)
    assert library.bgem3_embedder_info(handle).contents.default_prompt == b"query"
    assert library.bgem3_find_prompt(handle, b"query") == b"Frage: "
    assert library.bgem3_find_prompt(handle, b"passage") is None
    assert library.bgem3_find_prompt(handle, None) is None
    assert library.bgem3_last_error() == b"name is NULL"
    library.bgem3_embedder_free(handle)


@pytest.mark.parametrize("dtype", ["f32", "bf16", "int8"])
def test_all_outputs_have_the_programs_bits(library: ctypes.CDLL, program: Program, model: Path, dtype: str) -> None:
    handle = open_model(library, model=str(model).encode(), dtype=dtype.encode(), threads=1)
    result = embed(library, handle, TEXTS, outputs=DENSE | SPARSE | MULTI)
    library.bgem3_embedder_free(handle)  # the result stays
    expected = program.embed_outputs(model, TEXTS, "--dtype", dtype)
    dimensions = library.bgem3_result_dimensions(result)

    assert dense_of(library, result).tobytes() == expected["dense"].tobytes()
    for i in range(len(TEXTS)):
        one = library.bgem3_result_embedding(result, i).contents
        assert (one.error, one.error_message, one.truncated) == (OK, b"", 0)
        assert array(one.dense, dimensions).tobytes() == expected["dense"][i].tobytes()
        part = slice(*expected["sparse_indptr"][i : i + 2])
        if one.sparse_size:
            assert array(one.sparse_ids, one.sparse_size).tolist() == expected["sparse_indices"][part].tolist()
            assert array(one.sparse_weights, one.sparse_size).tobytes() == expected["sparse_data"][part].tobytes()
        assert one.sparse_size == len(expected["sparse_indices"][part])
        rows = expected["multi"][slice(*expected["multi_offsets"][i : i + 2])]
        assert array(one.multi, one.multi_rows, dimensions).tobytes() == rows.tobytes()
        assert one.tokens == one.multi_rows + 1
    library.bgem3_result_free(result)


def test_options_change_what_the_programs_change(
    library: ctypes.CDLL, embedder: c_void_p, program: Program, model: Path
) -> None:
    result = embed(
        library, embedder, TEXTS, max_tokens=16, truncate_dim=20, pooling=b"mean", prompt=b"query: ", normalize=-1,
        special_tokens_in_text=b"escape", invalid_utf8=b"replace",
    )  # fmt: skip
    flags = ["--max-length", 16, "--truncate-dim", 20, "--pooling", "mean", "--prompt", "query: ", "--no-normalize"]
    assert dense_of(library, result).tobytes() == program.embed(model, TEXTS, *flags).tobytes()
    last = library.bgem3_result_embedding(result, len(TEXTS) - 1).contents
    assert (last.truncated, last.tokens) == (1, 16)
    library.bgem3_result_free(result)

    result = embed(library, embedder, TEXTS, normalize=1)
    assert np.allclose(np.linalg.norm(dense_of(library, result), axis=1), 1, atol=1e-6)
    library.bgem3_result_free(result)


def test_long_texts_have_the_programs_bits(
    library: ctypes.CDLL, embedder: c_void_p, program: Program, model: Path, tmp_path: Path
) -> None:
    result = embed(library, embedder, TEXTS, max_tokens=20, long_text=b"windows")
    expected = program.embed(model, TEXTS, "--max-length", 20, "--long-text", "windows")
    assert dense_of(library, result).tobytes() == expected.tobytes()
    windows = [library.bgem3_result_embedding(result, i).contents.windows for i in range(len(TEXTS))]
    assert windows[:-1] == [1] * (len(TEXTS) - 1)
    assert windows[-1] > 1
    library.bgem3_result_free(result)

    document = "Das Meer ist tief. " * 20
    path = tmp_path / "document.md"
    path.write_text(document)
    arguments = ["--model", model, "--chunk", 40, "--late-chunking", "--input-format", "document"]
    chunks = [json.loads(line) for line in program.run("embed", path, *arguments).stdout.splitlines()]
    assert len(chunks) > 1
    spans = (c_size_t * 2 * len(chunks))(*[(c_size_t * 2)(*chunk["bytes"]) for chunk in chunks])
    data = document.encode()
    result = c_void_p()
    status = library.bgem3_embed_spans(embedder, Text(data, len(data)), spans, len(spans), None, ctypes.byref(result))
    assert status == OK, library.bgem3_last_error()
    assert dense_of(library, result).tolist() == np.float32([chunk["embedding"] for chunk in chunks]).tolist()
    library.bgem3_result_free(result)

    spans[0][1] = len(data) + 1
    status = library.bgem3_embed_spans(embedder, Text(data, len(data)), spans, len(spans), None, ctypes.byref(result))
    assert status == INVALID_INPUT
    assert not result.value


def test_what_was_not_asked_for_is_null(library: ctypes.CDLL, embedder: c_void_p) -> None:
    result = embed(library, embedder, ["a"], outputs=SPARSE)
    one = library.bgem3_result_embedding(result, 0).contents
    assert not library.bgem3_result_dense(result)
    assert not one.dense
    assert (bool(one.multi), one.multi_rows) == (False, 0)
    library.bgem3_result_free(result)


def test_a_bad_text_harms_no_neighbour(library: ctypes.CDLL, embedder: c_void_p) -> None:
    result = embed(library, embedder, ["good", b"bad \xff\xfe", "good"], outputs=DENSE | SPARSE | MULTI)
    bad = library.bgem3_result_embedding(result, 1).contents
    assert bad.error == INVALID_INPUT
    assert b"UTF-8" in bad.error_message
    assert (bad.sparse_size, bad.multi_rows) == (0, 0)
    dense = dense_of(library, result)
    assert np.isnan(dense[1]).all()
    assert dense[0].tobytes() == dense[2].tobytes()
    assert np.isfinite(dense[0]).all()
    library.bgem3_result_free(result)

    result = embed(library, embedder, [b"bad \xff\xfe"], invalid_utf8=b"replace")
    assert library.bgem3_result_embedding(result, 0).contents.replaced_utf8 == 2
    library.bgem3_result_free(result)


def test_an_empty_batch_has_an_empty_result(library: ctypes.CDLL, embedder: c_void_p) -> None:
    result = c_void_p()
    assert library.bgem3_embed(embedder, None, 0, None, ctypes.byref(result)) == OK
    assert result.value
    assert library.bgem3_result_texts(result) == 0
    assert not library.bgem3_result_embedding(result, 0)
    library.bgem3_result_free(result)


def test_null_is_answered(library: ctypes.CDLL, embedder: c_void_p) -> None:
    result = c_void_p(1)
    assert library.bgem3_embed(None, texts_of(["a"]), 1, None, ctypes.byref(result)) == INVALID_INPUT
    assert library.bgem3_last_error() == b"embedder is NULL"
    assert not result.value
    assert library.bgem3_embed(embedder, None, 1, None, ctypes.byref(result)) == INVALID_INPUT
    assert library.bgem3_last_error() == b"texts is NULL"
    assert library.bgem3_embed(embedder, (Text * 2)(Text(b"a", 1), Text(None, 3)), 2, None, result) == INVALID_INPUT
    assert library.bgem3_last_error() == b"text 1: data is NULL, but size_bytes is 3"
    assert library.bgem3_embed(embedder, texts_of(["a"]), 1, None, None) == INVALID_INPUT
    assert library.bgem3_open(None, None) == INVALID_INPUT
    assert library.bgem3_embed_spans(embedder, Text(b"a", 1), None, 1, None, ctypes.byref(result)) == INVALID_INPUT
    assert library.bgem3_last_error() == b"spans is NULL"
    assert library.bgem3_tokenize(embedder, Text(b"a", 1), None, None) == INVALID_INPUT
    assert library.bgem3_token(embedder, 0, None) == INVALID_INPUT
    assert not library.bgem3_embedder_info(None)
    assert not library.bgem3_find_prompt(None, b"query")
    assert not library.bgem3_result_dense(None)
    assert not library.bgem3_result_embedding(None, 0)
    assert (library.bgem3_result_texts(None), library.bgem3_result_dimensions(None)) == (0, 0)
    library.bgem3_embedder_free(None)
    library.bgem3_result_free(None)
    library.bgem3_tokens_free(None)


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"outputs": 8}, INVALID_INPUT, "outputs: expected a sum of"),
        ({"normalize": 2}, INVALID_INPUT, "normalize: expected 1, -1 or 0, found 2"),
        ({"pooling": b"max"}, INVALID_INPUT, "max"),
        ({"long_text": b"cut"}, INVALID_INPUT, "long_text: expected truncate or windows, found 'cut'"),
        ({"invalid_utf8": b"drop"}, INVALID_INPUT, "invalid_utf8: expected error or replace, found 'drop'"),
        ({"special_tokens_in_text": b"x"}, INVALID_INPUT, "special_tokens_in_text: expected match or escape"),
        ({"max_tokens": 1 << 40}, INVALID_INPUT, "8192"),
        ({"struct_size": 0}, INVALID_INPUT, "bgem3_embed_options.struct_size: expected"),
    ],
)
def test_bad_options_are_refused(
    library: ctypes.CDLL, embedder: c_void_p, fields: dict[str, Any], status: int, message: str
) -> None:
    given = EmbedOptions(**{"struct_size": ctypes.sizeof(EmbedOptions), **fields})
    result = c_void_p(1)
    found = library.bgem3_embed(embedder, texts_of(["a"]), 1, ctypes.byref(given), ctypes.byref(result))
    assert found == status
    assert message in library.bgem3_last_error().decode()
    assert not result.value


def test_options_of_an_older_and_a_newer_header(library: ctypes.CDLL, model: Path) -> None:
    class Newer(ctypes.Structure):
        _fields_ = [("known", OpenOptions), ("added", c_size_t)]

    newer = Newer(OpenOptions(struct_size=ctypes.sizeof(Newer), model=str(model).encode()), 0)
    handle = c_void_p()
    assert library.bgem3_open(ctypes.byref(newer), ctypes.byref(handle)) == OK
    library.bgem3_embedder_free(handle)
    newer.added = 1
    assert library.bgem3_open(ctypes.byref(newer), ctypes.byref(handle)) == UNSUPPORTED
    assert not handle.value

    older = OpenOptions(struct_size=OpenOptions.dtype.offset, model=str(model).encode(), dtype=b"not read")
    assert library.bgem3_open(ctypes.byref(older), ctypes.byref(handle)) == OK
    library.bgem3_embedder_free(handle)


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"model": b"no/such-model"}, NOT_FOUND, "no/such-model"),
        ({"dtype": b"f64"}, INVALID_INPUT, "f64"),
        ({"isa": b"abacus"}, INVALID_INPUT, "abacus"),
        ({"threads": -1}, INVALID_INPUT, "threads"),
    ],
)
def test_a_model_that_cannot_be_opened(
    library: ctypes.CDLL, model: Path, fields: dict[str, Any], status: int, message: str
) -> None:
    given = options(OpenOptions, **{"model": str(model).encode(), **fields})
    handle = c_void_p(1)
    assert library.bgem3_open(ctypes.byref(given), ctypes.byref(handle)) == status
    assert message in library.bgem3_last_error().decode()
    assert not handle.value


def test_threads_share_a_model_and_have_their_own_errors(library: ctypes.CDLL, embedder: c_void_p) -> None:
    expected = embed(library, embedder, TEXTS)
    bits = dense_of(library, expected).tobytes()
    library.bgem3_result_free(expected)
    found: list[bool] = []

    def work(index: int) -> None:
        for _ in range(5):
            result = embed(library, embedder, TEXTS)
            found.append(dense_of(library, result).tobytes() == bits)
            library.bgem3_result_free(result)
        assert library.bgem3_last_error() == b""
        token = Text()
        library.bgem3_token(embedder, 10_000_000 + index, ctypes.byref(token))
        found.append(str(10_000_000 + index).encode() in library.bgem3_last_error())

    threads = [threading.Thread(target=work, args=[index]) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4 * 6


def test_progress_and_stopping(library: ctypes.CDLL, model: Path) -> None:
    handle = open_model(library, model=str(model).encode(), threads=1, pass_tokens=64)
    texts = [f"text {i} " * 20 for i in range(200)]
    seen: list[tuple[int, int]] = []

    def on_progress(context: int | None, done: int, total: int) -> int:
        seen.append((done, total))
        return int(context == 1 and done > 0)

    callback = ON_PROGRESS(on_progress)
    result = embed(library, handle, texts, on_progress=callback)
    assert seen[-1] == (200, 200)
    whole = dense_of(library, result)
    library.bgem3_result_free(result)

    result = embed(library, handle, texts, on_progress=callback, context=1)
    errors = [library.bgem3_result_embedding(result, i).contents.error for i in range(200)]
    assert set(errors) == {OK, CANCELLED}
    done = [i for i, error in enumerate(errors) if error == OK]
    assert dense_of(library, result)[done].tobytes() == whole[done].tobytes()
    library.bgem3_result_free(result)
    library.bgem3_embedder_free(handle)


def test_tokens_are_the_programs(library: ctypes.CDLL, embedder: c_void_p, program: Program, model: Path) -> None:
    output = program.run("tokenize", "-", "--model", model, "--input-format", "jsonl", stdin=jsonl(TEXTS)).stdout
    for text, line in zip(TEXTS, output.splitlines(), strict=True):
        expected = json.loads(line)
        tokens = POINTER(Tokens)()
        data = text.encode()
        assert library.bgem3_tokenize(embedder, Text(data, len(data)), None, ctypes.byref(tokens)) == OK
        found = tokens.contents
        assert found.ids[: found.size] == expected["ids"]
        assert [list(offsets) for offsets in found.offsets[: found.size]] == expected["offsets"]
        for token_id, name in zip(expected["ids"], expected["tokens"], strict=True):
            token = Text()
            assert library.bgem3_token(embedder, token_id, ctypes.byref(token)) == OK
            address = c_void_p.from_buffer(token).value
            assert address
            assert ctypes.string_at(address, token.size_bytes).decode() == name
        library.bgem3_tokens_free(tokens)


def test_tokenize_options(library: ctypes.CDLL, embedder: c_void_p) -> None:
    data = ("word " * 50).encode()
    for fields, size, truncated in [({"max_tokens": 7}, 7, 1), ({"max_tokens": 7, "no_special_tokens": 1}, 7, 1)]:
        tokens = POINTER(Tokens)()
        given = options(TokenizeOptions, **fields)
        assert library.bgem3_tokenize(embedder, Text(data, len(data)), ctypes.byref(given), ctypes.byref(tokens)) == OK
        assert (tokens.contents.size, tokens.contents.truncated) == (size, truncated)
        assert (tokens.contents.ids[0] == 0) == ("no_special_tokens" not in fields)
        library.bgem3_tokens_free(tokens)
    tokens = POINTER(Tokens)()
    assert library.bgem3_tokenize(embedder, Text(b"\xff", 1), None, ctypes.byref(tokens)) == INVALID_INPUT
    assert not tokens
