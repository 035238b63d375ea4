"""`seqforge find-rate`: the learning rate rises until the loss grows, and nothing of the run is kept."""

import json
from pathlib import Path
from typing import Any

import pytest
from seqforge_sweeps.range_test import run_range_test
from seqforge_sweeps.sweep_file import Sweep
from typer.testing import CliRunner

from seqforge import Experiment, Registry, train
from seqforge.cli.app import build_app
from seqforge.errors import ExperimentError, RunError


@pytest.fixture
def base(sweep: Sweep) -> Path:
    return sweep.path.parent / "base.toml"


def test_the_rate_rises_by_the_same_factor_in_each_step(base: Path):
    test = run_range_test(Experiment.load(base), 1e-4, 1e-1, 31)
    assert test.rates == pytest.approx([1e-4 * 10 ** (step / 10) for step in range(31)])
    assert len(test.losses) == 31
    assert test.losses[test.rates.index(test.lowest)] == min(test.losses) < test.losses[0]


def test_limits_and_trackers_of_the_experiment_do_not_apply(base: Path, monkeypatch: pytest.MonkeyPatch):
    experiment = Experiment.load(base, ["training.epochs=1", "training.minutes=0.001", "trackers=['tensorboard']"])
    trained: list[Experiment] = []

    def record(experiment: Experiment, *arguments: Any, **options: Any) -> Any:
        trained.append(experiment)
        return train(experiment, *arguments, **options)

    monkeypatch.setattr("seqforge_sweeps.range_test.train", record)
    assert len(run_range_test(experiment, 1e-4, 1e-1, 31).rates) == 31
    assert [len(one.trackers) for one in (experiment, *trained)] == [1, 0]


def test_the_test_ends_when_the_loss_grows(base: Path):
    experiment = Experiment.load(base, ["optimizer.use='sgd'"])
    test = run_range_test(experiment, 1e-3, 1e6, 60)
    assert 10 < len(test.losses) < 60
    assert test.lowest < test.rates[-1]
    with pytest.raises(RunError, match="the loss grows from the start, at a learning rate of 100000"):
        run_range_test(experiment, 1e5, 1e6, 60)


def test_the_command_draws_the_losses_and_keeps_nothing(base: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(base.parent)
    before = {*base.parent.iterdir()}
    arguments = ["find-rate", "base.toml", "--test-steps", "20", "--rates", "0.001", "0.1"]
    result = CliRunner().invoke(build_app(Registry.installed()), arguments)
    assert "log10 of the learning rate" in result.stdout
    assert "between a tenth and a half" in result.stdout
    printed = CliRunner().invoke(build_app(Registry.installed()), [*arguments, "--json"])
    assert [*json.loads(printed.stdout)] == ["lowest", "rates", "losses"]
    assert {path for path in base.parent.iterdir() if path.name != "cache"} == before
    wrong = CliRunner().invoke(build_app(Registry.installed()), [*arguments, "--rates", "1", "0.1"])
    assert isinstance(wrong.exception, ExperimentError)
    assert wrong.exception.message == "--rates 1 0.1: not two ascending numbers above 0"
