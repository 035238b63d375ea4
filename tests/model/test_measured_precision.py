"""The precision `auto`: bfloat16 or float32, whichever is faster on the cells of the model."""

import math
import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from seqforge_essentials.cells.lstm import LSTM

from seqforge import Experiment, Run, train
from seqforge.errors import ExperimentError
from seqforge.kinds import BackendContext, Cell
from seqforge.model import precision
from seqforge.model.build import build_model
from seqforge.model.choose_backend import choose_backends
from seqforge.model.measure_backends import BatchShape, CellTiming, measure_backends
from seqforge.model.sequence_model import SequenceModel
from seqforge.registry.registry import Registry
from seqforge.runs.backends import BACKENDS, describe_backends, read_backends
from seqforge.storage.paths import cache_folder
from seqforge.storage.records import to_sealed_json
from tests.model.fake_backends import Fake, Refuses
from tests.model.test_choose_backend import registry_of

MakeExperiment = Callable[..., Experiment]


class Prefers(Fake):
    """Is slow in one precision."""

    slow: ClassVar[torch.dtype]

    def sequence_function(self, cell: Cell[Any], context: BackendContext) -> Any:
        read = super().sequence_function(cell, context)

        def wait(inputs: Any, state: Any) -> Any:
            time.sleep(0.1 if context.dtype == self.slow else 0.0)
            return read(inputs, state)

        return wait


class Float32(Prefers):
    name: ClassVar = "float32"
    slow = torch.bfloat16


class Bfloat16(Prefers):
    name: ClassVar = "bfloat16"
    slow = torch.float32


class OnlyFloat32(Fake):
    name: ClassVar = "onlyfloat32"

    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str | None:
        return None if context.dtype == torch.float32 else "it has no bfloat16"


@pytest.fixture(autouse=True)
def has_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `auto` consider bfloat16 on any processor."""
    monkeypatch.setattr(precision, "multiplies_in_bfloat16", lambda device: True)


@pytest.fixture
def choose(registry: Registry) -> Callable[..., Any]:
    """Choose a precision, and one of the given backends for each of two LSTMs; return the model and the choices."""

    def choose(*backends: type[Any], precision: str = "auto", **options: Any) -> Any:
        known = registry_of(registry, *backends)
        table = {
            "experiment": {"name": "test"},
            "corpus": {"use": "inline", "text": "hello"},
            "model": {"cells": [{"use": "lstm", "hidden_size": 4, "repeat": 2}]},
            "training": {"precision": precision},
        }
        model = build_model(Experiment.from_dict(table, registry=known), 5)
        return model, choose_backends(model, known, BatchShape(steps=3, rows=2), **options)

    return choose


@pytest.mark.parametrize("backend", [Float32, Bfloat16])
def test_auto_is_the_precision_in_which_the_cells_are_faster(backend: type[Prefers], choose: Any) -> None:
    model, choices = choose(backend, backend=backend.name)
    assert model.precision == backend.name
    for choice in choices:
        times = choice.seconds_by_precision
        assert choice.backend == backend.name
        assert times[backend.name] == choice.seconds[backend.name] < 0.1 <= max(times.values())
    assert "; precision: bfloat16 " in describe_backends(choices)[0]


def test_all_backends_are_compared_in_both_precisions(choose: Any) -> None:
    model, choices = choose(Float32, Bfloat16)
    for choice in choices:
        assert {"float32", "bfloat16", "eager"} >= set(choice.seconds)
        assert set(choice.seconds_by_precision) == {"float32", "bfloat16"}
    times = {name: sum(choice.seconds_by_precision[name] for choice in choices) for name in ("float32", "bfloat16")}
    assert model.precision == min(times, key=times.__getitem__)


@pytest.mark.parametrize("given", ["float32", "bfloat16"])
def test_a_given_precision_is_not_measured(given: str, choose: Any) -> None:
    model, choices = choose(Float32, Bfloat16, precision=given)
    assert model.precision == given
    assert not choices[0].seconds_by_precision


def test_a_device_without_bfloat16_has_one_precision(choose: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "multiplies_in_bfloat16", lambda device: False)
    model, choices = choose(OnlyFloat32, backend="onlyfloat32")
    assert (model.precision, choices[0].seconds) == ("auto", {})


def test_a_pinned_backend_without_bfloat16_runs_in_float32(choose: Any) -> None:
    model, choices = choose(OnlyFloat32, backend="onlyfloat32")
    assert (model.precision, choices[0].backend) == ("float32", "onlyfloat32")
    with pytest.raises(ExperimentError, match="it never runs a LSTM"):
        choose(Refuses, backend="refuses")


@pytest.mark.parametrize("recorded", ["float32", "bfloat16"])
def test_a_resumed_run_uses_its_recorded_precision(
    recorded: str, experiment: MakeExperiment, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(experiment(training={"precision": "auto", "steps": 2}), tmp_path)
    assert read_backends(run.path).precision in ("float32", "bfloat16")
    record = {"version": 2, "cells": dict(read_backends(run.path).cells), "precision": recorded}
    (run.path / BACKENDS).write_bytes(to_sealed_json(record))
    used: list[str] = []
    forward = SequenceModel.forward
    monkeypatch.setattr(
        SequenceModel, "forward", lambda self, *args: (used.append(self.precision), forward(self, *args))[1]
    )
    Run.open(run.path, ["training.steps=3"]).resume()
    assert set(used) == {recorded}
    assert read_backends(run.path).precision == recorded
    # A trained model is evaluated in float32 if that was faster; `auto` is bfloat16 if the device supports it.
    assert run.model(device="cpu").precision == ("float32" if recorded == "float32" else "auto")


def test_times_that_may_be_unfinished_are_not_used_without_their_limit(registry: Registry) -> None:
    context = BackendContext(torch.device("cpu"), torch.float32)
    timing = CellTiming(LSTM(5, 4), False, 1, BatchShape(steps=3, rows=2), "float32", context)
    for limit in (9.0, math.inf, math.inf):
        measure_backends(timing, {"fake": Fake()}, registry, limit=limit)
    assert len(list((cache_folder() / "backends").iterdir())) == 2
