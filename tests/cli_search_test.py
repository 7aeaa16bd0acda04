"""bgem3 search: every mode, with outputs computed or read back, ranks as NumPy does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_test import error_line, records
from make_model import ModelSpec
from support import Program, multi_of, sparse_of

MakeModel = Callable[[ModelSpec], Path]

MODES = ["dense", "sparse", "multi", "hybrid"]
FORMS = ["npz", "jsonl"]
ALL = "dense,sparse,multi"
TEXTS = [f"{'deep sea ' * (i % 5)}passage {i * i % 97} of the {'moon' if i % 3 else 'tide'}" for i in range(60)]
QUERIES = ["how deep is the sea", "moon"]


@pytest.fixture(scope="module")
def model(model_folder: MakeModel) -> Path:
    return model_folder(ModelSpec())


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps({"text": text, "id": f"é{i}"}) + "\n" for i, text in enumerate(TEXTS)))
    return path


def embed(program: Program, corpus: Path, model: Path, name: str, outputs: str = ALL, *flags: object) -> Path:
    """The outputs of a corpus, in a file beside it."""
    path = corpus.parent / name
    path.unlink(missing_ok=True)
    program.run("embed", corpus, "--model", model, "--outputs", outputs, "-o", path, *flags)
    return path


def ranking(queries: np.ndarray, corpus: np.ndarray, top: int) -> list[tuple[list[int], np.ndarray]]:
    """Rows and scores by cosine in float64, the earlier row first where they are equal."""
    q, c = queries.astype(np.float64), corpus.astype(np.float64)
    scores = (q @ c.T) / np.linalg.norm(q, axis=1)[:, None] / np.linalg.norm(c, axis=1)
    orders = [np.argsort(-row, kind="stable")[:top] for row in scores]
    return [(list(map(int, order)), row[order]) for order, row in zip(orders, scores, strict=True)]


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("top", [1, 5, 1000])
def test_search_ranks_as_numpy_does(program: Program, model: Path, tmp_path: Path, stored: bool, top: int) -> None:
    texts = [f"{'deep sea ' * (i % 5)}passage {i * i % 97} of the {'moon' if i % 3 else 'tide'}" for i in range(200)]
    queries = ["how deep is the sea", "moon"]
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"text": text, "id": f"p{i}"}) + "\n" for i, text in enumerate(texts)))
    flags: list[object] = ["--query-prompt", "q: ", "--passage-prompt", "p: "]
    if stored:
        program.run("embed", corpus, "--model", model, "--prompt", "p: ", "-o", tmp_path / "v.npy")
        flags = ["--query-prompt", "q: ", "--embeddings", tmp_path / "v.npy"]
    queried = [flag for query in queries for flag in ("--query", query)]
    found = records(program.run("search", corpus, "--model", model, "--json", "--top", top, *flags, *queried).stdout)
    query_vectors = program.embed(model, queries, "--prompt", "q: ")
    expected = ranking(query_vectors, program.embed(model, texts, "--prompt", "p: "), top)
    for query, (rows, scores) in zip(queries, expected, strict=True):
        hits = [hit for hit in found if hit["query"] == query]
        assert [hit["rank"] for hit in hits] == list(range(1, len(rows) + 1))
        # Equal to the last bit only up to the order of a sum: compare the scores, and the rows where scores differ.
        assert np.allclose([hit["score"] for hit in hits], scores, atol=1e-12)
        for hit, row, score in zip(hits, rows, scores, strict=True):
            assert hit["row"] == row or abs(hit["score"] - score) < 1e-12
        assert all(hit["id"] == f"p{hit['row']}" and hit["text"] == texts[hit["row"]] for hit in hits)


def test_equal_scores_keep_the_order_of_the_corpus(program: Program, model: Path) -> None:
    arguments = ["search", "-", "--model", model, "--query", "tide", "--top", 3, "--json"]
    result = program.run(*arguments, stdin="moon\ntide\n" * 5)
    assert [hit["row"] for hit in records(result.stdout)] == [1, 3, 5]


def test_search_for_people(program: Program, model: Path) -> None:
    stdin = "tide\nmoon \x1b[31m\u202ered\n"
    lines = program.run("search", "-", "--model", model, "--query", "tide", stdin=stdin).stdout.decode().splitlines()
    assert lines[0].split() == ["1", "1.0000", "0", "tide"]
    assert lines[1].endswith("moon \\x1b[31m\\u{202e}red")


def test_search_embeddings_that_do_not_fit(program: Program, model: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("a\nb\n")
    hidden = json.loads((model / "config.json").read_text())["hidden_size"]
    for name, matrix, code, part in [
        ("rows", np.ones((3, hidden), np.float32), 1, "3 rows, the corpus has 2 texts"),
        ("fewer", np.ones((1, hidden), np.float32), 1, "1 rows, the corpus has more texts"),
        ("columns", np.ones((2, 3), np.float32), 2, "3 dimensions"),
        ("double", np.ones((2, hidden)), 1, "expected float32"),
        ("words", np.ones((2, hidden), np.int16), 1, "found '<i2'"),
        ("none", np.ones((2, 0), np.float32), 1, "dense has no dimensions"),
        ("bits", np.ones((2, hidden), np.uint8), 2, f"{8 * hidden} dimensions"),
        ("fortran", np.asfortranarray(np.ones((2, hidden), np.float32)), 1, "expected C order"),
        ("nan", np.full((2, hidden), np.nan, np.float32), 1, "not finite"),
    ]:
        np.save(tmp_path / name, matrix)
        arguments = ["search", corpus, "--model", model, "--query", "q", "--embeddings", tmp_path / f"{name}.npy"]
        result = program.run(*arguments, check=False)
        assert result.returncode == code and part in error_line(result), name
        assert result.stdout == b""


def test_search_skips_what_embed_rejected(program: Program, model: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"text":"moon"}\nbroken\n{"text":"tide"}\n')
    flags = ["--model", model, "--on-error", "skip"]
    assert program.run("embed", corpus, "-o", tmp_path / "v.npy", *flags, check=False).returncode == 3
    for more in ([], ["--embeddings", tmp_path / "v.npy"]):
        result = program.run("search", corpus, "--query", "tide", "--json", *flags, *more, check=False)
        assert result.returncode == 3
        assert [hit["row"] for hit in records(result.stdout)] == [2, 0]


# ---------------------------------------------------------------------------------------------------------------------
# The other outputs


def scores_of(
    queries: dict[str, np.ndarray], corpus: dict[str, np.ndarray], weights: list[float]
) -> dict[str, np.ndarray]:
    """Of each mode, [queries, texts] in float64, by the definitions."""
    query_count, texts = len(queries["dense"]), len(corpus["dense"])
    dense = queries["dense"].astype(np.float64) @ corpus["dense"].astype(np.float64).T
    sparse, multi = np.zeros((query_count, texts)), np.zeros((query_count, texts))
    for q in range(query_count):
        query_weights, query_vectors = sparse_of(queries, q), multi_of(queries, q).astype(np.float64)
        for t in range(texts):
            text_weights = sparse_of(corpus, t)
            sparse[q, t] = sum(weight * text_weights.get(id, 0) for id, weight in query_weights.items())
            multi[q, t] = (query_vectors @ multi_of(corpus, t).astype(np.float64).T).max(axis=1).mean()
    hybrid = (weights[0] * dense + weights[1] * sparse + weights[2] * multi) / sum(weights)
    return {"dense": dense, "sparse": sparse, "multi": multi, "hybrid": hybrid}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", ["computed", *FORMS])
def test_modes_rank_as_numpy_does(program: Program, model: Path, corpus: Path, mode: str, form: str) -> None:
    weights = [1, 0.3, 2]
    flags: list[object] = ["--mode", mode, "--top", 1000, "--json"]
    if mode == "hybrid":
        flags += ["--weights", ",".join(map(str, weights))]
    if form != "computed":
        flags += ["--embeddings", embed(program, corpus, model, f"a.{form}")]
    for query in QUERIES:
        flags += ["--query", query]
    hits = records(program.run("search", corpus, "--model", model, *flags).stdout)
    arrays = [program.embed_outputs(model, texts) for texts in (QUERIES, TEXTS)]
    expected = scores_of(arrays[0], arrays[1], weights)[mode]
    for query, scores in zip(QUERIES, expected, strict=True):
        found = [hit for hit in hits if hit["query"] == query]
        assert sorted(hit["row"] for hit in found) == list(range(len(TEXTS)))
        assert [hit["rank"] for hit in found] == list(range(1, len(TEXTS) + 1))
        # f32 sums of 48 products of components below 1.
        assert np.abs([hit["score"] - scores[hit["row"]] for hit in found]).max() < 1e-5
        order = [(-hit["score"], hit["row"]) for hit in found]
        assert order == sorted(order)
        assert all(hit["id"] == f"é{hit['row']}" and hit["text"] == TEXTS[hit["row"]] for hit in found)
    assert np.ptp(expected) > 0.1


@pytest.mark.parametrize("mode", MODES)
def test_every_form_and_any_threads_give_the_same_output(
    program: Program, model: Path, corpus: Path, mode: str
) -> None:
    arguments = ["search", corpus, "--model", model, "--mode", mode, "--query", QUERIES[0], "--json"]
    expected = program.run(*arguments).stdout
    files = [embed(program, corpus, model, f"a.{form}") for form in FORMS]
    np.savez(corpus.parent / "again.npz", **np.load(files[0]))
    np.savez_compressed(corpus.parent / "small.npz", **np.load(files[0]))
    for file in [*files, corpus.parent / "again.npz", corpus.parent / "small.npz"]:
        assert program.run(*arguments, "--embeddings", file, "--threads", 1).stdout == expected, file
    for isa in program.isas(model):
        assert program.run(*arguments, "--isa", isa).stdout == expected, isa


@pytest.mark.parametrize("precision", ["float16", "int8", "ubinary"])
def test_vectors_in_fewer_bits_rank_as_what_they_mean(
    program: Program, model: Path, corpus: Path, precision: str
) -> None:
    arrays = program.embed_outputs(model, TEXTS, "--precision", precision)
    query = program.embed_outputs(model, QUERIES[:1])
    for name in ("dense", "multi"):
        if precision == "ubinary":
            arrays[name] = (2.0 * np.unpackbits(arrays[name], axis=1) - 1) / np.sqrt(48)
        else:
            arrays[name] = arrays[name].astype(np.float64) / (127 if precision == "int8" else 1)
    arrays["dense"] /= np.linalg.norm(arrays["dense"], axis=1)[:, None]
    loss = {"float16": 2e-3, "int8": 0.0315, "ubinary": 2.0}[precision]
    exact = scores_of(query, program.embed_outputs(model, TEXTS), [1, 1, 1])
    expected = scores_of(query, arrays, [1, 1, 1])
    for form in ["npy", *FORMS]:
        file = embed(program, corpus, model, f"a.{form}", "dense" if form == "npy" else ALL, "--precision", precision)
        for mode in ["dense"] if form == "npy" else MODES:
            arguments = ["search", corpus, "--model", model, "--query", QUERIES[0], "--top", 1000, "--json"]
            hits = records(program.run(*arguments, "--mode", mode, "--embeddings", file).stdout)
            assert len(hits) == len(TEXTS)
            for hit in hits:
                assert abs(hit["score"] - expected[mode][0, hit["row"]]) < 1e-5
                assert abs(hit["score"] - exact[mode][0, hit["row"]]) < loss


def test_equal_scores_of_every_mode_keep_the_order_of_the_corpus(program: Program, model: Path) -> None:
    for mode in MODES:
        arguments = ["search", "-", "--model", model, "--query", "tide", "--top", 3, "--json", "--mode", mode]
        hits = records(program.run(*arguments, stdin="moon\ntide\n" * 5).stdout)
        assert [hit["row"] for hit in hits] == [1, 3, 5], mode


def test_many_texts_are_scored_in_blocks(program: Program, model: Path, tmp_path: Path) -> None:
    texts = [f"{'the deep blue sea and the moon ' * 60} {i % 11}" for i in range(500)]  # 40 MB of vectors
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(texts))
    vectors = embed(program, corpus, model, "a.npz", "multi")
    assert vectors.stat().st_size > 33 << 20
    arguments = ["search", corpus, "--model", model, "--query", "moon 3", "--top", 60, "--json", "--mode", "multi"]
    hits = records(program.run(*arguments, "--embeddings", vectors).stdout)
    best = hits[0]["row"] % 11
    assert [hit["row"] for hit in hits[:45]] == list(range(best, 500, 11))


def test_hybrid_needs_no_output_of_weight_zero(program: Program, model: Path, corpus: Path) -> None:
    arguments = ["search", corpus, "--model", model, "--query", "moon", "--json"]
    vectors = embed(program, corpus, model, "a.npz", "dense,sparse")
    flags = ["--mode", "hybrid", "--embeddings", vectors]
    sparse = records(program.run(*arguments, "--mode", "sparse").stdout)
    only_sparse = records(program.run(*arguments, *flags, "--weights", "0,2,0").stdout)
    assert only_sparse == sparse
    result = program.run(*arguments, *flags, check=False)
    assert result.returncode == 2 and "no multi output" in error_line(result)
    assert "bgem3 embed --outputs dense,sparse,multi" in error_line(result)


# ---------------------------------------------------------------------------------------------------------------------
# What does not fit


@pytest.mark.parametrize("mode", MODES[1:])
@pytest.mark.parametrize("form", ["npy", *FORMS])
def test_an_output_that_is_not_there(program: Program, model: Path, corpus: Path, mode: str, form: str) -> None:
    vectors = embed(program, corpus, model, f"a.{form}", "dense")
    arguments = ["search", corpus, "--model", model, "--query", "q", "--mode", mode, "--embeddings", vectors]
    result = program.run(*arguments, check=False)
    assert result.returncode == 2 and result.stdout == b""
    assert f"{vectors} has no {'multi' if mode == 'multi' else 'sparse'} output" in error_line(result)
    assert f"bgem3 embed --outputs {ALL if mode == 'hybrid' else mode} -o FILE." in error_line(result)


@pytest.mark.parametrize("form", FORMS)
def test_outputs_of_another_model(
    program: Program, model: Path, model_folder: MakeModel, corpus: Path, form: str
) -> None:
    other = model_folder(ModelSpec(hidden=32, heads=2))
    vectors = embed(program, corpus, other, f"a.{form}")
    for mode in ("dense", "multi", "hybrid"):
        arguments = ["search", corpus, "--model", model, "--query", "q", "--mode", mode, "--embeddings", vectors]
        result = program.run(*arguments, check=False)
        assert result.returncode == 2 and "has 32 dimensions" in error_line(result) and "makes 48" in error_line(result)


def test_a_model_without_heads(program: Program, model_folder: MakeModel, corpus: Path) -> None:
    plain = model_folder(ModelSpec(family="bert"))
    for mode, file in (("sparse", "sparse_linear.pt"), ("multi", "colbert_linear.pt"), ("hybrid", "sparse_linear.pt")):
        arguments = ["search", corpus, "--model", plain, "--query", "q", "--mode", mode]
        result = program.run(*arguments, check=False)
        assert result.returncode == 2 and file in error_line(result) and result.stdout == b""


@pytest.mark.parametrize("weights", ["1,1", "1,2,3,4", "0,0,0", "1,-1,1", "a,b,c", "nan,1,1"])
def test_weights_that_are_none(program: Program, weights: str) -> None:
    arguments = ["search", "-", "--model", "none", "--query", "q", "--mode", "hybrid", "--weights", weights]
    result = program.run(*arguments, check=False)
    assert result.returncode == 2 and "--weights: expected three numbers" in error_line(result)


@pytest.mark.parametrize("form", FORMS)
def test_damaged_files_print_no_results(program: Program, model: Path, corpus: Path, form: str) -> None:
    vectors = embed(program, corpus, model, f"a.{form}")
    whole = vectors.read_bytes()
    arguments = ["search", corpus, "--model", model, "--query", "q", "--mode", "hybrid", "--embeddings", vectors]
    changed = bytearray(whole)
    place = whole.index(b"multi.npy") + 1000 if form == "npz" else whole.rindex(b"]")
    changed[place] ^= 1
    for damaged in (whole[: len(whole) // 2], whole[:-20], bytes(changed), b"nonsense"):
        vectors.write_bytes(damaged)
        result = program.run(*arguments, check=False)
        assert result.returncode == 1 and str(vectors) in error_line(result) and result.stdout == b""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMS)
def test_a_corpus_that_has_more_or_fewer_texts(
    program: Program, model: Path, corpus: Path, form: str, mode: str
) -> None:
    vectors = embed(program, corpus, model, f"a.{form}")
    lines = corpus.read_text().splitlines(keepends=True)
    for changed in (lines[:-1], [*lines, '{"text": "more"}\n']):
        corpus.write_text("".join(changed))
        arguments = ["search", corpus, "--model", model, "--query", "q", "--mode", mode, "--embeddings", vectors]
        result = program.run(*arguments, check=False)
        assert result.returncode == 1 and str(vectors) in error_line(result) and result.stdout == b""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMS)
def test_what_embed_rejected_is_skipped_in_every_form(
    program: Program, model: Path, tmp_path: Path, form: str, mode: str
) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"text":"moon"}\nbroken\n{"text":"tide"}\n')
    vectors = tmp_path / f"v.{form}"
    flags = ["--model", model, "--on-error", "skip"]
    assert program.run("embed", corpus, "--outputs", ALL, "-o", vectors, *flags, check=False).returncode == 3
    arguments = ["search", corpus, "--query", "tide", "--json", "--mode", mode, "--embeddings", vectors, *flags]
    result = program.run(*arguments, check=False)
    assert result.returncode == 3
    assert [hit["row"] for hit in records(result.stdout)] == [2, 0]
