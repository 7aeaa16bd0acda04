#!/usr/bin/env python3
"""Everything that `make bench` measures, into bench/results/: benchmark.txt, benchmark.json, roofline.svg.

    bench/run.py [--long] [--rounds 6] [--model FOLDER] [--output FOLDER]

The model is of bge-m3's size with random weights: --model, else BGEM3_BENCH_MODEL, else build/models/full, which
tools/make_model.py makes if it is not there (2.27 GB, a minute). --long adds what takes minutes: 8192 tokens in f32,
and peak memory over 1,000 texts of 512 tokens instead of 100 (25 in f32). Needs the preset `bench` built.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import workload
from report import DTYPES, Report, Row, save_json, text_report
from roofline import roofline_svg

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "build/bench/bin"
STARTS = 9
MEMORY_TEXTS = {"f32": 25, "bf16": 100, "int8": 100}
MEMORY_TEXT_TOKENS = 512


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(*command: object) -> list[str]:
    """The lines that a program writes."""
    words = [str(word) for word in command]
    say("$ " + " ".join(words))
    output = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True, cwd=ROOT).stdout
    return output.splitlines()


def find_model(named: Path | None) -> Path:
    """The model to measure with, made if need be."""
    path = named or Path(os.environ.get("BGEM3_BENCH_MODEL", ROOT / "build/models/full"))
    if not path.exists():
        say(f"{path} is not there; making a model of random weights")
        run(sys.executable, ROOT / "tools/make_model.py", "--preset", "full", path)
    return path


def machine() -> str:
    """The processor, its cores and the memory, in a line."""
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    name = cpu[1] if cpu else platform.processor()
    return f"{name}, {len(os.sched_getaffinity(0))} cores, {int(memory[1]) / 2**20 if memory else 0:.0f} GiB"


def embed_command(model: Path, dtype: str, *arguments: object) -> list[str]:
    return [str(word) for word in (PROGRAMS / "bgem3", "embed", "--model", model, "--dtype", dtype, *arguments)]


def seconds_to_first_vector(model: Path, dtype: str, query: Path) -> float:
    """From the start of a new process to the first line of its output."""
    begin = time.perf_counter()
    with subprocess.Popen(embed_command(model, dtype, query), stdout=subprocess.PIPE) as process:
        assert process.stdout
        line = process.stdout.readline()
        seconds = time.perf_counter() - begin
        process.stdout.read()
    if process.returncode != 0 or b"embedding" not in line:
        raise RuntimeError(f"bgem3 embed: exit code {process.returncode}")
    return seconds


def start_rows(model: Path, dtypes: list[str], query: Path) -> list[Row]:
    """Cold starts with the files in the system's cache, in turns."""
    seconds: dict[str, list[float]] = {dtype: [] for dtype in dtypes}
    for _ in range(STARTS):
        for dtype in dtypes:
            seconds[dtype].append(seconds_to_first_vector(model, dtype, query))
    return [
        {
            **{"group": "start", "dtype": dtype, "workload": "1 x 9", "unit": "s", "value": min(values)},
            **{"spread": 1 - min(values) / statistics.median(values), "samples": STARTS},
        }
        for dtype, values in seconds.items()
    ]


def memory_row(model: Path, dtype: str, count: int, words: list[str]) -> Row:
    """The highest resident memory of a process that embeds `count` texts of as many different tokens as there are."""
    texts = workload.texts_of([MEMORY_TEXT_TOKENS] * count, itertools.cycle(words))
    distinct = min(len(words), sum(text.count(" ") + 1 for text in texts))
    with tempfile.TemporaryDirectory() as folder:
        workload.write_texts(Path(folder) / "texts.txt", texts)
        command = embed_command(model, dtype, f"{folder}/texts.txt", "-o", f"{folder}/vectors.npy")
        say("$ " + " ".join(command))
        highest = 0
        process = subprocess.Popen(command)
        while process.poll() is None:
            # Not getrusage: its figure starts with that of the process before exec, which is this one.
            found = re.search(r"^VmHWM:\s*(\d+) kB", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
            highest = max(highest, 1024 * int(found[1]) if found else 0)
            time.sleep(0.02)
    if process.returncode != 0:
        raise RuntimeError(f"bgem3 embed: exit code {process.returncode}")
    return {
        **{"group": "memory", "dtype": dtype, "workload": f"{count} x {MEMORY_TEXT_TOKENS}", "unit": "B"},
        **{"value": highest, "spread": 0.0, "samples": 1, "distinct_ids": distinct},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--output", type=Path, default=ROOT / "bench/results")
    arguments = parser.parse_args()

    os.environ.setdefault("BGEM3_CACHE_DIR", str(ROOT / "build/bench/cache"))  # of this run's programs, not the user's
    begin = time.monotonic()
    model = find_model(arguments.model)
    words = workload.one_token_words(PROGRAMS / "bgem3", model)
    texts = ROOT / "build/bench/workload"
    workload.write_workloads(texts, words)
    query = texts / "1x9.txt"

    flags = [f"--model={model}", f"--workload={texts}", f"--rounds={arguments.rounds}"]
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in run(PROGRAMS / "bgem3_bench", *flags, *(["--long"] if arguments.long else []))
    ]
    lines += [
        json.loads(line) for line in run(sys.executable, ROOT / "bench/tokenizer_bench.py", "--json", "--rounds", 3)
    ]
    rows = [line for line in lines if "group" in line]
    gaps = [line["gap"] for line in lines if "gap" in line]
    dtypes = []
    for dtype in DTYPES:
        try:
            seconds_to_first_vector(model, dtype, query)  # this start makes the packed weights
            dtypes.append(dtype)
        except RuntimeError as error:
            gaps.append(f"the program in {dtype}: {error}")
    rows += start_rows(model, dtypes, query)
    rows += [memory_row(model, d, 1000 if arguments.long else MEMORY_TEXTS[d], words) for d in dtypes]

    facts = {
        "machine": machine(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": run("git", "describe", "--always", "--dirty")[0],
        **next(line["facts"] for line in lines if "facts" in line),
        "seconds": round(time.monotonic() - begin),
    }
    report = Report(facts, rows, gaps)
    arguments.output.mkdir(parents=True, exist_ok=True)
    save_json(report, arguments.output / "benchmark.json")
    (arguments.output / "roofline.svg").write_text(roofline_svg(report), encoding="utf-8")
    text = text_report(report)
    (arguments.output / "benchmark.txt").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
