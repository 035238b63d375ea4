"""Mistakes of a user are reported without a traceback."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fork_server import run_command, start_process

FINE = """
[corpus]
use = "inline"
text = "abcabcabcabcabcabcabcabcabcabcabcabcabcabc"
[training]
batch_size = 1
sequence_length = 5
steps = 2
"""

STATELESS = """
import torch
from seqforge.kinds import FactoredCell, HiddenState

class Stateless(FactoredCell[HiddenState]):
    def __init__(self, input_size: int, hidden_size: int = 4) -> None:
        super().__init__(input_size, hidden_size, hidden_size)

    def initial_state(self, batch_size: int) -> HiddenState:
        return HiddenState(self.recurrent_weight.new_zeros(batch_size, self.hidden_size))

    def pointwise(self, input_gates, recurrent_gates, state):
        return torch.tanh(input_gates + recurrent_gates)
"""

MISTAKES = {
    "no such file": (["run", "nowhere.toml"], "nowhere.toml: no such file"),
    "a mistyped text": (["run", "nots.txt"], "nots.txt: no such file\nDid you mean notes.txt?"),
    "a mistyped folder": (["run", "a-rum"], "a-rum: no such file\nDid you mean a-run?"),
    "an experiment of the documentation": (["run", "experiments/first-run.toml"], "is in the repository of seqforge"),
    "a word for a number": (["run", "--steps", "x"], "value for '--steps': should be a valid integer\n"),
    "a wrong choice": (["sample", "a-run", "--precision", "int4"], "value for '--precision': 'int4' is not one of"),
    "a folder": (["run", "."], "is a folder, not an experiment file"),
    "not TOML": (["run", "broken.toml"], "broken.toml: not a TOML file"),
    "a wrong key": (["run", "fine.toml", "--set", "training.batchsize=3"], "Did you mean 'batch_size'?"),
    "a wrong name": (["run", "fine.toml", "--cell", "lstmm"], "Did you mean 'lstm'?"),
    "a wrong table": (["check", "fine.toml", "--set", "trainin.steps=3"], "Did you mean 'training'?"),
    "no corpus": (["run", "--cell", "lstm"], "no experiment file is named, and no corpus\nName a text"),
    "nothing": (["run"], "Name a text, an experiment file such as experiments/first-run.toml, or a corpus"),
    "an unknown option": (["run", "--hiden-size", "3"], "Did you mean --hidden-size? See seqforge run --help."),
    "a GPU as an option of training": (["run", "--gpu"], "To choose the device: --set training.device=cuda."),
    "a GPU as an option of a model": (["sample", "a-run", "--gpu"], "To choose the device: --device cuda."),
    "a missing text": (
        ["run", "a-diary-of-1903.txt"],
        "has no such text. Name a text, a folder of texts, or an experiment",
    ),
    "a key as an option": (["run", "--batch-size", "3"], "--set training.batch_size=…"),
    "an unknown command": (["rnu"], "Did you mean 'run'?"),
    "a missing argument": (["sample"], "Missing argument 'RUN'"),
    "a wrong value of an option": (["run", "fine.toml", "--hidden-size", "0"], "hidden_size: should be greater than 0"),
    "a file that ends early": (["check", "unclosed.toml"], "a quotation mark is missing at the end."),
    "a missing path": (["run", "--corpus", "text", "--set", "corpus.files=['none/*.txt']"], "none"),
    "the home of an unknown user": (
        ["run", "--corpus", "linux-source", "--set", "corpus.source=~nobody-of-this-name/linux"],
        "there is no user of that name",
    ),
    "an empty corpus": (["run", "fine.toml", "--set", "corpus.text=''"], "corpus.text"),
    "a short corpus": (["run", "fine.toml", "--set", "training.sequence_length=5000"], "too few for one batch"),
    "a huge batch": (
        ["run", "fine.toml", "--set", "training.batch_size=1000000000"],
        "too few for one batch of 1,000,000,000 sequences",
    ),
    "a text to download": (["run", "download.toml"], "download.toml says how to get it: curl -o poems.txt https://"),
    "a set without =": (["run", "fine.toml", "--set", "training.steps"], "is not of the form KEY=VALUE"),
    "not a run": (["sample", "."], "not a run directory"),
    "an experiment in the place of a run": (["sample", "fine.toml"], "such as runs/fine"),
    "an index of thousands of digits": (
        ["run", "fine.toml", "--set", "metrics=[]", "--set", f"metrics.{'1' * 5000}.x=1"],
        "metrics is a list of length 0",
    ),
    "a pipe": (["run", "pipe.toml"], "pipe.toml: it is a pipe, not a regular file"),
    "a device": (["check", "/dev/zero"], "/dev/zero: it is a device, not a regular file"),
    "a name with control characters": (["run", "no\x1b[2Jwhere.toml"], "error: no\\x1b[2Jwhere.toml: no such file"),
    "no run": (["evaluate", "runs/none"], "no such folder"),
    "resume with a file": (
        ["run", "fine.toml", "--resume", "runs/none"],
        "--resume cannot be combined with fine.toml, because",
    ),
    "resume with an output folder": (
        ["run", "--resume", "runs/none", "--output", "elsewhere"],
        "--resume cannot be combined with --output, because a resumed run keeps its experiment",
    ),
    "resume with another cell": (["run", "--resume", "runs/none", "--cell", "gru"], "combined with --cell, because"),
    "a folder in the place of an experiment": (
        ["check", "."],
        "Experiment files in .: cell.toml, download.toml, fine.toml, number.toml, text.toml.",
    ),
    "a run in the place of an experiment": (["run", "a-run"], "To resume this run: seqforge run --resume a-run"),
    "text without quotes": (["check", "unquoted.toml"], 'Write text in quotes, such as use = "text"'),
    "an option of another table": (["check", "fine.toml", "--set", "training.beta1=0.5"], "Move it to [optimizer]."),
    "an option of a section": (
        ["check", "fine.toml", "--set", "experiment.device=cpu"],
        "Move it to [train",
    ),
    "an option of a cell": (["check", "fine.toml", "--set", "model.hidden_size=5"], "Move it to [[model.cells]]."),
    "the temperature 0": (
        ["check", "fine.toml", "--sampler", "temperature", "--set", "sampler.0.temperature=0"],
        "the sampler greedy draws the most probable symbol",
    ),
    "a list without an index": (
        ["check", "fine.toml", "--cell", "gru", "--set", "model.cells.hidden_size=5"],
        "For the first item: model.cells.0.hidden_size=5",
    ),
    "a table for a list of cells": (
        ["run", "cell.toml", "--hidden-size", "64"],
        "Write [[model.cells]] above each",
    ),
    "a number for a table": (["run", "number.toml", "--steps", "5"], "number.toml: training: must be a table, not 5"),
    "inputs in two places": (["predict", "a-run", "ab", "--file", "notes.txt"], "inputs as arguments and by --file"),
    "a report in a missing folder": (
        ["report", "runs/none", "--output", "none/report.html"],
        "none/report.html: the folder none does not exist",
    ),
    "an unknown plugin": (["plugins", "show", "essential"], "Did you mean 'essentials'?"),
    "an unknown component": (["plugins", "show", "lstmm"], "Did you mean 'lstm'?"),
    "an unknown model": (["plugins", "show", "linux-smal"], "Did you mean 'linux-small'?"),
    "weights without a description": (["import", "lm.safetensors", "lm"], 'the line weights = "lm.safetensors"'),
    "one path for a list": (["run", "--corpus", "text", "--set", "corpus.files=none.txt"], "no file matches"),
    "an unknown encoding": (
        ["check", "text.toml", "--set", "corpus.encoding=utf8000"],
        "corpus.encoding: encoding 'utf8000': unknown encoding",
    ),
    "no such text": (["run", "text.toml"], "text.toml: corpus.files: no file matches"),
    "a wrong device": (["run", "fine.toml", "--set", "training.device=gpu"], "this machine has no device 'gpu'"),
    "a pointwise that returns no state": (
        ["run", "fine.toml", "--plugin", "stateless.py", "--cell", "stateless"],
        "cell 'stateless.py/stateless': `pointwise` returns a tensor [2, 4]: expected the output and the next state, "
        "(a tensor [2, 4], HiddenState(hidden=a tensor [2, 4]))",
    ),
    "a topology that does not fit the corpus": (
        ["check", "fine.toml", "--set", "model.topology=many-to-one"],
        "needs one target for each example",
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fine.toml").write_text(FINE)
    (tmp_path / "notes.txt").write_text("some text")
    (tmp_path / "unclosed.toml").write_text("files = [")
    (tmp_path / "broken.toml").write_text("[corpus\nuse = ")
    (tmp_path / "unquoted.toml").write_text("[corpus]\nuse = text")
    (tmp_path / "cell.toml").write_text(f"{FINE}[model.cells]\nuse = 'gru'")
    (tmp_path / "number.toml").write_text("training = 5\n[corpus]\nuse = 'inline'\ntext = 'abc'")
    (tmp_path / "text.toml").write_text("[corpus]\nuse = 'text'\nfiles = 'none.txt'")
    (tmp_path / "download.toml").write_text(
        "# Download:\n#   curl -o poems.txt https://example.org/poems.txt\n[corpus]\nuse = 'text'\nfiles = 'poems.txt'"
    )
    (tmp_path / "stateless.py").write_text(STATELESS)
    (tmp_path / "a-run").mkdir()
    (tmp_path / "a-run" / "experiment.toml").write_text(FINE)
    os.mkfifo(tmp_path / "pipe.toml")
    return tmp_path


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_reported_without_a_traceback(
    arguments: list[str], message: str, seqforge: Callable, folder: Path
) -> None:
    result = seqforge(*arguments)
    assert result.returncode != 0
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(folder.glob("runs/*"))


def test_a_prompt_outside_the_vocabulary_is_an_error(seqforge: Callable, folder: Path) -> None:
    assert seqforge("run", "fine.toml").returncode == 0
    result = seqforge("sample", "runs/fine", "--prompt", "abz")
    assert result.returncode == 1
    assert "symbol 'z' at position 2 is not in the model's vocabulary" in result.stderr
    assert "'abc'" in result.stderr


def test_a_folder_of_texts_may_have_a_file_of_another_program_in_toml(seqforge: Callable, folder: Path) -> None:
    (folder / "project").mkdir()
    (folder / "project" / "pyproject.toml").write_text("[project]\nname = 'mine'\n")
    (folder / "project" / "mine.py").write_text("print('mine')\n" * 50)
    result = seqforge("check", "project")
    assert result.returncode == 0, result.stderr


def test_a_broken_plugin_is_reported_in_one_line_and_does_not_stop_a_run(seqforge: Callable, folder: Path) -> None:
    package = folder / "site"
    (package / "broken_plugin-1.0.dist-info").mkdir(parents=True)
    (package / "broken_plugin-1.0.dist-info" / "METADATA").write_text("Name: broken-plugin\nVersion: 1.0\n")
    (package / "broken_plugin-1.0.dist-info" / "entry_points.txt").write_text(
        "[seqforge.plugins]\nbroken = broken_plugin\n"
    )
    (package / "broken_plugin.py").write_text("import a_module_that_is_not_there\n")
    ran = seqforge("run", "fine.toml", PYTHONPATH=str(package))
    assert ran.returncode == 0
    assert ran.stderr.count("the plugin 'broken' is broken: ModuleNotFoundError") == 1
    assert "Traceback" not in ran.stderr
    named = seqforge("run", "fine.toml", "--cell", "broken/cell", PYTHONPATH=str(package))
    assert named.returncode == 1
    assert "The plugin 'broken' is broken" in named.stderr
    shown = seqforge("plugins", "show", "broken", "--traceback", PYTHONPATH=str(package))
    assert "Traceback" in shown.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_a_checkpoint_and_prints_how_to_resume(
    number: signal.Signals, seqforge: Callable, folder: Path
) -> None:
    # For so many steps, the default backend would compile kernels.
    options = ["--set", "training.steps=1000000", "--set", "data.validation_fraction=0", "--backend", "eager"]
    environment = {**os.environ, "SEQFORGE_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    output = folder / "errors"
    words = ["run", "fine.toml", *options]
    process = start_process(run_command, words, folder, environment, Path(os.devnull), output)
    metrics = folder / "runs/fine/metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    (folder / "runs/fine/checkpoints/step-00000001-good").mkdir()  # not a checkpoint
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join(60)
    errors = output.read_text()
    assert process.exitcode == 128 + number
    assert "To resume: seqforge run --resume runs/fine" in errors
    assert "Traceback" not in errors
    saved = sorted((folder / "runs/fine/checkpoints").glob("step-*"))[-1]
    step = int(saved.name.removeprefix("step-"))
    assert step >= 10
    resumed = seqforge("run", "--resume", "runs/fine", "--set", f"training.steps={step + 3}")
    assert resumed.returncode == 0, resumed.stderr
    assert f"Resuming at step {step:,}" in resumed.stderr


@pytest.mark.parametrize("arguments", [["sample", "runs/none"], ["predict", "runs/none"], ["doctor"]])
def test_closed_streams_cause_no_traceback(arguments: list[str], folder: Path) -> None:
    errors = folder / "errors"
    if arguments[0] == "sample":  # One fresh process, where libraries open files as the descriptors 0 and 1.
        command = [sys.executable, "-c", "from seqforge.cli import main; main()", *arguments]
        with errors.open("w") as file:
            status = subprocess.call(["sh", "-c", '"$@" <&- >&-', "sh", *command], cwd=folder, stderr=file)
    else:
        process = start_process(run_command, arguments, folder, dict(os.environ), None, errors, None)
        process.join(120)
        status = process.exitcode
    assert "Traceback" not in errors.read_text()
    assert status == (0 if arguments == ["doctor"] else 1)


def test_a_current_folder_that_was_deleted_is_an_error(folder: Path) -> None:
    command = [sys.executable, "-c", "from seqforge.cli import main; main()", "run", str(folder / "fine.toml")]
    (folder / "gone").mkdir()
    script = 'cd gone && rmdir ../gone && "$@"'
    result = subprocess.run(
        ["sh", "-c", script, "sh", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr.startswith("error: the current folder was deleted")


def test_an_output_folder_whose_name_is_not_utf8_is_an_error(seqforge: Callable, folder: Path) -> None:
    result = seqforge("run", "fine.toml", "--output", "o\udcff")
    assert "the name of the folder is not valid UTF-8" in result.stderr
    assert not list(folder.glob("o*"))
