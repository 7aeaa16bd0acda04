"""Vectors in fewer bits: 8 bits or 1 bit a component. docs/scoring.md has what each costs.

Nothing is calibrated: a vector's result depends on that vector alone. Rows may be dense vectors or multi-vectors.
float16 is NumPy's own: `vectors.astype(numpy.float16)`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bgem3 import _native

__all__ = ["from_int8", "from_ubinary", "int8_range", "to_int8", "to_ubinary"]

Vectors = npt.NDArray[np.float32]


def int8_range(dimensions: int) -> float:
    """The fixed range: components from -int8_range to int8_range are -127 to 127. min(1, 8 / sqrt(dimensions))."""
    return _native.int8_range(dimensions)


def to_int8(vectors: Vectors) -> npt.NDArray[np.int8]:
    """[rows, dimensions] int8: each component to the nearest of 255 steps, those outside the range to its end.

    Raises:
        InvalidInputError: a vector that is longer than one, or not finite.
    """
    return _native.to_int8(_rows(vectors))


def from_int8(values: npt.NDArray[np.int8]) -> Vectors:
    """[rows, dimensions] float32: value * int8_range / 127."""
    return _native.from_int8(np.ascontiguousarray(values, dtype=np.int8))


def to_ubinary(vectors: Vectors) -> npt.NDArray[np.uint8]:
    """[rows, dimensions / 8 rounded up] uint8: a bit each, 1 above 0, the first component in the highest bit.

    Raises:
        InvalidInputError: a value that is not a number.
    """
    return _native.to_ubinary(_rows(vectors))


def from_ubinary(bits: npt.NDArray[np.uint8], dimensions: int) -> Vectors:
    """Unit vectors [rows, dimensions] float32: components of 1 / sqrt(dimensions), negative where the bit is 0."""
    return _native.from_ubinary(np.ascontiguousarray(bits, dtype=np.uint8), dimensions)


def _rows(vectors: Vectors) -> Vectors:
    return np.ascontiguousarray(vectors, dtype=np.float32)
