"""The choice of backends: measured, pinned or recorded."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest.mock import Mock

import pytest
import torch
from seqforge_essentials.cells.lstm import LSTM
from torch import Tensor

from seqforge import Experiment
from seqforge.errors import ExperimentError, RunError
from seqforge.kinds import Backend, BackendContext, Cell, OutputLayer, Refusal
from seqforge.model.build import build_model
from seqforge.model.choose_backend import CellBackend, RecordedBackends, choose_backends, use_recorded_backends
from seqforge.model.measure_backends import BackendTimes, BatchShape, CellTiming, measure_backends
from seqforge.registry.discovery import Plugin, PluginState
from seqforge.registry.hooks import Registration
from seqforge.registry.registry import Registry
from seqforge.runs.backends import describe_backends
from seqforge.storage.cache import open_cache_folder
from seqforge.storage.paths import cache_folder
from seqforge.storage.records import to_sealed_json
from tests.model.fake_backends import Compiles, Fake, Quick, Raises, Refuses, Slow, TurnsOneUnit, Wrong, calls

MakeExperiment = Callable[..., Experiment]
WORKLOAD = BatchShape(steps=3, rows=2, optimizer_steps=1000.0)


class ResidualState(NamedTuple):
    inner: Tensor
    cell: Tensor


class Residual(Cell[ResidualState]):
    """A cell that contains a cell."""

    def __init__(self, input_size: int, hidden_size: int = 4) -> None:
        super().__init__(input_size, hidden_size)
        self.inner = LSTM(input_size, hidden_size)

    def initial_state(self, batch_size: int) -> ResidualState:
        return ResidualState(*self.inner.initial_state(batch_size))

    def step(self, projected: Tensor, state: ResidualState) -> tuple[Tensor, ResidualState]:
        inner = type(self.inner.initial_state(1))(*state)
        outputs, after = self.inner.step(self.inner.project(projected[None])[0], inner)
        return 2 * outputs, ResidualState(*after)

    def forward(self, inputs: Tensor, state: ResidualState) -> tuple[Tensor, ResidualState]:
        outputs, after = self.inner(inputs, type(self.inner.initial_state(1))(*state))
        return 2 * outputs, ResidualState(*after)


class Frozen(Residual):
    """A cell without trainable parameters."""

    def __init__(self, input_size: int, hidden_size: int = 4) -> None:
        super().__init__(input_size, hidden_size)
        self.requires_grad_(False)


def registry_of(registry: Registry, *components: type[Any]) -> Registry:
    """Return a registry of the plugin `essentials`, the eager backend and the given components."""
    found = tuple(
        Registration(
            "backend" if issubclass(component, Backend) else "cell",
            "test",
            component.__name__.lower(),
            "",
            component=component,
        )
        for component in components
    )
    essentials = [plugin for plugin in registry.plugins if plugin.name == "essentials"]
    return Registry([*essentials, Plugin("test", "", "", "1", PluginState.OK, registrations=found)])


@pytest.fixture
def choose(registry: Registry) -> Callable[..., list[CellBackend]]:
    """Choose among the given backends for an LSTM, or for other layers, and run the model once."""

    def choose(*backends: type[Any], cells: Any = ({"use": "lstm", "hidden_size": 4},), **options: Any) -> Any:
        known = registry_of(registry, *backends)
        table = {
            "experiment": {"name": "test"},
            "corpus": {"use": "inline", "text": "hello"},
            "model": {"cells": list(cells)},
        }
        model = build_model(Experiment.from_dict(table, registry=known), 5)
        choices = choose_backends(model, known, **{"batch_shape": WORKLOAD, **options})
        calls.clear()
        model(torch.zeros(3, 2, dtype=torch.int64), model.initial_states(2))
        return choices

    return choose


def test_the_fastest_backend_is_chosen_and_runs_the_cell(choose: Any) -> None:
    choice = choose(Slow, Quick)[0]
    assert (choice.module, choice.cell, choice.backend) == ("stack.cells.0", "LSTM", "quick")
    assert choice.seconds["quick"] < choice.seconds["eager"] < choice.seconds["slow"]
    assert set(calls) == {"quick"}


class ComputesLogits(Quick):
    """Computes the output layer, too: the logits are the bias."""

    def output_layer(self, context: BackendContext) -> OutputLayer:
        return lambda features, weight, bias: bias.expand(*features.shape[:-1], len(weight))


def test_the_backend_of_the_highest_cell_computes_the_output_layer(registry: Registry) -> None:
    known = registry_of(registry, Slow, ComputesLogits)
    tables = {"experiment": {"name": "test"}, "corpus": {"use": "inline", "text": "hello"}}
    experiment = Experiment.from_dict({**tables, "model": {"cells": [{"use": "lstm", "repeat": 2}]}}, registry=known)
    for names, computed in ((("slow", "computeslogits"), True), (("computeslogits", "slow"), False)):
        model = build_model(experiment, 5)
        cells = {f"stack.cells.{layer}": name for layer, name in enumerate(names)}
        choose_backends(model, known, WORKLOAD, recorded=RecordedBackends(cells=cells, precision="float32"))
        logits, _ = model(torch.zeros(3, 2, dtype=torch.int64), model.initial_states(2))
        assert torch.equal(logits, model.head.bias.expand(3, 2, 5)) == computed


def test_plain_torch_runs_the_cell_if_it_is_the_fastest(choose: Any) -> None:
    assert choose(Slow)[0].backend == "eager"
    assert calls == []


def test_a_backend_that_is_clearly_slower_is_not_measured_to_the_end(
    choose: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []
    monkeypatch.setattr(Slow, "change", lambda self, *results: (measured.append(1), results)[1])
    choose(Quick, Slow)
    assert len(measured) == 1


@pytest.mark.parametrize(
    ("backend", "durations", "limit", "seconds"),
    [
        pytest.param(Fake, [0.1, 0.2, 0.4, 0.3, 0.3, 0.3], math.inf, 0.2, id="five repetitions after a warm-up"),
        pytest.param(Fake, [0.2, 1.9], math.inf, 1.9, id="no repetition after two seconds"),
        pytest.param(Fake, [9.0, 0.2], math.inf, 0.2, id="a repetition after a long warm-up"),
        pytest.param(Fake, [0.46], 0.1, 0.46, id="a warm-up that is clearly slower"),
        pytest.param(Fake, [0.44, 0.14, 0.16], 0.1, 0.14, id="a repetition that is clearly slower"),
        pytest.param(Compiles, [1.0, 0.14, 0.16], 0.1, 0.14, id="a compilation"),
    ],
)
def test_the_time_of_a_backend_is_its_shortest_repetition(
    backend: type[Fake],
    durations: list[float],
    limit: float,
    seconds: float,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, left = [100.0], list(durations)

    def take_time_in_the_backward_pass(self: Fake, outputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        outputs.register_hook(lambda gradient: clock.append(clock[-1] + left.pop(0)))
        return outputs, state

    monkeypatch.setattr(Fake, "change", take_time_in_the_backward_pass)
    monkeypatch.setattr("seqforge.model.measure_backends.time", Mock(perf_counter=lambda: clock[-1]))
    context = BackendContext(torch.device("cpu"), torch.float32)
    # A cell without parameters has a backward pass to its inputs.
    timing = CellTiming(Frozen(5), False, 1, BatchShape(steps=3, rows=2), "float32", context)
    times = measure_backends(timing, {"fake": backend()}, registry, limit=limit)
    assert times.seconds == {"fake": pytest.approx(seconds)}
    assert not left


def test_measured_times_are_cached(choose: Any) -> None:
    first = choose(Slow, Quick)[0]
    assert choose(Slow, Quick)[0].seconds == first.seconds
    (path,) = (cache_folder() / "backends").iterdir()
    path.write_bytes(BackendTimes(seconds={"eager": 9.0, "slow": 1.0, "quick": 2.0}).to_bytes())
    assert choose(Slow, Quick)[0].backend == "slow"
    # Another shape, cell or set of backends is another measurement.
    assert choose(Slow, Quick, batch_shape=BatchShape(steps=4, rows=2))[0].backend == "quick"
    assert choose(Slow, Quick, cells=[{"use": "lstm", "hidden_size": 3}])[0].backend == "quick"
    assert choose(Slow)[0].backend == "eager"
    assert len(list((cache_folder() / "backends").iterdir())) == 4


@pytest.mark.parametrize("seconds", [{"eager": "fast"}, {"eager": 0, "slow": 1}, {"quick": -1}])
def test_a_damaged_cache_file_is_ignored(seconds: dict[str, Any], choose: Any) -> None:
    choose(Slow, Quick)
    (path,) = (cache_folder() / "backends").iterdir()
    path.write_bytes(to_sealed_json({"version": 1, "seconds": seconds}))
    assert choose(Slow, Quick)[0].backend == "quick"
    assert BackendTimes.read(path).seconds.keys() == {"eager", "slow", "quick"}


def test_a_flipped_digit_of_a_measured_time_is_detected(choose: Any) -> None:
    choose(Slow, Quick)
    (path,) = (cache_folder() / "backends").iterdir()
    path.write_bytes(BackendTimes(seconds={"eager": 9.0, "slow": 8.0, "quick": 7.0}).to_bytes())
    path.write_bytes(path.read_bytes().replace(b"8.0", b"0.0"))
    assert choose(Slow, Quick)[0].backend == "quick"
    assert BackendTimes.read(path).seconds["quick"] < 7


def test_a_cache_that_cannot_be_written_is_a_warning(choose: Any, capsys: pytest.CaptureFixture[str]) -> None:
    open_cache_folder("tokens")
    (cache_folder() / "backends").write_text("in the way")
    assert choose(Slow, Quick)[0].backend == "quick"
    assert "not a folder, but the cache needs a folder of this name" in capsys.readouterr().err


def test_a_backend_that_raises_is_refused_with_a_warning(choose: Any, capsys: pytest.CaptureFixture[str]) -> None:
    choice = choose(Raises, Quick)[0]
    assert choice.backend == "quick"
    assert "no such instruction" in choice.refused["raises"].reason
    assert "the backend raises failed for LSTM: no such instruction" in capsys.readouterr().err


def test_a_backend_whose_outputs_differ_is_refused_with_a_warning(
    choose: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # the second time, the other times are in the cache
        choice = choose(Wrong, Slow)[0]
        assert choice.backend == "eager"
        assert choice.refused == {"wrong": Refusal("its outputs differ from those of the eager backend")}
        assert "the backend wrong and the eager backend have different outputs" in capsys.readouterr().err


def test_a_backend_with_one_other_output_among_many_is_not_refused(choose: Any) -> None:
    assert choose(TurnsOneUnit, batch_shape=BatchShape(steps=50, rows=100))[0].backend == "turnsoneunit"


def test_a_backend_that_must_compile_is_not_tried_in_a_short_run(choose: Any) -> None:
    calls.clear()
    choice = choose(Compiles, batch_shape=BatchShape(3, 2, optimizer_steps=10.0))[0]
    assert "too long for this run" in choice.refused["compiles"].reason
    assert "compiles" not in choice.seconds
    short = choose(Compiles, batch_shape=BatchShape(3, 2, seconds=60.0))[0]
    assert "too long for this run" in short.refused["compiles"].reason
    assert "compiles" in choose(Compiles, batch_shape=BatchShape(3, 2))[0].seconds


def test_a_backend_that_does_not_support_the_cell_is_not_measured(choose: Any) -> None:
    choice = choose(Refuses)[0]
    assert (choice.backend, choice.seconds, choice.refused) == (
        "eager",
        {},
        {"refuses": Refusal("it never runs a LSTM")},
    )
    assert describe_backends([choice]) == ("stack.cells.0: LSTM on eager; refuses: it never runs a LSTM",)


def test_layers_on_one_backend_share_a_line_with_the_sums_of_their_times() -> None:
    times = [{"slow": 0.5, "eager": 0.25}, {"slow": 0.75, "eager": 0.375}, {"slow": 1.0, "quick": 0.1, "eager": 0.5}]
    layers = [
        CellBackend(f"stack.cells.{number}", "LSTM", "eager", seconds, {"refuses": Refusal("it is too long")})
        for number, seconds in zip((0, 1, 3), times, strict=True)
    ]
    other = CellBackend("stack.cells.2", "GRU", "eager")
    assert describe_backends([*layers[:2], other, layers[2]]) == (
        "stack.cells.0–1, stack.cells.3: LSTM on eager, 1,125 ms per batch (slow 2,250 ms); refuses: it is too long",
        "stack.cells.2: GRU on eager",
    )
    inner = [CellBackend(f"stack.cells.{number}.inner", "LSTM", "eager") for number in (0, 1, 3)]
    assert describe_backends(inner) == ("stack.cells.0–1.inner, stack.cells.3.inner: LSTM on eager",)


def test_a_pinned_backend_is_not_measured(choose: Any) -> None:
    choice = choose(Slow, Quick, backend="slow")[0]
    assert (choice.backend, choice.seconds) == ("slow", {})
    assert calls == ["slow"]
    assert not (cache_folder() / "backends").exists()


def test_a_pinned_backend_that_cannot_run_is_an_error_with_the_reason(choose: Any) -> None:
    with pytest.raises(ExperimentError) as caught:
        choose(Refuses, backend="refuses")
    assert caught.value.message == ("the backend refuses cannot run stack.cells.0 (LSTM): it never runs a LSTM")
    assert "--set training.backend=auto" in str(caught.value.hint)


def test_a_recorded_backend_overrides_a_pinned_one(choose: Any) -> None:
    choice = choose(
        Slow, Quick, recorded=RecordedBackends(cells={"stack.cells.0": "slow"}, precision="float32"), backend="quick"
    )[0]
    assert (choice.backend, choice.seconds) == ("slow", {})
    assert calls == ["slow"]


@pytest.mark.parametrize(
    ("name", "reason"), [("gone", "no backend is called 'gone'"), ("refuses", "it never runs a LSTM")]
)
def test_a_recorded_backend_that_is_not_available_is_an_error(name: str, reason: str, choose: Any) -> None:
    with pytest.raises(RunError, match=f"trained on the backend '{name}', which is not available: {reason}") as caught:
        choose(Refuses, recorded=RecordedBackends(cells={"stack.cells.0": name}, precision="float32"))
    assert "--set training.backend=auto" in str(caught.value.hint)


def test_a_trained_model_runs_on_its_recorded_backends_if_they_are_available(registry: Registry) -> None:
    known = registry_of(registry, Slow, Refuses, Compiles)
    table = {
        "experiment": {"name": "test"},
        "corpus": {"use": "inline", "text": "hello"},
        "model": {"cells": [{"use": "lstm", "hidden_size": 4, "repeat": 4}]},
    }
    model = build_model(Experiment.from_dict(table, registry=known), 5)
    names = ("slow", "refuses", "compiles", "gone")
    use_recorded_backends(model, known, {f"stack.cells.{index}": name for index, name in enumerate(names)})
    calls.clear()
    model(torch.zeros(3, 2, dtype=torch.int64), model.initial_states(2))
    assert calls == ["slow"]


def test_the_cell_within_a_cell_runs_on_a_backend(choose: Any) -> None:
    choice = choose(Slow, Quick, Residual, cells=[{"use": "residual", "hidden_size": 4}])[0]
    assert (choice.module, choice.cell, choice.backend) == ("stack.cells.0.inner", "LSTM", "quick")
    assert set(calls) == {"quick"}


def test_a_cell_without_trainable_parameters_is_measured(choose: Any) -> None:
    choice = choose(Slow, Quick, Frozen, cells=[{"use": "frozen", "hidden_size": 4}])[0]
    assert choice.backend == "quick"
    assert choice.refused == {}


def test_every_layer_has_its_own_choice(choose: Any) -> None:
    layers = [{"use": "lstm", "hidden_size": 4}, {"use": "gru", "hidden_size": 3}]
    assert [choice.module for choice in choose(Quick, cells=layers)] == ["stack.cells.0", "stack.cells.1"]


def test_measuring_changes_neither_the_model_nor_the_random_numbers(registry: Registry) -> None:
    known = registry_of(registry, Slow)
    table = {
        "experiment": {"name": "test"},
        "corpus": {"use": "inline", "text": "hello"},
        "model": {"cells": [{"use": "lstm", "hidden_size": 4}]},
    }
    model = build_model(Experiment.from_dict(table, registry=known), 5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    choose_backends(model, known, WORKLOAD)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
