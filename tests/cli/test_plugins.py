"""Plugins on the command line: faults in use, commands, and a plugin that is no longer installed."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from seqforge.cli.plugins import unmet_requirements

MADE = Path(__file__).parents[1] / "made"

REGISTERS = """
import sys
sys.path.append({made!r})

SEQFORGE_API = 1

COMPONENTS = {{"sampler": {{"faulty": "faulty:FaultySampler"}}, "loss": {{"faulty": "faulty:FaultyLoss"}}}}
"""

ADDS_COMMANDS = """
from seqforge.registry import hookimpl
import typer

SEQFORGE_API = 1

def run():
    print("the plugin's run")

def other():
    print("other of {name}")

@hookimpl
def seqforge_add_commands(commands):
    commands.command()(run)
    commands.command()(other)
    commands.add_typer(typer.Typer(name="plugins"))
"""

EXPERIMENT = """
[corpus]
use = "inline"
text = "abcabcabcabcabcabcabcabcabcabcabcabcabcabc"
[training]
batch_size = 1
sequence_length = 5
steps = 4
"""


FAILING = """
from seqforge.kinds import Loss, Schedule


class Failing(Schedule):
    def factor(self, progress):
        return 1.0 if progress.step < 2 else 1 / 0


class Diverging(Loss):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, outputs, targets):
        self.calls += 1
        return outputs.square().mean() * (1.0 if self.calls < 3 else float("nan"))
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(EXPERIMENT)
    return path


def test_a_fault_of_a_component_is_reported_without_a_traceback(seqforge: Callable, install: Callable, file: Path):
    path = install("bad", REGISTERS.format(made=str(MADE)))
    broken = seqforge("run", file, "--loss", "bad/faulty", PYTHONPATH=path)
    assert broken.returncode == 1
    assert "Traceback" not in broken.stderr
    assert "error: loss 'bad/faulty': forward failed: ZeroDivisionError: division by zero (faulty.py, line " in (
        broken.stderr
    )
    assert "The checkpoint of step 3 is saved. To resume: seqforge run --resume runs/small\n" in broken.stderr
    for arguments in (["--count", "1"], ["--count", "2"]):
        sampled = seqforge("sample", "runs/small", "--sampler", "bad/faulty", *arguments, PYTHONPATH=path)
        assert sampled.returncode == 1
        assert "Traceback" not in sampled.stderr
        assert "error: sampler 'bad/faulty': transform failed: ZeroDivisionError" in sampled.stderr


def test_the_command_that_resumes_a_failed_run_names_the_file_of_the_component(
    seqforge: Callable, file: Path, tmp_path: Path
):
    (tmp_path / "failing.py").write_text(FAILING)
    failed = seqforge("run", file, "--set", "schedule.use=failing", "--plugin", "failing.py")
    assert "To resume: seqforge run --resume runs/small --plugin failing.py\n" in failed.stderr
    diverged = seqforge("run", file, "--loss", "diverging", "--plugin", "failing.py", "--set", "experiment.name=two",
                        "--set", "training.checkpoint_interval=1")  # fmt: skip
    assert "seqforge run --resume runs/two/checkpoints/step-00000001 --plugin failing.py --set" in diverged.stderr


def test_a_run_whose_plugin_is_gone_names_the_plugin_and_its_distribution(
    seqforge: Callable, install: Callable, file: Path, tmp_path: Path
):
    path = install("bad", REGISTERS.format(made=str(MADE)))
    seqforge("run", file, "--loss", "bad/faulty", PYTHONPATH=path)
    assert tomllib.loads((tmp_path / "runs/small/experiment.toml").read_text())["distributions"]["bad"] == "bad-plugin"
    for command in (["sample", "runs/small"], ["run", "--resume", "runs/small"]):
        gone = seqforge(*command)
        assert gone.returncode == 1
        assert (
            "plugins.bad: the plugin 'bad' is not installed. The run used version '1.2' of it, in the distribution "
            in (gone.stderr)
        )
        assert "'bad-plugin'. Install that distribution." in gone.stderr
        assert "no loss is called" not in gone.stderr


def test_a_plugin_cannot_take_the_name_of_another_command(seqforge: Callable, install: Callable, file: Path):
    install("one", ADDS_COMMANDS.format(name="one"))
    path = install("two", ADDS_COMMANDS.format(name="two"))
    ran = seqforge("run", file, PYTHONPATH=path)
    assert ran.returncode == 0, ran.stderr
    assert "The run is in" in ran.stdout
    for plugin, names in {"one": ["plugins", "run"], "two": ["other", "plugins", "run"]}.items():
        for name in names:
            assert f"warning: the plugin {plugin!r} adds a command {name!r}, which exists already\n" in ran.stderr
    assert "the plugin 'one' adds a command 'other'" not in ran.stderr
    assert seqforge("other", PYTHONPATH=path).stdout == "other of one\n"
    listed = seqforge("plugins", "list", PYTHONPATH=path).stdout
    assert "essentials" in listed
    assert re.search(r"^one .* ok  commands$", listed, re.MULTILINE)


def test_a_command_that_typer_cannot_build_does_not_disable_the_others(
    seqforge: Callable, install: Callable, file: Path
):
    path = install("bad", ADDS_COMMANDS.replace("def other():", "def other(value: int | dict):").format(name="bad"))
    checked = seqforge("check", file, PYTHONPATH=path)
    assert checked.returncode == 0
    assert "the plugin 'bad' could not add its commands: " in checked.stderr


@pytest.mark.parametrize("command", ["check", "run"])
def test_patience_without_a_validation_split_is_an_error(command: str, seqforge: Callable, file: Path, tmp_path: Path):
    without = seqforge(command, file, "--set", "training.patience=3", "--set", "data.validation_fraction=0")
    assert without.returncode == 1
    assert "training.patience: needs evaluations, but data.validation_fraction is 0" in without.stderr
    assert not (tmp_path / "runs").exists()


def test_patience_with_an_empty_validation_split_is_an_error(seqforge: Callable, file: Path, tmp_path: Path):
    empty = seqforge("run", file, "--set", "training.patience=3", "--set", "data.validation_fraction=0.0001")
    assert empty.returncode == 1
    assert "error: training.patience needs evaluations, but the validation split is empty" in empty.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("size", ["1000000", "1000000000000", str(2**62)])
def test_a_model_that_does_not_fit_into_memory_is_an_error(size: str, seqforge: Callable, file: Path, tmp_path: Path):
    huge = seqforge("run", file, "--set", f"model.cells=[{{use='lstm',hidden_size={size}}}]")
    assert huge.returncode == 1
    assert "error: there is not enough memory\nLower training.batch_size" in huge.stderr
    assert not (tmp_path / "runs").exists()


def test_evaluate_shows_progress_and_reads_a_corpus_that_was_moved(seqforge: Callable, file: Path, tmp_path: Path):
    (tmp_path / "text.txt").write_text("abc" * 40)
    corpus = "corpus = {use = 'text', files = 'text.txt'}\n[data]\nvalidation_fraction = 0.3\n"
    file.write_text(corpus + EXPERIMENT.partition("\n[training]")[2].join(["[training]", ""]))
    assert seqforge("run", file).returncode == 0
    (tmp_path / "moved").mkdir()
    (tmp_path / "text.txt").rename(tmp_path / "moved/text.txt")
    assert "text.txt" in seqforge("evaluate", "runs/small").stderr
    moved = str(tmp_path / "moved/text.txt")
    scored = seqforge("evaluate", "runs/small", "--set", f"corpus.files={moved}", FORCE_COLOR="1")
    assert scored.returncode == 0, scored.stderr
    assert "bits per character" in scored.stdout
    assert "evaluating" in scored.stderr


def test_a_kind_or_a_plugin_that_is_not_installed_is_named_in_the_hint(
    seqforge: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert "It is a kind of components: " in seqforge("plugins", "show", "losses").stderr
    assert seqforge("plugins", "new", "tidal", "metric").returncode == 0
    for name in ("tidal", "seqforge-tidal"):
        assert "pip install -e seqforge-tidal" in seqforge("plugins", "check", name).stderr


def test_requirements_that_are_not_met_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = ["numpy>=2", "nothing-like-it >= 1", "nothing-else; extra == 'more'", "numpy<2; python_version > '3'"]
    monkeypatch.setattr("seqforge.cli.plugins.metadata.requires", lambda _: needed)
    missing, old = unmet_requirements("seqforge-mine")
    assert missing == "nothing-like-it>=1, not installed"
    assert old.startswith("numpy<2, found 2.")


def test_what_a_plugin_prints_is_no_part_of_the_output(
    seqforge: Callable, install: Callable, file: Path, tmp_path: Path
):
    path = install("loud", "print('installed')\nSEQFORGE_API = 1\nCOMPONENTS = {}\n")
    source = "from seqforge_essentials.samplers import Greedy\nprint('file')\nclass Loud(Greedy): pass\n"
    (tmp_path / "loud.py").write_text(source)
    checked = seqforge("check", file, "--resolved", "--plugin", "loud.py", PYTHONPATH=path)
    assert tomllib.loads(checked.stdout)
    assert checked.stderr.splitlines() == ["installed", "file"]
