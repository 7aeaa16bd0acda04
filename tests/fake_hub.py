"""A Hugging Face hub on the loopback: what bgem3 and huggingface_hub ask of the real one, with faults on demand.

Large files live on a second server, as on the real hub: `resolve` answers with a redirect there. Everything that was
asked is in `FakeHub.requests`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import http.server
import json
import os
import re
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support import Program

CHUNK = 1 << 16
# Files of a repository that bgem3 has no use for.
NOT_READ = ["README.md", "onnx/model.onnx", "pytorch_model.bin", "special_tokens_map.json", "flax_model.msgpack"]


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def commit_of(number: int) -> str:
    """A commit that no repository has."""
    return f"{number:040x}"


def tree(folder: Path) -> dict[str, Any]:
    """Every file and link below a folder, with its content, target and mode."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            found[name] = (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
    return found


@dataclasses.dataclass
class HubFile:
    """A file of a repository; a path is sent from disk, with the hash that is given."""

    content: bytes | Path
    large: bool = False
    sha256: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.content, bytes):
            self.sha256 = hashlib.sha256(self.content).hexdigest()

    @property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    @property
    def etag(self) -> str:
        return self.sha256 if self.large or isinstance(self.content, Path) else git_sha1(self.content)


@dataclasses.dataclass
class Repository:
    commits: dict[str, dict[str, HubFile]]
    refs: dict[str, str]
    token: str = ""  # that it wants; empty: none
    gated: bool = False

    def find(self, revision: str) -> str | None:
        if revision in self.commits:
            return revision
        return self.refs.get(revision)


@dataclasses.dataclass
class Fault:
    """What goes wrong with requests whose method and path match; `times` of them, then no more."""

    path: str
    method: str = ".*"
    times: int = 1 << 30
    status: int = 0  # instead of the answer
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)  # added to the answer, or in its place
    cut_after: int = -1  # bytes of the body, then the connection ends
    ignore_range: bool = False
    pause: float = 0  # seconds, before each piece of the body
    body: bytes | None = None  # instead of the file's, with its true length unless chunked
    chunked: bool = False  # no Content-Length

    def fits(self, method: str, path: str) -> bool:
        return self.times > 0 and bool(re.search(self.path, path)) and bool(re.fullmatch(self.method, method))


@dataclasses.dataclass
class Request:
    server: str  # "hub" or "storage"
    method: str
    path: str
    headers: dict[str, str]
    status: int


class FakeHub:
    """Both servers, as a context. Repositories may be changed while they run."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.renamed: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.page_size = 1000
        self.lock = threading.Lock()

    def __enter__(self) -> FakeHub:
        self.servers = [self._start("hub"), self._start("storage")]
        self.endpoint = f"http://127.0.0.1:{self.servers[0].server_port}"
        # Another host name: huggingface_hub compares names without ports.
        self.storage = f"http://localhost:{self.servers[1].server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def _start(self, name: str) -> http.server.ThreadingHTTPServer:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.hub = self  # type: ignore[attr-defined]
        server.name = name  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server

    def add(
        self, name: str, files: Mapping[str, HubFile | bytes], *, commit: str = commit_of(1), **options: Any
    ) -> Repository:
        """Adds a commit to a repository, and makes it main."""
        repository = self.repositories.setdefault(name, Repository({}, {}))
        repository.commits[commit] = {
            path: file if isinstance(file, HubFile) else HubFile(file, large=len(file) > 100_000)
            for path, file in files.items()
        }
        repository.refs["main"] = commit
        for option, value in options.items():
            setattr(repository, option, value)
        return repository

    def add_folder(self, name: str, folder: Path, *, commit: str = commit_of(1)) -> Repository:
        """The same of the files of a folder, sent from memory."""
        files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
        return self.add(name, {path: file.read_bytes() for path, file in files.items()}, commit=commit)

    def fault(self, path: str, **options: Any) -> Fault:
        self.faults.insert(0, Fault(path, **options))
        return self.faults[0]

    def asked(self, server: str = ".*", method: str = ".*", path: str = "") -> list[Request]:
        with self.lock:
            return [
                request
                for request in self.requests
                if re.fullmatch(server, request.server)
                and re.fullmatch(method, request.method)
                and re.search(path, request.path)
            ]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.serve()

    def do_GET(self) -> None:
        self.serve()

    def serve(self) -> None:
        self.hub = self.server.hub  # type: ignore[attr-defined]
        self.path = re.sub(r"^http://[^/]+", "", self.path)  # as a proxy is asked
        with self.hub.lock:
            fault = next((fault for fault in self.hub.faults if fault.fits(self.command, self.path)), None)
            if fault:
                fault.times -= 1
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.request_record = Request(self.server.name, self.command, self.path, headers, 0)  # type: ignore[attr-defined]
            self.hub.requests.append(self.request_record)
        self.fault = fault or Fault("")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if self.fault.status:
                self.answer(self.fault.status, {**self.fault.headers}, self.fault.body or b"trouble")
            elif self.path.startswith("/blobs/"):
                self.serve_blob()
            else:
                self.serve_hub()

    def answer(self, status: int, headers: Mapping[str, str], body: bytes | Path = b"") -> None:
        """The whole answer, with the faults that change it."""
        self.request_record.status = status
        self.send_response(status)
        length = len(body) if isinstance(body, bytes) else body.stat().st_size
        fields = {"Content-Length": str(length), **headers, **self.fault.headers}
        if self.fault.chunked:
            del fields["Content-Length"]
            self.close_connection = True
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if isinstance(body, Path):
            with body.open("rb") as file:
                self.wfile.flush()
                self.connection.sendfile(file)
            return
        view = memoryview(body)
        if self.fault.cut_after >= 0:
            view = view[: self.fault.cut_after]
        for begin in range(0, len(view), CHUNK):
            if self.fault.pause:
                time.sleep(self.fault.pause)
            self.wfile.write(view[begin : begin + CHUNK])
        if self.fault.cut_after >= 0:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def refuse(self, status: int, code: str, **headers: str) -> None:
        self.answer(status, {"X-Error-Code": code, "X-Error-Message": f"fake: {code}", **headers}, b"{}")

    def send_file(self, file: HubFile, headers: Mapping[str, str]) -> None:
        content = file.content if self.fault.body is None else self.fault.body
        begin = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if begin and not self.fault.ignore_range and isinstance(content, bytes):
            first = int(begin[1])
            if first >= len(content):
                return self.answer(416, {"Content-Range": f"bytes */{len(content)}"})
            part = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
            return self.answer(206, {**headers, **part}, content[first:])
        return self.answer(200, headers, content)

    def serve_blob(self) -> None:
        sha256 = self.path.split("?")[0].rsplit("/", 1)[-1]
        for repository in self.hub.repositories.values():
            for files in repository.commits.values():
                for file in files.values():
                    if file.sha256 == sha256:
                        return self.send_file(file, {"ETag": '"of-the-storage"', "Accept-Ranges": "bytes"})
        return self.refuse(404, "NoSuchKey")

    def serve_hub(self) -> None:
        cached = self.path.startswith("/api/resolve-cache/")
        path, _, query = self.path.removeprefix("/api/resolve-cache").partition("?")
        api = re.fullmatch(r"/api/models/(.+?)(?:/(revision|tree)/([^/]+))?", path)
        resolve = re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", path)
        match = api or resolve
        if not match:
            return self.refuse(404, "NotFound")
        name = match[1]
        if name in self.hub.renamed:
            target = self.path.replace(name, self.hub.renamed[name], 1)
            return self.answer(307, {"Location": target})
        repository = self.hub.repositories.get(name)
        if repository is None:
            return self.refuse(401, "RepoNotFound")
        sent = self.headers.get("Authorization", "")
        if repository.token and sent != f"Bearer {repository.token}":
            if repository.gated:
                return self.refuse(403 if sent else 401, "GatedRepo")
            return self.refuse(401, "RepoNotFound")
        revision = urllib.parse.unquote((api and api[3]) or (resolve and resolve[2]) or "main")
        commit = repository.find(revision)
        if commit is None:
            return self.refuse(404, "RevisionNotFound")
        files = repository.commits[commit]
        if api and api[2] == "tree":
            return self.list_tree(path, query, files)
        if api:
            siblings = [{"rfilename": file} for file in files]
            return self.answer_json(
                {"id": name, "modelId": name, "sha": commit, "private": False, "siblings": siblings}
            )
        assert resolve
        file_name = urllib.parse.unquote(resolve[3])
        file = files.get(file_name)
        if file is None:
            return self.refuse(404, "EntryNotFound", **{"X-Repo-Commit": commit})
        headers = {"X-Repo-Commit": commit, "ETag": f'"{file.etag}"'}
        if not (file.large or isinstance(file.content, Path)):
            if cached:
                return self.send_file(file, headers)
            # The real hub keeps small files in a cache of its own, one relative redirect away.
            return self.answer(307, {**headers, "Location": f"/api/resolve-cache{self.path}"})
        linked = {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
        location = f"{self.hub.storage}/blobs/{file.sha256}?Signature=secret-of-the-address"
        return self.answer(302, {**headers, **linked, "Location": location})

    def answer_json(self, value: Any, **headers: str) -> None:
        self.answer(200, {"Content-Type": "application/json", **headers}, json.dumps(value).encode())

    def list_tree(self, path: str, query: str, files: Mapping[str, HubFile]) -> None:
        entries: list[dict[str, Any]] = []
        for folder in sorted({str(Path(name).parent) for name in files} - {"."}):
            entries.append({"type": "directory", "path": folder, "oid": "0" * 40, "size": 0})
        for name, file in files.items():
            entry: dict[str, Any] = {"type": "file", "path": name, "size": file.size, "oid": file.etag}
            if len(file.etag) == 64:
                entry |= {"oid": "1" * 40, "lfs": {"oid": file.sha256, "size": file.size, "pointerSize": 134}}
            entries.append(entry)
        first = int(dict(urllib.parse.parse_qsl(query)).get("cursor", "0"))
        last = first + self.hub.page_size
        link = f'<{self.hub.endpoint}{path}?recursive=true&cursor={last}>; rel="next"'
        self.answer_json(entries[first:last], **({"Link": link} if last < len(entries) else {}))


@dataclasses.dataclass
class HubUser:
    """Somebody with an empty home who sees a hub: runs bgem3 and huggingface_hub there."""

    hub: FakeHub
    program: Program
    home: Path
    env: dict[str, str] = dataclasses.field(default_factory=dict)  # beside what leads to the hub

    @property
    def cache(self) -> Path:
        return self.home / "hub"

    def repository(self, name: str = "org/model") -> Path:
        return self.cache / f"models--{name.replace('/', '--')}"

    def environment(self) -> dict[str, str]:
        """Nothing of the real user's."""
        drop = re.compile(r"HF_|HUGGING|TRANSFORMERS_|XDG_CACHE|.*_proxy$|SSL_CERT", re.IGNORECASE)
        kept = {name: value for name, value in os.environ.items() if not drop.match(name)}
        own = {"HF_ENDPOINT": self.hub.endpoint, "HF_HOME": str(self.home), "HOME": str(self.home)}
        return {**kept, **own, **self.env}

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
        command = [str(self.program.path), *map(str, arguments)]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=self.environment(), **{**pipes, **options})

    def run(self, *arguments: object, stdin: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
        command = [str(self.program.path), *map(str, arguments)]
        return subprocess.run(
            command, env=self.environment(), input=stdin, capture_output=True, text=True, check=False, **options
        )

    def pull(self, *arguments: object, **options: Any) -> dict[str, Any]:
        """A pull that works: what --json says of it."""
        result = self.run("pull", *arguments, "--json", **options)
        assert result.returncode == 0, result.stderr
        return dict(json.loads(result.stdout))

    def refused(self, *arguments: object, code: int = 5, **options: Any) -> str:
        """A run that fails: its one line of error."""
        result = self.run(*arguments, **options)
        assert result.returncode == code, (result.returncode, result.stdout, result.stderr)
        lines = [line for line in result.stderr.splitlines() if line.startswith("bgem3: error: ")]
        assert len(lines) == 1 and result.stderr.splitlines()[-1] == lines[0], result.stderr
        assert result.stdout == ""
        return lines[0]

    def python(self, code: str) -> str:
        """What a program prints that may import huggingface_hub."""
        result = subprocess.run(
            [sys.executable, "-c", code], env=self.environment(), capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    def offline(self) -> HubUser:
        return dataclasses.replace(self, env={**self.env, "HF_HUB_OFFLINE": "1"})
