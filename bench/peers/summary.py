"""The results as people read them: tables, ratios, a bar chart. Pure functions of the results' JSON."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import svg  # noqa: E402
from contenders import CONTENDERS, MIX_DEFAULTS, Contender  # noqa: E402

Results = dict[str, Any]  # what bench/results/peers.json holds
MIN_MEAN_COSINE = 0.995  # a peer below is not taken for the same thing done faster
COMPARED = {"U128": "128 tokens", "U512": "512 tokens", "MIX": "mixed"}
DTYPES = ("f32", "bf16", "int8")


def figure(results: Results, key: str, workload: str, name: str) -> float | None:
    """One figure of an engine; None if it has not been measured."""
    value = results["engines"].get(key, {}).get(workload, {}).get(name)
    return None if value is None else float(value)


def accurate(results: Results, contender: Contender) -> bool:
    cosine = figure(results, contender.key, "ACC", "mean_cosine")
    return cosine is not None and cosine >= MIN_MEAN_COSINE


def cell(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Plain text: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = []
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [
            text.ljust(width) if at == 0 else text.rjust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def measured(results: Results) -> list[Contender]:
    return [c for c in CONTENDERS if c.key in results["engines"] and "gap" not in results["engines"][c.key]]


def speed_table(results: Results) -> str:
    """Real tokens a second, best of the rounds; the long text; the short query."""
    header = ["tokens/s (best)", "128", "512", "2048", "mixed", "defaults", "8192 s", "9 tokens ms", "others' CPU %"]
    rows = []
    for c in measured(results):
        rates = [figure(results, c.key, name, "best") for name in ("U128", "U512", "U2048", "MIX", MIX_DEFAULTS)]
        long = figure(results, c.key, "L8192", "seconds")
        query = figure(results, c.key, "Q9", "p50_ms")
        others = [share for name in COMPARED if (share := figure(results, c.key, name, "others_cpu")) is not None]
        tail = [cell(long, 1), cell(query, 1), cell(100 * max(others) if others else None)]
        rows.append([c.title, *map(cell, rates), *tail])
    return table(header, rows)


def resource_table(results: Results) -> str:
    """Start, memory and accuracy."""
    names = [("cold", "best_s"), ("cold", "peak_gb"), ("U512", "peak_gb"), ("L8192", "peak_gb")]
    header = ["", "cold start s", "cold GB", "512 GB", "8192 GB", "min cosine", "mean cosine", "max abs"]
    rows = []
    for c in measured(results):
        sizes = [cell(figure(results, c.key, *name), 2) for name in names]
        cosines = [cell(figure(results, c.key, "ACC", name), 6) for name in ("min_cosine", "mean_cosine")]
        largest = figure(results, c.key, "ACC", "max_abs")
        rows.append([c.title, *sizes, *cosines, "-" if largest is None else f"{largest:.1e}"])
    return table(header, rows)


def fastest(results: Results, contenders: list[Contender], workload: str) -> tuple[float, Contender] | None:
    """The highest rate of some contenders at a workload, and whose it is."""
    rates = [(rate, c) for c in contenders if (rate := figure(results, c.key, workload, "best")) is not None]
    return max(rates, key=lambda pair: pair[0], default=None)


def ratio_rows(results: Results) -> list[list[str]]:
    """Ours against the fastest peer of the same dtype that is accurate enough, and against other yardsticks.

    Columns: dtype, workload, ours, the peer, its rate, ours / the peer's.
    """
    rows = []
    for dtype in DTYPES:
        ours = f"bgem3-{dtype}"
        peers = [c for c in CONTENDERS if c.dtype == dtype and not c.ours]
        static = [c for c in peers if c.format == "openvino-static8"]
        others = [c for c in peers if c not in static and accurate(results, c)]
        yardsticks = [(workload, workload, others) for workload in COMPARED]
        yardsticks += [(workload, workload, static) for workload in COMPARED if static]
        yardsticks.append(("MIX", MIX_DEFAULTS, list(CONTENDERS)))
        for workload, theirs, candidates in yardsticks:
            rate, found = figure(results, ours, workload, "best"), fastest(results, candidates, theirs)
            if rate is None or found is None:
                continue
            suffix = ", its defaults" if theirs == MIX_DEFAULTS else ""
            row = [dtype, COMPARED[workload], f"{rate:.0f}", found[1].title + suffix, f"{found[0]:.0f}"]
            rows.append([*row, f"{rate / found[0]:.2f}"])
    return rows


def gaps(results: Results) -> list[str]:
    """Everything that was to be measured and was not, with its reason."""
    lines = []
    for c in CONTENDERS:
        figures = results["engines"].get(c.key, {"gap": "not measured"})
        if "gap" in figures:
            lines.append(f"{c.title}: {figures['gap']}")
            continue
        lines += [f"{c.title}, {name}: {value['gap']}" for name, value in figures.items() if "gap" in value]
        skipped = [name for name in ("U128", "U512", "U2048", "L8192", "MIX", "Q9") if name not in c.batches]
        lines += [f"{c.title}: {', '.join(skipped)} not run"] if skipped else []
    return lines


def batch_text(contender: Contender) -> str:
    if contender.batches["MIX"][0] == "own":
        return ""
    texts = ", ".join(f"{name} {contender.batches[name][1]}" for name in ("U128", "U512"))
    unit, most = contender.batches["MIX"]
    return f"batches: {texts}, MIX {most} {unit.replace('_', ' ')}"


def text_report(results: Results) -> str:
    """bench/results/peers.txt."""
    run = results["run"]
    header = "\n".join(f"{name + ':':10} {value}" for name, value in run.items())
    packages = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    stale = {
        c.title: figures["measured"]
        for c in CONTENDERS
        if (figures := results["engines"].get(c.key)) and figures["measured"] != run["date"]
    }
    ratios = table(["dtype", "texts", "bgem3", "peer", "tokens/s", "ratio"], ratio_rows(results))
    settings = [
        f"{c.title}: {'; '.join(filter(None, [c.note, batch_text(c)])) or 'as it is'}" for c in measured(results)
    ]
    parts = [
        header,
        "packages:  " + packages,
        "Real tokens a second, tokenizing and pooling included, padding never counted. Contenders of one dtype took\n"
        "turns round by round; the best round counts. Defaults: mixed, called without settings.\n\n"
        + speed_table(results),
        "Cold start: from starting a process to its first vector, files in the page cache. GB: largest resident\n"
        "memory (VmHWM), mapped files included. Cosine, largest difference: 30 texts against sentence-transformers\n"
        "f32.\n\n" + resource_table(results),
        f"bgem3 against the fastest peer of the same dtype with a mean cosine of at least {MIN_MEAN_COSINE}; beside\n"
        "it int8 calibrated for such texts (static, NNCF) and sentence-transformers called without settings.\n\n"
        + ratios,
        "How each was called\n" + "\n".join(f"  {line}" for line in settings),
    ]
    if stale:
        parts.append("Measured in another run\n" + "\n".join(f"  {name}: {date}" for name, date in stale.items()))
    if missing := gaps(results):
        parts.append("Gaps\n" + "\n".join(f"  {line}" for line in missing))
    return "\n\n".join(parts) + "\n"


# ---------------------------------------------------------------------------------------------------------------------
# The chart

NAME_WIDTH, PANEL_WIDTH, VALUE_WIDTH = 262, 150, 58  # px
ROW_HEIGHT, BAR_HEIGHT, GROUP_GAP, TOP = 19, 14, 30, 62
PEER_COLOUR, INEXACT_COLOUR, NOTE_COLOUR = "#8a9aa8", "#d3dbe2", "#57606a"


def bar_chart(results: Results) -> str:
    """bench/results/peers.svg: tokens a second at 128, 512 and mixed tokens, grouped by dtype, fastest at 128 first."""
    shown = [c for c in measured(results) if figure(results, c.key, "U128", "best") is not None]
    rates = [rate for c in shown for name in COMPARED if (rate := figure(results, c.key, name, "best")) is not None]
    scale = PANEL_WIDTH / max(rates, default=1.0)
    panels = {name: NAME_WIDTH + index * (PANEL_WIDTH + VALUE_WIDTH) for index, name in enumerate(COMPARED)}
    title = "Embedding speed of a bge-m3-sized model: real tokens a second"
    body = [svg.text(12, 24, title, size=15, bold=True)]
    for name, x in panels.items():
        heading = "mixed, 4 to 1,975 tokens" if name == "MIX" else COMPARED[name]
        body.append(svg.text(x, TOP - 12, heading, bold=True))
    y = TOP
    for dtype in DTYPES:
        group = [c for c in shown if c.dtype == dtype]
        if not group:
            continue
        body.append(svg.text(12, y + 13, dtype, colour=NOTE_COLOUR, bold=True))
        for c in sorted(group, key=lambda c: -(figure(results, c.key, "U128", "best") or 0)):
            y += ROW_HEIGHT
            peer_colour = PEER_COLOUR if accurate(results, c) else INEXACT_COLOUR
            body.append(svg.text(NAME_WIDTH - 10, y + 13, c.title, anchor="end", bold=c.ours))
            for name, x in panels.items():
                rate = figure(results, c.key, name, "best")
                length = 0.0 if rate is None else rate * scale
                body.append(svg.bar(x, y + 2, length, BAR_HEIGHT, svg.COLOURS[dtype] if c.ours else peer_colour))
                body.append(svg.text(x + length + 5, y + 13, "not run" if rate is None else f"{rate:.0f}", bold=c.ours))
        y += GROUP_GAP
    run = results["run"]
    notes = (
        f"{run['machine']}, {run['threads']} threads, {run['date'][:10]}, commit {run['commit']}",
        f"pale: mean cosine against f32 below {MIN_MEAN_COSINE}",
    )
    body += [svg.text(12, y + 12 + 16 * line, note, colour=NOTE_COLOUR) for line, note in enumerate(notes)]
    return svg.document(NAME_WIDTH + len(panels) * (PANEL_WIDTH + VALUE_WIDTH) + 10, y + 40, body)
