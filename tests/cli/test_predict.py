"""`seqforge predict` on a pipe."""

import json
import os
import threading
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path

import pytest
from fork_server import run_command, start_process

EXPERIMENT = """
[corpus]
use = "made/made"
targets = "text"
output_mode = "sequence"
[data]
validation_fraction = 0.2
[[model.cells]]
use = "gru"
hidden_size = 8
[training]
batch_size = 8
steps = 3
backend = "eager"
[prediction]
length = 5
"""

PLUGIN = """
import sys
sys.path.append({folder!r})

SEQFORGE_API = 1

COMPONENTS = {{"corpus": {{"made": "made_examples:Made"}}}}
"""


@pytest.fixture
def path(seqforge: Callable, install: Callable, tmp_path: Path) -> str:
    """Train `runs/small`, and return the value of PYTHONPATH with which its plugin is found."""
    path = install("made", PLUGIN.format(folder=str(Path(__file__).parents[1] / "made")))
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    ran = seqforge("run", "small.toml", PYTHONPATH=path)
    assert ran.returncode == 0, ran.stderr
    return path


def test_lines_of_a_pipe_are_answered_as_they_arrive(path: str, seqforge: Callable, tmp_path: Path) -> None:
    (source, questions), (received, output) = Pipe(duplex=False), Pipe(duplex=False)
    errors = tmp_path / "errors"
    environment = {**os.environ, "PYTHONPATH": path}
    words = ["predict", "runs/small", "--json"]
    process = start_process(run_command, words, tmp_path, environment, output, errors, source)
    source.close()
    output.close()
    timer = threading.Timer(100, process.kill)  # A process that waits for more input would block the test.
    timer.daemon = True
    timer.start()
    answers: list[str] = []
    with open(received.fileno(), encoding="utf-8", closefd=False) as lines:
        for piece in ("ab\n", "c", "d\n", "e.\r\nabc\n"):
            os.write(questions.fileno(), piece.encode())
            answers += [lines.readline() for _ in range(piece.count("\n"))]
        os.write(questions.fileno(), b"x\n")
        questions.close()
        assert lines.read() == ""
    assert [json.loads(answer)["input"] for answer in answers] == ["ab", "cd", "e.", "abc"]
    process.join()
    assert process.exitcode == 1
    assert "example 5: 'x' at position 0 is not in the vocabulary" in errors.read_text()
    (tmp_path / "lines.txt").write_text("ab\ncd\ne.\nabc\n\r\n\n")
    from_file = seqforge("predict", "runs/small", "--file", "lines.txt", "--json", PYTHONPATH=path)
    outputs = [json.loads(line)["output"] for line in from_file.stdout.splitlines()]
    assert outputs == [json.loads(answer)["output"] for answer in answers]
