"""Engines as processes that take turns: figures of every contender, measured in one run.

Contenders of one dtype are loaded together and measured round by round, so that a slow minute of the machine hits all
of them. Whoever is not measured is stopped (SIGSTOP): spinning threads of one engine cost another nothing.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from contenders import CONTENDERS, MIX_DEFAULTS, Batch, Contender
from install import last_line

THROUGHPUT = ("U128", "U512", "U2048", "MIX")
TICKS = os.sysconf("SC_CLK_TCK")
REFERENCE = next(contender for contender in CONTENDERS if contender.key == "st-f32")
LIMIT_SECONDS = 1800  # an engine that has not answered by then is ended
LONG_SECONDS = 60  # a run that takes longer is not repeated
QUERY_SECONDS = 4  # at most, for the short queries of one round
QUERY_RUNS = 20

Figures = dict[str, Any]
Workloads = dict[str, Any]  # {name: {"texts": [...], "tokens": their sum}}


class Gap(Exception):
    """Why an engine has no figure."""


@dataclass(frozen=True)
class Run:
    """One timed request."""

    seconds: float
    others_cpu: float  # share of the machine's cores that other processes had meanwhile


@dataclass(frozen=True)
class Setting:
    """How this run measures. Commands are by key of the contender.

    A server speaks the lines of engines.py. A program, for cold starts, takes {"text": ...} and ends; a contender
    without one starts as its server.
    """

    threads: int
    rounds: int
    logs: Path
    servers: dict[str, list[str]]
    programs: dict[str, list[str]]


def busy_seconds() -> float:
    """CPU time of the whole machine, everything but idle and waiting for disks."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


def environment(threads: int) -> dict[str, str]:
    """For every engine: its number of threads, and no look at the network."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "true",
        "HF_HUB_OFFLINE": "1",
    }


class Child:
    """An engine's process. It runs inside `awake` only."""

    def __init__(self, command: Sequence[str], threads: int, log: Path) -> None:
        self.log = log
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment(threads),
            )

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        self.process.send_signal(signal.SIGCONT)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGSTOP)

    def ask(self, texts: list[str], batch: Batch, vectors: bool = False) -> dict[str, Any]:
        """The answer to one request. Raises Gap if the engine cannot, is gone, or takes too long."""
        assert self.process.stdin
        assert self.process.stdout
        guard = threading.Timer(LIMIT_SECONDS, self.process.kill)
        guard.start()
        try:
            self.process.stdin.write(json.dumps({"texts": texts, "batch": batch, "vectors": vectors}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            guard.cancel()
        if not line:
            raise Gap(f"ended with {self.process.wait()}: {last_line(self.log.read_text(errors='replace'))}")
        reply = json.loads(line)
        if "error" in reply:
            raise Gap(reply["error"])
        return reply

    def seconds(self, texts: list[str], batch: Batch) -> float:
        return float(self.ask(texts, batch)["seconds"])

    def cpu_seconds(self) -> float:
        """CPU time of the process so far; 0 if it is gone."""
        try:
            fields = self.proc("stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return 0.0
        return (int(fields[11]) + int(fields[12])) / TICKS

    def reset_peak(self) -> None:
        """Forgets the memory peak so far, that of loading."""
        self.proc("clear_refs").write_text("5")

    def peak_gb(self) -> float:
        """The largest resident memory since the last reset, mapped files included (VmHWM)."""
        lines = self.proc("status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith("VmHWM"))

    def proc(self, name: str) -> Path:
        return Path(f"/proc/{self.process.pid}/{name}")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]


def start(contender: Contender, workloads: Workloads, setting: Setting) -> Child:
    """A loaded and warm engine. Raises Gap."""
    child = Child(setting.servers[contender.key], setting.threads, setting.logs / f"{contender.key}.log")
    try:
        with child.awake():
            child.ask(workloads["Q9"]["texts"], ("texts", 1))
            child.ask(workloads["U128"]["texts"][:2], ("texts", 2))
    except Gap:
        child.stop()
        raise
    return child


def throughput(tokens: int, runs: list[Run]) -> Figures:
    """Tokens a second of some runs: the best and the median one; and the largest share of the machine others had."""
    seconds = [run.seconds for run in runs]
    return {
        "best": tokens / min(seconds),
        "median": tokens / statistics.median(seconds),
        "seconds": seconds,
        "others_cpu": max(run.others_cpu for run in runs),
    }


def compare(vectors: list[list[float]], reference: list[list[float]]) -> Figures:
    """Cosine and largest difference of vectors against the reference's, text by text."""

    def dot(left: list[float], right: list[float]) -> float:
        return math.fsum(a * b for a, b in zip(left, right, strict=True))

    pairs = list(zip(vectors, reference, strict=True))
    cosines = [dot(v, r) / math.sqrt(dot(v, v) * dot(r, r)) for v, r in pairs]
    return {
        "min_cosine": min(cosines),
        "mean_cosine": statistics.fmean(cosines),
        "max_abs": max(abs(a - b) for v, r in pairs for a, b in zip(v, r, strict=True)),
    }


def reference_vectors(workloads: Workloads, setting: Setting, cache: Path) -> list[list[float]]:
    """What sentence-transformers makes of ACC in f32; kept in a file. Raises Gap."""
    texts = workloads["ACC"]["texts"]
    if cache.exists() and (kept := json.loads(cache.read_text()))["texts"] == texts:
        return kept["vectors"]
    child = start(REFERENCE, workloads, setting)
    with child.awake():
        vectors = child.ask(texts, REFERENCE.batches["ACC"], vectors=True)["vectors"]
    child.stop()
    cache.write_text(json.dumps({"texts": texts, "vectors": vectors}))
    return vectors


class Row:
    """A contender's figures as they come in. A workload that fails is a figure, too: {"gap": reason}."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self.child: Child | None = None
        self.runs: dict[str, list[Run]] = {}
        self.query_ms: list[float] = []
        self.figures: Figures = {}

    def attempt(self, name: str, work: Callable[[], Figures]) -> None:
        """Keeps what work answers under that name, or why it cannot."""
        if "gap" in self.figures.get(name, {}) or "gap" in self.figures:
            return
        try:
            self.figures[name] = work()
        except (Gap, OSError) as gap:  # OSError: the process is gone
            self.figures[name] = {"gap": str(gap)}
        shown = {key: value for key, value in self.figures[name].items() if key != "seconds" or name == "L8192"}
        told = ", ".join(
            f"{key} {value:.4g}" if isinstance(value, float) else str(value) for key, value in shown.items()
        )
        print(f"  {time.strftime('%H:%M:%S')} {self.contender.title:36} {name:14} {told}", flush=True)

    def load(self, workloads: Workloads, setting: Setting) -> None:
        try:
            self.child = start(self.contender, workloads, setting)
        except Gap as gap:
            self.figures["gap"] = str(gap)
            print(f"  {self.contender.title}: {gap}", flush=True)

    def run(self, name: str, workloads: Workloads) -> Figures:
        """One more run of a workload, with the memory it takes."""
        assert self.child
        texts, runs = workloads[name.split(",")[0]]["texts"], self.runs.setdefault(name, [])
        if not runs:
            self.child.reset_peak()
        with self.child.awake():
            begin, busy, own = time.monotonic(), busy_seconds(), self.child.cpu_seconds()
            seconds = self.child.seconds(texts, self.contender.batches[name])
            others = busy_seconds() - busy - (self.child.cpu_seconds() - own)
            elapsed = time.monotonic() - begin
        runs.append(Run(seconds, max(0.0, others) / elapsed / (os.cpu_count() or 1)))
        return {**throughput(workloads[name.split(",")[0]]["tokens"], runs), "peak_gb": self.child.peak_gb()}

    def done(self, name: str) -> bool:
        """Whether a workload is not to be run again: it takes long."""
        return any(run.seconds > LONG_SECONDS for run in self.runs.get(name, []))

    def query(self, workloads: Workloads) -> Figures:
        """The short query again and again."""
        assert self.child
        texts, batch = workloads["Q9"]["texts"], self.contender.batches["Q9"]
        with self.child.awake():
            for _ in range(2):
                self.child.seconds(texts, batch)
            end = time.monotonic() + QUERY_SECONDS
            for _ in range(QUERY_RUNS):
                self.query_ms.append(1e3 * self.child.seconds(texts, batch))
                if time.monotonic() > end:
                    break
        return {"p50_ms": statistics.median(self.query_ms), "best_ms": min(self.query_ms)}

    def accuracy(self, workloads: Workloads, reference: list[list[float]]) -> Figures:
        assert self.child
        with self.child.awake():
            reply = self.child.ask(workloads["ACC"]["texts"], self.contender.batches["ACC"], vectors=True)
        return compare(reply["vectors"], reference)

    def longest(self, workloads: Workloads, setting: Setting) -> Figures:
        """The longest text in a process of its own, so that its memory is its own."""
        child = start(self.contender, workloads, setting)
        try:
            child.reset_peak()
            with child.awake():
                seconds = child.seconds(workloads["L8192"]["texts"], self.contender.batches["L8192"])
            return {"seconds": seconds, "peak_gb": child.peak_gb()}
        finally:
            child.stop()


def cold_start(command: Sequence[str], line: str, threads: int, log: Path) -> tuple[float, float]:
    """Seconds from starting a program, one line on its standard input, to its first line of output; its peak in GB."""
    with log.open("w") as errors:
        begin = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment(threads)
        )
    assert process.stdin
    assert process.stdout
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(line + "\n")
        process.stdin.close()
    found = process.stdout.readline()
    seconds = time.monotonic() - begin
    process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0 or not found or found.startswith('{"error"'):
        raise Gap(found.strip()[:200] or last_line(log.read_text(errors="replace")))
    return seconds, usage.ru_maxrss * 1024 / 1e9


def best_cold_start(contender: Contender, workloads: Workloads, setting: Setting) -> Figures:
    """The best of some cold starts with the files in the page cache: one more before fetches them."""
    text = workloads["Q9"]["texts"][0]
    if contender.key in setting.programs:
        command, line = setting.programs[contender.key], json.dumps({"text": text})
    else:
        request = {"texts": [text], "batch": ("texts", 1), "vectors": True}
        command, line = setting.servers[contender.key], json.dumps(request)
    log = setting.logs / f"{contender.key}-cold.log"
    runs = [cold_start(command, line, setting.threads, log) for _ in range(1 + setting.rounds)][1:]
    return {"best_s": min(runs)[0], "seconds": [seconds for seconds, _ in runs], "peak_gb": min(runs)[1]}


def measure_together(
    contenders: list[Contender], workloads: Workloads, setting: Setting, reference: list[list[float]] | None
) -> dict[str, Figures]:
    """Every figure of contenders that all fit into memory at once, by key."""
    rows = [Row(contender) for contender in contenders]
    for row in rows:
        row.load(workloads, setting)
    loaded = [row for row in rows if row.child]
    try:
        for row in loaded:
            if reference is not None:
                row.attempt("ACC", partial(row.accuracy, workloads, reference))
        for number in range(setting.rounds):
            for row in loaded:
                row.attempt("Q9", partial(row.query, workloads))
            for name in THROUGHPUT:
                for row in loaded:
                    if name in row.contender.batches and not row.done(name):
                        row.attempt(name, partial(row.run, name, workloads))
            for row in loaded:
                if number == 0 and MIX_DEFAULTS in row.contender.batches:
                    row.attempt(MIX_DEFAULTS, partial(row.run, MIX_DEFAULTS, workloads))
    finally:
        for row in loaded:
            row.child.stop()  # type: ignore[union-attr]
    for row in rows:
        if "L8192" in row.contender.batches:
            row.attempt("L8192", partial(row.longest, workloads, setting))
        row.attempt("cold", partial(best_cold_start, row.contender, workloads, setting))
    return {row.contender.key: row.figures for row in rows}
