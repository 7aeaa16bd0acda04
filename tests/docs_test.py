"""What the README and docs/ show is run: `sh` blocks as they stand, `c`, `cpp` and `python` blocks as programs.

Python blocks that need a framework are run by tests/parity, which has them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_hub import FakeHub, HubUser
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
        assert set(opening) <= {"sh", "c", "cpp", "python", "text"}, f"{page}: {opening}"


@pytest.mark.parametrize(("name", "text"), blocks("sh"), ids=[name for name, _ in blocks("sh")])
def test_shell_block(
    name: str,
    text: str,
    program: Program,
    prefix: Path,
    minilm: Path,
    model_folder: Callable[[ModelSpec], Path],
    hub: FakeHub,
    tmp_path: Path,
) -> None:
    """Runs where bgem3 is installed, in a folder that has the program, the models and the examples as the pages say,
    beside a hub that has the small real model."""
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
    if "bgem3 pull" in text:
        hub.add_folder("sentence-transformers/all-MiniLM-L6-v2", minilm)
    environment = {
        **HubUser(hub, program, tmp_path).environment(),
        "PATH": f"{python}:{prefix / 'bin'}:{os.environ['PATH']}",
        "PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig"),
        "LD_LIBRARY_PATH": str(prefix / "lib"),
    }
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], cwd=tmp_path, env=environment, capture_output=True, check=False
    )
    assert result.returncode == 0, f"{name}: {result.stderr.decode()}"
    assert result.stdout, f"{name} printed nothing"


@pytest.mark.parametrize(("name", "text"), blocks("c"), ids=[name for name, _ in blocks("c")])
def test_c_block(name: str, text: str, prefix: Path, minilm: Path, tmp_path: Path) -> None:
    """A whole program in C11, without warnings, against the installed library."""
    (tmp_path / "build/models").mkdir(parents=True)
    (tmp_path / "build/models/all-MiniLM-L6-v2").symlink_to(minilm.resolve())
    (tmp_path / "block.c").write_text(text)
    library = ["-I", prefix / "include", "-L", prefix / "lib", f"-Wl,-rpath,{prefix / 'lib'}"]
    warnings = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
    command = ["cc", "-std=c11", *warnings, *library, "block.c", "-lbgem3", "-o", "block"]
    subprocess.run(command, cwd=tmp_path, check=True)
    result = subprocess.run([tmp_path / "block"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{name}: {result.stderr}"
    assert result.stdout, f"{name} printed nothing"


def python_blocks(*, frameworks: bool) -> list[Any]:
    """Those that need the frameworks of bgem3.integrations, or the others."""
    found = [(name, text) for name, text in blocks("python") if ("bgem3.integrations" in text) == frameworks]
    return [pytest.param(name, text, id=name) for name, text in found]


def run_python(name: str, text: str, models: dict[str, Path], folder: Path) -> None:
    """Runs in a folder that has the models where the pages say, with the installed package."""
    (folder / "build/models").mkdir(parents=True)
    for model, place in models.items():
        (folder / "build/models" / model).symlink_to(place.resolve())
    result = subprocess.run([sys.executable, "-c", text], cwd=folder, capture_output=True, check=False)
    assert result.returncode == 0, f"{name}: {result.stderr.decode()}"
    assert result.stdout, f"{name} printed nothing"


@pytest.mark.parametrize(("name", "text"), python_blocks(frameworks=False))
def test_python_block(
    name: str, text: str, minilm: Path, model_folder: Callable[[ModelSpec], Path], tmp_path: Path
) -> None:
    run_python(name, text, {"all-MiniLM-L6-v2": minilm, "tiny": model_folder(ModelSpec())}, tmp_path)


def run_example(name: str, program: Program, *arguments: Path) -> str:
    """What the C++ example of a page prints, built by CMake under this name."""
    example = program.path.parent.parent / "tests" / name
    if not example.exists():
        example = ROOT / "build/dev/tests" / name
    result = subprocess.run([example, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_cpp_block_is_a_program_that_runs() -> None:
    assert [name for name, _ in blocks("cpp")] == ["README.md:0", "docs/scoring.md:0"]


def test_readme_program(program: Program, minilm: Path) -> None:
    output = run_example("readme_example", program, minilm)
    assert re.fullmatch(r"(\d+ tokens, first component -?[\d.e-]+\n){2}", output), output


def test_scoring_program(program: Program) -> None:
    expected = "sparse 0.250, colbert 0.700 and 0.800, all three 0.610\n8 bytes for 32\n"
    assert run_example("scoring_example", program) == expected
