#!/usr/bin/env python3
"""Write a model with random weights in the layout that Hugging Face transformers and sentence-transformers publish.

    tools/make_model.py --preset tiny build/models/tiny
    tools/make_model.py --preset full build/models/full          # bge-m3's size: 2.27 GB, about a minute
    tools/make_model.py --family bert --hidden 60 --heads 3 --ffn 100 --bin build/models/odd

The same options give the same bytes on every machine and with every version of NumPy: each tensor has its own Philox
stream, keyed by the seed and the tensor's name; the raw bits become values through integer sums and single IEEE
operations only. Golden data therefore needs no weights, only options. Any tensor can be made alone: `tensor_values`.

Weights are rounded to half precision unless --full-precision says otherwise, as those of bge-m3 appear to be. Query and
key weights are wide enough that attention is far from flat (scores with a deviation of about 2.9).

Needs NumPy only: the safetensors and torch files are written here, in bounded memory.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import lzma
import math
import shutil
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from small_tokenizers import unigram_tokenizer, wordpiece_tokenizer
from torch_zip import StoredTensor, write_torch_zip

RECIPE = 1  # changes whenever the same options would give other bytes
CHUNK_VALUES = 1 << 17
BGE_M3_TOKENIZER = Path(__file__).resolve().parent.parent / "../shared/data/bge-m3-tokenizer.json.xz"


@dataclass(frozen=True)
class ModelSpec:
    """Everything that decides a model's bytes. The defaults are the preset `tiny`."""

    family: str = "xlm-roberta"
    layers: int = 3
    hidden: int = 48
    heads: int = 4
    ffn: int = 80
    vocab: int = 0  # rows of the word embedding table; 0: as many as the tokenizer has tokens
    positions: int = 0  # rows of the position table; 0: 8194 (xlm-roberta) or 512 (bert)
    seed: int = 1
    pooling: str = ""  # cls or mean; empty: cls (xlm-roberta) or mean (bert)
    dtype: str = "f32"
    full_precision: bool = False
    bin: bool = False
    shards: int = 1
    prefix: str = ""
    normalize: bool = True
    pooler: bool = True
    tokenizer: str = "small"  # "small": made here; "bge-m3": the published one; else the path of a tokenizer.json

    def resolved(self) -> ModelSpec:
        """The same with every default written out and checked."""
        if self.family not in ("xlm-roberta", "bert"):
            raise ValueError(f"family {self.family!r} is neither xlm-roberta nor bert")
        if self.dtype not in TORCH_DTYPES:
            raise ValueError(f"dtype {self.dtype!r} is none of {', '.join(TORCH_DTYPES)}")
        if self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} is no multiple of {self.heads} heads")
        if self.bin and self.shards > 1:
            raise ValueError("--shards is for safetensors, not for --bin")
        if self.full_precision and self.dtype != "f32":
            raise ValueError("--full-precision needs --dtype f32")
        bert = self.family == "bert"
        pooling = self.pooling or ("mean" if bert else "cls")
        if pooling not in ("cls", "mean"):
            raise ValueError(f"pooling {pooling!r} is neither cls nor mean")
        return dataclasses.replace(self, pooling=pooling, positions=self.positions or (512 if bert else 8194))

    @property
    def pad_id(self) -> int:
        return 0 if self.family == "bert" else 1

    @property
    def max_tokens(self) -> int:
        """The longest text: XLM-RoBERTa's first position is the row after that of its padding."""
        return self.positions if self.family == "bert" else self.positions - self.pad_id - 1


PRESETS = {
    "tiny": ModelSpec(),
    "full": ModelSpec(layers=24, hidden=1024, heads=16, ffn=4096, vocab=250002, positions=8194, tokenizer="bge-m3"),
}
TORCH_DTYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
SAFETENSORS_DTYPES = {"f32": "F32", "f16": "F16", "bf16": "BF16"}
TORCH_STORAGES = {"f32": "FloatStorage", "f16": "HalfStorage", "bf16": "BFloat16Storage"}
DTYPE_BYTES = {"f32": 4, "f16": 2, "bf16": 2}


# ---------------------------------------------------------------------------------------------------------------------
# Values


@dataclass(frozen=True)
class Tensor:
    """A tensor's name in the published layout (without prefix), its shape, and its distribution."""

    name: str
    shape: tuple[int, ...]
    deviation: float
    mean: float = 0.0
    zero_row: int = -1  # this row is all zeros

    @property
    def count(self) -> int:
        return int(np.prod(self.shape))


def tensors_of(spec: ModelSpec) -> list[Tensor]:
    """Every tensor of the encoder, in the order of its names."""
    hidden, ffn = spec.hidden, spec.ffn
    tensors = [
        Tensor("embeddings.word_embeddings.weight", (spec.vocab, hidden), 0.05),
        Tensor(
            "embeddings.position_embeddings.weight",
            (spec.positions, hidden),
            0.03,
            zero_row=spec.pad_id if spec.family == "xlm-roberta" else -1,
        ),
        Tensor("embeddings.token_type_embeddings.weight", (2 if spec.family == "bert" else 1, hidden), 0.01),
    ]

    def layer_norm(name: str) -> None:
        tensors.append(Tensor(f"{name}.weight", (hidden,), 0.1, mean=1.0))
        tensors.append(Tensor(f"{name}.bias", (hidden,), 0.02))

    def linear(name: str, outputs: int, inputs: int, gain: float) -> None:
        tensors.append(Tensor(f"{name}.weight", (outputs, inputs), gain / math.sqrt(inputs)))
        tensors.append(Tensor(f"{name}.bias", (outputs,), 0.02))

    # What a block adds to its input shrinks with depth: with more, the tokens of a deep random model all become one and
    # attention ends up flat whatever its weights are.
    residual = min(1.0, 1.5 / math.sqrt(spec.layers))
    layer_norm("embeddings.LayerNorm")
    for index in range(spec.layers):
        layer = f"encoder.layer.{index}"
        # Scores get a deviation of about 1.7 * 1.7: the entropy of attention is 0.45 to 0.65 of log(S).
        linear(f"{layer}.attention.self.query", hidden, hidden, 1.7)
        linear(f"{layer}.attention.self.key", hidden, hidden, 1.7)
        linear(f"{layer}.attention.self.value", hidden, hidden, 1.0)
        linear(f"{layer}.attention.output.dense", hidden, hidden, residual)
        layer_norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", ffn, hidden, 1.0)
        linear(f"{layer}.output.dense", hidden, ffn, residual)
        layer_norm(f"{layer}.output.LayerNorm")
    if spec.pooler:
        linear("pooler.dense", hidden, hidden, 1.0)
    return sorted(tensors, key=lambda tensor: tensor.name)


def head_tensors(spec: ModelSpec) -> dict[str, list[Tensor]]:
    """The tensors of bge-m3's sparse and multi-vector heads, by file; the published ones are f16."""
    hidden = spec.hidden
    sizes = {"sparse_linear": 1, "colbert_linear": hidden}
    return {
        stem: [Tensor("weight", (rows, hidden), 1 / math.sqrt(hidden)), Tensor("bias", (rows,), 0.05)]
        for stem, rows in sizes.items()
    }


def raw_chunks(tensor: Tensor, seed: int, stream: str = "") -> Iterator[np.ndarray]:
    """The tensor's values before any rounding, in row-major order, in pieces: bell-shaped, at most 3.46 deviations."""
    digest = hashlib.sha256(f"{seed}:{stream}{tensor.name}".encode()).digest()
    bits = np.random.Philox(key=int.from_bytes(digest[:16], "little"))
    # The sum of four uniform 16-bit integers has mean 131070 and variance (65536^2 - 1) / 3.
    scale = np.float32(tensor.deviation / math.sqrt((65536**2 - 1) / 3))
    mask = np.uint64(0xFFFF)
    columns = tensor.shape[-1]
    zero_begin, zero_end = tensor.zero_row * columns, (tensor.zero_row + 1) * columns
    for begin in range(0, tensor.count, CHUNK_VALUES):
        raw = bits.random_raw(min(CHUNK_VALUES, tensor.count - begin))
        total = raw & mask
        for shift in (16, 32, 48):
            total += (raw >> np.uint64(shift)) & mask
        values = (total.astype(np.int32) - 131070).astype(np.float32)
        values *= scale
        values += np.float32(tensor.mean)
        if tensor.zero_row >= 0:
            values[max(zero_begin - begin, 0) : max(zero_end - begin, 0)] = 0
        yield values


def round_to_bf16(values: np.ndarray) -> np.ndarray:
    """The upper halves of float32 values rounded to nearest, ties to even, as uint16."""
    bits = values.view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)).astype(np.uint16)


def stored_chunks(tensor: Tensor, seed: int, dtype: str, full_precision: bool, stream: str = "") -> Iterator[bytes]:
    """The tensor's bytes as they stand in a file."""
    for values in raw_chunks(tensor, seed, stream):
        if full_precision:
            yield values.astype("<f4").tobytes()
            continue
        half = values.astype("<f2")
        if dtype == "f16":
            yield half.tobytes()
        elif dtype == "f32":
            yield half.astype("<f4").tobytes()
        else:
            yield round_to_bf16(half.astype(np.float32)).astype("<u2").tobytes()


def tensor_values(tensor: Tensor, spec: ModelSpec) -> np.ndarray:
    """One tensor of a model as float32, made alone."""
    data = b"".join(stored_chunks(tensor, spec.seed, spec.dtype, spec.full_precision))
    if spec.dtype == "bf16":
        values = (np.frombuffer(data, "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
    else:
        values = np.frombuffer(data, "<f4" if spec.dtype == "f32" else "<f2").astype(np.float32)
    return values.reshape(tensor.shape)


# ---------------------------------------------------------------------------------------------------------------------
# Weight files


def write_safetensors(path: Path, tensors: list[Tensor], spec: ModelSpec) -> None:
    """One safetensors file: u64 length of the header, JSON header, data in the order of the names."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor in tensors:
        begin, end = end, end + tensor.count * DTYPE_BYTES[spec.dtype]
        header[spec.prefix + tensor.name] = {
            "dtype": SAFETENSORS_DTYPES[spec.dtype],
            "shape": tensor.shape,
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors:
            for chunk in stored_chunks(tensor, spec.seed, spec.dtype, spec.full_precision):
                file.write(chunk)


def write_sharded_safetensors(folder: Path, tensors: list[Tensor], spec: ModelSpec) -> None:
    """Several safetensors files of about equal size, and the index that says which tensor is where."""
    total = sum(tensor.count for tensor in tensors)
    shards: list[list[Tensor]] = [[] for _ in range(spec.shards)]
    before = 0
    for tensor in tensors:
        shards[min(before * spec.shards // total, spec.shards - 1)].append(tensor)
        before += tensor.count
    weight_map = {}
    for index, shard in enumerate(shards):
        name = f"model-{index + 1:05}-of-{spec.shards:05}.safetensors"
        write_safetensors(folder / name, shard, spec)
        weight_map.update({spec.prefix + tensor.name: name for tensor in shard})
    metadata = {"total_size": total * DTYPE_BYTES[spec.dtype]}
    write_json(folder / "model.safetensors.index.json", {"metadata": metadata, "weight_map": weight_map})


def write_torch_weights(path: Path, tensors: list[Tensor], spec: ModelSpec) -> None:
    """The encoder's tensors as torch.save writes them."""
    stored = [
        StoredTensor(
            spec.prefix + tensor.name,
            tensor.shape,
            stored_chunks(tensor, spec.seed, spec.dtype, spec.full_precision),
        )
        for tensor in tensors
    ]
    write_torch_zip(path, stored, TORCH_STORAGES[spec.dtype], repr(spec))


def write_heads(folder: Path, spec: ModelSpec) -> None:
    """sparse_linear.pt and colbert_linear.pt, in half precision as bge-m3's are."""
    for stem, tensors in head_tensors(spec).items():
        stored = [
            StoredTensor(tensor.name, tensor.shape, stored_chunks(tensor, spec.seed, "f16", False, f"{stem}."))
            for tensor in tensors
        ]
        write_torch_zip(folder / f"{stem}.pt", stored, TORCH_STORAGES["f16"], repr(spec))


# ---------------------------------------------------------------------------------------------------------------------
# The folder


def tokenizer_bytes(spec: ModelSpec) -> tuple[bytes, int]:
    """The bytes of tokenizer.json and the number of its tokens."""
    if spec.tokenizer == "bge-m3" and BGE_M3_TOKENIZER.exists():
        data = lzma.decompress(BGE_M3_TOKENIZER.read_bytes())
    elif spec.tokenizer in ("small", "bge-m3"):
        tokens = spec.vocab if spec.tokenizer == "bge-m3" else 0  # as many as the table has rows
        tokenizer = wordpiece_tokenizer() if spec.family == "bert" else unigram_tokenizer(tokens)
        data = json.dumps(tokenizer, ensure_ascii=False, indent=1).encode()
    else:
        data = Path(spec.tokenizer).read_bytes()
    parsed = json.loads(data)
    ids = [token["id"] for token in parsed["added_tokens"]]
    return data, max(len(parsed["model"]["vocab"]), max(ids, default=-1) + 1)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def write_config_files(folder: Path, spec: ModelSpec) -> None:
    bert = spec.family == "bert"
    config: dict[str, object] = {
        "architectures": ["BertModel" if bert else "XLMRobertaModel"],
        "attention_probs_dropout_prob": 0.1,
        "classifier_dropout": None,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": spec.hidden,
        "initializer_range": 0.02,
        "intermediate_size": spec.ffn,
        "layer_norm_eps": 1e-12 if bert else 1e-05,
        "max_position_embeddings": spec.positions,
        "model_type": spec.family,
        "num_attention_heads": spec.heads,
        "num_hidden_layers": spec.layers,
        "output_past": True,
        "pad_token_id": spec.pad_id,
        "position_embedding_type": "absolute",
        "torch_dtype": TORCH_DTYPES[spec.dtype],
        "type_vocab_size": 2 if bert else 1,
        "use_cache": True,
        "vocab_size": spec.vocab,
    }
    if not bert:
        config |= {"bos_token_id": 0, "eos_token_id": 2}
    write_json(folder / "config.json", config)

    modules = [("", "Transformer"), ("1_Pooling", "Pooling")] + (
        [("2_Normalize", "Normalize")] if spec.normalize else []
    )
    write_json(
        folder / "modules.json",
        [
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for index, (path, kind) in enumerate(modules)
        ],
    )
    (folder / "1_Pooling").mkdir()
    write_json(
        folder / "1_Pooling/config.json",
        {
            "word_embedding_dimension": spec.hidden,
            "pooling_mode_cls_token": spec.pooling == "cls",
            "pooling_mode_mean_tokens": spec.pooling == "mean",
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
    )
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": spec.max_tokens, "do_lower_case": False})
    prompts = {"query": "query: ", "passage": "passage: "}
    write_json(folder / "config_sentence_transformers.json", {"prompts": prompts, "default_prompt_name": None})

    if bert:
        names = {"cls_token": "[CLS]", "mask_token": "[MASK]", "pad_token": "[PAD]", "sep_token": "[SEP]"}
        names |= {"unk_token": "[UNK]"}
        extra = {"do_lower_case": True, "tokenize_chinese_chars": True, "strip_accents": None}
    else:
        names = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "sep_token": "</s>"}
        names |= {"unk_token": "<unk>"}
        extra = {}
    mask = {"content": "<mask>", "lstrip": True, "normalized": False, "rstrip": False, "single_word": False}
    specials = names if bert else {**names, "mask_token": mask}
    tokenizer_class = "BertTokenizer" if bert else "XLMRobertaTokenizer"
    write_json(folder / "special_tokens_map.json", specials)
    write_json(
        folder / "tokenizer_config.json",
        {
            **names,
            "mask_token": "[MASK]" if bert else {"__type": "AddedToken", **mask},
            **extra,
            "model_max_length": spec.max_tokens,
            "tokenizer_class": tokenizer_class,
        },
    )


def write_model(folder: Path, spec: ModelSpec) -> ModelSpec:
    """Writes the whole model into a new folder, atomically, and returns its spec with all defaults written out."""
    spec = spec.resolved()
    tokenizer, tokens = tokenizer_bytes(spec)
    if spec.vocab and spec.vocab < tokens:
        raise ValueError(f"--vocab {spec.vocab} is less than the {tokens} tokens of the tokenizer")
    spec = dataclasses.replace(spec, vocab=spec.vocab or tokens)

    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_config_files(partial, spec)
    (partial / "tokenizer.json").write_bytes(tokenizer)
    (partial / "README.md").write_text(
        "A model with random weights: it has the published layout and no knowledge.\n\n"
        f"Made by tools/make_model.py of bgem3, recipe {RECIPE}, with\n\n    {spec}\n",
        encoding="utf-8",
    )
    tensors = tensors_of(spec)
    if spec.bin:
        write_torch_weights(partial / "pytorch_model.bin", tensors, spec)
    elif spec.shards > 1:
        write_sharded_safetensors(partial, tensors, spec)
    else:
        write_safetensors(partial / "model.safetensors", tensors, spec)
    if spec.family == "xlm-roberta":
        write_heads(partial, spec)
    partial.rename(folder)
    return spec


def parse_arguments(arguments: list[str]) -> tuple[Path, ModelSpec, bool]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the model's folder; its parents are made")
    parser.add_argument("--preset", choices=PRESETS, default="tiny", help="where the other options start from")
    parser.add_argument("--force", action="store_true", help="replace an existing folder")
    for field in dataclasses.fields(ModelSpec):
        flag = f"--{field.name.replace('_', '-')}"
        if isinstance(field.default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction)
        else:
            parser.add_argument(flag, type=type(field.default))
    parsed = vars(parser.parse_args(arguments))
    folder, preset, force = parsed.pop("folder"), parsed.pop("preset"), parsed.pop("force")
    changes = {name: value for name, value in parsed.items() if value is not None}
    return folder, dataclasses.replace(PRESETS[preset], **changes), force


def main() -> int:
    folder, spec, force = parse_arguments(sys.argv[1:])
    if folder.exists():
        if not force:
            print(f"make_model: {folder} exists; --force replaces it", file=sys.stderr)
            return 1
        shutil.rmtree(folder)
    try:
        spec = write_model(folder, spec)
    except (ValueError, OSError) as error:
        print(f"make_model: {error}", file=sys.stderr)
        return 1
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{folder}: {spec.family}, {spec.layers} layers of {spec.hidden}, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
