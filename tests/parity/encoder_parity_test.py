"""The program against transformers in float32 and float64 on random models, from tiny and odd to bge-m3's size.

    make test-parity            # or: build/venv-parity/bin/pytest tests/parity [-m 'not slow']

The error table is printed and kept in build/parity/errors.md.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import make_model
import pytest
from make_model import PRESETS, ModelSpec
from peers import ErrorTable, Transformers, exact_text, largest_error
from sentence_transformers import SentenceTransformer
from support import ROOT, Program

TINY = {
    "xlmr 48, 4 heads": ModelSpec(seed=21),
    "xlmr 33, 1 head": ModelSpec(hidden=33, heads=1, ffn=47, layers=2, full_precision=True, pooling="mean", seed=22),
    "xlmr 84, 12 heads": ModelSpec(hidden=84, heads=12, ffn=145, bin=True, seed=23),
    "xlmr 201, 3 heads": ModelSpec(hidden=201, heads=3, ffn=403, layers=6, full_precision=True, seed=24),
    "bert 60, 3 heads": ModelSpec(family="bert", hidden=60, heads=3, ffn=100, positions=640, seed=25),
    "bert 99, 1 head": ModelSpec(family="bert", hidden=99, heads=1, ffn=101, positions=640, pooling="cls", seed=26),
    "bert 384, 12 heads": ModelSpec(family="bert", hidden=384, heads=12, ffn=1536, layers=6, positions=640, seed=27),
}
TINY_LENGTHS = (3, 4, 5, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513, 600)
FULL = PRESETS["full"]

MakeModel = Callable[[ModelSpec], Path]


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[ErrorTable]:
    """The error table of this run; printed and written even if a row of it failed."""
    table = ErrorTable()
    yield table
    path = ROOT / "build/parity/errors.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(table.markdown())
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n\n" + table.markdown())


@pytest.fixture(scope="module")
def large_model() -> Callable[[str, ModelSpec], Path]:
    """Makes a large random model under build/models, where it stays for the next run if its spec is the same."""

    def make(name: str, spec: ModelSpec) -> Path:
        folder, note = ROOT / "build/models" / name, ROOT / "build/models" / f"{name}.spec"
        wanted = f"{make_model.RECIPE} {spec}"
        if not folder.exists() or not note.exists() or note.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            make_model.write_model(folder, spec)
            note.write_text(wanted)
        return folder

    return make


def compare(program: Program, folder: Path, name: str, counts: dict[int, int], table: ErrorTable) -> None:
    """Embeds `counts` texts of each length and adds the model to the table."""
    model = Transformers(folder)
    texts = {
        tokens: [exact_text(model.tokenizer, tokens, 1000 * tokens + seed) for seed in range(count)]
        for tokens, count in counts.items()
    }
    ours = program.embed(folder, [text for group in texts.values() for text in group])
    table.compare(name, texts, ours, model)


@pytest.mark.parametrize("name", TINY)
def test_tiny_model(name: str, program: Program, model_folder: MakeModel, table: ErrorTable) -> None:
    # More of the short texts: they are cheap, and one text's error hangs on few numbers.
    counts = {tokens: 16 if tokens <= 33 else 4 for tokens in TINY_LENGTHS}
    compare(program, model_folder(TINY[name]), name, counts, table)


def test_full_size_short_texts(
    program: Program, large_model: Callable[[str, ModelSpec], Path], table: ErrorTable
) -> None:
    compare(program, large_model("random-full", FULL), "bge-m3 size", {3: 8, 16: 8, 128: 4, 512: 2}, table)


@pytest.mark.slow
def test_full_size_2048_tokens(
    program: Program, large_model: Callable[[str, ModelSpec], Path], table: ErrorTable
) -> None:
    compare(program, large_model("random-full", FULL), "bge-m3 size", {2048: 2}, table)


@pytest.mark.slow
def test_full_width_long_texts(
    program: Program, large_model: Callable[[str, ModelSpec], Path], table: ErrorTable
) -> None:
    """Three of the 24 layers at full width: what is particular to long texts shows in any layer."""
    folder = large_model("random-3-layers", dataclasses.replace(FULL, layers=3))
    compare(program, folder, "bge-m3 size, 3 layers", {4096: 1, 8192: 1}, table)


@pytest.mark.slow
def test_full_precision_weights(
    program: Program, large_model: Callable[[str, ModelSpec], Path], table: ErrorTable
) -> None:
    spec = dataclasses.replace(FULL, layers=6, full_precision=True, seed=2)
    compare(program, large_model("random-6-layers", spec), "full precision, 6 layers", {3: 4, 128: 4, 512: 2}, table)


@pytest.mark.parametrize("name", TINY)
def test_sentence_transformers_agrees(name: str, program: Program, model_folder: MakeModel) -> None:
    """The whole pipeline by its own files: modules, pooling, limit, normalisation, tokenizer."""
    folder = model_folder(TINY[name])
    model = SentenceTransformer(str(folder), device="cpu")
    texts = ["The river runs to the sea.", "Größe, café, Привет мир", "city of stone " * 300, "x", "history"]
    texts = [text.strip() for text in texts]  # sentence-transformers strips white space around texts before 5.4
    theirs = model.encode(texts, batch_size=1, normalize_embeddings=False)
    assert largest_error(program.embed(folder, texts), theirs.astype("float64")) <= 1e-6
