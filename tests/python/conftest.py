"""The package under test is the one installed in this environment (make test builds and installs it)."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bgem3 import Embedder
from hypothesis import HealthCheck, settings
from make_model import ModelSpec
from tokenizers import Tokenizer

# The machine may be busy: no example is too slow.
settings.register_profile("bgem3", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("bgem3")


@pytest.fixture(scope="session")
def tiny(model_folder: Callable[[ModelSpec], Path]) -> Path:
    """A tiny random XLM-RoBERTa of up to 8192 tokens."""
    return model_folder(ModelSpec())


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt also where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def embedder(tiny: Path) -> Embedder:
    return Embedder(tiny)


@pytest.fixture(scope="session")
def reference_tokenizer(tiny: Path) -> Tokenizer:
    return Tokenizer.from_file(str(tiny / "tokenizer.json"))
