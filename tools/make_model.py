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
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

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


class PickleWriter:
    """Writes the pickle of a state_dict (protocol 2) with the opcodes that torch.save uses, memo included."""

    def __init__(self) -> None:
        self.out = bytearray(b"\x80\x02")
        self.memo: dict[object, int] = {}

    def put(self, key: object | None = None) -> None:
        """Remembers what was just written; `key` makes it reusable through `get`."""
        index = len(self.memo)
        self.memo[index if key is None else key] = index
        self.out += struct.pack("<BB", ord("q"), index) if index < 256 else struct.pack("<BI", ord("r"), index)

    def get(self, key: object) -> bool:
        """Writes a reference to something remembered; false if it is not."""
        index = self.memo.get(key)
        if index is None:
            return False
        self.out += struct.pack("<BB", ord("h"), index) if index < 256 else struct.pack("<BI", ord("j"), index)
        return True

    def string(self, text: str) -> None:
        if not self.get(("string", text)):
            data = text.encode()
            self.out += struct.pack("<BI", ord("X"), len(data)) + data
            self.put(("string", text))

    def integer(self, value: int) -> None:
        if 0 <= value < 256:
            self.out += struct.pack("<BB", ord("K"), value)
        elif 0 <= value < 65536:
            self.out += struct.pack("<BH", ord("M"), value)
        elif value < 2**31:
            self.out += struct.pack("<Bi", ord("J"), value)
        else:
            data = value.to_bytes(value.bit_length() // 8 + 1, "little")
            self.out += struct.pack("<BB", 0x8A, len(data)) + data

    def global_name(self, module: str, name: str) -> None:
        if not self.get(("global", module, name)):
            self.out += f"c{module}\n{name}\n".encode()
            self.put(("global", module, name))

    def integers(self, values: tuple[int, ...]) -> None:
        """A tuple of one or two integers."""
        for value in values:
            self.integer(value)
        self.out += {1: b"\x85", 2: b"\x86"}[len(values)]
        self.put()

    def ordered_dict(self) -> None:
        self.global_name("collections", "OrderedDict")
        self.out += b")R"
        self.put()

    def tensor(self, tensor: Tensor, storage: str, key: str) -> None:
        self.global_name("torch._utils", "_rebuild_tensor_v2")
        self.out += b"(("
        self.string("storage")
        self.global_name("torch", storage)
        self.string(key)
        self.string("cpu")
        self.integer(tensor.count)
        self.out += b"t"
        self.put()
        self.out += b"Q"
        self.integer(0)
        self.integers(tensor.shape)
        self.integers((tensor.shape[1], 1) if len(tensor.shape) == 2 else (1,))
        self.out += b"\x89"
        self.ordered_dict()
        self.out += b"t"
        self.put()
        self.out += b"R"
        self.put()

    def state_dict(self, tensors: list[Tensor], prefix: str, storage: str) -> bytes:
        self.ordered_dict()
        self.out += b"("
        for index, tensor in enumerate(tensors):
            self.string(prefix + tensor.name)
            self.tensor(tensor, storage, str(index))
        self.out += b"u}"
        self.put()
        self.string("_metadata")
        self.ordered_dict()
        self.string("")
        self.out += b"}"
        self.put()
        self.string("version")
        self.integer(1)
        self.out += b"sssb."
        return bytes(self.out)


class Unseekable:
    """A file that cannot seek back, so that zipfile writes data descriptors, as torch does."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write
        self.flush = file.flush


def write_torch_zip(path: Path, tensors: list[Tensor], spec: ModelSpec, dtype: str, stream: str = "") -> None:
    """A file as torch.save writes a state_dict: stored zip entries, tensor data aligned to 64 bytes."""
    with path.open("wb") as file, zipfile.ZipFile(Unseekable(file), "w") as archive:

        def add(name: str, chunks: Iterator[bytes] | list[bytes]) -> None:
            info = zipfile.ZipInfo(f"{path.stem}/{name}")
            data_begin = archive.fp.tell() + 30 + len(info.filename) + 4
            padding = -data_begin % 64
            info.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
            with archive.open(info, "w") as entry:
                for chunk in chunks:
                    entry.write(chunk)

        add("data.pkl", [PickleWriter().state_dict(tensors, spec.prefix if not stream else "", TORCH_STORAGES[dtype])])
        add("byteorder", [b"little"])
        for index, tensor in enumerate(tensors):
            add(f"data/{index}", stored_chunks(tensor, spec.seed, dtype, spec.full_precision and not stream, stream))
        add("version", [b"3\n"])
        add(".data/serialization_id", [hashlib.sha256(repr(spec).encode()).hexdigest()[:40].encode()])


# ---------------------------------------------------------------------------------------------------------------------
# The small tokenizers

WORDS = """
the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one
you were all her she there would their we him been has when who will no more if out so up said what its about than into
them can only other time new some could these two may first then do any like my now over such our man me even most made
after also did many off before must well back through years much where your way down should because long each just
state those people too mr how little good world make very year still see own work men day get here between both under
never same another know while last might us great old go since against right came take three river mountain water
city island ocean music science history language planet light king war sea earth moon sun bird tree stone horse house
""".split()
PIECES = """
ing ed er ly es tion al ment ness able ity ous ive ful less est th ch sh st nd nt on an in en re at or is it ar le ic ra ti
ri se de co ro la el ta li ma si ne me ur us om ent ion ter com con per pro pre dis un ex ca pa po ho wa fi fo so no
""".split()
CHARACTERS = (
    "etaoinshrdlcumwfgypbvkjxqzETAOINSHRDLCUMWFGYPBVKJXQZ0123456789.,;:!?'\"()[]{}<>-_/\\|@#$%&*+=~^`"
    "äöüßéèêàâîïôûùçñáíóúãõåøæœčšžřěłąęśćńğışØÆÅÄÖÜÉαβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώ"
    "абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЭЮЯіїє"
    "אבגדהוזחטיכלמנסעפצקרשתםןףךץابتثجحخدذرزسشصضطظعغفقكلمنهويءآأإؤئةىپچگ"
    "अआइईउऊएऐओऔकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसहािीुूेैोौ्ंः"
    "กขคงจชซญดตถทธนบปผพฟภมยรลวสหอาิีึืุูเแโใไ่้"
    "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをんアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワンー"
    "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么"
    "가나다라마바사아자차카타파하고노도로모보소오조이기니리시지한국어문장을은는에의。、，！？「」…—–“”‘’€£😀🙂"
)


def unique(items: list[str]) -> list[str]:
    return list(dict.fromkeys(items))


def added_token(index: int, content: str, lstrip: bool = False) -> dict[str, object]:
    flags = {"single_word": False, "lstrip": lstrip, "rstrip": False, "normalized": False, "special": True}
    return {"id": index, "content": content, **flags}


def template(cls: str, cls_id: int, sep: str, sep_id: int, xlm: bool) -> dict[str, object]:
    """The post-processor: <s> A </s> </s> B </s> for XLM-RoBERTa, [CLS] A [SEP] B [SEP] for BERT."""

    def special(name: str, type_id: int = 0) -> dict[str, object]:
        return {"SpecialToken": {"id": name, "type_id": type_id}}

    def sequence(name: str, type_id: int = 0) -> dict[str, object]:
        return {"Sequence": {"id": name, "type_id": type_id}}

    second = 0 if xlm else 1
    single = [special(cls), sequence("A"), special(sep)]
    pair = single + ([special(sep)] if xlm else []) + [sequence("B", second), special(sep, second)]
    tokens = {name: {"id": name, "ids": [index], "tokens": [name]} for name, index in ((cls, cls_id), (sep, sep_id))}
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": tokens}


def unigram_tokenizer() -> dict[str, object]:
    """A small Unigram model in XLM-RoBERTa's pipeline, without its character map."""
    pieces: dict[str, float] = {name: 0.0 for name in ("<s>", "<pad>", "</s>", "<unk>")}
    words = unique([f"▁{word}" for word in WORDS] + PIECES + [f"▁{word.capitalize()}" for word in WORDS])
    for rank, word in enumerate(["▁", *words]):
        pieces.setdefault(word, -4.0 - rank / 64)
    for rank, character in enumerate(CHARACTERS):
        pieces.setdefault(character, -11.0 - rank / 256)
    pieces["<mask>"] = 0.0
    ids = {piece: index for index, piece in enumerate(pieces)}
    specials = [added_token(ids[name], name) for name in ("<s>", "<pad>", "</s>", "<unk>")]
    metaspace = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    replace = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [*specials, added_token(ids["<mask>"], "<mask>", lstrip=True)],
        "normalizer": {"type": "Sequence", "normalizers": [replace]},
        "pre_tokenizer": metaspace,
        "post_processor": template("<s>", 0, "</s>", 2, xlm=True),
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": 3, "vocab": [list(item) for item in pieces.items()], "byte_fallback": False},
    }


def wordpiece_tokenizer() -> dict[str, object]:
    """A small WordPiece model in BERT's uncased pipeline."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # The normaliser lower-cases and removes accents, so other characters could never be matched.
    characters = [c for c in CHARACTERS if c == c.lower() and c not in "äöüéèêàâîïôûùçñáíóúãõåčšžřěąęśćńğάέήίόύώйїآأإؤئ"]
    pieces = [*WORDS, *(f"##{piece}" for piece in PIECES), *characters, *(f"##{c}" for c in characters)]
    vocab = {piece: index for index, piece in enumerate(unique([*specials, *pieces]))}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token(vocab[name], name) for name in specials],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": template("[CLS]", vocab["[CLS]"], "[SEP]", vocab["[SEP]"], xlm=False),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocab,
        },
    }


def tokenizer_bytes(spec: ModelSpec) -> tuple[bytes, int]:
    """The bytes of tokenizer.json and the number of its tokens."""
    if spec.tokenizer == "bge-m3" and BGE_M3_TOKENIZER.exists():
        data = lzma.decompress(BGE_M3_TOKENIZER.read_bytes())
    elif spec.tokenizer in ("small", "bge-m3"):
        tokenizer = wordpiece_tokenizer() if spec.family == "bert" else unigram_tokenizer()
        data = json.dumps(tokenizer, ensure_ascii=False, indent=1).encode()
    else:
        data = Path(spec.tokenizer).read_bytes()
    parsed = json.loads(data)
    ids = [token["id"] for token in parsed["added_tokens"]]
    return data, max(len(parsed["model"]["vocab"]), max(ids, default=-1) + 1)


# ---------------------------------------------------------------------------------------------------------------------
# The folder


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

    modules = [("", "Transformer"), ("1_Pooling", "Pooling")] + ([("2_Normalize", "Normalize")] if spec.normalize else [])
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
        write_torch_zip(partial / "pytorch_model.bin", tensors, spec, spec.dtype)
    elif spec.shards > 1:
        write_sharded_safetensors(partial, tensors, spec)
    else:
        write_safetensors(partial / "model.safetensors", tensors, spec)
    if spec.family == "xlm-roberta":
        for stem, heads in head_tensors(spec).items():
            write_torch_zip(partial / f"{stem}.pt", heads, spec, "f16", stream=f"{stem}.")
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
