"""bgem3 history: the calls that the example program of the generator wrote down, and bad files."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import xml.etree.ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest
from make_model import ModelSpec
from support import ROOT, Program

CALLS = 3


def run_example(program: Program, *arguments: object) -> str:
    """What examples/generator.cc prints."""
    example = program.path.parent.parent / "tests/generator_example"
    if not example.exists():
        example = ROOT / "build/dev/tests/generator_example"
    result = subprocess.run([example, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def history(
    program: Program, model_folder: Callable[[ModelSpec], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The history of some runs of the example, each with one call."""
    path = tmp_path_factory.mktemp("history") / "calls.db"
    for _ in range(CALLS):
        run_example(program, model_folder(ModelSpec()), path)
    return path


def test_the_example_prints_vectors_quality_and_statistics(
    program: Program, model_folder: Callable[[ModelSpec], Path]
) -> None:
    lines = run_example(program, model_folder(ModelSpec())).splitlines()
    assert sum("quality" in line for line in lines) >= 3
    assert any("tokens/s" in line for line in lines)


def test_text_shows_every_call_and_the_comparison(program: Program, history: Path) -> None:
    text = program.run("history", history).stdout.decode()
    assert text.count("float32 unverified") == CALLS
    assert f"median of the {CALLS - 1} before it" in text


def test_json_has_the_rows_and_the_comparison(program: Program, history: Path) -> None:
    shown = json.loads(program.run("history", history, "--json").stdout)
    assert len(shown["calls"]) == CALLS
    call = shown["calls"][-1]
    assert call["texts"] == 3 and call["tokens"] > 3 and call["failures"] == 0 and call["dtype"] == "float32"
    assert shown["latest"]["calls_before"] == CALLS - 1
    assert shown["latest"]["mean_quality"]["ratio"] == 1
    rates = sorted(row["tokens_per_second"] for row in shown["calls"][:-1])
    assert shown["latest"]["tokens_per_second"]["median_before"] == pytest.approx(sum(rates) / 2)
    last = json.loads(program.run("history", history, "--json", "--last", 1).stdout)
    assert len(last["calls"]) == 1 and "latest" not in last


def test_plot_is_an_svg(program: Program, history: Path, tmp_path: Path) -> None:
    plot = tmp_path / "calls.svg"
    program.run("history", history, "--plot", plot)
    root = xml.etree.ElementTree.parse(plot).getroot()
    assert root.tag.endswith("svg")
    assert sum(element.tag.endswith("circle") for element in root.iter()) == 3 * CALLS


@pytest.mark.parametrize(("content", "part"), [(None, "no such file"), (b"x" * 2000, "not a database")])
def test_a_file_that_is_no_history(program: Program, tmp_path: Path, content: bytes | None, part: str) -> None:
    path = tmp_path / "calls.db"
    if content is not None:
        path.write_bytes(content)
    result = program.run("history", path, check=False)
    assert result.returncode == 1 and result.stdout == b""
    assert part in result.stderr.decode() and str(path) in result.stderr.decode()


def test_another_programs_database(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE calls (id INTEGER)")
    connection.commit()
    connection.close()
    result = program.run("history", path, check=False)
    assert result.returncode == 2 and b"another program" in result.stderr
