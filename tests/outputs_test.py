"""The three outputs of bge-m3: by FlagEmbedding's rules, in every format, with the same bits everywhere.

The reference is tests/reference_encoder.py in float64; tests/parity compares with transformers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exactness_test import DTYPES, MODELS, TEXTS, golden_spec, truncated
from make_model import ModelSpec
from reference_encoder import ReferenceEncoder
from support import Program, jsonl, multi_of, read_golden, sparse_of

MakeModel = Callable[[ModelSpec], Path]

WITH_HEADS = [name for name in MODELS if name.startswith("xlmr")]
MAX_DENSE_ERROR, MAX_SPARSE_ERROR, MAX_MULTI_ERROR = 5e-7, 3e-6, 2e-5


@pytest.fixture(scope="module")
def model(model_folder: MakeModel) -> Path:
    return model_folder(ModelSpec())


def check_sparse(found: dict[int, float], expected: dict[int, float]) -> None:
    """The same keys in the same order, but for those whose weight is about zero in either, and about equal weights."""
    keys = [key for key in expected if min(expected[key], found.get(key, 0)) >= MAX_SPARSE_ERROR]
    assert [key for key in found if key in keys] == keys
    for key in found.keys() | expected.keys():
        assert abs(found.get(key, 0) - expected.get(key, 0)) <= MAX_SPARSE_ERROR, key


@pytest.mark.parametrize("name", WITH_HEADS)
def test_outputs_follow_the_rules(name: str, program: Program, model_folder: MakeModel) -> None:
    spec = golden_spec(read_golden(name))
    folder = model_folder(spec)
    arrays = program.embed_outputs(folder, TEXTS)
    reference = ReferenceEncoder(folder)
    assert arrays["sparse_shape"].tolist() == [len(TEXTS), reference.config["vocab_size"]]
    entries = 0
    for text, ids in enumerate(program.tokenize(folder, TEXTS)):
        dense, sparse, multi = reference.outputs(truncated(ids, spec.max_tokens))
        assert np.abs(arrays["dense"][text] - dense).max() <= MAX_DENSE_ERROR
        check_sparse(sparse_of(arrays, text), sparse)
        assert multi_of(arrays, text).shape == multi.shape
        assert np.abs(multi_of(arrays, text) - multi).max() <= MAX_MULTI_ERROR
        entries += len(sparse)
    assert entries > 10 * len(TEXTS)


def test_dimensions_are_cut_before_vectors_are_scaled(program: Program, model: Path) -> None:
    arrays = program.embed_outputs(model, TEXTS, "--truncate-dim", 17)
    reference = ReferenceEncoder(model)
    for text, ids in enumerate(program.tokenize(model, TEXTS)):
        dense, sparse, multi = reference.outputs(ids, 17)
        assert np.abs(arrays["dense"][text] - dense).max() <= 2 * MAX_DENSE_ERROR
        assert np.abs(multi_of(arrays, text) - multi).max() <= MAX_MULTI_ERROR
        check_sparse(sparse_of(arrays, text), sparse)


def test_an_empty_text_has_no_weights_and_one_vector(program: Program, model: Path) -> None:
    arrays = program.embed_outputs(model, [""])
    assert sparse_of(arrays, 0) == {}
    assert multi_of(arrays, 0).shape == (1, 48)


def test_special_tokens_have_no_weight_and_the_mask_may(program: Program, model: Path) -> None:
    texts = ["<s> one <pad> two </s> three <unk> four \U00009e42", *(f"<mask> number {i}" for i in range(20))]
    arrays = program.embed_outputs(model, texts)
    mask = max(id for ids in program.tokenize(model, ["<mask>"]) for id in ids)
    keys = [set(sparse_of(arrays, text)) for text in range(len(texts))]
    assert not set().union(*keys) & {0, 1, 2, 3}
    assert any(mask in some for some in keys)


# ---------------------------------------------------------------------------------------------------------------------
# The same text in other company


def pieces(arrays: dict[str, np.ndarray], text: int) -> tuple[bytes, str, bytes]:
    return arrays["dense"][text].tobytes(), repr(sparse_of(arrays, text)), multi_of(arrays, text).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits_alone_batched_and_shuffled(dtype: str, program: Program, model: Path) -> None:
    batched = program.embed_outputs(model, TEXTS, "--dtype", dtype)
    order = list(range(len(TEXTS)))
    random.Random(1).shuffle(order)
    shuffled = program.embed_outputs(model, [TEXTS[index] for index in order] + TEXTS[::3], "--dtype", dtype)
    for place, index in enumerate([*order, *range(0, len(TEXTS), 3)]):
        assert pieces(shuffled, place) == pieces(batched, index), index
    for index, text in enumerate(TEXTS):
        assert pieces(program.embed_outputs(model, [text], "--dtype", dtype), 0) == pieces(batched, index), index


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", WITH_HEADS)
def test_same_file_on_any_threads_and_instruction_set(
    name: str, dtype: str, program: Program, model_folder: MakeModel
) -> None:
    folder = model_folder(golden_spec(read_golden(name)))

    def file(*flags: object) -> bytes:
        program.embed_outputs(folder, TEXTS, "--dtype", dtype, *flags)
        return (program.scratch / "out.npz").read_bytes()

    expected = file("--isa", "scalar", "--threads", 1)
    assert file("--threads", 1) == file("--threads", 2) == expected
    for isa in program.isas(folder)[1:]:
        assert file("--isa", isa) == expected, isa


@pytest.mark.parametrize("dtype", DTYPES)
def test_dense_is_the_same_with_and_without_the_others(dtype: str, program: Program, model: Path) -> None:
    """Alone, the last layer computes one row a text only."""
    alone = program.embed(model, TEXTS, "--dtype", dtype)
    assert program.embed_outputs(model, TEXTS, "--dtype", dtype)["dense"].tobytes() == alone.tobytes()


def test_fewer_bits_stay_close(program: Program, model: Path) -> None:
    exact = program.embed_outputs(model, TEXTS)
    for dtype, least in (("bf16", 0.995), ("int8", 0.98)):
        arrays = program.embed_outputs(model, TEXTS, "--dtype", dtype)
        cosines = (arrays["multi"].astype(np.float64) * exact["multi"]).sum(axis=1)
        assert cosines.mean() > least and cosines.mean() < 1 - 1e-7


# ---------------------------------------------------------------------------------------------------------------------
# Formats


def test_jsonl_and_npz_have_the_same_bits(program: Program, model: Path) -> None:
    arrays = program.embed_outputs(model, TEXTS)
    result = program.run(
        *("embed", "-", "--model", model, "--input-format", "jsonl", "--outputs", "dense,sparse,multi"),
        stdin=jsonl(TEXTS),
    )
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert list(lines[0]) == ["id", "embedding", "sparse", "multi", "tokens", "truncated"]
    for text, line in enumerate(lines):
        assert np.array(line["embedding"], np.float32).tobytes() == arrays["dense"][text].tobytes()
        sparse = {int(key): np.float32(weight) for key, weight in line["sparse"].items()}
        assert sparse == sparse_of(arrays, text) and list(sparse) == list(sparse_of(arrays, text))
        assert np.array(line["multi"], np.float32).tobytes() == multi_of(arrays, text).tobytes()
        assert len(line["multi"]) == line["tokens"] - 1


@pytest.mark.parametrize("outputs", ["dense", "sparse", "multi", "sparse,dense"])
def test_only_what_is_asked_for_is_written(outputs: str, program: Program, model: Path) -> None:
    arrays = program.embed_outputs(model, TEXTS[:5])
    some = program.embed_outputs(model, TEXTS[:5], "--outputs", outputs)
    names = {name for name in arrays if name.split("_")[0] in outputs.split(",")}
    assert set(some) == names
    for name in names:
        assert some[name].tobytes() == arrays[name].tobytes() and some[name].dtype == arrays[name].dtype
    result = program.run("embed", "-", "--model", model, "--outputs", outputs, stdin="one text")
    keys = {"dense": "embedding"}
    asked = {keys.get(name, name) for name in outputs.split(",")}
    assert set(json.loads(result.stdout)) == {"id", "tokens", "truncated", *asked}


def test_the_types_of_the_arrays(program: Program, model: Path) -> None:
    arrays = program.embed_outputs(model, TEXTS[:3])
    assert {name: str(array.dtype) for name, array in arrays.items()} == {
        "dense": "float32",
        "sparse_indptr": "int64",
        "sparse_indices": "int32",
        "sparse_data": "float32",
        "sparse_shape": "int64",
        "multi": "float32",
        "multi_offsets": "int64",
    }
    for name in ("sparse_indptr", "multi_offsets"):
        assert arrays[name].shape == (4,) and arrays[name][0] == 0


def test_no_texts_are_arrays_without_rows(program: Program, model: Path) -> None:
    arrays = program.embed_outputs(model, [])
    assert arrays["dense"].shape == (0, 48) and arrays["multi"].shape == (0, 48)
    assert arrays["sparse_indptr"].tolist() == [0] and arrays["multi_offsets"].tolist() == [0]


def test_a_rejected_record_has_no_tokens(program: Program, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.npz"
    flags = ["--model", model, "--outputs", "dense,sparse,multi", "--on-error", "skip", "--input-format", "jsonl"]
    result = program.run("embed", "-", "-o", output, *flags, stdin='{"text":"one"}\nbad\n{"text":"two"}\n', check=False)
    assert result.returncode == 3
    arrays = dict(np.load(output))
    assert np.isnan(arrays["dense"]).all(axis=1).tolist() == [False, True, False]
    assert sparse_of(arrays, 1) == {} and len(multi_of(arrays, 1)) == 0
    expected = program.embed_outputs(model, ["one", "two"])
    assert pieces(arrays, 0) == pieces(expected, 0) and pieces(arrays, 2) == pieces(expected, 1)


def test_chunks_are_the_rows_of_every_output(program: Program, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.npz"
    program.run(
        *("embed", "-", "--model", model, "--outputs", "dense,sparse,multi", "--chunk", 16, "-o", output),
        stdin="The tide turns twice a day. " * 20,
    )
    chunks = [json.loads(line) for line in (tmp_path / "a.chunks.jsonl").read_text().splitlines()]
    arrays = dict(np.load(output))
    assert len(chunks) > 3 and len(arrays["dense"]) == len(chunks)
    assert np.diff(arrays["multi_offsets"]).tolist() == [chunk["tokens"] - 1 for chunk in chunks]


# ---------------------------------------------------------------------------------------------------------------------
# Fewer bits


def in_fewer_bits(precision: str, vectors: np.ndarray) -> np.ndarray:
    """What include/bgem3/quantize.h says, by NumPy; the range of 48 dimensions is 1."""
    if precision == "float16":
        return vectors.astype(np.float16)
    if precision == "int8":
        return np.clip(np.rint(vectors * np.float32(127)), -127, 127).astype(np.int8)
    return np.packbits(vectors > 0, axis=1)


@pytest.mark.parametrize("precision", ["float16", "int8", "ubinary"])
def test_every_form_has_the_same_vectors_in_fewer_bits(
    precision: str, program: Program, model: Path, tmp_path: Path
) -> None:
    exact = program.embed_outputs(model, TEXTS)
    arrays = program.embed_outputs(model, TEXTS, "--precision", precision)
    for name, array in arrays.items():
        expected = in_fewer_bits(precision, exact[name]) if name in ("dense", "multi") else exact[name]
        assert array.dtype == expected.dtype and array.shape == expected.shape
        assert array.tobytes() == expected.tobytes(), name
    flags = ["--model", model, "--input-format", "jsonl", "--precision", precision]
    program.run("embed", "-", *flags, "-o", tmp_path / "a.npy", stdin=jsonl(TEXTS))
    dense = np.load(tmp_path / "a.npy")
    assert dense.dtype == arrays["dense"].dtype and dense.tobytes() == arrays["dense"].tobytes()
    result = program.run("embed", "-", *flags, "--outputs", "dense,sparse,multi", stdin=jsonl(TEXTS))
    for text, line in enumerate(map(json.loads, result.stdout.splitlines())):
        assert list(line) == ["id", "precision", "embedding", "sparse", "multi", "tokens", "truncated"]
        assert line["precision"] == precision
        if precision != "float16":
            assert all(type(value) is int for value in [*line["embedding"], *line["multi"][0]])
        assert np.array(line["embedding"], dense.dtype).tobytes() == dense[text].tobytes()
        assert np.array(line["multi"], dense.dtype).tobytes() == multi_of(arrays, text).tobytes()


def test_float32_is_what_is_written_unasked(program: Program, model: Path) -> None:
    assert program.embed_bytes(model, TEXTS, "--precision", "float32") == program.embed_bytes(model, TEXTS)


def test_a_rejected_record_in_fewer_bits(program: Program, model: Path, tmp_path: Path) -> None:
    flags = ["--model", model, "--on-error", "skip", "--input-format", "jsonl"]
    stdin = '{"text":"one"}\nbad\n{"text":"two"}\n'
    rows = {}
    for precision in ("float16", "int8"):
        output = tmp_path / f"{precision}.npy"
        result = program.run("embed", "-", "-o", output, "--precision", precision, *flags, stdin=stdin, check=False)
        assert result.returncode == 3
        rows[precision] = np.load(output)
    assert np.isnan(rows["float16"]).all(axis=1).tolist() == [False, True, False]
    assert (rows["int8"] == -128).all(axis=1).tolist() == [False, True, False]
    assert not (rows["int8"][::2] == -128).any()
    for name, code, part in (("a.npy", 2, "cannot say that its record was rejected"), ("a.jsonl", 3, "")):
        arguments = ["embed", "-", "-o", tmp_path / name, "--precision", "ubinary", *flags]
        result = program.run(*arguments, stdin=stdin, check=False)
        assert result.returncode == code and part in result.stderr.decode()
        assert (tmp_path / name).exists() == (code == 3)


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--precision", "int8", "--no-normalize"], "expected vectors of length one"),
        (["--precision", "ubinary", "--truncate-dim", "44"], "found 44; pass --truncate-dim 40"),
    ],
)
def test_vectors_that_have_no_such_form(
    program: Program, model: Path, tmp_path: Path, flags: list[str], part: str
) -> None:
    arguments = ["embed", "-", "--model", model, "-o", tmp_path / "a.npy", *flags]
    result = program.run(*arguments, stdin="x", check=False)
    assert result.returncode == 2 and part in result.stderr.decode()
    assert not (tmp_path / "a.npy").exists()


# ---------------------------------------------------------------------------------------------------------------------
# Models and options without


def test_a_model_without_heads_says_so(program: Program, model_folder: MakeModel, model: Path) -> None:
    plain = model_folder(ModelSpec(family="bert"))
    for name, file in (("sparse", "sparse_linear.pt"), ("multi", "colbert_linear.pt")):
        result = program.run("embed", "-", "--model", plain, "--outputs", name, stdin="x", check=False)
        assert result.returncode == 2 and file in result.stderr.decode() and result.stdout == b""
    for folder, outputs in ((plain, ["dense"]), (model, ["dense", "sparse", "multi"])):
        info = json.loads(program.run("info", "--model", folder, "--json").stdout)
        assert info["outputs"] == outputs
    assert {"sparse_linear.pt", "colbert_linear.pt"} <= {file["name"] for file in info["files"]}
    assert "dense, sparse, multi" in program.run("info", "--model", model).stdout.decode()


def test_a_damaged_head_is_an_error_of_the_model(program: Program, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).symlink_to(file)
    head = folder / "colbert_linear.pt"
    content = head.read_bytes()
    head.unlink()
    head.write_bytes(content[: len(content) // 2])
    result = program.run("embed", "-", "--model", folder, stdin="x", check=False)
    assert result.returncode == 5 and "colbert_linear.pt" in result.stderr.decode()
    head.unlink()
    head.symlink_to(folder / "sparse_linear.pt")
    result = program.run("embed", "-", "--model", folder, stdin="x", check=False)
    assert result.returncode == 5 and "[48, 48]" in result.stderr.decode()


def test_a_changed_head_has_packed_weights_of_its_own(program: Program, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in model.iterdir():
        if file.name != "sparse_linear.pt":
            (folder / file.name).symlink_to(file)
    flags = ["--cache-dir", tmp_path / "cache"]
    without = json.loads(program.run("info", "--model", folder, "--json", *flags).stdout)
    program.embed(folder, ["x"], *flags)
    (folder / "sparse_linear.pt").symlink_to(model / "sparse_linear.pt")
    assert json.loads(program.run("info", "--model", folder, "--json", *flags).stdout)["digest"] != without["digest"]
    for _ in range(2):  # packed, then from the packed file
        assert "sparse_data" in program.embed_outputs(folder, ["x"], *flags)
    assert len(list((tmp_path / "cache").glob("*.packed"))) == 2


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--outputs", "colbert"], "dense, sparse, multi"),
        (["--outputs", ""], "dense, sparse, multi"),
        (["--outputs", "sparse", "-o", "{}/a.npy"], ".npz or .jsonl"),
        (["--outputs", "dense,multi", "-o", "{}/a.npy"], ".npz or .jsonl"),
        (["--outputs", "sparse", "--truncate-dim", "8"], "--truncate-dim is for dense or multi output"),
        (["--outputs", "sparse,multi", "--pooling", "cls"], "--pooling is for dense output"),
        (["--outputs", "sparse", "--precision", "int8"], "--precision is for dense or multi output"),
        (["--precision", "binary"], "expected one of float32|float16|int8|ubinary, found 'binary'"),
    ],
)
def test_combinations_that_make_no_sense(program: Program, tmp_path: Path, flags: list[str], part: str) -> None:
    arguments = [flag.format(tmp_path) for flag in flags]
    result = program.run("embed", "-", "--model", "none", *arguments, stdin="x", check=False)
    assert result.returncode == 2 and part in result.stderr.decode()
