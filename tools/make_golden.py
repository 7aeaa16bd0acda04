#!/usr/bin/env python3
"""Write tests/golden/: what Hugging Face transformers computes for small random models and for MiniLM, in float64.

    build/venv-parity/bin/python tools/make_golden.py [--minilm FOLDER]

The vectors are those of transformers run in float64, rounded to nine digits; beside them stands the largest difference
of transformers' own float32 run from them, which is what bgem3 is measured against. The models' weights are not stored:
tools/make_model.py makes the same bytes from the options in each file. `make test` then needs no torch.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import platform
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import tokenizers
import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parent))
import make_model
from small_tokenizers import WORDS

GOLDEN = Path(__file__).resolve().parent.parent / "tests/golden"

# Odd sizes on purpose: 1, 3 and 12 heads, widths that are no multiple of any vector, every file format.
MODELS = {
    "xlmr_h48_4heads": make_model.ModelSpec(),
    "xlmr_h20_1head": make_model.ModelSpec(
        layers=2, hidden=20, heads=1, ffn=33, pooling="mean", full_precision=True, pooler=False, positions=700, seed=2
    ),
    "xlmr_h84_12heads": make_model.ModelSpec(
        hidden=84, heads=12, ffn=145, dtype="bf16", prefix="roberta.", vocab=1100, positions=602, seed=3
    ),
    "bert_h60_3heads": make_model.ModelSpec(
        family="bert", hidden=60, heads=3, ffn=100, bin=True, positions=640, seed=4
    ),
    "bert_h36_12heads": make_model.ModelSpec(
        family="bert",
        layers=4,
        hidden=36,
        heads=12,
        ffn=51,
        dtype="f16",
        pooling="cls",
        shards=3,
        prefix="bert.",
        seed=5,
    ),
}

# Token counts, template included, around the edges of every tile.
LENGTHS = [3, 4, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513, 600]

MIXED_TEXTS = [
    "",
    " ",
    "a",
    "The river runs from the mountain to the sea.",
    "  Leading and trailing white space,\ttabs\nand new lines.  ",
    "Größe, café, naïve, Ελληνικά, Привет, мир! שלום עולם",
    "人工智能是一门科学。 東京は日本の首都です。 한국어 문장을 만듭니다.",
    "नमस्ते दुनिया, สวัสดีชาวโลก, مرحبا بالعالم",
    "emoji 👩‍👩‍👧‍👦 and 🙂🙂, symbols €£ — “quotes” … and numbers 3.14159, 1,000,000",
    "special tokens in a text: <s> <pad> </s> <unk> <mask> [CLS] [SEP] [PAD] [MASK]",
    "x" * 150 + " a very long word",
]
MINILM_LENGTHS = [3, 16, 33, 128, 257, 600]


def words_text(tokens: int) -> str:
    """A text of that many tokens with the small tokenizers, template included: every word is one token."""
    generator = random.Random(tokens)
    return " ".join(generator.choice(WORDS) for _ in range(tokens - 2))


def run(model: torch.nn.Module, ids: list[int], mean_pooling: bool) -> np.ndarray:
    """The unit vector of one text, in float64 after the model's last layer."""
    with torch.no_grad():
        batch = torch.tensor([ids])
        states = model(input_ids=batch, attention_mask=torch.ones_like(batch)).last_hidden_state[0]
        vector = (states.mean(dim=0) if mean_pooling else states[0]).double().numpy()
    return vector / np.linalg.norm(vector)


def golden_of(folder: Path, texts: list[str]) -> dict[str, object]:
    """Runs a model on texts, one at a time, in float32 as it is used and in float64."""
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    limit = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
    tokenizer.enable_truncation(limit)
    mean_pooling = json.loads((folder / "1_Pooling/config.json").read_text())["pooling_mode_mean_tokens"]
    single = transformers.AutoModel.from_pretrained(folder).eval()
    double = transformers.AutoModel.from_pretrained(folder).eval().double()
    tokens, vectors, errors = [], [], []
    for text in texts:
        ids = tokenizer.encode(text).ids
        exact = run(double, ids, mean_pooling)
        tokens.append(len(ids))
        errors.append(float(np.abs(run(single, ids, mean_pooling) - exact).max()))
        vectors.append([float(f"{value:.9g}") for value in exact])
    return {
        "versions": {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "tokenizers": tokenizers.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "transformers_f32_max_error": float(f"{max(errors):.3g}"),
        "transformers_f32_errors": [float(f"{error:.3g}") for error in errors],
        "tokens": tokens,
        "vectors": vectors,
    }


def write(name: str, value: dict[str, object]) -> None:
    """One line for each entry of a list, so that a difference can be read."""
    lines = []
    for key, entry in value.items():
        if isinstance(entry, list) and entry and isinstance(entry[0], (list, str)):
            rows = ",\n".join(json.dumps(row, ensure_ascii=True, separators=(",", ":")) for row in entry)
            lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(entry)}")
    (GOLDEN / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minilm", type=Path, default=Path("build/models/all-MiniLM-L6-v2"), help="folder of MiniLM")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()

    texts = MIXED_TEXTS + [words_text(length) for length in LENGTHS]
    write("texts", {"texts": texts})
    with tempfile.TemporaryDirectory() as scratch:
        for name, spec in MODELS.items():
            folder = Path(scratch) / name
            written = make_model.write_model(folder, spec)
            weights = sorted([*folder.glob("*.safetensors"), *folder.glob("pytorch_model.bin")])
            digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in weights}
            golden = golden_of(folder, texts)
            write(name, {"spec": dataclasses.asdict(written), "weights_sha256": digests, **golden})
            print(f"{name}: transformers f32 differs from f64 by at most {golden['transformers_f32_max_error']:.2g}")

    chosen = list(range(len(MIXED_TEXTS))) + [len(MIXED_TEXTS) + LENGTHS.index(length) for length in MINILM_LENGTHS]
    golden = golden_of(arguments.minilm, [texts[index] for index in chosen])
    digest = hashlib.sha256((arguments.minilm / "model.safetensors").read_bytes()).hexdigest()
    write("minilm", {"weights_sha256": {"model.safetensors": digest}, "text_indices": chosen, **golden})
    print(f"minilm: transformers f32 differs from f64 by at most {golden['transformers_f32_max_error']:.2g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
