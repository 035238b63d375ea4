"""TF32 and operations that repeat their bits are used in training only, and only if the experiment asks for them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from seqforge import Experiment, train
from seqforge.errors import ExperimentError
from seqforge.runs.backends import read_backends

MakeExperiment = Callable[..., Experiment]


def settings() -> tuple[set[str], bool]:
    """Return the types of float32 products on a GPU, and whether operations repeat their bits."""
    backends: Any = torch.backends
    products = backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn
    return {kind.fp32_precision for kind in products}, torch.are_deterministic_algorithms_enabled()


class Watch:
    """A callback that notes the settings of torch in a step."""

    def on_step_finished(self, event: object) -> None:
        self.settings = settings()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ({"ieee"}, False)),
        ({"precision": "tf32"}, ({"tf32"}, False)),
        ({"deterministic": True}, ({"ieee"}, True)),
    ],
    ids=["default", "tf32", "deterministic"],
)
def test_settings_hold_in_training_only(
    experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Any, expected: Any
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before, watch = settings(), Watch()
    run = train(experiment(training={"steps": 1, "log_interval": 1, **given}), tmp_path, callbacks=[watch])
    assert watch.settings == expected
    assert settings() == before
    assert os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None) == (":4096:8" if "deterministic" in given else None)
    assert read_backends(run.path).precision == given.get("precision", "float32")


def test_an_operation_that_cannot_repeat_its_bits_is_named(
    experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(*_: object) -> Any:
        return torch.zeros(2).put_(torch.tensor([0]), torch.ones(1))

    monkeypatch.setattr("seqforge.training.trainer.train_step", step)
    with pytest.raises(ExperimentError, match=r"^training.deterministic: put_ does not have a deterministic"):
        train(experiment(training={"steps": 1, "deterministic": True}), tmp_path)
