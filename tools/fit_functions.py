#!/usr/bin/env python3
"""Fit the polynomials of exp and gelu in src/kernels/functions_inl.h and print their coefficients as float32.

    tools/fit_functions.py

Each fit minimises the largest weighted error over an interval: least squares at Chebyshev points, with weights raised
where the error is large until it is level (Lawson's algorithm). Needs NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

Array = np.ndarray


def chebyshev_points(low: float, high: float, count: int = 2000) -> Array:
    angles = np.pi * (np.arange(count) + 0.5) / count
    return (low + high) / 2 + (high - low) / 2 * np.cos(angles)


def fit(values: Array, powers: Sequence[int], x: Array, weight: Array) -> tuple[Array, float]:
    """Coefficients of sum c_i x^powers_i and its largest weighted error."""
    basis = np.stack([x**power for power in powers], axis=1)
    level = np.ones_like(x)
    for _ in range(200):
        scale = np.sqrt(level) * weight
        coefficients, *_ = np.linalg.lstsq(basis * scale[:, None], values * scale, rcond=None)
        error = np.abs((basis @ coefficients - values) * weight)
        level *= error / error.max() + 1e-6
        level /= level.sum()
    return coefficients, float(error.max())


def fit_to_end(values: Array, powers: Sequence[int], x: Array, weight: Array, end: float) -> tuple[Array, float]:
    """The same where the last coefficient follows from the sum's value at the largest x, which is to be `end`."""
    limit, last = x.max(), powers[-1]
    at_end = end * (x / limit) ** last
    basis = np.stack([x**power - limit**power * (x / limit) ** last for power in powers[:-1]], axis=1)
    level = np.ones_like(x)
    for _ in range(300):
        scale = np.sqrt(level) * weight
        free, *_ = np.linalg.lstsq(basis * scale[:, None], (values - at_end) * scale, rcond=None)
        error = np.abs((basis @ free + at_end - values) * weight)
        level *= error / error.max() + 1e-6
        level /= level.sum()
    rest = end - sum(value * limit**power for value, power in zip(free, powers[:-1], strict=True))
    return np.append(free, rest / limit**last), float(error.max())


def show(title: str, coefficients: Array, error: float) -> None:
    print(f"{title}: largest weighted error {error:.1e}")
    for power, value in enumerate(coefficients):
        print(f"  c{power} = {float(np.float32(value)):.9g}")


def elementwise(function: Callable[[float], float], x: Array) -> Array:
    return np.array([function(value) for value in x])


def main() -> None:
    half = math.log(2) / 2 * 1.01  # a little more than rounding to the nearest multiple of ln 2 leaves
    x = chebyshev_points(-half, half)
    x = x[np.abs(x) > 1e-4]
    values = (np.exp(x) - 1 - x) / x**2
    show("e^x = 1 + x + x^2 (c0 + c1 x + ...), relative", *fit(values, range(5), x, x**2 / np.exp(x)))

    x = chebyshev_points(1e-3, 0.9)
    erf = elementwise(math.erf, x)
    show("erf(z) = z + z (c0 + c1 z^2 + ...), relative, z < 0.9", *fit((erf - x) / x, range(0, 12, 2), x, x / erf))

    x = chebyshev_points(0.9, 5.6)
    erfc = elementwise(math.erfc, x)
    weight = erfc * np.maximum(1, x)
    show("erfc(z) = e^(c0 + c1 z + ...), absolute times z, 0.9 <= z < 5.6", *fit(np.log(erfc), range(8), x, weight))

    # For bf16 and int8, as exact as 8 bits of mantissa ask for; the distribution function ends at exactly 1.
    x = np.append(chebyshev_points(1e-3, 4.2), 4.2)
    phi = elementwise(lambda value: math.erf(value / math.sqrt(2)) / 2, x)
    coefficients, error = fit_to_end(phi, range(1, 17, 2), x, x, 0.5)
    show("Phi(x) = 1/2 + x (c0 + c1 x^2 + ...), absolute times x, |x| <= 4.2", coefficients, error)

    x = chebyshev_points(-0.5, 0.5)
    x = x[np.abs(x) > 1e-4]
    show("2^x = 1 + x (c0 + c1 x + c2 x^2), relative", *fit((np.exp2(x) - 1) / x, range(3), x, x / np.exp2(x)))


if __name__ == "__main__":
    main()
