"""The seeded model in each peer's own format, under build/peers/converted. Runs in the peers' environment.

    build/peers/venv/bin/python bench/peers/convert.py FORMAT --model FOLDER --output FOLDER

Graphs end in the CLS row, so that no runtime pays for copying hidden states. A format appears whole or not at all.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from workloads import load_tokenizer, make_workloads

MAX_CALIBRATION_TOKENS = 160


def torch_model(model: Path, attention: str = "sdpa") -> Any:
    """The encoder in PyTorch, float32."""
    import torch
    from transformers import AutoModel

    return AutoModel.from_pretrained(
        model, dtype=torch.float32, add_pooling_layer=False, attn_implementation=attention
    ).eval()


def example_input() -> dict[str, Any]:
    """Two texts of different lengths, to trace the model with."""
    import torch

    ids = torch.randint(5, 1000, (2, 24), generator=torch.Generator().manual_seed(1))
    ids[:, 0] = 0
    ids[1, 20:] = 1
    return {"input_ids": ids, "attention_mask": (ids != 1).long()}


def openvino(model: Path, output: Path, converted: Path) -> None:
    """Dynamic shapes, CLS pooling and unit length in the graph; weights stored in fp16, the converter's default."""
    import openvino
    import torch

    encoder = torch_model(model)

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return torch.nn.functional.normalize(states[:, 0], dim=-1)

    shape = (openvino.PartialShape([-1, -1]), openvino.Type.i64)
    with torch.no_grad():
        graph = openvino.convert_model(
            Pooled().eval(),
            example_input=example_input(),
            input=[("input_ids", *shape), ("attention_mask", *shape)],
        )
    openvino.save_model(graph, output / "model.xml", compress_to_fp16=True)


def openvino_weights8(model: Path, output: Path, converted: Path) -> None:
    """Weights as int8 by output channel; the runtime quantises activations as they come."""
    import nncf
    import openvino

    graph = openvino.Core().read_model(converted / "openvino/model.xml")
    openvino.save_model(nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_SYM), output / "model.xml")


def openvino_static8(model: Path, output: Path, converted: Path) -> None:
    """NNCF's post-training static int8, calibrated on texts like those of the mix but none of them."""
    import nncf
    import openvino

    tokenizer = load_tokenizer(model)
    texts = make_workloads(tokenizer)["CALIBRATION"]
    ids = [np.array([encoding.ids], np.int64) for encoding in tokenizer.encode_batch(texts)]
    quantized = nncf.quantize(
        openvino.Core().read_model(converted / "openvino/model.xml"),
        nncf.Dataset(ids, lambda row: {"input_ids": row, "attention_mask": np.ones_like(row)}),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(ids),
        fast_bias_correction=True,
    )
    openvino.save_model(quantized, output / "model.xml")


def onnxruntime_f32(model: Path, output: Path, converted: Path) -> None:
    """Exported by torch, fused by ONNX Runtime's own optimizer, the CLS row gathered in the graph."""
    import onnx
    import torch
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    encoder = torch_model(model, attention="eager")  # the fusion knows the eager pattern only
    config = encoder.config

    class HiddenStates(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    raw = output / "raw"
    raw.mkdir()
    inputs = example_input()
    names = [*inputs, "hidden_states"]
    torch.onnx.export(
        HiddenStates().eval(),
        tuple(inputs.values()),
        str(raw / "model.onnx"),
        input_names=list(inputs),
        output_names=["hidden_states"],
        dynamic_axes={name: {0: "texts", 1: "tokens"} for name in names},
        opset_version=17,
        dynamo=False,
    )
    fused = optimizer.optimize_model(
        str(raw / "model.onnx"),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        optimization_options=FusionOptions("bert"),
        opt_level=0,
        use_gpu=False,
    )
    found = fused.get_fused_operator_statistics()
    if found["Attention"] != config.num_hidden_layers:
        raise RuntimeError(f"ONNX Runtime fused {found['Attention']} of {config.num_hidden_layers} attentions: {found}")
    graph = fused.model.graph
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(0, np.int64), "cls_index"))
    graph.node.append(onnx.helper.make_node("Gather", ["hidden_states", "cls_index"], ["cls"], axis=1))
    shape = ["texts", config.hidden_size]
    graph.output.append(onnx.helper.make_tensor_value_info("cls", onnx.TensorProto.FLOAT, shape))
    fused.save_model_to_file(str(output / "model.onnx"), use_external_data_format=True)
    shutil.rmtree(raw)


def onnxruntime_int8(model: Path, output: Path, converted: Path) -> None:
    """Dynamic int8 of every product, by output channel; word embeddings stay f32."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        converted / "onnxruntime-f32/model.onnx",
        output / "model.onnx",
        op_types_to_quantize=["MatMul", "Attention"],
        per_channel=True,
        reduce_range=False,
        weight_type=QuantType.QInt8,
        use_external_data_format=True,
        extra_options={"DefaultTensorType": 1, "MatMulConstBOnly": True},
    )


def ctranslate2_int8(model: Path, output: Path, converted: Path) -> None:
    """CTranslate2's own converter."""
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(model)).convert(str(output), quantization="int8_float32", force=True)


def character_map(normalizer: dict[str, Any]) -> bytes:
    """The compiled map of characters inside a tokenizer.json's normalizer; empty if it has none."""
    if normalizer["type"] == "Precompiled":
        return base64.b64decode(normalizer["precompiled_charsmap"])
    return next(filter(None, map(character_map, normalizer.get("normalizers", []))), b"")


def add_gguf_tokenizer(writer: Any, tokenizer: dict[str, Any]) -> None:
    """bge-m3's Unigram tokenizer as llama.cpp reads it."""
    import gguf

    vocabulary = tokenizer["model"]["vocab"]
    types = [gguf.TokenType.NORMAL] * len(vocabulary)
    ids = {piece: index for index, (piece, _) in enumerate(vocabulary)}
    for piece in ("<s>", "<pad>", "</s>", "<mask>"):
        types[ids[piece]] = gguf.TokenType.CONTROL
    types[ids["<unk>"]] = gguf.TokenType.UNKNOWN
    writer.add_tokenizer_model("t5")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([piece.encode() for piece, _ in vocabulary])
    writer.add_token_scores([float(score) for _, score in vocabulary])
    writer.add_token_types(types)
    writer.add_add_space_prefix(True)
    writer.add_remove_extra_whitespaces(True)
    writer.add_precompiled_charsmap(character_map(tokenizer["normalizer"]))
    writer.add_bos_token_id(ids["<s>"])
    writer.add_eos_token_id(ids["</s>"])
    writer.add_sep_token_id(ids["</s>"])
    writer.add_unk_token_id(ids["<unk>"])
    writer.add_pad_token_id(ids["<pad>"])
    writer.add_mask_token_id(ids["<mask>"])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)


GGUF_LAYER_NAMES = {
    "attn_q": "attention.self.query",
    "attn_k": "attention.self.key",
    "attn_v": "attention.self.value",
    "attn_output": "attention.output.dense",
    "attn_output_norm": "attention.output.LayerNorm",
    "ffn_up": "intermediate.dense",
    "ffn_down": "output.dense",
    "layer_output_norm": "output.LayerNorm",
}


def write_gguf(model: Path, output: Path, quantization: str) -> None:
    """One gguf file: matrices in the quantization, vectors and positions in f32, as llama.cpp's own converter does."""
    import gguf
    from safetensors.numpy import load_file

    config = json.loads((model / "config.json").read_text())
    tensors = load_file(model / "model.safetensors")
    kind = gguf.GGMLQuantizationType[quantization]
    writer = gguf.GGUFWriter(output / "model.gguf", "bert")
    writer.add_context_length(config["max_position_embeddings"] - 2)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.CLS)
    writer.add_token_type_count(config["type_vocab_size"])
    add_gguf_tokenizer(writer, json.loads((model / "tokenizer.json").read_text()))

    def add(name: str, values: np.ndarray, matrix: bool = False) -> None:
        values = np.ascontiguousarray(values, np.float32)
        if matrix:
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)

    add("token_embd.weight", tensors["embeddings.word_embeddings.weight"], matrix=True)
    add("position_embd.weight", tensors["embeddings.position_embeddings.weight"][2:])
    add("token_types.weight", tensors["embeddings.token_type_embeddings.weight"])
    for part in ("weight", "bias"):
        add(f"token_embd_norm.{part}", tensors[f"embeddings.LayerNorm.{part}"])
        for layer in range(config["num_hidden_layers"]):
            for name, published in GGUF_LAYER_NAMES.items():
                values = tensors[f"encoder.layer.{layer}.{published}.{part}"]
                add(f"blk.{layer}.{name}.{part}", values, matrix=values.ndim == 2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_bf16(model: Path, output: Path, converted: Path) -> None:
    write_gguf(model, output, "BF16")


def gguf_q8(model: Path, output: Path, converted: Path) -> None:
    write_gguf(model, output, "Q8_0")


FORMATS: dict[str, Callable[[Path, Path, Path], None]] = {
    "openvino": openvino,
    "openvino-weights8": openvino_weights8,
    "openvino-static8": openvino_static8,
    "onnxruntime-f32": onnxruntime_f32,
    "onnxruntime-int8": onnxruntime_int8,
    "ctranslate2-int8": ctranslate2_int8,
    "gguf-bf16": gguf_bf16,
    "gguf-q8": gguf_q8,
}


def main() -> None:
    """Writes one format into OUTPUT/FORMAT; formats made from others find them beside."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    folder = arguments.output / arguments.format
    partial = arguments.output / (arguments.format + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    FORMATS[arguments.format](arguments.model, partial, arguments.output)
    partial.rename(folder)


if __name__ == "__main__":
    main()
