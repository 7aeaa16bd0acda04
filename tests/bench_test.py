"""The parts of the benchmark that compute and draw: report, chart, comparison, workloads, retrieval measures.

Nothing is timed here.
"""

from __future__ import annotations

import copy
import math
import statistics
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from retrieval import ndcg_at_10, recall_at_100
from support import ROOT, Program

sys.path.insert(0, str(ROOT / "bench"))

import make_model  # noqa: E402
import workload  # noqa: E402
from report import Report, Row, load_json, save_json, text_report  # noqa: E402
from roofline import roofline_svg  # noqa: E402


def row(group: str, value: float, unit: str, spread: float = 0.01, **rest: object) -> Row:
    return {"group": group, "unit": unit, "value": value, "spread": spread, "samples": 5, **rest}


def product(engine: str, dtype: str, rows: int, value: float, weight_type: str) -> Row:
    weight_bytes = 1024 * 1024 * {"f32": 4, "f16": 2, "bf16": 2, "s8": 1}[weight_type]
    names = {"engine": engine, "dtype": dtype, "weight_type": weight_type, "rows": rows, "columns": 1024, "depth": 1024}
    return row("product", value, "op/s", **names, operations=2 * rows * 1024 * 1024, weight_bytes=weight_bytes)


@pytest.fixture
def report() -> Report:
    """A machine of 100, 200, 400 Gop/s and 20 GB/s; shares below follow from these."""
    rows = [
        row("peak", 100e9 * threads * factor, "op/s", dtype=dtype, isa=isa, threads=threads)
        for threads in (1, 2)
        for dtype, isa, factor in (("f32", "avx512", 0.5), ("bf16", "avx512_bf16", 1), ("int8", "avx512_vnni", 2))
    ]
    rows += [row("bandwidth", 20e9, "B/s", threads=2), row("bandwidth", 15e9, "B/s", threads=1)]
    rows += [
        product("bgem3", "f32", 128, 90e9, "f32"),
        product("oneDNN", "f32", 128, 80e9, "f32"),
        product("bgem3", "f32", 1, 5e9, "f16"),
        product("bgem3", "int8", 1, 30e9, "s8"),
    ]
    rows += [row("max_sim", 80e9, "op/s", dtype="f32", rows=32, passages=10, length=5, threads=2, operations=8e9)]
    work = {"tokens": 1000, "weights": 300e6, "operations": 6e11, "attention_operations": 1e11}
    encoder = {"workload": "16 x 128", "threads": 2, **work}
    rows += [
        row("encoder", 100, "token/s", dtype="f32", **encoder),
        row("encoder", 200, "token/s", dtype="int8", **encoder),
    ]
    rows += [row("encoder", 60, "token/s", dtype="f32", **{**encoder, "threads": 1})]
    query = {"workload": "1 x 9", "threads": 2, "tokens": 9, "weights": 300e6, "operations": 5.4e9}
    query |= {"attention_operations": 0}
    rows += [row("latency", 0.06, "s", dtype="f32", quantile="p50", **query)]
    rows += [row("start", 0.3, "s", dtype="f32", workload="1 x 9")]
    rows += [row("memory", 9e8, "B", dtype="f32", workload="25 x 512", spread=0.0, distinct_ids=12750)]
    rows += [row("tokenizer", 30e6, "B/s", engine="bgem3"), row("tokenizer", 3e6, "B/s", engine="tokenizers")]
    facts = {"machine": "two <cores>", "date": "a day", "commit": "abc", "isa": "avx512_bf16", "threads": 2}
    return Report(facts, rows, ["something: why not"])


def test_peaks_are_those_of_the_threads(report: Report) -> None:
    assert report.peak("f32") == 100e9
    assert report.peak("int8", 1) == 200e9


def test_bf16_without_its_instruction_has_the_peak_of_f32(report: Report) -> None:
    rows = [r for r in report.rows if r.get("isa") != "avx512_bf16"]
    assert Report(report.facts, rows).peak("bf16") == 100e9


def test_a_product_of_few_rows_stands_under_the_slope_of_memory(report: Report) -> None:
    many, _, few_f16, few_s8 = report.group("product")
    assert report.roof(many) == 100e9
    assert report.roof(few_f16) == 20e9 * 1  # two operations for two bytes
    assert report.roof(few_s8) == 20e9 * 2


def test_ceiling_of_an_encoder(report: Report) -> None:
    f32, int8, single = report.group("encoder")
    assert report.ceiling(f32) == pytest.approx(1000 / (6 + 1))
    assert report.ceiling(int8) == pytest.approx(1000 / (1.5 + 0.5))  # attention in bf16
    assert report.ceiling(single) == pytest.approx(1000 / (12 + 2))


def test_floor_of_a_query_is_the_larger_of_reading_and_computing(report: Report) -> None:
    (query,) = report.group("latency")
    assert report.query_floor(query) == pytest.approx(5.4e9 / 100e9)
    assert report.query_floor({**query, "operations": 1e9}) == pytest.approx(600e6 / 20e9)


def test_text_has_every_group_and_every_gap(report: Report) -> None:
    text = text_report(report)
    assert [line for line in text.splitlines() if line != line.rstrip()] == []
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for expected in (
        "commit abc",
        "f32 avx512, Gop/s 50.0 1.0 % 100.0 1.0 %",
        "memory, read, GB/s 15.0 1.0 % 20.0 1.0 %",
        "f32 (f32) 1024 x 1024 128 90.0 90.0 % 90.0 % 1.0 % 80.0 1.0 % 112.5 %",
        "int8 (s8) 1024 x 1024 1 30.0 7.5 % 75.0 % 1.0 % - - -",
        "f32 (f32), 128 to 2048 rows 90.0 % 90.0 % 112.5 % 112.5 %",
        "int8 (s8), 1 to 32 rows 75.0 % 75.0 % - -",
        "32 x 10 x 5 vectors 2 80.0 80.0 % 100 1.0 %",
        "f32, 16 x 128 2 100.0 70.0 % 10.000 1.0 %",
        "f32, 16 x 128 2 against 1 1.67 x",
        "f32, 9 tokens, p50 2 60.0 59.4 54.0 1.11 x",
        "f32, process start to first vector 0.300 s 1.0 %",
        "f32, peak memory, 25 x 512 (12750 different ids) 0.900 GB 0.0 %",
        "tokenizers 3.0 10.0 x 1.0 %",
        "- something: why not",
    ):
        assert expected in lines


def test_json_is_read_back_as_it_was(report: Report, tmp_path: Path) -> None:
    save_json(report, tmp_path / "run.json")
    assert load_json(tmp_path / "run.json") == report


def test_chart_is_svg_with_a_mark_for_each_row_within_the_axes(report: Report) -> None:
    root = ET.fromstring(roofline_svg(report))
    titles = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "oneDNN f32 1024 x 1024, 128 rows: 80" in titles
    assert "encoder int8 16 x 128: 140" in titles
    # Products, encoders and query of all threads; the legend's titles are empty.
    assert sum(title is not None for title in titles) == 4 + 2 + 1
    for circle in root.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 < float(circle.attrib["cx"]) < float(root.attrib["width"])
        assert 0 < float(circle.attrib["cy"]) < float(root.attrib["height"])


def compare(old: Report, new: Report, folder: Path) -> subprocess.CompletedProcess[str]:
    save_json(old, folder / "old.json")
    save_json(new, folder / "new.json")
    command = [sys.executable, ROOT / "bench/compare", folder / "old.json", folder / "new.json"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def changed(report: Report, group: str, factor: float, engine: str | None = None) -> Report:
    """The same run with the values of a group multiplied."""
    copied = copy.deepcopy(report)
    for line in copied.group(group):
        if engine is None or line.get("engine") == engine:
            line["value"] *= factor
    return copied


def test_equal_runs_have_no_regression(report: Report, tmp_path: Path) -> None:
    result = compare(report, report, tmp_path)
    assert result.returncode == 0, result.stderr
    assert "0 regressions among 21 rows" in result.stdout


@pytest.mark.parametrize(
    ("group", "factor", "regressions"),
    [
        ("encoder", 0.9, 3),
        ("encoder", 0.99, 0),  # within the spreads
        ("encoder", 1.2, 0),
        ("start", 1.1, 1),  # seconds: more is worse
        ("start", 0.8, 0),
        ("memory", 1.05, 1),
        ("memory", 1.01, 0),  # a spread of nothing still leaves two per cent
        ("peak", 0.8, 0),  # the machine, not we
    ],
)
def test_losses_beyond_the_spreads_are_regressions(
    report: Report, tmp_path: Path, group: str, factor: float, regressions: int
) -> None:
    result = compare(report, changed(report, group, factor), tmp_path)
    assert result.returncode == (1 if regressions else 0), result.stdout + result.stderr
    assert f"{regressions} regressions among" in result.stdout
    assert result.stdout.count("REGRESSION") == regressions


def test_spreads_of_both_runs_count(report: Report, tmp_path: Path) -> None:
    noisy = copy.deepcopy(report)
    noisy.group("start")[0]["spread"] = 0.15
    assert compare(noisy, changed(report, "start", 1.1), tmp_path).returncode == 0
    assert compare(report, changed(noisy, "start", 1.1), tmp_path).returncode == 0


def test_a_peer_is_no_regression_of_ours(report: Report, tmp_path: Path) -> None:
    assert compare(report, changed(report, "product", 0.5, "oneDNN"), tmp_path).returncode == 0
    assert compare(report, changed(report, "product", 0.5, "bgem3"), tmp_path).returncode == 1


def test_a_slow_day_of_the_machine_is_no_regression(report: Report, tmp_path: Path) -> None:
    slow = report
    for group in ("peak", "bandwidth", "product", "encoder"):
        slow = changed(slow, group, 0.8)
    assert compare(report, slow, tmp_path).returncode == 0


def test_rows_of_one_run_only_are_named(report: Report, tmp_path: Path) -> None:
    fewer = Report(report.facts, [r for r in report.rows if r["group"] != "start"])
    assert "only in old: start, f32, 1 x 9" in compare(report, fewer, tmp_path).stdout
    assert compare(report, Report(report.facts, []), tmp_path).returncode == 2


def test_mixed_lengths_are_like_those_of_a_search_service() -> None:
    lengths = workload.mixed_lengths()
    assert len(lengths) == 128
    assert (min(lengths), max(lengths)) == (4, 1975)
    assert statistics.median(lengths) == pytest.approx(18, abs=4)
    assert sum(lengths) == pytest.approx(24490 / 4, rel=0.02)
    assert lengths != sorted(lengths)
    assert lengths == workload.mixed_lengths()


def test_texts_have_the_lengths_they_are_made_for(program: Program, tmp_path: Path) -> None:
    model = tmp_path / "model"
    make_model.write_model(model, make_model.ModelSpec())
    words = workload.one_token_words(program.path, model)
    assert len(words) > 100
    workload.write_workloads(tmp_path / "texts", words)
    for name in ("4x128", "mixed"):
        texts = (tmp_path / f"texts/{name}.txt").read_text(encoding="utf-8").splitlines()
        assert [len(ids) for ids in program.tokenize(model, texts)] == workload.WORKLOADS[name]
        assert name == "mixed" or len(set(texts)) == len(texts)  # a small vocabulary repeats texts of two words


def test_the_retrieval_measures_themselves() -> None:
    judgements = {"q": {"a": 1, "b": 1}}
    assert ndcg_at_10({"q": ["a", "b", "c"]}, judgements) == 1
    assert ndcg_at_10({"q": ["c", "a", "b"]}, judgements) == pytest.approx(
        (1 / math.log2(3) + 1 / 2) / (1 + 1 / math.log2(3))
    )
    assert ndcg_at_10({"q": ["c"] * 10 + ["a"]}, judgements) == 0
    assert recall_at_100({"q": ["c", "a"]}, judgements) == 0.5
