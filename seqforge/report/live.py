"""A server on this machine whose page follows a run while it trains."""

import hashlib
import json
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from seqforge.errors import SeqforgeError
from seqforge.report.facts import collect_facts
from seqforge.report.report import MOST_SAMPLE_CHARACTERS, collect_logged, render_page
from seqforge.report.samples import SampleReader
from seqforge.runs.history import HISTORY, read_state
from seqforge.runs.loaded_run import LoadedRun
from seqforge.runs.metrics_log import number_of
from seqforge.storage.files import describe_failure

ADDRESS = "127.0.0.1"
TEXT = "text/plain; charset=utf-8"


class LiveRun:
    """A run that trains, as a page and as the data that its page polls."""

    def __init__(self, run: LoadedRun) -> None:
        self._run = run
        self._samples = SampleReader(run, MOST_SAMPLE_CHARACTERS)
        self._lock = threading.Lock()

    def page(self) -> bytes:
        """Return the page with the current data."""
        with self._lock:
            self._run.refresh()
            facts, data = collect_facts(self._run), collect_logged(self._run, self._samples)
            page = render_page([{"facts": facts, "data": data}], facts.name, notes=self._run.notes, live=True)
        return page.html.encode()

    def news(self, known: str | None) -> tuple[bytes | None, str]:
        """Return the data of the run as JSON, and an entity tag, which changes with the data. None if it is known."""
        with self._lock:
            # The state is read first: a run that ends in between is read again at the next call.
            directory = self._run.directory
            state, logs = read_state(directory.path), [directory.metrics, directory.path / HISTORY]
            statuses = [path.stat() for path in logs if path.exists()]
            written = repr((state, [(status.st_size, status.st_mtime_ns) for status in statuses]))
            tag = f'"{hashlib.blake2b(written.encode(), digest_size=12).hexdigest()}"'
            return None if tag == known else self._collect(), tag

    def _collect(self) -> bytes:
        self._run.refresh()
        facts = collect_facts(self._run)
        steps = [record for record in self._run.records if record["event"] == "step"]
        last: dict[str, Any] = steps[-1] if steps else {}
        fraction = number_of(last, "fraction")
        status = "before the first logged step" if fraction is None else f"{fraction:.0%} of the run"
        for key, unit in (("bits_per_character", "bits per character"), ("loss", "loss")):
            if (value := number_of(last, key)) is not None:
                status += f" · {value:.3f} {unit}"
                break
        news = {
            "state": facts.state,
            "ended": facts.state != "running",
            "status": status if facts.state == "running" else facts.state,
            "figures": facts.figures,
            "data": collect_logged(self._run, self._samples),
        }
        return json.dumps(news, separators=(",", ":")).encode()


def make_server(run: LiveRun, port: int = 0) -> ThreadingHTTPServer:
    """Return a server of the page, which listens on this machine only.

    It answers requests that name this machine as their host, and no others, so that no page of the web can read from it
    by a name that resolves to this machine. The port 0 stands for a free one.

    Raises:
        OSError: If the port is taken.
    """
    return _Server((ADDRESS, port), _handler(run))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore that a browser has closed its connection, as it does when the user closes the page."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(run: LiveRun) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version = "seqforge"
        sys_version = ""

        def do_GET(self) -> None:
            """Answer with the page or its data, or with the reason if the run cannot be read."""
            port = cast("ThreadingHTTPServer", self.server).server_port
            if self.headers.get("Host") not in (f"{ADDRESS}:{port}", f"localhost:{port}"):
                self._send(HTTPStatus.FORBIDDEN, TEXT, b"This server answers only requests to 127.0.0.1.")
                return
            try:
                self._answer(self.path.partition("?")[0])
            except ConnectionError:
                raise
            except (SeqforgeError, OSError) as error:  # The folder of the run may have been deleted.
                message = (describe_failure(error) if isinstance(error, OSError) else error).message
                self._send(HTTPStatus.INTERNAL_SERVER_ERROR, TEXT, message.encode())

        def _answer(self, path: str) -> None:
            if path == "/":
                self._send(HTTPStatus.OK, "text/html; charset=utf-8", run.page())
            elif path == "/data.json":
                news, tag = run.news(self.headers.get("If-None-Match"))
                status = HTTPStatus.NOT_MODIFIED if news is None else HTTPStatus.OK
                self._send(status, "application/json", news or b"", tag)
            else:
                self._send(HTTPStatus.NOT_FOUND, TEXT, b"There is only one page: /")

        def _send(self, status: HTTPStatus, kind: str, content: bytes, tag: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if status != HTTPStatus.NOT_MODIFIED:
                self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("X-Frame-Options", "DENY")
            if tag is not None:
                self.send_header("ETag", tag)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            """Print nothing about requests."""

    return Handler
