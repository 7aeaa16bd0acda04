"""Vectors in fewer bits, against NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from bgem3 import InvalidInputError
from bgem3.quantize import from_int8, from_ubinary, int8_range, to_int8, to_ubinary


def unit_vectors(rows: int = 50, dimensions: int = 100) -> npt.NDArray[np.float32]:
    vectors = np.random.default_rng(1).normal(size=(rows, dimensions))
    units: npt.NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return units


def test_int8() -> None:
    vectors = unit_vectors()
    limit = min(1, 8 / np.sqrt(100))
    assert int8_range(100) == pytest.approx(limit)
    assert int8_range(1024) == 0.25
    values = to_int8(vectors)
    assert values.dtype == np.int8
    assert values.shape == vectors.shape
    assert np.abs(values - np.clip(vectors * 127 / limit, -127, 127)).max() <= 0.501
    back = from_int8(values)
    assert back.dtype == np.float32
    assert np.abs(back - vectors).max() <= limit / 254 + 1e-6


def test_int8_clips_and_refuses() -> None:
    vector = np.zeros((1, 1024), np.float32)
    vector[0, :2] = 0.7, -0.7
    assert to_int8(vector)[0, :3].tolist() == [127, -127, 0]
    for wrong in (np.full((1, 1024), 1.0), np.full((1, 1024), np.nan)):
        with pytest.raises(InvalidInputError):
            to_int8(wrong.astype(np.float32))


def test_bits() -> None:
    vectors = unit_vectors(dimensions=100)
    bits = to_ubinary(vectors)
    assert np.array_equal(bits, np.packbits(vectors > 0, axis=1))
    np.testing.assert_allclose(from_ubinary(bits, 100), np.where(vectors > 0, 0.1, -0.1), rtol=1e-6)
    with pytest.raises(InvalidInputError):
        to_ubinary(np.full((1, 8), np.nan, np.float32))


def test_no_rows_and_views() -> None:
    assert to_int8(np.empty((0, 16), np.float32)).shape[0] == 0
    vectors = unit_vectors()
    assert np.array_equal(to_ubinary(vectors[::2]), to_ubinary(vectors)[::2])
