"""Models of the Hugging Face Hub, from a server on this machine that speaks its protocol."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

LARGE = 5_000
"""Size in bytes from which a file has a SHA-256, as large files of the hub do."""


class Hub(ThreadingHTTPServer):
    """Serves repositories, which are folders by name, and the commits that are sent."""

    def __init__(self) -> None:
        super().__init__(("localhost", 0), Handler)
        self.files: dict[str, dict[str, bytes]] = {}
        self.requests: list[str] = []
        self.changed: str | None = None
        self.address = f"http://localhost:{self.server_port}"

    def revision(self, name: str) -> str:
        return hashlib.sha1(repr(sorted(self.files[name].items())).encode()).hexdigest()

    def describe(self, name: str) -> dict[str, Any]:
        return {"id": name, "sha": self.revision(name), "siblings": [*map(self.sibling, self.files[name].items())]}

    def list(self, name: str) -> list[dict[str, Any]]:
        siblings = map(self.sibling, self.files[name].items())
        return [
            {"type": "file", "path": one["rfilename"], "oid": one["blobId"], "size": one["size"]}
            | ({"lfs": {**one["lfs"], "oid": one["lfs"]["sha256"]}} if "lfs" in one else {})
            for one in siblings
        ]

    def sibling(self, item: tuple[str, bytes]) -> dict[str, Any]:
        path, content = item
        stated: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": blob(content)}
        if len(content) >= LARGE:
            stated["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return stated


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *values: Any) -> None:
        del values

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        match self.path.partition("?")[0].strip("/").split("/"):
            case ["api", "models", user, name] | ["api", "models", user, name, "revision", _]:
                if f"{user}/{name}" not in self.server.files:
                    self.answer(b"{}", 404, {"X-Error-Code": "RepoNotFound"})
                else:
                    self.answer(json.dumps(self.server.describe(f"{user}/{name}")).encode())
            case ["api", "models", user, name, "tree", _]:
                self.answer(json.dumps(self.server.list(f"{user}/{name}")).encode())
            case [user, name, "resolve", revision, *parts]:
                content = self.server.files[f"{user}/{name}"]["/".join(parts)]
                if self.server.changed == parts[-1]:
                    content = bytes(reversed(content))
                self.answer(content, headers={"ETag": f'"{blob(content)}"', "X-Repo-Commit": revision})
            case _:
                self.answer(b"{}", 404)

    def do_POST(self) -> None:
        self.server.requests.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        match self.path.partition("?")[0].strip("/").split("/"):
            case ["api", "repos", "create"]:
                values = json.loads(body)
                name = "/".join(filter(None, (values.get("organization", "me"), values["name"])))
                self.server.files.setdefault(name, {})
                self.answer(json.dumps({"url": f"{self.server.address}/{name}", "name": name}).encode())
            case ["api", "models", user, name, "preupload", _]:
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
                self.answer(json.dumps({"files": files}).encode())
            case ["api", "models", user, name, "commit", _]:
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        content = base64.b64decode(line["value"]["content"])
                        self.server.files[f"{user}/{name}"][line["value"]["path"]] = content
                commit = {
                    "commitOid": "0" * 40,
                    "commitUrl": f"{self.server.address}/{user}/{name}/commit/1",
                    "success": True,
                }
                self.answer(json.dumps(commit).encode())
            case _:
                self.answer(b"{}")

    def answer(self, content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def blob(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


@pytest.fixture
def server() -> Iterator[Hub]:
    with Hub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def connected(
    server: Hub, seqforge: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Run the command with the server as the hub. The library reads these variables when the command imports it."""
    for name, value in {"HF_ENDPOINT": server.address, "HF_TOKEN": "hf_none", "HF_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    return seqforge


def test_a_model_is_uploaded_and_used_by_its_name(server: Hub, connected: Callable[..., Any], tmp_path: Path):
    uploaded = connected("export", "shakespeare", "plays", "--push", "me/plays")
    assert uploaded.stdout.endswith(f"Uploaded: {server.address}/me/plays\n"), uploaded
    written = {str(path.relative_to(tmp_path / "plays")) for path in (tmp_path / "plays").rglob("*") if path.is_file()}
    assert {*server.files["me/plays"]} == written
    expected = connected("sample", "plays", "--length", "30").stdout
    server.requests.clear()
    for _ in range(2):
        sampled = connected("sample", "hf://me/plays", "--length", "30")
        assert sampled.stdout == expected, sampled
    page = connected("report", "hf://me/plays", "--text", "To be")
    assert page.stdout.endswith(".html\n"), page
    assert list(tmp_path.glob("*.html"))  # It is not in the cache.
    assert sum("resolve" in request and "safetensors" in request for request in server.requests) == 2  # HEAD and GET


def test_what_is_no_model_or_was_changed_is_an_error(server: Hub, connected: Callable[..., Any], tmp_path: Path):
    missing = connected("sample", "hf://me/missing")
    assert missing.stderr.startswith("error: hf://me/missing: RepositoryNotFoundError"), missing
    assert "hf auth login" in missing.stderr
    server.files["me/other"] = {"model.py": b"raise SystemExit", "config.json": b"{}"}
    other = connected("sample", "hf://me/other")
    assert (
        other.stderr
        == "error: hf://me/other: not a model of seqforge\nModels that others can use have a file run.json.\n"
    )
    connected("export", "shakespeare", "plays", "--push", "me/plays")
    for place in ("evil.py", "checkpoints/step-1/../../../evil.py"):
        server.files["me/plays"][place] = b"raise SystemExit"
    server.changed = "vocabulary.json"
    changed = connected("sample", "hf://me/plays")
    assert changed.stderr.endswith(
        "error: hf://me/plays: vocabulary.json is not the file that the hub states\nStart again.\n"
    ), changed
    server.changed = None
    assert connected("sample", "hf://me/plays", "--length", "30").returncode == 0
    assert not [*(tmp_path / "cache").rglob("*.py")]
