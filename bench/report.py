"""Rows of a benchmark run as a table of text and as JSON. Start at Report; rows are described at LABELS.

A row is a JSON object: labels that name it, `unit`, `value`, `spread` (how far the median of its samples is from the
value, as a share of it), `samples`, and further facts that depend on the labels only.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]

# What names a row, in this order. Groups: peak, bandwidth, product, attention, max_sim, encoder, latency, start,
# memory, tokenizer.
LABELS = (
    *("group", "isa", "dtype", "weight_type", "columns", "depth", "rows", "length", "workload", "threads"),
    *("quantile", "engine"),
)
DTYPES = ("f32", "bf16", "int8")
LOWER_IS_BETTER = {"s", "B"}

# Bytes of one weight in a pass: f32 weights of a model like bge-m3, exact in half precision, are stored so.
WEIGHT_BYTES = {"f32": 2, "bf16": 2, "int8": 1}


def row_name(row: Row) -> str:
    """What a row measures, in words; the same in every run."""
    parts = [f"{row[label]} {label}" if isinstance(row[label], int) else row[label] for label in LABELS if label in row]
    return ", ".join(parts)


@dataclasses.dataclass
class Report:
    """One run: facts about it (machine, compiler, commit, date, isa, threads), its rows, and what is missing."""

    facts: dict[str, Any]
    rows: list[Row]
    gaps: list[str] = dataclasses.field(default_factory=list)

    def group(self, name: str) -> list[Row]:
        return [row for row in self.rows if row["group"] == name]

    def peak(self, dtype: str, threads: int | None = None) -> float:
        """Operations a second of the arithmetic units, for the instruction sets that the run used.

        bf16 without an instruction of its own is computed at the speed of f32.
        """
        threads = threads or self.facts["threads"]
        dtypes = {dtype, "f32"} if dtype == "bf16" else {dtype}
        rates = [r["value"] for r in self.group("peak") if r["dtype"] in dtypes and r["threads"] == threads]
        return float(max(rates))

    def bandwidth(self, threads: int | None = None) -> float:
        """Bytes a second that the threads together read from memory."""
        threads = threads or self.facts["threads"]
        return max(float(row["value"]) for row in self.group("bandwidth") if row["threads"] == threads)

    def roof(self, product: Row) -> float:
        """Operations a second that memory and arithmetic units allow for a product whose weights are in memory."""
        return min(self.peak(product["dtype"]), self.bandwidth() * product["operations"] / product["weight_bytes"])

    def ceiling(self, encoder: Row) -> float:
        """Tokens a second of an encoder with every operation at the peak of its type, attention of int8 at bf16's."""
        dtype, threads = encoder["dtype"], encoder["threads"]
        attention = "bf16" if dtype == "int8" else dtype
        seconds = encoder["operations"] / self.peak(dtype, threads)
        seconds += encoder["attention_operations"] / self.peak(attention, threads)
        return float(encoder["tokens"] / seconds)

    def share(self, row: Row) -> float | None:
        """What a row reaches of what the machine allows in the same run; None where that is not known."""
        if row["group"] == "product":
            return float(row["value"] / self.roof(row))
        if row["group"] == "attention":
            return float(row["value"] / self.peak(row["dtype"]))
        if row["group"] == "max_sim":
            return float(row["value"] / self.peak(row["dtype"], row["threads"]))
        if row["group"] == "encoder":
            return float(row["value"] / self.ceiling(row))
        return None

    def weight_bytes(self, encoder: Row) -> float:
        """Bytes of weights that a pass over a model reads, the embedding tables aside."""
        return float(encoder["weights"] * WEIGHT_BYTES[encoder["dtype"]])

    def query_floor(self, query: Row) -> float:
        """Seconds that a short query takes at least: reading the weights, or the work at peak if that is more."""
        return max(
            self.weight_bytes(query) / self.bandwidth(query["threads"]),
            query["operations"] / self.peak(query["dtype"], query["threads"]),
        )


def save_json(report: Report, path: Path) -> None:
    """Facts, gaps, and one row a line."""
    rows = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in report.rows)
    head = json.dumps({"facts": report.facts, "gaps": report.gaps}, ensure_ascii=False, indent=1)
    path.write_text(f'{head[:-2]},\n "rows": [\n{rows}\n ]\n}}\n', encoding="utf-8")


def load_json(path: Path) -> Report:
    """What save_json wrote."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return Report(data["facts"], data["rows"], data["gaps"])


# ---------------------------------------------------------------------------------------------------------------------
# Text


def table(title: str, columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Columns under their names, the first left-aligned, the others right-aligned; empty without lines."""
    lines = list(lines)
    if not lines:
        return ""
    widths = [max(map(len, column)) for column in zip(columns, *lines, strict=True)]

    def one(cells: Sequence[str]) -> str:
        aligned = [
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(aligned).rstrip()

    return "\n".join([title, "", one(columns), *map(one, lines), ""]) + "\n"


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def peak_table(report: Report) -> str:
    threads = sorted({row["threads"] for row in report.group("peak")})
    kinds: dict[str, dict[int, Row]] = {}
    for row in sorted(report.group("peak"), key=lambda row: DTYPES.index(row["dtype"])):
        kinds.setdefault(f"{row['dtype']} {row['isa']}, Gop/s", {})[row["threads"]] = row
    for row in report.group("bandwidth"):
        kinds.setdefault("memory, read, GB/s", {})[row["threads"]] = row
    lines = [
        [
            name,
            *(
                cell
                for count in threads
                for cell in (f"{rows[count]['value'] / 1e9:.1f}", percent(rows[count]["spread"]))
            ),
        ]
        for name, rows in kinds.items()
    ]
    names = [name for count in threads for name in (f"threads {count}", "spread")]
    return table("The machine's peaks", ["", *names], lines)


def peer_of(report: Report, product: Row) -> Row | None:
    """oneDNN's row of a product of ours; it has none of f32 with f16 weights: ours stands beside its f32 then."""
    weight_type = "f32" if product["weight_type"] == "f16" else product["weight_type"]
    wanted = row_name({**product, "engine": "oneDNN", "weight_type": weight_type})
    return next((row for row in report.group("product") if row_name(row) == wanted), None)


def our_products(report: Report) -> list[Row]:
    """Our products: by type, size, rows."""
    rows = [row for row in report.group("product") if row["engine"] == "bgem3"]
    names = ("weight_type", "columns", "depth", "rows")
    return sorted(rows, key=lambda row: (DTYPES.index(row["dtype"]), *(row[name] for name in names)))


def product_table(report: Report) -> str:
    lines = []
    for row in our_products(report):
        peer, rate = peer_of(report, row), row["value"]
        lines.append(
            [
                f"{row['dtype']} ({row['weight_type']}) {row['columns']} x {row['depth']}",
                str(row["rows"]),
                f"{rate / 1e9:.1f}",
                percent(rate / report.peak(row["dtype"])),
                percent(report.share(row)),
                percent(row["spread"]),
                f"{peer['value'] / 1e9:.1f}" if peer else "-",
                percent(peer["spread"]) if peer else "-",
                percent(rate / peer["value"]) if peer else "-",
            ]
        )
    title = (
        f"Products of bge-m3, weights read from memory, {report.facts['threads']} threads\n"
        "(roof: the smaller of the peak and what reading the weights allows)"
    )
    names = ["", "rows", "Gop/s", "of peak", "of roof", "spread", "oneDNN", "spread", "ours/oneDNN"]
    return table(title, names, lines)


def product_summary(report: Report) -> str:
    """Few and many rows over all sizes: the mean and the least."""
    lines = []
    products = our_products(report)
    for dtype, weight_type in dict.fromkeys((row["dtype"], row["weight_type"]) for row in products):
        for name, low, high in (("1 to 32 rows", 1, 32), ("128 to 2048 rows", 128, 2048)):
            rows = [row for row in products if row["weight_type"] == weight_type and low <= row["rows"] <= high]
            shares = [report.share(row) or 0 for row in rows]
            ratios = [row["value"] / peer["value"] for row in rows if (peer := peer_of(report, row))]
            if rows:
                lines.append(
                    [
                        f"{dtype} ({weight_type}), {name}",
                        percent(statistics.mean(shares)),
                        percent(min(shares)),
                        percent(statistics.geometric_mean(ratios) if ratios else None),
                        percent(min(ratios) if ratios else None),
                    ]
                )
    names = ["", "of roof, mean", "least", "ours/oneDNN, mean", "least"]
    return table("Products in short", names, lines)


def attention_table(report: Report) -> str:
    lines = [
        [
            f"{row['dtype']}, {row['length']} tokens",
            f"{row['value'] / 1e9:.1f}",
            percent(report.share(row)),
            percent(row["spread"]),
        ]
        for row in report.group("attention")
    ]
    return table("Attention of one text, 16 heads of 64", ["", "Gop/s", "of peak", "spread"], lines)


def max_sim_table(report: Report) -> str:
    lines = [
        [
            f"{row['rows']} x {row['passages']} x {row['length']} vectors",
            str(row["threads"]),
            f"{row['value'] / 1e9:.1f}",
            percent(report.share(row)),
            f"{row['operations'] / row['value'] * 1e3:.0f}",
            percent(row["spread"]),
        ]
        for row in report.group("max_sim")
    ]
    names = ["query x passages x vectors of each", "threads", "Gop/s", "of peak", "ms", "spread"]
    return table("MaxSim in f32, 1024 dimensions, passages from memory", names, lines)


def encoder_table(report: Report) -> str:
    title = (
        "The whole encoder, texts to vectors\n"
        "(ceiling: products of all layers at the type's peak, attention at f32's for f32 and at bf16's otherwise)"
    )
    lines = [
        [
            f"{row['dtype']}, {row['workload']}",
            str(row["threads"]),
            f"{row['value']:.1f}",
            percent(report.share(row)),
            f"{row['tokens'] / row['value']:.3f}",
            percent(row["spread"]),
        ]
        for row in report.group("encoder")
    ]
    return table(title, ["", "threads", "tokens/s", "of ceiling", "seconds", "spread"], lines)


def scaling_table(report: Report) -> str:
    lines = []
    for row in report.group("encoder"):
        same = [r for r in report.group("encoder") if (r["dtype"], r["workload"]) == (row["dtype"], row["workload"])]
        if row["threads"] > 1 and (single := [r for r in same if r["threads"] == 1]):
            ratio = row["value"] / single[0]["value"]
            lines.append([f"{row['dtype']}, {row['workload']}", f"{row['threads']} against 1", f"{ratio:.2f} x"])
    return table("Threads", ["", "threads", "faster by"], lines)


def latency_table(report: Report) -> str:
    title = "One short query (floor: reading all weights once, or the work at peak if that is more)"
    lines = []
    for row in report.group("latency"):
        floor, fastest = report.query_floor(row), row["value"] * (1 - row["spread"])
        times = [f"{1e3 * seconds:.1f}" for seconds in (row["value"], fastest, floor)]
        label = f"{row['dtype']}, {row['tokens']} tokens, {row['quantile']}"
        lines.append([label, str(row["threads"]), *times, f"{row['value'] / floor:.2f} x"])
    return table(title, ["", "threads", "ms", "fastest", "floor", "of floor"], lines)


def process_table(report: Report) -> str:
    lines = [
        [f"{row['dtype']}, process start to first vector", f"{row['value']:.3f} s", percent(row["spread"])]
        for row in report.group("start")
    ]
    lines += [
        [
            f"{row['dtype']}, peak memory, {row['workload']} ({row['distinct_ids']} different ids)",
            f"{row['value'] / 1e9:.3f} GB",
            percent(row["spread"]),
        ]
        for row in report.group("memory")
    ]
    return table("The program", ["", "best", "spread"], lines)


def tokenizer_table(report: Report) -> str:
    rows = report.group("tokenizer")
    ours = [row["value"] for row in rows if row["engine"] == "bgem3"]
    lines = [
        [row["engine"], f"{row['value'] / 1e6:.1f}", f"{ours[0] / row['value']:.1f} x", percent(row["spread"])]
        for row in rows
    ]
    return table("Tokenizer, one thread", ["", "MB/s", "bgem3 is faster by", "spread"], lines)


def text_report(report: Report) -> str:
    """Everything, for people."""
    facts = [f"{name:10} {value}" for name, value in report.facts.items()]
    tables = [
        peak_table(report),
        product_summary(report),
        product_table(report),
        attention_table(report),
        max_sim_table(report),
        encoder_table(report),
        scaling_table(report),
        latency_table(report),
        process_table(report),
        tokenizer_table(report),
    ]
    gaps = ["Not measured", "", *(f"- {gap}" for gap in report.gaps), ""] if report.gaps else []
    return "\n".join(["bgem3 benchmark", "", *facts, "", *filter(None, tables), *gaps])
