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
# "No more than 1.5 times what transformers float32 itself differs": both are largest differences of a handful of texts
# and move by chance, so they are compared over all texts of one length, with the rounding of the result as the floor.
PEER_FACTOR = 1.5
PEER_FLOOR = 1e-7


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


@dataclass
class ErrorTable:
    """Largest errors against float64 by model and length; printed and kept as Markdown."""

    rows: list[tuple[str, int, int, float, float]] = field(default_factory=list)

    def compare(self, name: str, texts: dict[int, list[str]], ours: np.ndarray, model: Transformers) -> None:
        """Adds a row for each length and fails on the first that is not as exact as promised.

        `ours` holds the vectors of all texts, lengths in the order of the dictionary.
        """
        flat = [text for group in texts.values() for text in group]
        theirs = np.array(list(model.vectors(flat, torch.float32)))
        exact = np.array(list(model.vectors(flat, torch.float64)))
        begin = 0
        for tokens, group in texts.items():
            rows = slice(begin, begin + len(group))
            begin = rows.stop
            errors = largest_error(ours[rows], exact[rows]), largest_error(theirs[rows], exact[rows])
            self.rows.append((name, tokens, len(group), *errors))
        for row_name, tokens, _, our_error, their_error in self.rows:
            if row_name == name:
                limit = min(MAX_ERROR, max(PEER_FACTOR * their_error, PEER_FLOOR))
                assert our_error <= limit, f"{name}, {tokens} tokens: {our_error:.3g} against {their_error:.3g}"

    def markdown(self) -> str:
        lines = [
            "Largest error of a component of the unit vector against float64.",
            "",
            "| model | tokens | texts | bgem3 | transformers f32 | ratio |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        for name, tokens, texts, ours, theirs in self.rows:
            ratio = f"{ours / theirs:.2f}"
            lines.append(f"| {name} | {tokens} | {texts} | {ours:.2e} | {theirs:.2e} | {ratio} |")
        return "\n".join(lines) + "\n"
