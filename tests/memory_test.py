"""The memory ceiling: the program under --max-memory, and the peak of its resident memory as the system counted it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from make_model import ModelSpec
from support import Program, jsonl, run_measured

MIB = 1 << 20
# Wide, so that workspaces weigh more than the program: about 20 KiB a token.
SPEC = ModelSpec(layers=2, hidden=512, heads=8, ffn=2048)

MakeModel = Callable[[ModelSpec], Path]


def needed_bytes(program: Program, folder: Path) -> int:
    code, message, *_ = run_measured(
        program.path, "embed", "-", "--model", folder, "--max-memory", "1M", stdin=jsonl(["a"])
    )
    assert code != 0
    assert str(MIB) in message, message  # what was allowed
    return int(message.split("this process needs ")[1].split(":")[0])


def mixed_texts() -> list[str]:
    words = ["the", "sea", "is", "deep", "and", "wide", "today"]
    return [" ".join(words[(i + j) % 7] for j in range(1 + (i * 37) % 400)) + f" {i}" for i in range(120)]


@pytest.mark.parametrize("room", [0, 16 * MIB, 64 * MIB, 256 * MIB])
def test_the_ceiling_holds_and_changes_no_bit(program: Program, model_folder: MakeModel, room: int) -> None:
    folder = model_folder(SPEC)
    texts = mixed_texts()
    program.embed_bytes(folder, texts[:1])  # the packed file is there from here on
    ceiling = needed_bytes(program, folder) + 4 * MIB + room  # what it needs varies a little
    flags = ["--max-length", 512, "--max-memory", ceiling]
    code, message, peak, _ = run_measured(
        program.path, "embed", "-", "--model", folder, "--input-format", "jsonl", *flags, stdin=jsonl(texts)
    )
    assert code == 0, message
    assert peak <= ceiling
    expected = program.embed_bytes(folder, texts, "--max-length", 512)
    assert program.embed_bytes(folder, texts, *flags) == expected


def test_a_text_too_long_for_the_ceiling_is_rejected_alone(program: Program, model_folder: MakeModel) -> None:
    folder = model_folder(SPEC)
    program.embed_bytes(folder, ["a"])
    ceiling = needed_bytes(program, folder) + 4 * MIB
    texts = ["short", "sea " * 8000, "short too"]
    result = program.run(
        "embed", "-", "--model", folder, "--max-memory", ceiling, "--on-error", "skip", "--input-format", "jsonl",
        stdin=jsonl(texts), check=False,
    )  # fmt: skip
    assert result.returncode == 3, result.stderr
    assert len([json.loads(line) for line in result.stdout.splitlines()]) == 2
    assert b"max_memory" in result.stderr
