"""Who is measured, and how each is called: the configurations that were best for it on a 2-core Zen 4 machine."""

from __future__ import annotations

from dataclasses import dataclass

# ("texts", most of them), ("padded_tokens", most of them, texts sorted by length) or ("own", 0): the engine decides.
Batch = tuple[str, int]
MIX_DEFAULTS = "MIX, defaults"  # the mix as the library does it when it is not told how


@dataclass(frozen=True)
class Contender:
    """One engine in one configuration: a row of the table.

    `package` is the file under requirements/ that installs it, `format` the converted model that it reads (convert.py);
    both are empty where nothing is needed. `batches` says how each workload is cut; what is not there is not run.
    """

    key: str
    title: str
    dtype: str
    package: str
    format: str
    batches: dict[str, Batch]
    note: str

    @property
    def ours(self) -> bool:
        return not self.package


def batches(u128: int, u512: int, mix: Batch) -> dict[str, Batch]:
    """The batches of every workload; the long texts and the single ones are passes of their own."""
    one = ("texts", 1)
    common = {"U2048": one, "L8192": one, "Q9": one, "ACC": ("texts", 4)}
    return {"U128": ("texts", u128), "U512": ("texts", u512), "MIX": mix, **common}


PADDED_1024 = ("padded_tokens", 1024)
PADDED_2048 = ("padded_tokens", 2048)

TORCH = "sentence-transformers"
ORT = "onnxruntime"
LLAMA = "llama-cpp"
LLAMA_NOTE = "GGML_NATIVE; a context of 128, 256, 512, ... tokens for the texts of each length"
OWN: dict[str, Batch] = dict.fromkeys(("U128", "U512", "U2048", "L8192", "MIX", "Q9", "ACC"), ("own", 0))
# FlagEmbedding computes its first batch twice, so that small batches suit it best; U2048 and L8192 would be
# sentence-transformers' pass, twice.
FLAG = {"U128": ("texts", 4), "U512": ("texts", 1), "MIX": ("texts", 8), "Q9": ("texts", 1), "ACC": ("texts", 4)}

CONTENDERS = (
    Contender("bgem3-f32", "bgem3 f32", "f32", "", "", OWN, ""),
    Contender("bgem3-bf16", "bgem3 bf16", "bf16", "", "", OWN, ""),
    Contender("bgem3-int8", "bgem3 int8", "int8", "", "", OWN, ""),
    Contender(
        "st-f32",
        "sentence-transformers f32",
        "f32",
        TORCH,
        "",
        {**batches(32, 1, PADDED_2048), MIX_DEFAULTS: ("texts", 32)},
        "encode(), SDPA; MIX: one call for every group of like lengths",
    ),
    Contender(
        "st-bf16", "sentence-transformers bf16", "bf16", TORCH, "", batches(32, 1, PADDED_2048), "model.bfloat16()"
    ),
    Contender("flag-f32", "FlagEmbedding f32", "f32", "flagembedding", "", FLAG, "dense only, max_length=8192"),
    Contender(
        "openvino-f32", "OpenVINO f32", "f32", "openvino", "openvino", batches(32, 1, PADDED_1024), "LATENCY hint"
    ),
    Contender(
        "openvino-bf16",
        "OpenVINO bf16",
        "bf16",
        "openvino",
        "openvino",
        batches(32, 4, PADDED_1024),
        "LATENCY hint, INFERENCE_PRECISION_HINT bf16",
    ),
    Contender(
        "openvino-w8",
        "OpenVINO int8 weights, dynamic",
        "int8",
        "openvino",
        "openvino-weights8",
        batches(8, 1, PADDED_1024),
        "compress_weights INT8_SYM, DYNAMIC_QUANTIZATION_GROUP_SIZE 1024",
    ),
    Contender(
        "openvino-w8-bf16",
        "OpenVINO int8 weights, dynamic, bf16",
        "int8",
        "openvino",
        "openvino-weights8",
        batches(8, 4, PADDED_1024),
        "the same, INFERENCE_PRECISION_HINT bf16",
    ),
    Contender(
        "openvino-nncf",
        "OpenVINO int8 static (NNCF)",
        "int8",
        "openvino",
        "openvino-static8",
        batches(8, 1, PADDED_1024),
        "nncf.quantize, 64 texts, SmoothQuant, the rest f32",
    ),
    Contender(
        "openvino-nncf-bf16",
        "OpenVINO int8 static (NNCF), bf16",
        "int8",
        "openvino",
        "openvino-static8",
        batches(8, 4, PADDED_1024),
        "the same, the rest bf16",
    ),
    Contender(
        "onnxruntime-f32", "ONNX Runtime f32", "f32", ORT, "onnxruntime-f32", batches(8, 1, PADDED_1024), "fused"
    ),
    Contender(
        "onnxruntime-int8",
        "ONNX Runtime int8 dynamic",
        "int8",
        ORT,
        "onnxruntime-int8",
        batches(8, 1, PADDED_1024),
        "fused, quantize_dynamic by channel",
    ),
    Contender(
        "ctranslate2-int8",
        "CTranslate2 int8",
        "int8",
        "ctranslate2",
        "ctranslate2-int8",
        batches(8, 4, PADDED_2048),
        "int8_float32",
    ),
    # The texts of a batch share one attention, quadratic in the batch.
    Contender("llama-bf16", "llama.cpp BF16", "bf16", LLAMA, "gguf-bf16", OWN, LLAMA_NOTE),
    Contender("llama-q8", "llama.cpp Q8_0", "int8", LLAMA, "gguf-q8", OWN, LLAMA_NOTE),
)


def chosen(only: str) -> list[Contender]:
    """The contenders whose key is one of a comma-separated list, or begins with one of them. Raises ValueError."""
    names = [name for name in only.split(",") if name]
    found = [c for c in CONTENDERS if not names or any(c.key == name or c.key.startswith(name + "-") for name in names)]
    unknown = [name for name in names if not any(c.key == name or c.key.startswith(name + "-") for c in found)]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: none of {', '.join(c.key for c in CONTENDERS)} or how they begin")
    return found
