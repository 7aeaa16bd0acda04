"""Writes the small torch files that src/model/torch_zip_test.cc reads: run once, results are committed.

Usage: python tools/make_torch_fixtures.py src/model/testdata   (torch 2.13.0; needed for nothing else)
"""

import sys
from collections import OrderedDict
from pathlib import Path

import torch


def main() -> None:
    """Writes each file into the folder named on the command line."""
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    shared = torch.arange(10, dtype=torch.float32)
    torch.save(
        OrderedDict(
            f32=torch.arange(6, dtype=torch.float32).reshape(2, 3),
            f16=torch.tensor([0.5, -2.0, 65504.0, 2.0**-24], dtype=torch.float16),
            bf16=torch.tensor([1.0, -3.0]).bfloat16(),
            i64=torch.arange(3),
            scalar=torch.tensor(3.5),
            empty=torch.zeros(0, 3),
            shared_head=shared[:4],
            shared_tail=shared[4:].reshape(3, 2),
        ),
        folder / "dictionary.bin",
    )
    # state_dict() carries attributes (_metadata, a BUILD opcode); nn.Parameter has its own rebuild function.
    torch.save(torch.nn.Linear(3, 2).state_dict(), folder / "linear.bin")
    torch.save({"weight": torch.nn.Parameter(torch.tensor([1.0, 2.0]))}, folder / "parameter.bin")
    torch.save({"weight": torch.arange(6.0).reshape(2, 3).T}, folder / "transposed.bin")
    torch.save({"weight": torch.ones(2)}, folder / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "weight": torch.ones(2)}, folder / "checkpoint.bin")


if __name__ == "__main__":
    main()
