"""Commands on a trained run, called in this process."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from seqforge import Registry, Run, train
from seqforge.cli.app import build_app
from seqforge.errors import RunError, SeqforgeError


@pytest.fixture
def run(experiment: Any, tmp_path: Path) -> Run:
    chosen = experiment(training={"steps": 3}, metrics=[{"use": "distinct"}], sampling={"count": 2, "length": 10})
    return train(chosen, tmp_path)


def call(registry: Registry, *arguments: object) -> Result:
    result = CliRunner().invoke(build_app(registry), [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_samples_at_several_temperatures_are_scored(run: Run, registry: Registry) -> None:
    output = call(registry, "evaluate", run.path, "--temperature", 0.5, "--temperature", 1, "--json").stdout
    record = json.loads(output)
    assert [each["temperature"] for each in record["samples"]] == [0.5, 1.0]
    assert {"distinct.distinct_1", "distinct.distinct_1.baseline"} <= record["samples"][1].keys()
    assert "distinct.distinct_1" not in record
    assert (record["split"], record["checkpoint"], record["dynamic"]) == ("validation", "best", None)
    shown = call(registry, "evaluate", run.path, "--temperature", 0.5, "--temperature", 1)
    blank = shown.stdout.splitlines().index("")
    heading = shown.stdout.splitlines()[blank + 1]
    assert " ".join(heading.split()) == "metric temperature 0.5 temperature 1 held-out text"
    assert "In 2 samples" not in shown.stdout
    assert "Intervals of metrics need at least 20 samples." in shown.stderr


def test_a_temperature_that_cannot_be_used_is_an_error_before_the_evaluation(
    run: Run, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "evaluate", lambda *_, **__: pytest.fail("the run is evaluated"))
    with pytest.raises(RunError, match="--temperature: the run has no metric of samples"):
        call(registry, "evaluate", run.path, "--temperature", 0.5, "--set", "metrics=[]")
    with pytest.raises(SeqforgeError, match="temperature"):
        call(registry, "evaluate", run.path, "--temperature", -1)


def test_only_a_saved_checkpoint_is_offered_for_export(registry: Registry) -> None:
    shown = [call(registry, command, "--help").stdout for command in ("export", "sample")]
    assert ["or initial for" in " ".join(text.replace("│", " ").split()) for text in shown] == [False, True]


def test_a_run_in_the_current_folder_has_its_name_in_the_list(
    run: Run, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.path)
    assert run.path.name in call(registry, "runs", ".").stdout


def test_the_details_of_an_evaluation_are_shown_if_they_are_asked_for(run: Run, registry: Registry) -> None:
    short, long = (call(registry, "evaluate", run.path, *more).stdout for more in ((), ("--details",)))
    assert short.startswith("validation split, ")
    assert "\nIn 2 samples of this model:\n" in short
    assert short.endswith("\nEvery value, with intervals: --details\n")
    lines = long.splitlines()
    heading = next(index for index, line in enumerate(lines) if line.startswith("metric"))
    assert lines[heading].split() == ["metric", "samples", "held-out", "text", "excess"]
    name, own, other, excess = lines[heading + 1].split()
    assert name == "distinct.distinct_1"
    assert float(excess) == pytest.approx(float(own) - float(other), abs=2e-4)
    assert excess[0] in "+-−"
    assert "--details" not in long


def test_options_of_weights_do_not_apply_to_a_format(run: Run, registry: Registry, tmp_path: Path) -> None:
    for option, more in (("--precision", ["float32"]), ("--replace", [])):
        with pytest.raises(RunError) as caught:
            call(registry, "export", run.path, tmp_path / "out", "--format", "onnx", option, *more)
        assert str(caught.value).splitlines() == [
            f"{option} does not apply to the format 'onnx'",
            f"Leave out {option}, or leave out --format.",
        ]


def test_the_next_commands_name_the_program_as_it_was_typed(
    run: Run, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqforge.api.train.train", lambda *_, **__: run)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "bin/seqforge")])
    command = ("run", "--corpus", "inline", "--set", "corpus.text=abc")
    lines = [
        f"The run is in {run.path}. Next:",
        f"  {tmp_path}/bin/seqforge sample {run.path}",
        f"  {tmp_path}/bin/seqforge report {run.path} --open",
    ]
    assert call(registry, *command).stdout.splitlines() == lines
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/activate").touch()
    activate = f"To type `seqforge` without its path: source {tmp_path}/bin/activate"
    assert call(registry, *command).stdout.splitlines() == [*lines, activate]


def test_an_interrupt_before_the_start_of_a_run_is_reported(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("seqforge.api.train.train", interrupt)
    result = call(registry, "run", "--corpus", "inline", "--set", "corpus.text=abc")
    assert (result.exit_code, result.stderr) == (130, "Interrupted before the start of the run.\n")


def test_an_entry_of_the_cache_that_cannot_be_removed_is_named(
    run: Run, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "cache/backends").mkdir(parents=True, exist_ok=True)
    (tmp_path / "cache/backends/times.json").write_text("{}")
    count = len(json.loads(call(registry, "cache", "list", "--json").stdout))
    monkeypatch.setattr("seqforge.storage.cache.remove_entry", refuse)
    result = call(registry, "cache", "prune")
    assert result.exit_code == 1
    assert result.stdout == f"Removed: 0 of {count} entries, 0 bytes\n"
    assert result.stderr.count("cannot be removed: Permission denied\n") == count


def test_a_folder_without_runs_is_named(registry: Registry, tmp_path: Path) -> None:
    result = call(registry, "runs", tmp_path)
    assert (result.stdout, result.stderr) == (
        "",
        f"There is no run in {tmp_path}. To start one: seqforge run EXPERIMENT.toml\n",
    )


def test_the_prompt_of_a_sample_without_text_is_printed(
    run: Run, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "stream", lambda *_, **__: iter(()))
    assert call(registry, "sample", run.path, "--prompt", "the ").stdout == "the \n"


def test_a_comparison_names_the_settings_that_may_select_other_text(
    run: Run, registry: Registry, experiment: Any, tmp_path: Path
) -> None:
    other = train(experiment(training={"steps": 3}, data={"validation_fraction": 0.3}), tmp_path)
    output = call(registry, "compare", run.path, other.path).stdout
    assert "cannot be compared: data.validation_fraction may select other text." in " ".join(output.split())
    again = train(experiment(training={"steps": 4}), tmp_path)
    assert "cannot be compared" not in call(registry, "compare", run.path, again.path).stdout


def test_a_report_is_opened_if_that_is_asked_for(
    run: Run, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    page = tmp_path / "a page.html"
    for option in ([], ["--open"]):
        assert call(registry, "report", run.path, "--text", "line", "--output", page, *option).stdout == f"{page}\n"
    assert opened == [f"file://{tmp_path}/a%20page.html"]
    assert "run-data" in page.read_text()
