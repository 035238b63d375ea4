"""Completion in the shell: runs, models, components, checkpoints and keys."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import seqforge_pretrained

MODEL = Path(seqforge_pretrained.__file__).parent / "linux-small"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run, and one of a sweep."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("runs/first", "runs/sweep/trial-1"):
        shutil.copytree(MODEL, folder / name)
    return folder


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sample", "runs/f"], ["runs/first"]),
        (["report", "runs/first", "runs/"], ["runs/first", "runs/sweep/trial-1"]),
        (["evaluate", "linux"], ["linux-blocks", "linux-small"]),
        (["run", "--resume", "runs/s"], ["runs/sweep/trial-1"]),
        (["run", "--cell", "gr"], ["griffin-block", "gru"]),
        (["sample", "runs/first", "--sampler", "top-"], ["top-k", "top-p"]),
        (["sample", "runs/first", "--checkpoint", ""], ["best", "latest", "initial"]),
        (
            ["run", "x.toml", "--set", "training.b"],
            ["training.batch_size", "training.batch_tokens", "training.backend"],
        ),
    ],
)
def test_the_shell_proposes_values(words: list[str], expected: list[str], folder: Path) -> None:
    words = ["seqforge", *words]
    variables = {
        **os.environ,
        "_SEQFORGE_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    command = [sys.executable, "-c", "from seqforge.cli import main; main()"]
    completed = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)

    assert completed.stderr == ""
    assert completed.stdout.split() == expected
