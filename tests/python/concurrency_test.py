"""Threads, Ctrl-C, asyncio, progress, fork and multiprocessing."""

from __future__ import annotations

import asyncio
import concurrent.futures
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bgem3 import Embedder, EmbedResult

TEXTS = ["The sea is deep.", "Bread is baked.", "größer 深い海"]
# Seconds of one thread: a single pass, and many.
LONG_TEXT = ["a b c d e f g h " * 250]
MANY_TEXTS = [f"{i} " + "a b c d " * 100 for i in range(3000)]


@pytest.fixture(scope="module")
def slow(tiny: Path) -> Embedder:
    """The slowest way to compute: one thread, plain C++."""
    return Embedder(tiny, isa="scalar", threads=1)


class Events:
    """A progress callback that keeps what it was told and does something at the first event."""

    def __init__(self, first: Callable[[], object] = lambda: None) -> None:
        self.told: list[tuple[int, int]] = []
        self._first = first

    def __call__(self, done: int, total: int) -> None:
        self.told.append((done, total))
        if len(self.told) == 1:
            self._first()

    @property
    def ended(self) -> bool:
        return any(done == total for done, total in self.told)


def test_progress_reaches_the_end(embedder: Embedder) -> None:
    events = Events()
    embedder.encode(MANY_TEXTS[:200], progress=events)
    done = [done for done, _ in events.told]
    assert done == sorted(done)
    assert events.told[-1] == (200, 200)
    assert {total for _, total in events.told} == {200}


def test_progress_on_stderr(embedder: Embedder, capsys: pytest.CaptureFixture[str]) -> None:
    embedder.encode(TEXTS, progress=True)
    shown = capsys.readouterr()
    assert not shown.out
    assert "bgem3: 3/3 texts" in shown.err
    assert shown.err.endswith("\n")
    embedder.encode(TEXTS)
    assert not capsys.readouterr().err


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("texts", [LONG_TEXT, MANY_TEXTS], ids=["one pass", "many passes"])
def test_ctrl_c_stops_a_long_call(slow: Embedder, texts: list[str]) -> None:
    events = Events(lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        slow.encode(texts, progress=events)
    assert events.told
    assert not events.ended
    assert slow.encode(TEXTS).shape[0] == len(TEXTS)


def test_a_signal_from_outside_stops_a_call_without_progress(slow: Embedder) -> None:
    class Told(Exception):
        pass

    def handler(*_: object) -> None:
        raise Told

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        with pytest.raises(Told):
            slow.embed(MANY_TEXTS)
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_an_error_of_the_progress_callback_is_raised(slow: Embedder) -> None:
    def fail() -> None:
        raise LookupError("the caller's")

    events = Events(fail)
    with pytest.raises(LookupError, match="the caller's"):
        slow.encode(LONG_TEXT, progress=events)
    assert len(events.told) == 1
    assert not events.ended


def test_other_threads_run_meanwhile(slow: Embedder) -> None:
    ticks = 0
    stop = threading.Event()

    def count() -> None:
        nonlocal ticks
        while not stop.wait(0.001):
            ticks += 1

    thread = threading.Thread(target=count)
    at_first: list[int] = []
    events = Events(lambda: at_first.append(ticks))
    thread.start()
    slow.encode(LONG_TEXT, progress=events)
    at_end = ticks
    stop.set()
    thread.join()
    assert at_end - at_first[0] > 10


def test_many_threads_share_an_embedder(embedder: Embedder) -> None:
    expected = embedder.encode(TEXTS).tobytes()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: embedder.encode(TEXTS).tobytes(), range(200)))
    assert set(results) == {expected}


def test_aencode(embedder: Embedder) -> None:
    async def run() -> list[np.ndarray]:
        return await asyncio.gather(*(embedder.aencode(text) for text in TEXTS), embedder.aencode(iter(TEXTS)))

    *ones, together = asyncio.run(run())
    assert np.stack(ones).tobytes() == together.tobytes() == embedder.encode(TEXTS).tobytes()


def test_cancelling_aencode_stops_the_computation(slow: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    results: list[EmbedResult] = []
    embed = slow.embed

    def kept(*arguments: Any, **options: Any) -> EmbedResult:
        results.append(embed(*arguments, **options))
        return results[-1]

    monkeypatch.setattr(slow, "embed", kept)

    async def main() -> None:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()
        events = Events(lambda: loop.call_soon_threadsafe(begun.set))
        task = asyncio.create_task(slow.aencode(MANY_TEXTS, progress=events))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())  # waits for the thread
    assert {error.code for error in results[0].errors.values()} == {"cancelled"}


def test_pickling_takes_the_options_along(tiny: Path) -> None:
    embedder = Embedder(tiny, dtype="bf16", threads=1)
    copy = pickle.loads(pickle.dumps(embedder))
    assert copy.info.dtype == "bf16"
    assert copy.info.threads == 1
    assert copy.encode(TEXTS).tobytes() == embedder.encode(TEXTS).tobytes()


def encode_all(embedder: Embedder) -> bytes:
    return embedder.encode(TEXTS).tobytes()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_multiprocessing(embedder: Embedder, method: str) -> None:
    expected = encode_all(embedder)  # it has threads now
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map_async(encode_all, [embedder] * 4).get(120) == [expected] * 4


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_opens_the_model_again(embedder: Embedder) -> None:
    expected = encode_all(embedder)
    process = multiprocessing.get_context("fork").Process(target=check_in_fork, args=(embedder, expected))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    assert encode_all(embedder) == expected


def check_in_fork(embedder: Embedder, expected: bytes) -> None:
    assert encode_all(embedder) == expected
