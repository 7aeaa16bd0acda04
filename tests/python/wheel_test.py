"""The wheel that make test has built: what is in it, what it needs, that it runs where only NumPy is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import bgem3
import pytest
from bgem3 import _native
from support import ROOT

# What every Linux with glibc and a C++ program has.
SYSTEM_LIBRARIES = {"libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"}


@pytest.fixture(scope="module")
def wheel() -> Path:
    wheels = sorted((ROOT / "build/wheel").glob("bgem3-*.whl"))
    if not wheels:
        pytest.fail("no wheel in build/wheel; make test builds it")
    return wheels[-1]


def test_content(wheel: Path) -> None:
    version = re.search(r'BGEM3_VERSION "(.*)"', (ROOT / "include/bgem3/version.h").read_text())
    assert version is not None
    assert wheel.name.startswith(f"bgem3-{version[1]}-")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"bgem3/py.typed", "bgem3/_native.pyi", "bgem3/__init__.py"} <= set(names)
    assert not [name for name in names if name.endswith((".cc", ".h", ".a"))]
    assert {name.split("/")[0] for name in names} == {"bgem3", f"bgem3-{version[1]}.dist-info"}


def test_links_what_every_system_has(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    libraries = {file.name: file for file in (tmp_path / "bgem3").iterdir() if ".so" in file.name}
    for file in libraries.values():
        dynamic = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, check=True).stdout
        needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
        assert needed <= SYSTEM_LIBRARIES | set(libraries), f"{file.name}: {needed}"


def test_runs_where_only_numpy_is_installed(wheel: Path, tiny: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "LD_PRELOAD")}

    def run(*arguments: object) -> str:
        return subprocess.run(
            [str(python), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env=environment,
        ).stdout

    run("-m", "pip", "install", "-q", "--disable-pip-version-check", wheel)
    installed = re.findall(r"^([\w-]+)==", run("-m", "pip", "list", "--format=freeze"), re.MULTILINE)
    assert {name.lower() for name in installed} <= {"bgem3", "numpy", "pip", "setuptools"}
    program = f"import bgem3; print(bgem3.Embedder({str(tiny)!r}).encode(['a', 'b']).tobytes().hex())"
    expected = bgem3.Embedder(tiny).encode(["a", "b"]).tobytes().hex()
    assert run("-c", program).strip() == expected


def test_stub_is_what_the_module_says(tmp_path: Path) -> None:
    written = tmp_path / "_native.pyi"
    subprocess.run([sys.executable, "-m", "nanobind.stubgen", "-q", "-m", "bgem3._native", "-o", written], check=True)
    committed = (ROOT / "python/bgem3/_native.pyi").read_text()
    again = ".venv/bin/python -m nanobind.stubgen -m bgem3._native -o python/bgem3/_native.pyi"
    assert written.read_text() == committed, f"out of date; write it again: {again}"


def test_every_public_name_has_a_docstring() -> None:
    for name in bgem3.__all__:
        thing = getattr(bgem3, name)
        assert thing.__doc__, name
        for member, value in vars(thing).items():
            if not member.startswith("_") and callable(value):
                assert value.__doc__, f"{name}.{member}"
    assert _native.__doc__
