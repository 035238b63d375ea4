"""The command `seqforge formal`: a study is run by several workers, resumed, and shown."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from fork_server import run_forked
from seqforge_formal.study import CELLS, plan, read_accuracies
from typer.testing import CliRunner, Result

from seqforge import Registry
from seqforge.cli.app import build_app
from seqforge.errors import ExperimentError, RunError

SMALL = (
    "--set=training.steps=3",
    "--set=corpus.count=20",
    "--set=model.embedding_size=4",
    "--set=model.cells.0.hidden_size=4",
    "--workers=2",
)
COMMAND = ("--task=parity", "--task=adding", "--cell=rnn", "--cell=my-cell", "--quick")
CELL = '''"""A cell of another author."""
from seqforge_essentials.cells.gru import GRU


class MyCell(GRU):
    """A GRU with another name."""
'''


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(Registry.installed()), ["formal", *SMALL, *arguments])


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    file = folder / "my_cell.py"
    file.write_text(CELL)
    # The run of test_the_same_command_runs_what_is_left is a fresh process.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqforge_formal.study.subprocess", SimpleNamespace(run=run_forked))
        result = invoke(*COMMAND, f"--plugin={file}", f"--output={folder / 'formal'}")
    assert result.exit_code == 0, result.output
    assert [line.split()[:2] for line in result.stdout.splitlines()[1:3]] == [["parity", "0.50"], ["adding", "0.08"]]
    return folder


def test_every_trial_is_a_run_and_has_its_place_on_the_page(study: Path) -> None:
    trials = plan(["parity", "adding"], ["rnn", "my-cell"], 1, 3, [], study / "formal")
    assert all(trial.is_finished for trial in trials)
    accuracies = read_accuracies(trials)
    assert {*accuracies} == {
        (task, cell, limit)
        for task in ("parity", "adding")
        for cell in ("rnn", "my-cell")
        for limit in (40, 64, 128, 256, 500, 1000)
    }
    (accuracy,) = accuracies["parity", "my-cell", 1000]
    assert 0.2 < accuracy < 0.8
    page = (study / "formal" / "formal.html").read_text()
    assert page.count("<polyline") == 4
    assert f">{accuracy:.2f}</td>" in page


def test_the_same_command_runs_what_is_left(study: Path) -> None:
    folder = study / "formal"
    kept, removed = folder / "rnn/parity/seed-1", folder / "rnn/adding/seed-1"
    before, page = (kept / "metrics.jsonl").stat().st_mtime_ns, (folder / "formal.html").read_text()
    shutil.rmtree(removed)
    (trial,) = plan(["adding"], ["rnn"], 1, 3, [], folder)
    assert not trial.is_finished
    result = invoke(*COMMAND, f"--plugin={study / 'my_cell.py'}", f"--output={folder}")
    assert result.exit_code == 0, result.output
    assert (kept / "metrics.jsonl").stat().st_mtime_ns == before
    assert trial.is_finished
    # A run depends on its seed only.
    assert (folder / "formal.html").read_text() == page


def test_results_in_one_range_of_lengths_are_shown(study: Path) -> None:
    arguments = ("--task=parity", "--cell=rnn", "--quick", f"--output={study / 'one'}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqforge_formal.study.subprocess", SimpleNamespace(run=run_forked))
        result = invoke(*arguments, "--set=corpus.lengths=[30, 36]")
    assert result.exit_code == 0, result.output
    assert "Accuracy for inputs of 1 to 40 steps" in result.stdout
    page = (study / "one" / "formal.html").read_text()
    assert "inputs of 1\nto 40 steps" in page
    assert "<polyline" not in page


def test_answers_above_every_range_are_no_results(study: Path) -> None:
    arguments = ("--task=parity", "--cell=rnn", "--quick", f"--output={study / 'none'}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqforge_formal.study.subprocess", SimpleNamespace(run=run_forked))
        result = invoke(*arguments, "--set=metrics=[{use = 'by-length', limits = [2]}]")
    assert isinstance(result.exception, RunError)
    assert "no run of the study has ended with answers in a range of lengths" in result.exception.message


def test_other_settings_need_another_folder(study: Path) -> None:
    result = invoke("--task=parity", "--cell=rnn", "--quick", "--set=training.steps=4", f"--output={study / 'formal'}")
    assert isinstance(result.exception, RunError)
    assert result.exception.message.endswith("seed-1 has other settings")


def test_a_cell_can_be_in_a_block_and_states_are_tracked_by_one_layer(tmp_path: Path) -> None:
    trials = plan(["cycle", "mqar"], ["gated-deltanet-negative+griffin-block"], 1, 3, [], tmp_path)
    assert [trial.tables["model"]["cells"] for trial in trials] == [
        [{"use": "griffin-block", "cell": {**CELLS["gated-deltanet-negative"], "hidden_size": size}, "repeat": layers}]
        for size, layers in ((128, 1), (64, 2))
    ]
    assert trials[0].experiment(Registry.installed()).table["model"]["cells"][0]["gate"] == "gelu"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task=party"], "--task: there is no task 'party'"),
        (["--cell=lstn"], "no cell is called 'lstn'"),
        (["--cell=lstm+blok"], "no cell is called 'blok'"),
        (["--cell=lstm+"], "no cell is called ''"),
        (["--set=corpus.lengths=[64,40]"], "corpus.lengths: should ascend, not [64, 40]"),
    ],
)
def test_a_mistake_is_found_before_the_first_run(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = invoke("--cell=rnn", *arguments, f"--output={tmp_path / 'formal'}")
    assert isinstance(result.exception, ExperimentError)
    assert message in result.exception.message
    assert not (tmp_path / "formal").exists()
