"""The server of a page that follows a run, and the command `watch`."""

import http.client
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
from fork_server import run_command, start_process
from typer.testing import CliRunner

from seqforge import Registry, Run
from seqforge.cli.app import build_app
from seqforge.cli.report import LAST_SECONDS
from seqforge.errors import RunError
from seqforge.report.live import LiveRun, make_server
from seqforge.runs.history import read_state
from seqforge.runs.loaded_run import LoadedRun
from seqforge.runs.metrics_log import MetricsLog
from seqforge.storage.files import MAXIMUM_SIZE


@pytest.fixture
def port(subject: LoadedRun) -> Iterator[int]:
    server = make_server(LiveRun(subject))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def _get(port: int, path: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response, response.read()


def test_data_is_sent_when_it_has_changed(port: int, run: Run) -> None:
    response, content = _get(port, "/data.json")
    tag = response.headers["ETag"]
    assert json.loads(content)["ended"] is True
    assert _get(port, "/data.json", **{"If-None-Match": tag})[0].status == 304
    MetricsLog(run.directory.metrics).append("step", 13, {"seconds": 9.0, "characters": 64.0, "loss": 1.0})
    response, content = _get(port, "/data.json", **{"If-None-Match": tag})
    assert response.status == 200
    assert json.loads(content)["data"]["curves"][1]["step"][-1] == 13


def test_the_state_of_a_run_has_the_loss_in_one_unit(port: int, run: Run) -> None:
    with run.directory.lock():
        status = json.loads(_get(port, "/data.json")[1])["status"]
        assert re.fullmatch(r"100% of the run · \d\.\d{3} bits per character", status)
        MetricsLog(run.directory.metrics).append("step", 13, {"fraction": 0.5, "loss": 1.0, "seconds": 9.0})
        assert json.loads(_get(port, "/data.json")[1])["status"] == "50% of the run · 1.000 loss"


def test_other_hosts_and_paths_are_refused(port: int) -> None:
    assert _get(port, "/", Host=f"evil.example:{port}")[0].status == 403
    assert _get(port, "/data.json", Host="127.0.0.1")[0].status == 403
    assert _get(port, "/../experiment.toml")[0].status == 404
    assert _get(port, "/", Host=f"localhost:{port}")[0].status == 200


def test_a_run_that_cannot_be_read_is_answered_with_the_reason(port: int, run: Run) -> None:
    run.directory.experiment.unlink()
    response, content = _get(port, "/data.json")
    assert response.status == 500
    assert content.decode().endswith("experiment.toml: No such file or directory")
    run.directory.experiment.write_bytes(b"#" * (MAXIMUM_SIZE + 1))
    response, content = _get(port, "/")
    assert response.status == 500
    assert content.decode().endswith("experiment.toml: it is larger than 16,777,216 bytes")


def test_page_follows_the_run_in_a_browser(port: int, run: Run, open_page: Callable[..., Any]) -> None:
    with run.directory.lock():
        failure = "Failed to load resource: the server responded with a status of 500 (Internal Server Error)"
        page = open_page(f"http://127.0.0.1:{port}/", width=390, message=failure)
        page.get_by_text("100% of the run").wait_for()
        MetricsLog(run.directory.metrics).append("step", 13, {"fraction": 0.5, "loss": 1.0, "seconds": 9.0})
        page.get_by_text("50% of the run").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        moved = run.directory.experiment.rename(run.path.parent / "moved.toml")
        sampled = [record for record in run.metrics() if record["event"] == "sample"][-1]
        MetricsLog(run.directory.metrics).append("sample", 12, {**sampled, "lines.late": 7.0})
        page.locator("#live", has_text="experiment.toml: No such file").wait_for()
        moved.rename(run.directory.experiment)
        page.get_by_role("rowheader", name="late").wait_for()
    MetricsLog(run.directory.metrics).append("step", 14, {"fraction": 0.6, "loss": 1.0, "seconds": 9.5})
    page.locator("#live.ended", has_text="finished").wait_for()


def test_command_ends_with_the_run(run: Run, tmp_path: Path) -> None:
    received, output = Pipe(duplex=False)
    words, errors = ["watch", str(run.path)], tmp_path / "errors"
    with open(received.fileno(), encoding="utf-8", closefd=False) as lines:
        with run.directory.lock():
            process = start_process(run_command, words, tmp_path, dict(os.environ), output, errors)
            output.close()
            port = int(lines.readline().split(":")[2].partition("/")[0])
            assert b"data-live" in _get(port, "/")[1]
        assert "The run is finished" in lines.read()
    process.join(60)
    assert process.exitcode == 0, errors.read_text()


def test_command_explains_why_it_cannot_follow(run: Run, registry: Registry) -> None:
    app, runner = build_app(registry), CliRunner()
    ended = runner.invoke(app, ["watch", str(run.path)]).exception
    assert isinstance(ended, RunError)
    assert str(ended).splitlines() == [
        f"{run.path}: no process trains this run: it is finished",
        f"To see the whole report: seqforge report {run.path} --open",
    ]
    with run.directory.lock(), socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = runner.invoke(app, ["watch", str(run.path), "--port", str(port)]).exception
    assert str(refused) == f"port {port}: Address already in use\nChoose another port, or 0 for a free one."


def test_command_opens_the_page_and_ends_with_an_interrupt(
    run: Run, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("seqforge.cli.report.time.sleep", interrupt)
    with run.directory.lock():
        result = CliRunner().invoke(build_app(registry), ["watch", str(run.path), "--open"])
    assert result.exit_code == 0
    assert result.stdout == f"{opened[0]} follows {run.path}. Ctrl-C ends this command, not the run.\n\n"
    with pytest.raises(ConnectionRefusedError):
        _get(int(opened[0].split(":")[2].rstrip("/")), "/")


def test_command_waits_for_the_last_values_when_the_run_has_ended(
    run: Run, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    with ExitStack() as stack:
        stack.enter_context(run.directory.lock())

        def end_the_run(seconds: float) -> None:
            waited.append(seconds)
            stack.close()

        monkeypatch.setattr("seqforge.cli.report.time.sleep", end_the_run)
        monkeypatch.setattr("webbrowser.open", waited.append)
        lines = CliRunner().invoke(build_app(registry), ["watch", str(run.path)]).stdout.splitlines()
    state, reason = read_state(run.path)
    assert (state, waited) == ("finished", [1.0, LAST_SECONDS])
    assert lines[1:] == [f"The run is finished: {reason}. To see the whole report: seqforge report {run.path} --open"]
