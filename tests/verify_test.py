"""bgem3 verify: what a model should give is checked, and each kind of damage is found and named."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizer_files
from make_model import ModelSpec
from safetensors.numpy import load_file, save_file
from support import ROOT, Program

MakeModel = Callable[[ModelSpec], Path]
Check = dict[str, Any]

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TENSOR = "encoder.layer.1.output.dense.weight"


@pytest.fixture
def model(model_folder: MakeModel, tmp_path: Path) -> Path:
    """A model of its own for each test, to be damaged."""
    folder = tmp_path / "model"
    shutil.copytree(model_folder(ModelSpec()), folder)
    return folder


def report(program: Program, *arguments: object, code: int = 0) -> dict[str, Any]:
    result = program.run("verify", "--json", *arguments, check=False)
    assert result.returncode == code, result.stderr.decode() + result.stdout.decode()
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["passed"] == (code == 0)
    assert found["counts"]["fail"] == len(failures(found))
    return found


def failures(found: dict[str, Any]) -> list[Check]:
    return [check for check in found["checks"] if check["outcome"] == "fail"]


def names(checks: Iterable[Check]) -> list[str]:
    return [f"{check['group']}: {check['name']}" for check in checks]


def check_named(found: dict[str, Any], group: str, name: str, dtype: str = "") -> Check:
    [check] = [c for c in found["checks"] if (c["group"], c["name"], c["dtype"]) == (group, name, dtype)]
    return check


def flip_bit(file: Path, tensor: str) -> None:
    """Flips a low bit of the first value of a tensor, in place."""
    content = bytearray(file.read_bytes())
    header_bytes = int.from_bytes(content[:8], "little")
    begin = json.loads(content[8 : 8 + header_bytes])[tensor]["data_offsets"][0]
    content[8 + header_bytes + begin + 1] ^= 0x20
    file.write_bytes(content)


def change_tensors(model: Path, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    tensors = load_file(model / "model.safetensors")
    change(tensors)
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})


def hugging_face_cache(model: Path, cache: Path, repository: str = "org/name") -> Path:
    """The model as huggingface_hub lays it out; answers the folder of the snapshot."""
    folder = cache / ("models--" + repository.replace("/", "--"))
    snapshot = folder / "snapshots" / COMMIT
    (folder / "refs").mkdir(parents=True)
    (folder / "refs/main").write_text(COMMIT)
    (folder / "blobs").mkdir()
    for file in sorted(model.rglob("*")):
        if file.is_dir():
            continue
        content = file.read_bytes()
        large = file.suffix in (".safetensors", ".pt") or file.name == "tokenizer.json"
        blob = hashlib.sha256(content) if large else hashlib.sha1(b"blob %d\0" % len(content) + content)
        target = folder / "blobs" / blob.hexdigest()
        target.write_bytes(content)
        link = snapshot / file.relative_to(model)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    return snapshot


def test_sound_model_passes_in_every_precision(program: Program, model: Path) -> None:
    found = report(program, model, "--dtype", "f32,bf16,int8")
    assert found["published"] is False
    assert {check["dtype"] for check in found["checks"]} == {"", "f32", "bf16", "int8"}
    text = program.run("verify", model).stdout.decode()
    assert "FAIL" not in text
    assert text.splitlines()[-1].startswith("passed: ")
    verbose = program.run("verify", model, "--verbose").stdout.decode()
    assert "tokenizer.json" in verbose and "exact in half precision" in verbose


def test_snapshot_is_compared_with_the_names_of_its_blobs(
    program: Program, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = hugging_face_cache(model, tmp_path / "hub")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    found = report(program, "org/name")
    assert found["folder"] == str(snapshot) and found["revision"] == COMMIT
    assert [c["outcome"] for c in found["checks"] if c["group"] == "files" and not c["dtype"]] == ["pass"] * 10
    flip_bit((snapshot / "model.safetensors").resolve(), TENSOR)
    found = report(program, "org/name", code=1)
    [wrong] = failures(found)
    assert wrong["name"] == "model.safetensors"
    content = (snapshot / "model.safetensors").read_bytes()
    assert wrong["found"] == hashlib.sha256(content).hexdigest() != wrong["expected"]
    # The rest was checked all the same.
    assert check_named(found, "structure", "finite values")["outcome"] == "pass"
    assert check_named(found, "values", "outputs", "f32")["outcome"] == "pass"
    text = program.run("verify", "org/name", check=False).stdout.decode()
    assert wrong["expected"] in text and wrong["found"] in text
    assert text.splitlines()[-1] == f"FAILED: 1 of {len(found['checks'])} checks"


def test_one_flipped_bit_shows_against_a_fingerprint(program: Program, model: Path, tmp_path: Path) -> None:
    fingerprint = tmp_path / "fingerprint.json"
    report(program, model, "--record", fingerprint, "--dtype", "f32,bf16,int8")
    found = report(program, model, "--against", fingerprint)
    assert len([c for c in found["checks"] if c["group"] == "fingerprint"]) > 200
    flip_bit(model / "model.safetensors", TENSOR)
    found = report(program, model, "--against", fingerprint, code=1)
    wrong = failures(found)
    assert {check["group"] for check in wrong} == {"fingerprint"}
    assert "fingerprint: model.safetensors" in names(wrong)
    dense = check_named(found, "fingerprint", 'dense of "english"', "f32")
    assert dense["outcome"] == "fail" and 0 < dense["difference"] < 1e-2
    assert dense["note"].startswith("cosine 0.99999") or dense["note"].startswith("cosine 1.0")


def test_fingerprint_holds_on_every_instruction_set(program: Program, model: Path, tmp_path: Path) -> None:
    fingerprints = set()
    isas = program.isas(model)
    for isa in isas:
        file = tmp_path / f"{isa}.json"
        program.run("verify", model, "--record", file, "--dtype", "f32,bf16,int8", "--isa", isa)
        fingerprints.add(file.read_bytes())
    assert len(fingerprints) == 1
    for isa in isas:
        report(program, model, "--against", tmp_path / f"{isas[-1]}.json", "--isa", isa, "--threads", 1)


def test_wrong_token_shows_against_a_fingerprint(program: Program, model: Path, tmp_path: Path) -> None:
    fingerprint = tmp_path / "fingerprint.json"
    report(program, model, "--record", fingerprint)
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    a, b = (next(i for i, entry in enumerate(vocabulary) if entry[0] == letter) for letter in "ae")
    vocabulary[a][0], vocabulary[b][0] = vocabulary[b][0], vocabulary[a][0]
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    wrong = names(failures(report(program, model, "--against", fingerprint, code=1)))
    assert "fingerprint: tokenizer.json" in wrong
    assert 'fingerprint: ids of "english"' in wrong
    assert 'fingerprint: ids of "empty"' not in wrong
    assert "fingerprint: model.safetensors" not in wrong


def test_value_that_is_not_finite_is_named(program: Program, model: Path) -> None:
    def damage(tensors: dict[str, np.ndarray]) -> None:
        tensors[TENSOR][2, 3] = np.nan

    change_tensors(model, damage)
    found = report(program, model, code=1)
    wrong = check_named(found, "structure", f'tensor "{TENSOR}"')
    columns = load_file(model / "model.safetensors")[TENSOR].shape[1]
    assert wrong["outcome"] == "fail" and wrong["found"] == f"element {2 * columns + 3} is nan"
    assert check_named(found, "tokenizer", "tokenizer.json")["outcome"] == "pass"


def test_missing_tensor_is_named(program: Program, model: Path) -> None:
    change_tensors(model, lambda tensors: tensors.pop(TENSOR))
    wrong = check_named(report(program, model, code=1), "structure", "tensors")
    assert wrong["outcome"] == "fail" and f'"{TENSOR}"' in wrong["note"] and "missing" in wrong["note"]


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", "sparse_linear.pt"])
def test_truncated_file_is_named_and_the_rest_is_checked(program: Program, model: Path, name: str) -> None:
    content = (model / name).read_bytes()
    for size in (len(content) - 2, len(content) // 2, 0):
        (model / name).write_bytes(content[:size])
        found = report(program, model, code=1)
        assert any(name in check["name"] + check["note"] for check in failures(found)), (size, failures(found))
        passed = {check["group"] for check in found["checks"] if check["outcome"] == "pass"}
        assert ("tokenizer" in passed) == (name != "tokenizer.json")


def test_missing_model_is_a_failed_check(program: Program, model: Path, tmp_path: Path) -> None:
    (model / "tokenizer.json").unlink()
    [wrong] = failures(report(program, model, code=1))
    assert "tokenizer.json" in wrong["note"]
    [wrong] = failures(report(program, tmp_path / "nothing", code=1))
    assert "nothing" in wrong["note"]


def test_only_a_sound_model_is_recorded(program: Program, model: Path, tmp_path: Path) -> None:
    fingerprint = tmp_path / "fingerprint.json"
    fingerprint.write_text("from before")

    def damage(tensors: dict[str, np.ndarray]) -> None:
        tensors[TENSOR][0, 0] = np.inf

    change_tensors(model, damage)
    result = program.run("verify", model, "--record", fingerprint, check=False)
    assert result.returncode == 1
    assert "is not written" in result.stderr.decode()
    assert fingerprint.read_text() == "from before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fingerprint.json", "model"]


def test_wrong_usage(program: Program, model: Path, tmp_path: Path) -> None:
    fingerprint = tmp_path / "fingerprint.json"
    program.run("verify", model, "--record", fingerprint)
    other = tmp_path / "other.json"
    other.write_text('{"some": "JSON"}')
    broken = tmp_path / "broken.json"
    broken.write_text(fingerprint.read_text()[:1000])
    empty = tmp_path / "empty.json"
    empty.write_text("")
    cases = [
        (("--against", other), 2, "no fingerprint of bgem3"),
        (("--against", broken), 2, "broken.json"),
        (("--against", empty), 1, "empty"),
        (("--against", tmp_path / "none.json"), 1, "none.json"),
        (("--against", fingerprint, "--dtype", "int8"), 2, "no outputs in int8"),
        (("--against", fingerprint, "--record", other), 2, "exclude each other"),
        (("--dtype", "f64"), 2, "f64"),
        (("--record", tmp_path / "none/f.json"), 4, "none"),
    ]
    for arguments, code, message in cases:
        result = program.run("verify", model, *arguments, check=False)
        assert result.returncode == code, (arguments, result.stderr)
        [line] = result.stderr.decode().splitlines()
        assert message in line, arguments
        assert result.stdout == b""


@pytest.fixture(scope="module")
def with_published_tokenizer(model_folder: MakeModel) -> Path:
    """A random model, small but for its vocabulary, with bge-m3's own tokenizer.json."""
    tokenizer = tokenizer_files.bge_m3()
    if tokenizer is None:
        pytest.skip("needs bge-m3's tokenizer.json")
    return model_folder(ModelSpec(layers=1, hidden=8, heads=2, ffn=8, tokenizer=str(tokenizer)))


def test_published_ids_are_those_of_the_published_tokenizer(program: Program, with_published_tokenizer: Path) -> None:
    found = report(program, with_published_tokenizer)
    ids = [check for check in found["checks"] if check["name"].startswith("ids of")]
    assert len(ids) >= 20 and {check["outcome"] for check in ids} == {"pass"}
    found = report(program, with_published_tokenizer, "--published", code=1)
    assert found["published"] is True
    ids = [check for check in found["checks"] if check["group"] == "tokenizer"]
    assert len(ids) >= 57 and {check["outcome"] for check in ids} == {"pass"}
    assert check_named(found, "files", "tokenizer.json")["outcome"] == "pass"
    # Random weights are not bge-m3's.
    assert check_named(found, "files", "model.safetensors")["outcome"] == "fail"
    values = [check for check in found["checks"] if check["group"] == "values" and check["difference"] is not None]
    assert sum(check["outcome"] == "fail" for check in values) > 100


@pytest.mark.parametrize(
    ("place", "value", "wrong"),
    [
        ((123456, 0), "\u2581no-such-token", ["every token and its ids, hashed"]),
        ((4865, 1), -50.0, ['ids of "What is BGE M3?"', "every token and its ids, hashed"]),
    ],
    ids=["string", "score"],
)
def test_wrong_token_of_the_published_tokenizer_is_found(
    program: Program,
    with_published_tokenizer: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: tuple[int, int],
    value: str | float,
    wrong: list[str],
) -> None:
    model = tmp_path / "model"
    shutil.copytree(with_published_tokenizer, model)
    tokenizer = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["model"]["vocab"][place[0]][place[1]] = value
    (model / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    hugging_face_cache(model, tmp_path / "hub", "BAAI/bge-m3")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    found = report(program, "BAAI/bge-m3", code=1)  # by its name it has to be the published one
    assert found["published"] is True
    assert check_named(found, "files", "tokenizer.json")["outcome"] == "pass"  # the blob's name was made of it
    assert [check["name"] for check in failures(found) if check["group"] == "tokenizer"] == wrong


def test_built_in_ids_are_those_of_the_tokenizers_library(tmp_path: Path) -> None:
    tokenizer = tokenizer_files.bge_m3()
    if tokenizer is None:
        pytest.skip("needs bge-m3's tokenizer.json")
    tool = [sys.executable, ROOT / "tools/make_verify_cases.py", tokenizer]
    written = subprocess.run(tool, capture_output=True, check=True).stdout
    assert written == (ROOT / "src/verify/tokenizer_cases.cc").read_bytes()
