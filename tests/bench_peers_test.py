"""The pure parts of bench/peers: texts of exact lengths, batches, ratios, tables, the chart."""

from __future__ import annotations

import json
import statistics
import sys
import xml.etree.ElementTree
from pathlib import Path
from typing import Any

import pytest
import tokenizer_files
from support import ROOT
from tokenizers import Tokenizer

sys.path.insert(0, str(ROOT / "bench/peers"))

import contenders  # noqa: E402
import engines  # noqa: E402
import install  # noqa: E402
import measure  # noqa: E402
import summary  # noqa: E402
import workloads  # noqa: E402
from contenders import CONTENDERS, MIX_DEFAULTS  # noqa: E402


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """bge-m3's where it is at hand, else one trained on the sample."""
    found = Tokenizer.from_file(str(tokenizer_files.bge_m3() or tokenizer_files.trained_unigram()))
    found.no_truncation()
    found.no_padding()
    return found


@pytest.fixture(scope="module")
def texts(tokenizer: Tokenizer) -> dict[str, list[str]]:
    return workloads.make_workloads(tokenizer)


def lengths(tokenizer: Tokenizer, texts: list[str]) -> list[int]:
    return [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]


def test_equal_lengths_are_exact(tokenizer: Tokenizer, texts: dict[str, list[str]]) -> None:
    for name, (count, tokens) in workloads.EQUAL_LENGTHS.items():
        assert lengths(tokenizer, texts[name]) == [tokens] * count, name


def test_mix_has_its_distribution(tokenizer: Tokenizer, texts: dict[str, list[str]]) -> None:
    found = lengths(tokenizer, texts["MIX"])
    assert len(found) == 512
    assert sum(found) == 24490
    assert (min(found), max(found)) == (4, 1975)
    assert sum(tokens > 186 for tokens in found) == len(workloads.MIX_LONG) == 6
    medians = {
        kind: statistics.median_high(workloads.spread_lengths(*rule)) for kind, rule in workloads.MIX_KINDS.items()
    }
    assert medians == {"query": 16, "title": 10, "passage": 57}
    assert found != sorted(found)


def test_texts_begin_differently(tokenizer: Tokenizer, texts: dict[str, list[str]]) -> None:
    """An engine that computes equal texts once, or keeps a common beginning, gains nothing."""
    everything = [text for name, group in texts.items() if name != "ACC" for text in group]
    beginnings = {tuple(encoding.ids[1:4]) for encoding in tokenizer.encode_batch(everything)}
    assert len(beginnings) == len(everything)
    assert len(set(texts["ACC"])) == workloads.ACCURACY_TEXTS
    assert set(texts["ACC"]) <= set(texts["MIX"] + texts["U512"])
    assert not set(texts["CALIBRATION"]) & set(texts["ACC"])


def test_the_same_tokenizer_gives_the_same_texts(tokenizer: Tokenizer, texts: dict[str, list[str]]) -> None:
    assert workloads.make_workloads(tokenizer) == texts


def test_quick_texts_are_short(tokenizer: Tokenizer, texts: dict[str, list[str]]) -> None:
    quick = workloads.quick_workloads(texts)
    assert set(quick) == set(texts) - {"CALIBRATION"}
    assert max(max(lengths(tokenizer, group)) for group in quick.values()) <= 512


def test_batches_are_sorted_and_bounded(tmp_path: Path, tokenizer: Tokenizer, texts: dict[str, list[str]]) -> None:
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    batcher = engines.Batcher(tmp_path)
    parts = list(batcher.batches(texts["MIX"], ("padded_tokens", 1024)))
    assert sorted(index for indices, _ in parts for index in indices) == list(range(512))
    for indices, ids in parts:
        assert len(indices) == 1 or max(map(len, ids)) * len(ids) <= 1024
    longest = [max(map(len, ids)) for _, ids in parts]
    assert longest == sorted(longest, reverse=True)
    assert [len(indices) for indices, _ in batcher.batches(texts["U128"], ("texts", 12))] == [12, 12, 8]
    rows, mask = engines.padded([[5, 6, 7], [8]])
    assert rows.tolist() == [[5, 6, 7], [8, 1, 1]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_every_peer_can_be_installed_converted_and_run() -> None:
    """No row of the table points at something that is not there."""
    formats = {name.replace("_", "-") for name in (ROOT / "bench/peers/convert.py").read_text().split('"')}
    for contender in CONTENDERS:
        if contender.ours:
            continue
        assert (install.REQUIREMENTS / f"{contender.package}.txt").exists(), contender.key
        assert contender.key in engines.ENGINES
        assert not contender.format or contender.format in formats, contender.key
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in install.CONSTRAINTS.read_text().splitlines()}
    for file in install.REQUIREMENTS.glob("*.txt"):
        for name in file.read_text().splitlines():
            assert name[:1] in "#-" or file == install.CONSTRAINTS or name.lower() in pinned, name


def test_contenders_are_chosen_by_their_beginning() -> None:
    assert [c.key for c in contenders.chosen("st")] == ["st-f32", "st-bf16"]
    assert [c.key for c in contenders.chosen("openvino-w8,llama-q8")] == ["openvino-w8", "openvino-w8-bf16", "llama-q8"]
    assert contenders.chosen("") == list(CONTENDERS)
    with pytest.raises(ValueError, match="nobody"):
        contenders.chosen("st,nobody")


def test_accuracy_figures() -> None:
    found = measure.compare([[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.0], [0.8, 0.6]])
    assert found == {
        "min_cosine": pytest.approx(0.96),
        "mean_cosine": pytest.approx(0.98),
        "max_abs": pytest.approx(0.2),
    }


def test_throughput_keeps_best_and_median() -> None:
    found = measure.throughput(600, [measure.Run(3, 0.1), measure.Run(2, 0.5), measure.Run(6, 0.0)])
    assert (found["best"], found["median"], found["others_cpu"]) == (300, 200, 0.5)


def figures(rate: float, mean_cosine: float, **more: Any) -> dict[str, Any]:
    rates = {name: {"best": rate, "median": rate, "seconds": [1.0], "others_cpu": 0.0} for name in measure.THROUGHPUT}
    cosines = {"min_cosine": mean_cosine, "mean_cosine": mean_cosine, "max_abs": 0.01}
    return {**rates, "ACC": cosines, "measured": "2026-01-02 03:04", **more}


@pytest.fixture
def results() -> dict[str, Any]:
    """Engines of int8, dynamic and static; one of f32; one that failed."""
    return {
        "run": {"date": "2026-01-02 03:04", "machine": "A <machine> & more", "threads": "2", "commit": "abc"},
        "versions": {"openvino": "1.0"},
        "engines": {
            "bgem3-int8": figures(1000, 0.998),
            "openvino-w8": figures(500, 0.997),
            "onnxruntime-int8": figures(400, 0.996),
            "openvino-nncf": figures(800, 0.98),
            "openvino-nncf-bf16": figures(700, 0.999),
            "st-f32": figures(100, 1.0) | {MIX_DEFAULTS: {"best": 50.0}},
            "llama-q8": {"gap": "not installed: no compiler", "measured": "2026-01-02 03:04"},
            "ctranslate2-int8": figures(300, 0.997, L8192={"gap": "out of memory"}, measured="2025-12-31 00:00"),
        },
    }


def test_ratios_are_with_the_fastest_accurate_peer(results: dict[str, Any]) -> None:
    rows = [row[1:] for row in summary.ratio_rows(results)]
    assert rows == [
        *(
            [name, "1000", "OpenVINO int8 weights, dynamic", "500", "2.00"]
            for name in ("128 tokens", "512 tokens", "mixed")
        ),
        *(
            [name, "1000", "OpenVINO int8 static (NNCF)", "800", "1.25"]
            for name in ("128 tokens", "512 tokens", "mixed")
        ),
        ["mixed", "1000", "sentence-transformers f32, its defaults", "50", "20.00"],
    ]


def test_report_names_gaps_and_older_rows(results: dict[str, Any]) -> None:
    text = summary.text_report(results)
    assert "llama.cpp Q8_0: not installed: no compiler" in text
    assert "CTranslate2 int8, L8192: out of memory" in text
    assert "CTranslate2 int8: 2025-12-31 00:00" in text
    assert "FlagEmbedding f32: not measured" in text
    assert max(map(len, text.splitlines())) < 160


def test_chart_is_well_formed_and_complete(results: dict[str, Any]) -> None:
    svg = xml.etree.ElementTree.fromstring(summary.bar_chart(results))
    words = ["".join(text.itertext()) for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert words.count("1000") == 3
    assert "llama.cpp Q8_0" not in words
    assert any("A <machine> & more" in text for text in words)
    bars = [bar for bar in svg.iter("{http://www.w3.org/2000/svg}rect") if bar.get("fill") == summary.INEXACT_COLOUR]
    assert len(bars) == 3  # of the static one, whose cosine is low
    for bar in svg.iter("{http://www.w3.org/2000/svg}rect"):
        if bar.get("x"):
            assert float(bar.get("x", "")) + float(bar.get("width", "")) <= float(svg.get("width", ""))


def test_results_survive_json(results: dict[str, Any]) -> None:
    assert summary.text_report(json.loads(json.dumps(results))) == summary.text_report(results)


def test_empty_results_give_a_report() -> None:
    empty = {"run": {"date": "", "machine": "", "threads": "", "commit": ""}, "versions": {}, "engines": {}}
    assert "bgem3 f32: not measured" in summary.text_report(empty)
    xml.etree.ElementTree.fromstring(summary.bar_chart(empty))
