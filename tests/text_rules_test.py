"""Rules for the project's own files: names, paths, sizes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from support import ROOT

SOURCES = {".cc", ".h", ".py", ".cmake", ".sh"}
MAX_LINES = 500

# A path of somebody's machine. Paths every Linux machine has (/proc, /sys, /dev, /tmp, /usr, /etc) may be named.
MACHINE_PATH = re.compile(rb"(?<![\w.~<>{}$*/-])/(?:work|root|home|Users|mnt|media|opt|srv|data)/[\w.]")


def project_files() -> list[Path]:
    """Files that belong to the project: what git knows or would add, or all but build products outside a clone."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = [name.decode() for name in listed.stdout.split(b"\0") if name]
    else:
        skipped = {"build", ".venv", ".git", ".cache", "__pycache__", ".pytest_cache"}
        paths = (path.relative_to(ROOT) for path in ROOT.rglob("*"))
        names = [str(path) for path in paths if not skipped & set(path.parts)]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def first_comment(source: str, suffix: str) -> str:
    """The comment or docstring that a file opens with."""
    if suffix == ".py":
        match = re.match(r'(?:#[^\n]*\n|\s)*(?:r?"""(.*?)""")?', source, re.DOTALL)
        return match[0] if match else ""
    lines = []
    for line in source.splitlines():
        if not line.startswith(("//", "#!", "# ")):
            break
        lines.append(line)
    return "\n".join(lines)


def size_error(name: str, source: str) -> str | None:
    """A long source file says in its first comment why it has so many lines."""
    count = source.count("\n")
    if count > MAX_LINES and "lines" not in first_comment(source, Path(name).suffix):
        return f"{name}: {count} lines, and its first comment does not say why (the word 'lines')"
    return None


def test_there_are_files() -> None:
    assert len(project_files()) > 50


def test_file_names_are_ascii_without_spaces() -> None:
    wrong = [
        str(f.relative_to(ROOT))
        for f in project_files()
        if not re.fullmatch(r"[A-Za-z0-9._/@+-]+", str(f.relative_to(ROOT)))
    ]
    assert not wrong, wrong


def test_no_file_names_a_path_of_one_machine() -> None:
    wrong = []
    for file in project_files():
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            if MACHINE_PATH.search(line):
                wrong.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:120].decode(errors='replace')}")
    assert not wrong, "\n".join(wrong)


def test_machine_paths_are_caught() -> None:
    for folder in ("work", "root", "home", "Users"):
        assert MACHINE_PATH.search(f"open('/{folder}/x/file')".encode())
    for text in (b"https://example.org/home/x", b"../shared/data/x", b"a/home/b", b"/proc/self", b"$PREFIX/opt/x"):
        assert not MACHINE_PATH.search(text)


def test_long_files_say_why() -> None:
    sources = [file for file in project_files() if file.suffix in SOURCES]
    errors = [error for file in sources if (error := size_error(file.name, file.read_text()))]
    assert not errors, "\n".join(errors)


def test_a_long_file_without_a_reason_is_caught() -> None:
    body = "int x;\n" * 501
    assert size_error("a.cc", "// A file.\n\n// 501 lines\n" + body)
    assert not size_error("a.cc", "// A table: one entry a character, hence the lines.\n" + body)
    assert size_error("a.py", '"""A file."""\n# lines\n' + "x = 1\n" * 501)
    assert not size_error("a.py", '#!/usr/bin/env python3\n"""One\n\nmany lines because."""\n' + "x = 1\n" * 501)
    assert not size_error("a.cc", "int x;\n" * 400)


def test_text_files_end_with_one_newline() -> None:
    wrong = []
    for file in project_files():
        data = file.read_bytes()
        if file.suffix in SOURCES and data and (not data.endswith(b"\n") or data.endswith(b"\n\n") or b"\r" in data):
            wrong.append(str(file.relative_to(ROOT)))
    assert not wrong, wrong
