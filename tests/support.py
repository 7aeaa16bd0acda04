"""The program under test, run the way a user runs it, and the golden files."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests/golden"


# A child counts the memory of the process it was forked from: a small process stands between, and reports.
LAUNCHER = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime)
"""


class Measured(NamedTuple):
    code: int
    said: str  # on standard error
    peak_bytes: int  # of resident memory
    cpu_seconds: float


def run_measured(*command: object, stdin: str = "", env: Mapping[str, str] | None = None) -> Measured:
    """One run, and what it took."""
    result = subprocess.run(
        [sys.executable, "-c", LAUNCHER, *map(str, command)],
        input=stdin, env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    code, peak_bytes, cpu_seconds = result.stdout.split()
    return Measured(int(code), result.stderr, int(peak_bytes), float(cpu_seconds))


@dataclasses.dataclass(frozen=True)
class Program:
    """The command line program `bgem3`."""

    path: Path
    scratch: Path

    def run(
        self, *arguments: object, stdin: str | bytes = b"", check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """One run; with `check`, any exit code but 0 fails the test with what the program said."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        result = subprocess.run([self.path, *map(str, arguments)], input=data, capture_output=True, check=False)
        if check and result.returncode != 0:
            pytest.fail(f"bgem3 {' '.join(map(str, arguments))}: exit {result.returncode}: {result.stderr.decode()}")
        return result

    def embed_bytes(self, model: Path, texts: Sequence[str], *flags: object) -> bytes:
        """The .npy file that `bgem3 embed` writes for texts, whole."""
        output = self.scratch / "out.npy"
        output.unlink(missing_ok=True)
        self.run("embed", "-", "--model", model, "--input-format", "jsonl", "-o", output, *flags, stdin=jsonl(texts))
        return output.read_bytes()

    def embed(self, model: Path, texts: Sequence[str], *flags: object) -> np.ndarray:
        """The vectors of texts, [texts, hidden], float32."""
        self.embed_bytes(model, texts, *flags)
        vectors = np.load(self.scratch / "out.npy")
        assert vectors.dtype == np.float32
        assert len(vectors) == len(texts)
        return vectors

    def embed_outputs(self, model: Path, texts: Sequence[str], *flags: object) -> dict[str, np.ndarray]:
        """The arrays of the .npz file that `bgem3 embed` writes for texts; all outputs, if no flag says otherwise."""
        output = self.scratch / "out.npz"
        output.unlink(missing_ok=True)
        outputs = () if "--outputs" in flags else ("--outputs", "dense,sparse,multi")
        arguments = ["--model", model, "--input-format", "jsonl", "-o", output, *outputs, *flags]
        self.run("embed", "-", *arguments, stdin=jsonl(texts))
        with np.load(output) as arrays:
            return dict(arrays)

    def tokenize(self, model: Path, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of texts."""
        result = self.run("tokenize", "-", "--model", model, "--input-format", "jsonl", stdin=jsonl(texts))
        return [json.loads(line)["ids"] for line in result.stdout.splitlines()]

    def isas(self, model: Path) -> list[str]:
        """The instruction sets that this machine could use, slowest first."""
        return list(json.loads(self.run("info", "--json", "--model", model).stdout)["isas_present"])


def sparse_of(arrays: dict[str, np.ndarray], text: int) -> dict[int, float]:
    """Token ids and weights of a text, from the arrays of an .npz."""
    part = slice(*arrays["sparse_indptr"][text : text + 2])
    ids = arrays["sparse_indices"][part].tolist()
    assert len(set(ids)) == len(ids)
    return dict(zip(ids, arrays["sparse_data"][part].tolist(), strict=True))


def multi_of(arrays: dict[str, np.ndarray], text: int) -> np.ndarray:
    """The token vectors of a text, from the arrays of an .npz."""
    return arrays["multi"][slice(*arrays["multi_offsets"][text : text + 2])]


def jsonl(texts: Sequence[str]) -> str:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts)


def read_golden(name: str) -> dict[str, Any]:
    """A file of tests/golden/ by its name without suffix."""
    return json.loads((GOLDEN / f"{name}.json").read_text())
