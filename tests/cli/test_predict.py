"""`seqforge predict` on a pipe."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

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


def start(folder: Path, path: str, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", "from seqforge.cli import main; main()", "predict", "runs/small", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    timer = threading.Timer(100, process.kill)  # A process that waits for more input would block the test.
    timer.daemon = True
    timer.start()
    return process


def test_lines_of_a_pipe_are_answered_as_they_arrive(path: str, seqforge: Callable, tmp_path: Path) -> None:
    process = start(tmp_path, path, "--json")
    assert process.stdin is not None
    assert process.stdout is not None
    answers: list[str] = []
    for piece in ("ab\n", "c", "d\n", "e.\r\nabc\n"):
        process.stdin.write(piece)
        process.stdin.flush()
        answers += [process.stdout.readline() for _ in range(piece.count("\n"))]
    assert [json.loads(answer)["input"] for answer in answers] == ["ab", "cd", "e.", "abc"]
    _, errors = process.communicate("x\n")
    assert process.returncode == 1
    assert "example 5: 'x' at position 0 is not in the vocabulary" in errors
    (tmp_path / "lines.txt").write_text("ab\ncd\ne.\nabc")
    from_file = seqforge("predict", "runs/small", "--file", "lines.txt", "--json", PYTHONPATH=path)
    outputs = [json.loads(line)["output"] for line in from_file.stdout.splitlines()]
    assert outputs == [json.loads(answer)["output"] for answer in answers]
