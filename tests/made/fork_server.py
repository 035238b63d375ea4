"""A process that imports seqforge once, and is forked for each process of a test."""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import coverage
import pytest
import torch

# A fork of the process of the tests would hang: training leaves threads there, which a fork does not copy.
SERVER = multiprocessing.get_context("forkserver")
FAKE_DEVICE = "tests.cuda.fake_device"
SERVER.set_forkserver_preload([
    *([FAKE_DEVICE] if FAKE_DEVICE in sys.modules else []),  # It is loaded before torch.
    "cloudpickle", "pytest", "torch.distributed.tensor",  # which torch imports for the recording of a step
    "torch._dynamo",  # which torch imports for the average of gradients
    "seqforge.api.train", "seqforge.cli.app", "seqforge.report.report", "seqforge_native.backend",
    "seqforge_essentials.cells.lstm", "seqforge_essentials.corpora", "seqforge_essentials.metrics",
    "seqforge_essentials.optimizers",
])  # fmt: skip
"""What most commands import. A command then takes 0.3 seconds instead of 2.5."""

MEASURED = "COVERAGE_PROCESS_START"
"""Variable that names a configuration of coverage, as the campaign of mutants sets it for all processes."""


def start_process(function: Callable[..., None], *arguments: object) -> ForkServerProcess:
    """Start a forked process. The server itself is not measured, since each fork would go on with its measurement."""
    process = SERVER.Process(target=function, args=arguments)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(MEASURED, raising=False)
        process.start()
    return process


def begin(environment: Mapping[str, str]) -> None:
    """Prepare a forked process, since the server ignores SIGINT and has the environment of the first test."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    torch.set_num_threads(1)
    coverage.process_startup()  # Does nothing without a configuration.


def call(environment: Mapping[str, str], function: Callable[..., None], *arguments: object) -> None:
    """Call a function in a forked process."""
    begin(environment)
    function(*arguments)


def send_parent(connection: Connection) -> None:
    """Send the identifier of the server from a forked process."""
    connection.send(os.getppid())


Stream = Path | Connection | None
"""A file, an end of a pipe or another descriptor, or a stream that is closed."""


def run_command(
    arguments: list[str],
    folder: Path,
    environment: Mapping[str, str],
    output: Stream,
    errors: Stream,
    source: Stream = Path(os.devnull),
    module: str = "seqforge",
) -> None:
    """Run a module in a forked process, as `python -m MODULE` does in a fresh one."""
    begin(environment)
    os.chdir(folder)
    for descriptor, stream in enumerate((source, output, errors)):
        if stream is None:
            os.close(descriptor)
        else:
            flags = os.O_WRONLY | os.O_CREAT if descriptor else os.O_RDONLY
            os.dup2(os.open(stream, flags) if isinstance(stream, Path) else stream.fileno(), descriptor)
    # As Python opens them, since those of the server belong to what it was started with.
    sys.stdin, sys.stdout = _open(0, "r", source), _open(1, "w", output)
    sys.stderr = _open(2, "w", errors, buffering=1, errors="backslashreplace")
    sys.argv = ["-c", *arguments]
    runpy.run_module(module, run_name="__main__")


def run_to_the_end(
    arguments: list[str],
    folder: Path,
    environment: Mapping[str, str],
    module: str = "seqforge",
    timeout: float = 120,
) -> "subprocess.CompletedProcess[str]":
    """Run a module in a forked process, as `subprocess.run` does in a fresh one."""
    with tempfile.TemporaryDirectory() as temporary:
        output, errors = Path(temporary) / "output", Path(temporary) / "errors"
        streams = output, errors, Path(os.devnull)
        process = start_process(run_command, arguments, folder, environment, *streams, module)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
        status = process.exitcode or 0
        return subprocess.CompletedProcess(arguments, status, output.read_text("utf-8"), errors.read_text("utf-8"))


def run_forked(command: list[str], env: Mapping[str, str], **_: object) -> "subprocess.CompletedProcess[str]":
    """Take the place of `subprocess.run` for the command `python -m seqforge`."""
    assert command[:3] == [sys.executable, "-m", "seqforge"]
    return run_to_the_end(command[3:], Path.cwd(), env)


def _open(descriptor: int, mode: str, stream: Stream, **options: Any) -> Any:
    return None if stream is None else open(descriptor, mode, encoding="utf-8", **options)
