"""Hugging Face transformers as the yardstick: texts of chosen lengths, vectors in float32 and float64, error table."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import transformers
from small_tokenizers import WORDS
from tokenizers import Tokenizer

transformers.logging.set_verbosity_error()

MAX_ERROR = 5e-7  # of a component of the unit vector against float64
# No more than 1.5 times what transformers float32 itself differs from float64: the root mean square for every length,
# the largest difference for every model. The largest of a few hundred differences is a matter of luck, the mean is not;
# the floor of both is what rounding the result to float32 may cost.
PEER_FACTOR = 1.5
RMS_FLOOR = 1e-8
LARGEST_FLOOR = 1e-7


def load_tokenizer(folder: Path) -> Tokenizer:
    """The model's tokenizer with the model's own limit, whatever its file says of truncation and padding."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"])
    return tokenizer


def exact_text(tokenizer: Tokenizer, tokens: int, seed: int) -> str:
    """Random words that make exactly that many tokens, template included."""
    generator = random.Random(seed)
    words = [word for word in WORDS if len(tokenizer.encode(word).ids) == 3]
    text = " ".join(generator.choice(words) for _ in range(tokens - 2))
    assert len(tokenizer.encode(text).ids) == tokens
    return text


class Transformers:
    """A model as transformers runs it, one text at a time; float32 first, then float64 (widened in place)."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = load_tokenizer(folder)
        self.mean = json.loads((folder / "1_Pooling/config.json").read_text())["pooling_mode_mean_tokens"]
        self.model = transformers.AutoModel.from_pretrained(folder).eval()

    def vectors(self, texts: list[str], dtype: torch.dtype) -> Iterator[np.ndarray]:
        """The unit vector of each text; pooling and scaling are done in float64 for both types."""
        self.model.to(dtype)
        for text in texts:
            ids = torch.tensor([self.tokenizer.encode(text).ids])
            with torch.inference_mode():
                states = self.model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
                vector = (states.mean(dim=0) if self.mean else states[0]).double().numpy()
            yield vector / np.linalg.norm(vector)


def largest_error(vectors: np.ndarray, exact: np.ndarray) -> float:
    return float(np.abs(vectors.astype(np.float64) - exact).max())


def rms_error(vectors: np.ndarray, exact: np.ndarray) -> float:
    return float(np.sqrt(np.mean((vectors.astype(np.float64) - exact) ** 2)))


@dataclass(frozen=True)
class Row:
    """Errors of one model at one length: ours and those of transformers in float32."""

    model: str
    tokens: int
    texts: int
    largest: tuple[float, float]
    rms: tuple[float, float]


@dataclass
class ErrorTable:
    """Errors against float64 by model and length; printed and kept as Markdown."""

    rows: list[Row] = field(default_factory=list)

    def compare(self, name: str, texts: dict[int, list[str]], ours: np.ndarray, model: Transformers) -> None:
        """Adds a row for each length; fails if the model is not as exact as promised.

        `ours` holds the vectors of all texts, lengths in the order of the dictionary.
        """
        flat = [text for group in texts.values() for text in group]
        theirs = np.array(list(model.vectors(flat, torch.float32)))
        exact = np.array(list(model.vectors(flat, torch.float64)))
        begin, added = 0, []
        for tokens, group in texts.items():
            part = slice(begin, begin + len(group))
            begin = part.stop
            pairs = (ours[part], exact[part]), (theirs[part], exact[part])
            largest = largest_error(*pairs[0]), largest_error(*pairs[1])
            added.append(Row(name, tokens, len(group), largest, (rms_error(*pairs[0]), rms_error(*pairs[1]))))
        self.rows += added
        their_rms = rms_error(theirs, exact)
        for row in added:
            where = f"{row.model}, {row.tokens} tokens: {row}"
            assert row.largest[0] <= MAX_ERROR, where
            # At three tokens theirs depends on the machine that torch runs on: there it is that over all lengths, too.
            peer = max(row.rms[1], their_rms) if row.tokens == 3 else row.rms[1]
            assert row.rms[0] <= max(PEER_FACTOR * peer, RMS_FLOOR), where
        our_largest, their_largest = (max(row.largest[side] for row in added) for side in (0, 1))
        assert our_largest <= max(PEER_FACTOR * their_largest, LARGEST_FLOOR), name

    def markdown(self) -> str:
        lines = [
            "Errors of a component of the unit vector against float64: bgem3 / transformers in float32.",
            "",
            "| model | tokens | texts | largest | ratio | root mean square | ratio |",
            "|---|---:|---:|---:|---:|---:|---:|",
        ]
        for row in self.rows:
            cells = [row.model, str(row.tokens), str(row.texts)]
            for ours, theirs in (row.largest, row.rms):
                cells += [f"{ours:.2e} / {theirs:.2e}", f"{ours / theirs:.2f}"]
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines) + "\n"
