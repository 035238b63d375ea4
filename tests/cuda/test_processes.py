"""Two processes with a GPU each, compared with one process: losses, devices, and what a step asks of a GPU."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from processes import run_world

from seqforge import Experiment, Run, train

FAKE = sys.modules.get("tests.cuda.fake_device")
pytestmark = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs, or -p tests.cuda.fake_device")

MakeExperiment = Callable[..., Experiment]
TRAINING = {"device": "cuda", "batch_size": 4, "sequence_length": 8, "log_interval": 1, "steps": 12}
FUSED, UNFUSED = {"backend": "cudnn"}, {"backend": "eager", "accumulation": 2}


def losses(run: Run) -> list[float]:
    return [record["loss"] for record in run.metrics() if record["event"] == "step"]


def in_two_processes(function: Callable[[], Any], folder: Path) -> list[Any]:
    results = run_world(2, function, folder)
    assert not [result for result in results if str(result).startswith("ERROR")], results
    return results


def make_runner(function: Callable[[], Run]) -> Callable[[], list[Any]]:
    """Return a function that trains, and returns the path of the run and the GPUs that the process used."""

    def call() -> list[Any]:
        path = str(function().path)
        return [path, *getattr(sys.modules.get("tests.cuda.fake_device"), "devices_used", list)()]

    return call


@pytest.mark.parametrize("training", [FUSED, UNFUSED], ids=["fused", "eager"])
def test_two_gpus_have_the_losses_of_one(training: dict[str, Any], experiment: MakeExperiment, tmp_path: Path) -> None:
    def make(steps: int) -> Experiment:
        return experiment(training={**TRAINING, **training, "steps": steps})

    alone = train(make(12), tmp_path / "alone")
    first = in_two_processes(make_runner(lambda: train(make(7), tmp_path / "together")), tmp_path / "first")
    together = Run.open(first[0][0])
    resumed = make_runner(lambda: Run(together.directory, make(12)).resume())
    for results in (first, in_two_processes(resumed, tmp_path / "second")):
        assert results == [[str(together.path), rank] for rank in (0, 1)]
    assert losses(together) == pytest.approx(losses(alone), abs=1e-5)


@pytest.mark.skipif(FAKE is None, reason="needs -p tests.cuda.fake_device")
def test_a_step_of_two_processes_waits_no_longer_and_launches_the_averaging_only(
    experiment: MakeExperiment, tmp_path: Path
) -> None:
    def count() -> dict[str, int]:
        take_counts = getattr(sys.modules["tests.cuda.fake_device"], "take_counts")  # noqa: B009 - pyright cannot know it
        rare = {"evaluation": {"interval": 10**6}, "sampling": {"interval": 10**6}}
        never = {"log_interval": 10**6, "checkpoint_interval": 10**6}
        found: list[dict[str, int]] = []
        for steps in (5, 15):
            take_counts()
            train(experiment(training={**TRAINING, **FUSED, **never, "steps": steps}, **rare), tmp_path / "runs")
            found.append(take_counts())
        return {name: round((times - found[0].get(name, 0)) / 10) for name, times in found[1].items()}

    alone = count()
    parameters = 5  # Each gradient is divided while it is copied into a bucket.
    averaging = {"aten::mul": parameters, "c10d::allreduce_": 1}
    expected = {name: alone.get(name, 0) + averaging.get(name, 0) for name in {**alone, **averaging}}
    for found in in_two_processes(count, tmp_path / "world"):
        assert {name: times for name, times in found.items() if times} == {
            name: times for name, times in expected.items() if times
        }
