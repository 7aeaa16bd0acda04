"""Tokenizers to compare with, and the program that runs ours. Used by the parity test and the benchmark."""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import lzma
import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sentencepiece

ROOT = Path(__file__).resolve().parent.parent
Json = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Result:
    """What our tokenizer makes of one text; offsets are bytes."""

    ids: list[int]
    offsets: list[tuple[int, int]]
    decoded: str
    truncated: bool
    replaced: int


def driver() -> Path:
    """The program tests/tokenize_lines.cc: BGEM3_TOKENIZE_LINES, else that of the dev or bench build."""
    candidates = [ROOT / "build/dev/tests/tokenize_lines", ROOT / "build/bench/bin/tokenize_lines"]
    if "BGEM3_TOKENIZE_LINES" in os.environ:
        candidates = [Path(os.environ["BGEM3_TOKENIZE_LINES"])]
    present = [path for path in candidates if path.exists()]
    if not present:
        raise FileNotFoundError(f"{' or '.join(map(str, candidates))}: build tokenize_lines first")
    return present[0]


def tokenize(path: Path, texts: Sequence[str | bytes], *flags: str) -> list[Result]:
    """Our tokens of every text. Raises RuntimeError with the program's message if it fails."""
    raw = [text.encode() if isinstance(text, str) else text for text in texts]
    data = b"".join(struct.pack("<I", len(text)) + text for text in raw)
    run = subprocess.run([driver(), path, *flags], input=data, capture_output=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(run.stderr.decode(errors="replace"))
    results, at = [], 0

    def numbers(count: int) -> tuple[int, ...]:
        nonlocal at
        at += 4 * count
        return struct.unpack_from(f"<{count}I", run.stdout, at - 4 * count)

    for _ in texts:
        count, truncated, replaced = numbers(3)
        ids, begins, ends = numbers(count), numbers(count), numbers(count)
        (size,) = numbers(1)
        decoded = run.stdout[at : at + size].decode()
        at += size
        results.append(Result(list(ids), list(zip(begins, ends, strict=True)), decoded, bool(truncated), replaced))
    assert at == len(run.stdout)
    return results


def sample_lines() -> list[str]:
    """The sentences of the sample."""
    return (ROOT / "tests/data/multilingual_sample.txt").read_text(encoding="utf-8").splitlines()


@functools.cache
def scratch() -> Path:
    """A folder for files of this run."""
    folder = tempfile.TemporaryDirectory(prefix="bgem3-tokenizer-")
    _KEPT.append(folder)
    return Path(folder.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def write(name: str, tokenizer: Json) -> Path:
    """A tokenizer.json of that name."""
    path = scratch() / f"{name}.json"
    path.write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    return path


@functools.cache
def bge_m3() -> Path | None:
    """bge-m3's own tokenizer.json, if BGEM3_TOKENIZER_JSON, ../shared/data or the Hugging Face cache has it."""
    if "BGEM3_TOKENIZER_JSON" in os.environ:
        return Path(os.environ["BGEM3_TOKENIZER_JSON"])
    packed = ROOT.parent / "shared/data/bge-m3-tokenizer.json.xz"
    if packed.exists():
        path = scratch() / "bge-m3.json"
        path.write_bytes(lzma.decompress(packed.read_bytes()))
        return path
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache/huggingface"))
    return next(home.glob("hub/models--BAAI--bge-m3/snapshots/*/tokenizer.json"), None)


@functools.cache
def trained_model() -> bytes:
    """A small sentencepiece Unigram trained on the sample, with bge-m3's normalisation."""
    prefix = scratch() / "trained"
    text = scratch() / "sample.txt"
    text.write_text("\n".join(sample_lines() * 3) + "\n", encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(prefix),
        vocab_size=2500,
        character_coverage=0.98,
        normalization_rule_name="nmt_nfkc",
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return prefix.with_suffix(".model").read_bytes()


Field = tuple[int, int, bytes]  # number, wire type, value


def fields(message: bytes) -> Iterator[Field]:
    """The fields of a protobuf message (only the wire types that sentencepiece models have)."""
    at = 0

    def varint() -> int:
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        number, wire_type = divmod(varint(), 8)
        begin = at
        if wire_type == 0:
            varint()
        else:
            size = 4 if wire_type == 5 else varint()
            begin = at
            at += size
        yield number, wire_type, message[begin:at]


def encode_field(number: int, wire_type: int, value: bytes) -> bytes:
    """One field of a protobuf message."""

    def varint(value: int) -> bytes:
        low = bytes([value & 127 | (128 if value > 127 else 0)])
        return low if value < 128 else low + varint(value >> 7)

    return varint(number * 8 + wire_type) + (varint(len(value)) if wire_type == 2 else b"") + value


# Fields of sentencepiece's ModelProto: pieces (piece, score) and normalizer_spec (precompiled_charsmap).
PIECES, PIECE, SCORE, NORMALIZER, CHARSMAP = 1, 1, 2, 3, 2


@functools.cache
def trained_unigram_json() -> str:
    """The trained model in the layout in which XLM-RoBERTa and bge-m3 publish theirs."""
    model = list(fields(trained_model()))
    entries = [{number: value for number, _, value in fields(value)} for number, _, value in model if number == PIECES]
    pieces = [[entry[PIECE].decode(), struct.unpack("<f", entry[SCORE])[0]] for entry in entries[3:]]
    normalizer = next(value for number, _, value in model if number == NORMALIZER)
    charsmap = base64.b64encode(next(v for n, _, v in fields(normalizer) if n == CHARSMAP)).decode()
    vocabulary = [["<s>", 0.0], ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], *pieces, ["<mask>", 0.0]]
    special = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": len(vocabulary) - 1}
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [added_token(content, id, lstrip=content == "<mask>") for content, id in special.items()],
            "normalizer": {
                "type": "Sequence",
                "normalizers": [
                    {"type": "Precompiled", "precompiled_charsmap": charsmap},
                    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
                ],
            },
            "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True},
            "post_processor": template(("<s>", 0), ("</s>", 2)),
            "decoder": {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True},
            "model": {"type": "Unigram", "unk_id": 3, "vocab": vocabulary, "byte_fallback": False},
        }
    )


def trained_unigram() -> Path:
    """The trained Unigram as a file."""
    return write("trained-unigram", json.loads(trained_unigram_json()))


def added_token(content: str, id: int, **flags: bool) -> Json:
    """One entry of "added_tokens"."""
    defaults = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": id, "content": content, **defaults, **flags}


def template(before: tuple[str, int], after: tuple[str, int]) -> Json:
    """A TemplateProcessing that puts one token before and one after the text."""

    def special(content: str) -> Json:
        return {"SpecialToken": {"id": content, "type_id": 0}}

    text = {"Sequence": {"id": "A", "type_id": 0}}
    pair = {"Sequence": {"id": "B", "type_id": 0}}
    single = [special(before[0]), text, special(after[0])]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, pair, special(after[0])],
        "special_tokens": {c: {"id": c, "ids": [i], "tokens": [c]} for c, i in (before, after)},
    }


def is_unigram(path: Path) -> bool:
    """Whether a tokenizer.json has a Unigram model."""
    return json.loads(path.read_text(encoding="utf-8"))["model"]["type"] == "Unigram"


def sentencepiece_processor(path: Path) -> sentencepiece.SentencePieceProcessor:
    """A sentencepiece model with the pieces and the character map of a tokenizer.json of XLM-RoBERTa's layout."""
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    charsmap = base64.b64decode(tokenizer["normalizer"]["normalizers"][0]["precompiled_charsmap"])
    model = list(fields(trained_model()))
    serialized = b"".join(encode_field(*field) for field in [f for f in model if f[0] == PIECES][:3])
    for piece, score in tokenizer["model"]["vocab"][4:-1]:
        entry = encode_field(PIECE, 2, piece.encode()) + encode_field(SCORE, 5, struct.pack("<f", score))
        serialized += encode_field(PIECES, 2, entry)
    for number, wire_type, value in model:
        if number == NORMALIZER:
            kept = [field for field in fields(value) if field[0] != CHARSMAP]
            value = b"".join(encode_field(*field) for field in [*kept, (CHARSMAP, 2, charsmap)])
        if number != PIECES:
            serialized += encode_field(number, wire_type, value)
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(serialized)
    return processor
