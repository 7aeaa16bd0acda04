"""`bgem3 pull` when all goes well: what it fetches, the token, --check, the offer of other commands.

huggingface_hub beside it is in pull_interop_test.py, what may go wrong in pull_faults_test.py; the hub is fake_hub.py.
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fake_hub import NOT_READ, FakeHub, HubUser, commit_of, tree
from make_model import ModelSpec
from support import ROOT, Program, run_measured

PINNED = "5617a9f61b028005a4858fdac845db406aefb181"


@pytest.fixture(scope="session")
def model(model_folder: Callable[[ModelSpec], Path]) -> Path:
    return model_folder(ModelSpec())


# What is fetched


def test_a_pulled_model_embeds_as_its_folder(hub: FakeHub, user: HubUser, program: Program, model: Path) -> None:
    hub.add_folder("org/model", model)
    result = user.run("pull", "org/model")
    assert result.returncode == 0, result.stderr
    folder = user.repository() / "snapshots" / commit_of(1)
    assert result.stdout == f"{folder}\n"
    assert re.search(
        rf"org/model: revision {commit_of(1)}, \d+ kB in 10 files, \d+ kB downloaded in 0:0\d", result.stderr
    )
    asked = len(hub.requests)
    lines = user.run("embed", "-", "--model", "org/model", stdin="The sea is deep.")
    assert lines.returncode == 0, lines.stderr
    vector = np.array([json.loads(lines.stdout)["embedding"]], dtype=np.float32)
    assert vector.tobytes() == program.embed(model, ["The sea is deep."]).tobytes()
    assert len(hub.requests) == asked


def test_the_demo_downloads_a_named_model_once_and_checks_it(
    hub: FakeHub, user: HubUser, model: Path, tmp_path: Path
) -> None:
    hub.add_folder("org/model", model)
    (tmp_path / "build").mkdir()
    (tmp_path / "build/bgem3").symlink_to(user.program.path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")

    def demo() -> str:
        command = ["sh", str(ROOT / "tools/demo"), "org/model"]
        run = subprocess.run(command, cwd=tmp_path, env=user.environment(), capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return run.stdout

    shown = demo()
    assert re.search(r"passed: \d+ checks", shown) and "the closest passages" in shown
    asked = len(hub.requests)
    demo()
    assert len(hub.requests) == asked


def test_only_the_files_that_bgem3_reads(hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]) -> None:
    hub.add("org/model", hub_files)
    pulled = user.pull("org/model")
    names = [file["name"] for file in pulled["files"]]
    assert set(names) == {
        *("config.json", "tokenizer.json", "tokenizer_config.json", "modules.json", "1_Pooling/config.json"),
        *("sentence_bert_config.json", "config_sentence_transformers.json"),
        *("sparse_linear.pt", "colbert_linear.pt", "model.safetensors"),
    }
    assert names[-1] == "model.safetensors"
    assert all(
        file["size_bytes"] == file["bytes_transferred"] == len(hub_files[file["name"]]) for file in pulled["files"]
    )
    assert not hub.asked(path="|".join(map(re.escape, NOT_READ)))
    absent = user.repository() / ".no_exist" / commit_of(1)
    assert sorted(path.name for path in absent.iterdir()) == [
        "sentence_roberta_config.json",
        "sentence_xlm-roberta_config.json",
    ]


def test_torch_weights_where_there_is_nothing_better(hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]) -> None:
    del (hub_files := dict(hub_files))["model.safetensors"]
    hub.add("org/model", hub_files)
    assert user.pull("org/model")["files"][-1]["name"] == "pytorch_model.bin"


def test_weights_in_shards(
    hub: FakeHub, user: HubUser, model_folder: Callable[[ModelSpec], Path], program: Program
) -> None:
    folder = model_folder(ModelSpec(shards=3))
    hub.add_folder("org/model", folder)
    names = [file["name"] for file in user.pull("org/model")["files"]]
    assert sum("-of-" in name for name in names) > 1 and "model.safetensors.index.json" in names
    snapshot = user.repository() / "snapshots" / commit_of(1)
    assert program.embed_bytes(snapshot, ["tide"]) == program.embed_bytes(folder, ["tide"])


def test_revisions(hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]) -> None:
    repository = hub.add("org/model", hub_files, commit=commit_of(1))
    hub.add("org/model", {**hub_files, "sparse_linear.pt": b"2"}, commit=commit_of(2))
    repository.refs |= {"refs/pr/130": commit_of(1), "v1": commit_of(1)}
    for revision, commit in (("refs/pr/130", 1), ("v1", 1), ("main", 2), (commit_of(1), 1)):
        assert user.pull(f"org/model@{revision}")["revision"] == commit_of(commit)
    references = {name: text for name, text in tree(user.repository() / "refs").items()}
    assert {name: text[0].decode() for name, text in references.items()} == {
        "refs/pr/130": commit_of(1),
        "v1": commit_of(1),
        "main": commit_of(2),
    }
    # Contents that revisions share were transferred once.
    assert len(hub.asked("storage", "GET")) == 1


def test_a_second_pull_transfers_nothing_and_a_commit_asks_nobody(
    hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]
) -> None:
    hub.add("org/model", hub_files)
    user.pull("org/model")
    assert sum(file["bytes_transferred"] for file in user.pull("org/model")["files"]) == 0
    hub.requests.clear()
    pulled = user.offline().pull(f"org/model@{commit_of(1)}")
    assert len(pulled["files"]) == 10 and not hub.requests
    assert user.pull(f"org/model@{commit_of(1)}") == pulled and not hub.requests


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_damaged_file_is_fetched_again(hub: FakeHub, user: HubUser, hub_files: dict[str, bytes], name: str) -> None:
    hub.add("org/model", hub_files)
    user.pull("org/model")
    path = user.repository() / "snapshots" / commit_of(1) / name
    content = bytearray(hub_files[name])
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    pulled = user.pull(f"org/model@{commit_of(1)}")
    assert {file["name"] for file in pulled["files"] if file["bytes_transferred"]} == {name}
    assert path.is_symlink() and path.read_bytes() == hub_files[name]


def test_a_renamed_repository_is_followed(hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]) -> None:
    hub.add("org/new-name", hub_files)
    hub.renamed["org/model"] = "org/new-name"
    user.pull("org/model")
    assert (user.repository("org/model") / "snapshots" / commit_of(1) / "config.json").exists()


def test_names_are_quoted_in_addresses(hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]) -> None:
    strange = "a pooling ?#%41ä"
    modules = json.loads(hub_files["modules.json"])
    modules[1]["path"] = strange
    changed = {**hub_files, "modules.json": json.dumps(modules).encode()}
    changed[f"{strange}/config.json"] = changed.pop("1_Pooling/config.json")
    hub.add("org/model", changed)
    names = [file["name"] for file in user.pull("org/model")["files"]]
    assert f"{strange}/config.json" in names
    assert hub.asked(path=re.escape("/a%20pooling%20%3F%23%2541%C3%A4/config.json"))


def test_memory_does_not_grow_with_the_files(
    hub: FakeHub, user: HubUser, program: Program, hub_files: dict[str, bytes]
) -> None:
    hub.add("org/model", {**hub_files, "model.safetensors": os.urandom(100 << 20)})
    run = run_measured(program.path, "pull", "org/model", env=user.environment())
    assert run.code == 0, run.said
    assert run.peak_bytes < 50 << 20


# The pinned revision of BAAI/bge-m3


def test_the_default_is_the_published_model_and_nothing_else(
    hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]
) -> None:
    hub.add("BAAI/bge-m3", hub_files, commit=PINNED)
    error = user.refused("pull")
    assert "the list of bge-m3's files" in error and "modules.json" in error
    assert [request.path for request in hub.asked(path="^/api/models/")] == ["/api/models/BAAI/bge-m3/revision/main"]
    assert not list((user.repository("BAAI/bge-m3") / "blobs").iterdir())


def test_main_may_have_moved_on(hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]) -> None:
    hub.add("BAAI/bge-m3", hub_files, commit=PINNED)
    hub.add("BAAI/bge-m3", hub_files, commit=commit_of(7))
    result = user.run("pull", "BAAI/bge-m3")
    assert result.returncode == 5 and "the list of bge-m3's files" in result.stderr
    assert f"main is {commit_of(7)} now, and --latest pulls it" in result.stderr
    assert len(hub.asked(path=f"/revision/{PINNED}")) == 1
    assert user.pull("--latest")["revision"] == commit_of(7)
    lines = user.run("embed", "-", stdin="tide")
    assert lines.returncode == 0, lines.stderr


# Tokens and proxies


TOKEN = "hf_secretsecretsecret"


@pytest.mark.parametrize("source", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "file"])
def test_the_token_goes_to_the_hub_alone(
    hub: FakeHub, user: HubUser, hub_files: dict[str, bytes], source: str, tmp_path: Path
) -> None:
    hub.add("org/model", hub_files, token=TOKEN)
    if source == "HF_TOKEN":
        user.env |= {source: TOKEN, "HUGGING_FACE_HUB_TOKEN": "another"}
    elif source == "HUGGING_FACE_HUB_TOKEN":
        user.env |= {source: f"  {TOKEN}\n"}
        (user.home / "token").write_text("another")
    elif source == "HF_TOKEN_PATH":
        (tmp_path / "elsewhere").write_text(f"{TOKEN}\n")
        (user.home / "token").write_text("another")
        user.env |= {source: str(tmp_path / "elsewhere")}
    else:
        (user.home / "token").write_text(TOKEN)
    result = user.run("pull", "org/model")
    assert result.returncode == 0, result.stderr
    assert TOKEN not in result.stdout + result.stderr
    assert {request.headers.get("authorization") for request in hub.asked("hub")} == {f"Bearer {TOKEN}"}
    assert hub.asked("storage")
    assert not any("authorization" in request.headers for request in hub.asked("storage"))


def test_the_token_stays_away_from_other_ports_and_is_not_sent_where_forbidden(
    hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]
) -> None:
    user.env |= {"HF_TOKEN": TOKEN}
    hub.add("org/model", hub_files)
    with FakeHub() as other:
        other.add("org/model", hub_files)
        # The same host name, another port: a redirect of everything.
        hub.fault(".*", status=307, headers={"Location": f"{other.endpoint}/api/models/org/model/revision/main"})
        user.run("pull", "org/model")
        assert other.requests and not any("authorization" in request.headers for request in other.requests)
    hub.faults.clear()
    hub.requests.clear()
    user.env |= {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}
    user.pull("org/model")
    assert not any("authorization" in request.headers for request in hub.requests)


def test_a_token_that_cannot_stand_in_a_header_is_refused_unseen(user: HubUser) -> None:
    user.env |= {"HF_TOKEN": "hf_abc\r\nX-Evil: 1"}
    error = user.refused("pull", "org/model", code=2)
    assert "HF_TOKEN" in error and "hf_abc" not in error


def test_a_proxy_of_the_environment(hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]) -> None:
    hub.add("org/model", hub_files)
    user.env |= {"HF_ENDPOINT": "http://hub.invalid", "http_proxy": hub.endpoint, "HF_TOKEN": TOKEN}
    hub.storage = "http://storage.invalid"
    user.pull("org/model")
    assert {request.headers["host"] for request in hub.requests} == {"hub.invalid", "storage.invalid"}


# Is there a newer one?


def test_check(hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]) -> None:
    hub.page_size = 3
    hub.add("org/model", hub_files)
    missing = user.run("pull", "--check", "org/model", "--json")
    assert missing.returncode == 5 and json.loads(missing.stdout)["status"] == "not installed"
    assert not user.cache.exists()
    user.pull("org/model")

    def check(*flags: str) -> tuple[int, str]:
        before = tree(user.cache)
        hub.requests.clear()
        result = user.run("pull", "--check", "org/model", *flags)
        assert tree(user.cache) == before and not hub.asked("storage")
        assert result.stderr == ""
        return result.returncode, result.stdout

    code, text = check()
    assert code == 0 and "up to date" in text and commit_of(1) in text

    newer = {
        **hub_files,
        "model.safetensors": os.urandom(300_000),
        "tokenizer.json": hub_files["tokenizer.json"] + b"\n",
    }
    newer["config.json"] = hub_files["config.json"] + b"\n"
    del newer["colbert_linear.pt"]
    newer["README.md"] = b"new"
    newer["sentence_roberta_config.json"] = b"{}"
    hub.add("org/model", newer, commit=commit_of(2))
    code, text = check("--json")
    facts = json.loads(text)
    assert code == 6 and facts["status"] == "update available"
    assert (facts["installed"], facts["latest"], facts["compatible"]) == (commit_of(1), commit_of(2), True)
    assert {(change["name"], change["part"], change["change"]) for change in facts["changes"]} == {
        ("model.safetensors", "weights", "changed"),
        ("tokenizer.json", "tokenizer", "changed"),
        ("config.json", "config", "changed"),
        ("sentence_roberta_config.json", "config", "added"),
        ("colbert_linear.pt", "weights", "removed"),
    }
    changed = ("model.safetensors", "tokenizer.json", "config.json", "sentence_roberta_config.json")
    assert facts["download_bytes"] == sum(len(newer[name]) for name in changed)
    code, text = check()
    assert code == 6 and "weights     model.safetensors (changed)" in text and commit_of(2) in text

    config = {**json.loads(hub_files["config.json"]), "model_type": "deberta"}
    hub.add("org/model", {**hub_files, "config.json": json.dumps(config).encode()}, commit=commit_of(3))
    code, text = check("--json")
    assert code == 7 and not json.loads(text)["compatible"] and "deberta" in json.loads(text)["incompatibility"]
    code, text = check()
    assert code == 7 and "compatible  no: " in text and "deberta" in text


def test_check_without_symlinks_compares_contents(hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]) -> None:
    user.env["HF_HUB_DISABLE_SYMLINKS"] = "1"
    hub.add("org/model", hub_files)
    user.pull("org/model")
    hub.add("org/model", {**hub_files, "sparse_linear.pt": b"new"}, commit=commit_of(2))
    result = user.run("pull", "--check", "org/model", "--json")
    assert [change["name"] for change in json.loads(result.stdout)["changes"]] == ["sparse_linear.pt"]


def test_check_offline(hub: FakeHub, user: HubUser) -> None:
    assert "HF_HUB_OFFLINE" in user.offline().refused("pull", "--check", "org/model")
    user.env |= {"TRANSFORMERS_OFFLINE": "yes"}
    assert "TRANSFORMERS_OFFLINE" in user.refused("pull", "--check", "org/model")
    assert not hub.requests


# The offer of other commands


@pytest.mark.parametrize("command", [["embed", "-"], ["search", "-", "--query", "tide"]])
def test_nothing_is_downloaded_unless_asked_for(
    hub: FakeHub, user: HubUser, hub_files: dict[str, bytes], command: list[str]
) -> None:
    hub.add("org/model", hub_files)
    error = user.refused(*command, "--model", "org/model", stdin="a tide")
    assert '"bgem3 pull org/model"' in error and not hub.requests
    result = user.run(*command, "--model", "org/model", "--pull", stdin="a tide")
    assert result.returncode == 0 and result.stdout, result.stderr
    asked = len(hub.requests)
    assert user.run(*command, "--model", "org/model", "--pull", stdin="a tide").returncode == 0
    assert len(hub.requests) == asked


def test_pull_does_not_help_a_folder(hub: FakeHub, user: HubUser, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    error = user.refused("embed", "-", "--model", tmp_path / "empty", "--pull")
    assert "missing config.json" in error and "bgem3 pull" not in error and not hub.requests


@pytest.mark.parametrize("answer", ["y", "n", ""])
def test_on_a_terminal_the_user_is_asked(
    hub: FakeHub, user: HubUser, hub_files: dict[str, bytes], tmp_path: Path, answer: str
) -> None:
    hub.add("org/model", hub_files)
    (tmp_path / "texts.txt").write_text("a tide\n")
    controller, terminal = pty.openpty()
    output = tmp_path / "vectors.npy"
    process = user.start(
        "embed", tmp_path / "texts.txt", "--model", "org/model", "-o", output, stdin=terminal, stderr=terminal
    )
    os.close(terminal)
    said = b""
    while b"[y/N] " not in said:
        said += os.read(controller, 4096)
    assert b"org/model is not in the Hugging Face cache" in said and not hub.requests
    os.write(controller, answer.encode() + b"\n")
    try:
        while piece := os.read(controller, 4096):
            said += piece
    except OSError:  # the terminal's other end is closed
        pass
    assert process.wait() == (0 if answer == "y" else 5), said
    assert output.exists() == bool(hub.requests) == (answer == "y")
    process.communicate()
    os.close(controller)


# Usage


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["a/b/c"], "org/name"),
        (["../x"], "org/name"),
        (["org/model@../x"], "org/name"),
        (["org/model@v1", "--latest"], "exclude"),
        (["--check", "--latest"], "exclude"),
        (["--check", "org/model@v1"], "without a revision"),
    ],
)
def test_wrong_usage(user: HubUser, arguments: list[str], part: str) -> None:
    assert part in user.refused("pull", *arguments, code=2)


@pytest.mark.parametrize(
    "variable",
    ["HF_ENDPOINT=ftp://x", "HF_ENDPOINT=https://", "HF_HUB_ETAG_TIMEOUT=soon", "HF_HUB_DOWNLOAD_TIMEOUT=-1"],
)
def test_variables_that_cannot_be_read(user: HubUser, variable: str) -> None:
    name, _, value = variable.partition("=")
    user.env[name] = value
    assert name in user.refused("pull", "org/model", code=2)


def test_quiet(hub: FakeHub, user: HubUser, hub_files: dict[str, bytes]) -> None:
    hub.add("org/model", hub_files)
    assert user.run("pull", "org/model", "--quiet").stderr == ""
