"""Writes the files of torch.save without torch: a state_dict in stored zip entries with a pickle of protocol 2."""

from __future__ import annotations

import hashlib
import math
import struct
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of one or two dimensions and its bytes, made while they are written."""

    name: str
    shape: tuple[int, ...]
    chunks: Iterable[bytes]


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

    def tensor(self, tensor: StoredTensor, storage: str, key: str) -> None:
        self.global_name("torch._utils", "_rebuild_tensor_v2")
        self.out += b"(("
        self.string("storage")
        self.global_name("torch", storage)
        self.string(key)
        self.string("cpu")
        self.integer(math.prod(tensor.shape))
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

    def state_dict(self, tensors: list[StoredTensor], storage: str) -> bytes:
        """The whole pickle of an ordered dictionary from names to tensors, with torch's `_metadata` attribute."""
        self.ordered_dict()
        self.out += b"("
        for index, tensor in enumerate(tensors):
            self.string(tensor.name)
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


def write_torch_zip(path: Path, tensors: list[StoredTensor], storage: str, identity: str) -> None:
    """A file as torch.save writes it: tensor data aligned to 64 bytes through padding in the entries' extra fields.

    `storage` is torch's name of the element type's storage, "FloatStorage"; `identity` becomes the serialization id.
    """
    with path.open("wb") as file, zipfile.ZipFile(Unseekable(file), "w") as archive:

        def add(name: str, chunks: Iterable[bytes]) -> None:
            info = zipfile.ZipInfo(f"{path.stem}/{name}")
            data_begin = archive.fp.tell() + 30 + len(info.filename) + 4
            padding = -data_begin % 64
            info.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
            with archive.open(info, "w") as entry:
                for chunk in chunks:
                    entry.write(chunk)

        add("data.pkl", [PickleWriter().state_dict(tensors, storage)])
        add("byteorder", [b"little"])
        for index, tensor in enumerate(tensors):
            add(f"data/{index}", tensor.chunks)
        add("version", [b"3\n"])
        add(".data/serialization_id", [hashlib.sha256(identity.encode()).hexdigest()[:40].encode()])
