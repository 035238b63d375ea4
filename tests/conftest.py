"""Fixtures: small experiments that train in a second, the command `seqforge` in its own process, and a browser."""

import functools
import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fork_server import run_to_the_end

from seqforge import Experiment, Registry
from seqforge.registry.discovery import Plugin, PluginState
from seqforge.registry.hooks import Registration

Result = subprocess.CompletedProcess[str]
TEXT = "".join(f"line {number}: the quick brown fox jumps over {number * number} lazy dogs;\n" for number in range(60))


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry.installed()


@pytest.fixture(scope="session")
def labelled(registry: Registry) -> Iterator[Registry]:
    """Return the installed plugins, with a corpus `made` of labelled examples and a metric `exact`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent / "made")
        corpus = Registration("corpus", "made", "made", "made_examples:Made")
        found = (corpus, Registration("metric", "made", "exact", "made_examples:Exact"))
        yield Registry([*registry.plugins, Plugin("made", "", "", "1", PluginState.OK, registrations=found)])


@pytest.fixture(scope="session")
def labelled_experiment(labelled: Registry) -> Callable[..., Experiment]:
    """Make an experiment on labelled examples; keyword arguments replace or extend its tables.

    Cells run on the eager backend, so that no result depends on which backend is the fastest.
    """

    def make(**tables: Any) -> Experiment:
        table: dict[str, Any] = {
            "experiment": {"name": "made"},
            "corpus": {"use": "made"},
            "data": {"validation_fraction": 0.2},
            "model": {"cells": [{"use": "essentials/gru", "hidden_size": 8}]},
            "optimizer": {"use": "adam", "learning_rate": 0.02},
            "training": {"batch_size": 8, "steps": 12, "backend": "eager"},
            "evaluation": {"interval": 5},
            "sampling": {"interval": 7},
        }
        for name, values in tables.items():
            merge = name in table and isinstance(values, dict) and "use" not in values
            table[name] = {**table[name], **values} if merge else values
        return Experiment.from_dict(table, registry=labelled)

    return make


@pytest.fixture(scope="session", autouse=True)
def _common_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give fixtures of a module or a session a cache, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQFORGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def experiment(registry: Registry) -> Callable[..., Experiment]:
    """Make an experiment of a few steps; keyword arguments replace or extend its tables.

    Cells run on the eager backend, so that no result depends on which backend is the fastest. Only 200 tokens of the
    validation split are scored, which takes a fifth less time in all tests of runs than to score every token.
    """

    def make(**tables: Any) -> Experiment:
        table: dict[str, Any] = {
            "experiment": {"name": "small"},
            "corpus": {"use": "inline", "text": TEXT},
            "data": {"validation_fraction": 0.2},
            "model": {"cells": [{"use": "essentials/lstm", "hidden_size": 12}]},
            "optimizer": {"use": "adam", "learning_rate": 0.01},
            "training": {"batch_size": 4, "sequence_length": 16, "steps": 12, "backend": "eager"},
            "evaluation": {"interval": 5, "tokens": 200},
            "sampling": {"interval": 7, "length": 20},
        }
        for name, values in tables.items():
            merge = name in table and isinstance(values, dict) and "use" not in values
            table[name] = {**table[name], **values} if merge else values
        return Experiment.from_dict(table, registry=registry)

    return make


@pytest.fixture
def install(tmp_path: Path) -> Callable[[str, str], str]:
    """Write a plugin as pip would install it, and return the value of PYTHONPATH with which it is found."""

    def write(name: str, source: str) -> str:
        folder, module = tmp_path / "site", f"{name}_plugin"
        metadata = folder / f"{module}-1.2.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1.2\n")
        (metadata / "entry_points.txt").write_text(f"[seqforge.plugins]\n{name} = {module}\n")
        (folder / f"{module}.py").write_text(source)
        return str(folder)

    return write


@pytest.fixture
def seqforge(tmp_path: Path) -> Callable[..., Result]:
    """Run the command `seqforge` in the test's temporary folder, in a process of its own."""
    own = {"SEQFORGE_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}

    def run(*arguments: str | Path, cwd: Path = tmp_path, **variables: str) -> Result:
        return run_to_the_end([*map(str, arguments)], cwd, {**os.environ, **own, **variables})

    return run


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("needs Chromium: apt install chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=[*flags, "--disable-component-update"])
        yield browser
        browser.close()


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the library
        del format, args


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """Serve a folder until the end of the tests, and return its address."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(folder: Path) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, directory=folder))
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def open_folder(chromium: Any, serve: Callable[[Path], str]) -> Iterator[Callable[[Path], Any]]:
    """Open the page of a folder from a server, and fail at the end if it had an error or asked another server."""
    problems: list[str] = []
    context = chromium.new_context(reduced_motion="reduce")

    def open_first(folder: Path) -> Any:
        address = serve(folder)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith(address) or problems.append(asked.url))
        page.goto(address)
        return page

    yield open_first
    context.close()
    assert problems == []
