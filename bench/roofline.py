"""The roofline chart of a benchmark report. Start at roofline_svg.

Along: operations for each byte of weights, which grows with the rows of a pass. Up: operations a second. The slope is
the memory's bandwidth, the flat roofs are the arithmetic units' peaks, both measured in the same run (Williams,
Waterman, Patterson: Roofline, 2009).
"""

from __future__ import annotations

import math

import svg
from report import DTYPES, Report

WIDTH, HEIGHT = 960, 600
LEFT, RIGHT, TOP, BOTTOM = 80, 170, 60, 60
X_RANGE = (0.4, 12000.0)  # operations a byte
PASS_TOKENS = 2048  # of a request of more: about what reads the weights once


class Scale:
    """Logarithmic axes of a chart."""

    def __init__(self, y_range: tuple[float, float]) -> None:
        self.y_range = y_range

    def x(self, value: float) -> float:
        low, high = map(math.log, X_RANGE)
        return LEFT + (math.log(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = map(math.log, self.y_range)
        return HEIGHT - BOTTOM - (math.log(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten within a range."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [m * 10.0**p for p in powers for m in (1, 2, 5) if low <= m * 10.0**p <= high]


def axes(scale: Scale, report: Report) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    elements = []
    for value in ticks(*X_RANGE):
        elements.append(svg.line(scale.x(value), TOP, scale.x(value), bottom, svg.GRID))
        elements.append(svg.text(scale.x(value), bottom + 18, f"{value:g}", "middle", 11))
    for value in ticks(*scale.y_range):
        elements.append(svg.line(LEFT, scale.y(value), right, scale.y(value), svg.GRID))
        elements.append(svg.text(LEFT - 8, scale.y(value) + 4, f"{value:g}", "end", 11))
    facts = report.facts
    return [
        *elements,
        svg.line(LEFT, bottom, right, bottom),
        svg.line(LEFT, TOP, LEFT, bottom),
        svg.text(LEFT, 26, "bgem3 and the machine's limits", size=17),
        svg.text(LEFT, 46, f"{facts['machine']}, {facts['threads']} threads, {facts['date']}", size=12),
        svg.text((LEFT + right) / 2, HEIGHT - 16, "operations for each byte of weights", "middle"),
        f'<g transform="rotate(-90 22 {(TOP + bottom) / 2})">'
        + svg.text(22, (TOP + bottom) / 2, "Gop/s (a multiply-add counts as two)", "middle")
        + "</g>",
    ]


def roofs(scale: Scale, report: Report) -> list[str]:
    bandwidth = report.bandwidth() / 1e9
    peaks = {dtype: report.peak(dtype) / 1e9 for dtype in DTYPES}
    elements = []
    for dtype, peak in peaks.items():
        corner, colour = peak / bandwidth, svg.COLOURS[dtype]
        elements.append(svg.line(scale.x(corner), scale.y(peak), WIDTH - RIGHT, scale.y(peak), colour, 1.8))
        elements.append(svg.text(WIDTH - RIGHT + 8, scale.y(peak) + 4, f"{dtype} peak {peak:.0f}", colour=colour))
    top = max(peaks.values())
    start = max(X_RANGE[0], scale.y_range[0] / bandwidth)
    elements.append(
        svg.line(scale.x(start), scale.y(start * bandwidth), scale.x(top / bandwidth), scale.y(top), svg.INK, 1.8)
    )
    middle = math.sqrt(start * top / bandwidth)
    elements.append(svg.text(scale.x(middle) - 10, scale.y(middle * bandwidth), f"memory {bandwidth:.0f} GB/s", "end"))
    return elements


def dots(scale: Scale, report: Report) -> list[str]:
    elements = []
    for row in report.group("product"):
        rate, x, ours = row["value"] / 1e9, row["operations"] / row["weight_bytes"], row["engine"] == "bgem3"
        title = f"{row['engine']} {row['dtype']} {row['columns']} x {row['depth']}, {row['rows']} rows: {rate:.0f}"
        colour, radius = svg.COLOURS[row["dtype"]], 3.6 if ours else 5
        elements.append(svg.circle(scale.x(x), scale.y(rate), colour, radius, ours, title))
    queries = [
        {**row, "value": row["tokens"] / row["value"]} for row in report.group("latency") if row["quantile"] == "p50"
    ]
    for row in report.group("encoder") + queries:
        if row["threads"] == report.facts["threads"]:
            operations = (row["operations"] + row["attention_operations"]) / row["tokens"]
            rate = row["value"] * operations / 1e9
            x = operations * min(row["tokens"], PASS_TOKENS) / report.weight_bytes(row)
            title = f"encoder {row['dtype']} {row['workload']}: {rate:.0f}"
            elements.append(svg.diamond(scale.x(x), scale.y(rate), svg.COLOURS[row["dtype"]], title=title))
    return elements


def legend() -> list[str]:
    x, y = WIDTH - RIGHT + 16, HEIGHT - BOTTOM - 60
    return [
        svg.circle(x, y, svg.INK, 3.6),
        svg.text(x + 12, y + 4, "our product"),
        svg.circle(x, y + 22, svg.INK, 5, filled=False),
        svg.text(x + 12, y + 26, "oneDNN's product"),
        svg.diamond(x, y + 44, svg.INK),
        svg.text(x + 12, y + 48, "whole encoder"),
    ]


def roofline_svg(report: Report) -> str:
    """The chart as an SVG document."""
    top = 1.5 * max(report.peak(dtype) for dtype in DTYPES) / 1e9
    rates = [row["value"] / 1e9 for row in report.group("product")]
    low = min([report.bandwidth() * X_RANGE[0] / 1e9, *rates])
    scale = Scale((0.8 * low, top))
    return svg.document(WIDTH, HEIGHT, [*axes(scale, report), *roofs(scale, report), *dots(scale, report), *legend()])
