"""What the README and docs/ show is run: every `sh` block as it stands, every `cpp` and `python` block as a program."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from make_model import ModelSpec
from support import ROOT, Program

PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])


def blocks(language: str) -> list[tuple[str, str]]:
    """(name, text) of every block of a language, in every page."""
    found = []
    for page in PAGES:
        texts = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        found += [(f"{page.relative_to(ROOT)}:{number}", text) for number, text in enumerate(texts)]
    return found


def test_every_block_names_its_language() -> None:
    """A block without a language would be a block that nobody runs; `text` says that there is nothing to run."""
    for page in PAGES:
        opening = re.findall(r"^```(\w*)", page.read_text(), re.MULTILINE)[::2]
        assert set(opening) <= {"sh", "cpp", "python", "text"}, f"{page}: {opening}"


@pytest.mark.parametrize(("name", "text"), blocks("sh"), ids=[name for name, _ in blocks("sh")])
def test_shell_block(
    name: str, text: str, program: Program, minilm: Path, model_folder: Callable[[ModelSpec], Path], tmp_path: Path
) -> None:
    """Runs in an empty folder that has the program, the models and the examples where the pages say."""
    lines = [line for line in text.splitlines() if line.strip()]
    if all(line.startswith(("make", "build/dev/src/", "cmake ")) for line in lines):
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        for line in lines:
            words = line.split("#")[0].split()
            if words[0] == "make":
                assert set(words[1:]) - {word for word in words if "=" in word} <= set(targets), line
            elif words[0].startswith("build/dev"):
                source = ROOT / words[0].replace("build/dev/", "")
                assert source.parent.is_dir(), line
        return
    (tmp_path / "build/models").mkdir(parents=True)
    (tmp_path / "build/bgem3").symlink_to(program.path)
    (tmp_path / "build/models/all-MiniLM-L6-v2").symlink_to(minilm.resolve())
    (tmp_path / "build/models/tiny").symlink_to(model_folder(ModelSpec()))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    python = Path(sys.executable).parent  # which has NumPy
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{python}:{os.environ['PATH']}"}
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], cwd=tmp_path, env=environment, capture_output=True, check=False
    )
    assert result.returncode == 0, f"{name}: {result.stderr.decode()}"
    assert result.stdout, f"{name} printed nothing"


@pytest.mark.parametrize(("name", "text"), blocks("python"), ids=[name for name, _ in blocks("python")])
def test_python_block(name: str, text: str, minilm: Path, tmp_path: Path) -> None:
    """Runs in an empty folder that has the demo's model, with the installed package."""
    (tmp_path / "build/models").mkdir(parents=True)
    (tmp_path / "build/models/all-MiniLM-L6-v2").symlink_to(minilm.resolve())
    result = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, check=False)
    assert result.returncode == 0, f"{name}: {result.stderr.decode()}"
    assert result.stdout, f"{name} printed nothing"


def test_readme_program(program: Program, minilm: Path) -> None:
    """The README's C++ example, built by CMake as readme_example, prints what it promises."""
    example = program.path.parent.parent / "tests/readme_example"
    if not example.exists():
        example = ROOT / "build/dev/tests/readme_example"
    result = subprocess.run([example, minilm], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert re.fullmatch(r"(\d+ tokens, first component -?[\d.e-]+\n){2}", result.stdout), result.stdout
