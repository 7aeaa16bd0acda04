#!/usr/bin/env python3
"""`bgem3 pull` against the line: a large random file from the loopback, beside curl's own download of it.

    bench/pull.py                       # 2 GB, three times each in turns
    bench/pull.py --gigabytes 0.2 --binary build/dev/cli/bgem3

curl stores the bytes and does nothing else; a pull hashes them (SHA-256) too, waits for the disk and publishes, as is
done by hand in the row between. The hub is tests/fake_hub.py, whose storage sends from the page cache. Needs curl.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools")]

from fake_hub import FakeHub, HubFile  # noqa: E402
from make_model import ModelSpec, write_model  # noqa: E402
from support import Measured, run_measured  # noqa: E402

BLOCK = 1 << 24


def write_random(path: Path, size_bytes: int) -> str:
    """A file nobody can compress; its SHA-256."""
    sha256 = hashlib.sha256()
    with path.open("wb") as file:
        for begin in range(0, size_bytes, BLOCK):
            block = os.urandom(min(BLOCK, size_bytes - begin))
            sha256.update(block)
            file.write(block)
    return sha256.hexdigest()


def timed(*command: object, env: dict[str, str] | None = None) -> tuple[float, Measured]:
    """Seconds of one run, and what else it took."""
    os.sync()
    begin = time.perf_counter()
    run = run_measured(*command, env=env)
    if run.code != 0:
        sys.exit(f"{command[0]}: exit {run.code}: {run.said}")
    return time.perf_counter() - begin, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--binary", type=Path, default=ROOT / "build/bgem3")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bgem3-pull-") as name, FakeHub() as hub:
        folder = Path(name)
        write_model(folder / "model", ModelSpec())
        size_bytes = int(arguments.gigabytes * 1e9)
        weights = HubFile(folder / "weights", sha256=write_random(folder / "weights", size_bytes))
        repository = hub.add_folder("org/model", folder / "model")
        next(iter(repository.commits.values()))["model.safetensors"] = weights
        own = {"HF_ENDPOINT": hub.endpoint, "HOME": str(folder), "HF_HOME": str(folder / "user")}
        environment = {**os.environ, **own, "BGEM3_CACHE_DIR": str(folder / "packed")}
        source, copy = f"{hub.storage}/blobs/{weights.sha256}", folder / "copy"
        results: dict[str, list[tuple[float, Measured]]] = {"curl": [], "curl, sha256sum, sync": [], "pull": []}
        for _ in range(arguments.runs):
            results["curl"].append(timed("curl", "-sS", "-o", copy, source))
            copy.unlink()
            by_hand = f"curl -sS -o {copy} '{source}' && sha256sum {copy} && sync {copy}"
            results["curl, sha256sum, sync"].append(timed("sh", "-c", by_hand))
            copy.unlink()
            results["pull"].append(timed(arguments.binary.resolve(), "pull", "org/model", "--quiet", env=environment))
            shutil.rmtree(folder / "user")
        for what, runs in results.items():
            seconds = statistics.median(seconds for seconds, _ in runs)
            figures = {
                "seconds": [round(seconds, 2) for seconds, _ in runs],
                "MB/s": round(size_bytes / 1e6 / seconds),
                "CPU seconds": round(statistics.median(run.cpu_seconds for _, run in runs), 2),
                "peak MB": round(max(run.peak_bytes for _, run in runs) / 1e6, 1),
            }
            print(json.dumps({"what": what, **figures}))


if __name__ == "__main__":
    subprocess.run(["curl", "--version"], check=True, stdout=subprocess.DEVNULL)
    main()
