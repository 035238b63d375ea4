"""Outputs that cannot be written, that nobody reads, or that are a terminal."""

import os
import pty
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

import pytest
from fork_server import run_command, start_process

from seqforge.cli.inspect import visible
from seqforge.errors import printable

COMMAND = [sys.executable, "-c", "from seqforge.cli import main; main()"]

EXPERIMENT = r"""
[corpus]
use = "inline"
text = "a\u001b\u0007a\u001b\u0007a\u001b\u0007a\u001b\u0007a\u001b\u0007a\u001b\u0007a\u001b\u0007a\u001b\u0007"
[data]
validation_fraction = 0.0
[training]
batch_size = 1
sequence_length = 5
steps = 2
backend = "eager"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "e.toml").write_text(EXPERIMENT)
    return tmp_path


def call(folder: Path, arguments: str, **streams: int) -> "subprocess.CompletedProcess[bytes]":
    """Run a command in a fresh process, or in a forked one if it imports torch, which takes two seconds."""
    words = arguments.split()
    if words[0] in ("run", "sample"):
        return call_forked(folder, words, **streams)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run([*COMMAND, *words], cwd=folder, timeout=120, check=False, **streams)


def call_forked(
    folder: Path, words: list[str], stdout: int | None = None, stderr: int | None = None
) -> "subprocess.CompletedProcess[bytes]":
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        descriptors = (output.fileno() if stdout is None else stdout, errors.fileno() if stderr is None else stderr)
        # A connection is how a descriptor reaches the process.
        streams = [Connection(os.dup(descriptor), readable=False) for descriptor in descriptors]
        process = start_process(run_command, words, folder, dict(os.environ), *streams)
        for stream in streams:
            stream.close()
        process.join(120)
        assert process.exitcode is not None
        return subprocess.CompletedProcess(words, process.exitcode, *map(content_of, (output, errors)))


def content_of(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def read_terminal(folder: Path, arguments: str) -> bytes:
    """Run a command whose standard output is a terminal, and return what it writes there."""
    master, slave = pty.openpty()
    result = call(folder, arguments, stdout=slave)
    os.close(slave)
    assert result.returncode == 0, result.stderr
    output = b""
    try:
        while piece := os.read(master, 1 << 16):
            output += piece
    except OSError:  # the end of a terminal
        pass
    os.close(master)
    return output


def test_control_characters_of_a_sample_reach_files_but_no_terminal(folder: Path) -> None:
    trained = call(folder, "run e.toml")
    assert trained.returncode == 0, trained.stderr
    assert trained.stderr.count(b"Done after 2 steps") == 1
    # The progress of a run may be shown on a terminal later, from a log.
    assert not {0x1B, 0x07} & {*trained.stderr}
    assert b"\\x1b" in trained.stderr
    sample = call(folder, "sample runs/e --length 100").stdout
    assert {*sample} == {*b"a\x1b\x07\n"}
    escaped = read_terminal(folder, "sample runs/e --length 100")
    assert not {0x1B, 0x07} & {*escaped}
    assert {b"\\x1b", b"\\x07"} <= {escaped[at : at + 4] for at in range(len(escaped))}
    raw = read_terminal(folder, "sample runs/e --length 100 --raw")
    assert raw.replace(b"\r\n", b"\n") == sample


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\n\x1b[2Jé\x07\r", "a\tb\n\\x1b[2Jé\\x07\\r"),
        ("\x00\x7f\x9b", "\\x00\\x7f\\x9b"),
        ("\u202eabc\u2028\udcff", "\\u202eabc\\u2028\\udcff"),
        ("日本\u00a0👩\u200d🔬 می\u200cخواهم \\x1b", "日本\u00a0👩\u200d🔬 می\u200cخواهم \\x1b"),
    ],
)
def test_control_characters_are_escaped_and_others_are_not(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("symbol", "shown"), [(b"a", "a"), (b" ", "␣"), (b"a b", "a b"), (b"\n", "\\n"), (b"\xff", "\\xff")]
)
def test_a_symbol_is_visible(symbol: bytes, shown: str) -> None:
    assert visible(symbol) == shown


def test_characters_that_an_encoding_does_not_have_are_replaced(folder: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "SEQFORGE_CACHE": str(folder / "é")}
    result = subprocess.run(
        [*COMMAND, "cache", "list"], cwd=folder, env=environment, capture_output=True, timeout=120, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{folder}/?: 0 bytes\n".encode(), b"")


@pytest.mark.parametrize("arguments", ["plugins list", "plugins list --json", "run e.toml"])
def test_a_full_disk_gives_one_message_if_that_can_be_written(arguments: str, folder: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        result = call(folder, arguments, stdout=full.fileno())
        assert result.returncode == 1
        assert result.stderr.endswith(b"error: the disk is full\nFree some space.\n")
        assert result.stderr.count(b"error") == 1
        assert call(folder, arguments, stdout=full.fileno(), stderr=full.fileno()).returncode == 1


@pytest.mark.parametrize("arguments", ["plugins list", "plugins list --json", "run e.toml", "--help"])
def test_a_command_ends_quietly_if_nobody_reads_its_output(arguments: str, folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    result = call(folder, arguments, stdout=writing)
    both = call(folder, arguments, stdout=writing, stderr=writing)
    os.close(writing)
    assert result.returncode == 141
    assert not [line for line in result.stderr.splitlines() if b"rror" in line]
    # A run does not end because nobody follows its progress.
    assert both.returncode in ((0, 141) if arguments == "run e.toml" else (141,))


def test_a_command_ends_quietly_in_a_pipeline(seqforge: Callable, folder: Path) -> None:
    pipeline = 'set -o pipefail; "$@" 2>&1 | head -1'
    command = ["bash", "-c", pipeline, "bash", *COMMAND, "plugins", "list"]
    result = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    assert result.returncode in (0, 141)
    assert (result.stdout.count(b"\n"), result.stderr) == (1, b"")
