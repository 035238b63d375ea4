"""A fault in the code of a plugin in use names the component, its plugin and the line, and the run is saved."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from seqforge_essentials.schedules import Constant

from seqforge import Experiment, Registry, Run, texts, train, use
from seqforge.errors import PluginError
from seqforge.faults import blame_components
from seqforge.kinds import Optimizer, StepFinished
from seqforge.registry.discovery import Plugin, PluginState
from seqforge.registry.hooks import Registration
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.history import read_history, read_state

SOURCE = Path(__file__).parents[1] / "made" / "faulty.py"
LINE = next(n for n, line in enumerate(SOURCE.read_text().splitlines(), start=1) if "the line that is named" in line)
WHERE = f"ZeroDivisionError: division by zero (faulty.py, line {LINE})"
CELL = {"use": "gru", "hidden_size": 8}


@pytest.fixture
def faulty(labelled: Registry, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return the installed plugins, `made`, and the plugin `faulty`, with a component `faulty` of every kind."""
    monkeypatch.syspath_prepend(SOURCE.parent)
    kinds = ("corpus", "vocabulary", "cell", "attention", "initializer", "loss", "optimizer", "schedule", "sampler",
             "metric")  # fmt: skip
    found = tuple(Registration(kind, "bad", "faulty", f"faulty:Faulty{kind.capitalize()}") for kind in kinds)
    bad = Plugin("bad", "", "", "1", PluginState.OK, registrations=found)
    return Registry([*labelled.plugins, bad])


@pytest.fixture
def make(experiment: Callable[..., Experiment], faulty: Registry) -> Callable[..., Experiment]:
    """Make a small experiment with faulty components."""

    def make(**tables: Any) -> Experiment:
        table = {**experiment().table, **tables}
        return Experiment.from_dict(table, registry=faulty)

    return make


BEFORE_TRAINING: dict[str, tuple[dict[str, Any], str]] = {
    "corpus": ({"corpus": {"use": "bad/faulty"}}, f"corpus 'bad/faulty': documents failed: {WHERE}"),
    "vocabulary": (
        {"vocabulary": {"use": "bad/faulty", "after": 0}},
        f"vocabulary 'bad/faulty': encode_bytes failed: {WHERE}",
    ),
    "tokens that are not integers": (
        {"vocabulary": {"use": "bad/faulty", "result": "floats", "after": 0}},
        "vocabulary 'bad/faulty': encode_bytes returned an array [3304] of float64, not a vector of integers",
    ),
    "tokens in a list": (
        {"vocabulary": {"use": "bad/faulty", "result": "list", "after": 0}},
        "vocabulary 'bad/faulty': encode_bytes returned a list, not a vector of integers (faulty.py, line ",
    ),
    "initializer": (
        {"model": {"cells": [CELL], "initializer": {"use": "bad/faulty"}}},
        f"initializer 'bad/faulty': initialize failed: {WHERE}",
    ),
    "an initializer that returns new values": (
        {"model": {"cells": [CELL], "initializer": {"use": "bad/faulty", "result": "values"}}},
        "initializer 'bad/faulty': initialize returned a Tensor for stack.cells.0.input_weight, instead of filling it",
    ),
    "an initializer that writes NaN": (
        {"model": {"cells": [CELL], "initializer": {"use": "bad/faulty", "result": "nan"}}},
        "initializer 'bad/faulty': initialize wrote NaN or infinity to ",
    ),
    "an optimizer that is a list": (
        {"optimizer": {"use": "bad/faulty", "result": "list"}},
        "optimizer 'bad/faulty': build returned a list, not a torch.optim.Optimizer (faulty.py, line ",
    ),
    "an optimizer without a learning rate": (
        {"optimizer": {"use": "bad/faulty", "result": "no rate"}},
        "optimizer 'bad/faulty': build returned an optimizer without the learning rate 'lr'",
    ),
}


@pytest.mark.parametrize(("tables", "message"), BEFORE_TRAINING.values(), ids=BEFORE_TRAINING.keys())
def test_a_fault_before_the_first_step_names_the_component(
    tables: dict[str, Any], message: str, make: Any, tmp_path: Path
) -> None:
    with pytest.raises(PluginError) as caught:
        train(make(**tables), tmp_path)
    assert caught.value.message.startswith(message)
    assert caught.value.hint == "Report this to the author of the plugin 'bad'."


def loss(result: str) -> dict[str, Any]:
    return {"loss": {"use": "bad/faulty", "result": result}}


def schedule(result: str) -> dict[str, Any]:
    return {"schedule": {"use": "bad/faulty", "result": result}}


WHILE_TRAINING: dict[str, tuple[dict[str, Any], str]] = {
    "cell": (
        {"model": {"cells": [{"use": "bad/faulty", "after": 4}], "dropout": 0.5}},
        f"cell 'bad/faulty': forward failed: {WHERE}",
    ),
    "loss": (loss("error"), f"loss 'bad/faulty': forward failed: {WHERE}"),
    "a loss that is a vector": (
        loss("vector"),
        "loss 'bad/faulty': forward returned a tensor [64] of torch.float32, not a scalar tensor",
    ),
    "a loss that is a number": (loss("number"), "loss 'bad/faulty': forward returned 0.5, not a scalar tensor"),
    "a constant loss": (loss("constant"), "loss 'bad/faulty': forward returned a constant, not a function"),
    "a loss that ends the process": (
        loss("exit"),
        "loss 'bad/faulty': forward failed: SystemExit: no licence (faulty.py",
    ),
    "schedule": (schedule("error"), f"schedule 'bad/faulty': factor failed: {WHERE}"),
    "a negative factor": (schedule("-1"), "schedule 'bad/faulty': factor returned -1.0, not a finite number"),
    "a factor that is NaN": (schedule("nan"), "schedule 'bad/faulty': factor returned nan, not a finite number"),
    "an infinite factor": (schedule("inf"), "schedule 'bad/faulty': factor returned inf, not a finite number"),
}


@pytest.mark.parametrize(("tables", "message"), WHILE_TRAINING.values(), ids=WHILE_TRAINING.keys())
def test_a_fault_in_a_step_saves_the_run_and_names_the_component(
    tables: dict[str, Any], message: str, make: Any, tmp_path: Path, faulty: Registry
) -> None:
    with pytest.raises(PluginError) as caught:
        train(make(**tables), tmp_path)
    assert caught.value.message.startswith(message)
    assert "faulty.py, line " in caught.value.message
    run = Run.open(tmp_path / "small", registry=faulty)
    assert run.checkpoints.steps() == [3]
    assert "author of the plugin 'bad'" in str(caught.value)
    saved = "The checkpoint of step 3 is saved. To resume:"
    assert f"{saved} seqforge run --resume {run.path}" in str(caught.value.hint)


def test_a_fault_is_named_also_if_the_run_cannot_be_saved(
    make: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Obstacle:
        def on_step_finished(self, event: StepFinished) -> None:
            if event.step == 3:
                (tmp_path / "small/checkpoints").rmdir()
                (tmp_path / "small/checkpoints").write_text("a file")

    with pytest.raises(PluginError, match="loss 'bad/faulty': forward failed"):
        train(make(**loss("error")), tmp_path, callbacks=[Obstacle()])
    assert "small/checkpoints: it is a file, not a folder" in capsys.readouterr().err


def test_a_run_that_is_resumed_after_a_fault_equals_one_without_it(make: Any, tmp_path: Path, faulty: Registry) -> None:
    model = {"cells": [CELL], "dropout": 0.5}
    whole = train(make(model=model, loss={"use": "bad/faulty", "after": 1000}), tmp_path / "whole")
    with pytest.raises(PluginError):
        train(make(model=model, loss={"use": "bad/faulty", "after": 4}), tmp_path / "broken")
    path = tmp_path / "broken" / "small"
    file = path / "experiment.toml"
    lines = file.read_text().splitlines()[:-1]  # without the checksum
    file.write_text("\n".join(lines).replace("after = 4", "after = 1000"))
    resumed = Run.open(path, registry=faulty).resume()
    for name, tensor in whole.model("latest").state_dict().items():
        assert torch.equal(tensor, resumed.model("latest").state_dict()[name]), name


UPDATES: list[tuple[dict[str, Any], str]] = [
    ({"optimizer": {"use": "bad/faulty"}}, f"plugin 'bad': its code failed: {WHERE}"),
    (
        {"model": {"cells": [{"use": "bad/faulty", "after": 99, "updates": 4}]}},
        f"cell 'bad/faulty': constrain_parameters failed: {WHERE}",
    ),
]


@pytest.mark.parametrize(("tables", "message"), UPDATES, ids=["optimizer", "constraint"])
def test_a_fault_while_parameters_are_updated_does_not_save_them(
    tables: dict[str, Any], message: str, make: Any, tmp_path: Path
) -> None:
    settings = {"batch_size": 4, "sequence_length": 16, "steps": 12, "backend": "eager", "checkpoint_interval": 2}
    with pytest.raises(PluginError) as caught:
        train(make(**tables, training=settings), tmp_path)
    assert caught.value.message == message
    assert "The checkpoint of step 2 is saved." in str(caught.value)
    assert Checkpoints(tmp_path / "small" / "checkpoints").steps() == [2]


def test_attention_is_named(labelled_experiment: Any, faulty: Registry, tmp_path: Path) -> None:
    table = labelled_experiment(
        corpus={"use": "made", "targets": "text", "output_mode": "sequence"},
        model={"cells": [CELL]},
    ).table
    table = {**table, "model": {**table["model"], "attention": {"use": "bad/faulty"}}}
    with pytest.raises(PluginError) as caught:
        train(Experiment.from_dict(table, registry=faulty), tmp_path)
    assert caught.value.message == f"attention 'bad/faulty': score failed: {WHERE}"


SAMPLERS = {
    "error": f"transform failed: {WHERE}",
    "nan": "transform returned a logit that is NaN or infinity (faulty.py, line ",
    "inf": "transform returned a logit that is NaN or infinity (faulty.py, line ",
    "none": "transform returned None, not logits [1, ",
    "shape": "transform returned [1, 1], not logits [1, ",
    "forbid": "transform forbids every symbol; at least one must stay allowed (faulty.py, line ",
}


@pytest.mark.parametrize(("result", "message"), SAMPLERS.items(), ids=SAMPLERS.keys())
def test_a_faulty_sampler_costs_only_the_samples(
    result: str, message: str, make: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(make(sampler=[{"use": "temperature"}, {"use": "bad/faulty", "result": result}]), tmp_path)
    assert run.checkpoints.steps()[-1] == 12
    errors = capsys.readouterr().err
    for step in (7, 12):
        assert f"no sample of step {step}: sampler 'bad/faulty': {message}" in errors
    assert not [record for record in run.metrics() if record["event"] == "sample"]


def test_a_run_in_python_names_the_component_that_fails(make: Any, faulty: Registry, tmp_path: Path) -> None:
    run = train(make(), tmp_path)

    def chain(result: str) -> Any:
        return [use("bad/faulty", result=result)]

    for draw, message in (
        (lambda: run.sample(length=3, samplers=chain("error")), WHERE),
        (lambda: list(run.stream(length=3, samplers=chain("error"))), WHERE),
        (lambda: run.sample(length=3, samplers=chain("exit")), "SystemExit: 4 (faulty.py, line "),
    ):
        with pytest.raises(PluginError) as caught:
            draw()
        assert caught.value.message.startswith(f"sampler 'bad/faulty': transform failed: {message}")


def test_a_vocabulary_that_decodes_to_no_text_is_named(
    make: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(make(vocabulary={"use": "bad/faulty", "result": "no text"}), tmp_path)
    message = "vocabulary 'bad/faulty': decode_tokens returned None, not bytes (faulty.py, line "
    assert f"no sample of step 12: {message}" in capsys.readouterr().err
    with pytest.raises(PluginError) as caught:
        run.sample(length=3)
    assert caught.value.message.startswith(message)


def test_a_command_of_a_plugin_may_end_the_process() -> None:
    with pytest.raises(SystemExit), blame_components():
        sys.exit(3)


@pytest.mark.usefixtures("faulty")
def test_a_class_of_a_session_is_named_with_what_to_correct(experiment: Any, tmp_path: Path) -> None:
    from faulty import FaultyLoss  # pyright: ignore[reportMissingImports]

    table = {key: value for key, value in experiment().table.items() if key != "loss"}
    chosen = Experiment.from_dict({**table, "loss": FaultyLoss})
    with pytest.raises(PluginError, match=r"loss 'session/FaultyLoss': forward failed: ZeroDivisionError") as caught:
        train(chosen, tmp_path)
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("Correct the class FaultyLoss.")


class StoresLists(Optimizer):
    def build(self, parameters: Iterable[tuple[str, torch.nn.Parameter]]) -> torch.optim.Optimizer:
        class Lists(torch.optim.SGD):
            def step(self, closure: Any = None) -> None:
                for parameter in self.param_groups[0]["params"]:
                    self.state[parameter]["history"] = [1.0]

        return Lists([parameter for _, parameter in parameters], lr=0.1)


class StoresACount(StoresLists):
    def build(self, parameters: Iterable[tuple[str, torch.nn.Parameter]]) -> torch.optim.Optimizer:
        optimizer = torch.optim.SGD([parameter for _, parameter in parameters], lr=0.1)
        cast("dict[Any, Any]", optimizer.state)["count"] = 1
        return optimizer


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (StoresLists, "optimizer 'Lists': 'history' in its state of a parameter is [1.0]"),
        (StoresACount, "optimizer 'SGD': its state has 'count', which is not a parameter"),
    ],
)
def test_an_optimizer_state_that_no_checkpoint_can_hold_is_an_error_after_the_first_step(
    optimizer: type[Any], message: str, experiment: Any, tmp_path: Path
) -> None:
    table = {**experiment().table, "optimizer": optimizer}
    with pytest.raises(PluginError) as caught:
        train(Experiment.from_dict(table), tmp_path)
    assert caught.value.message == message
    assert read_history(tmp_path / "small")[-1]["step"] == 1


class FailsToSave(Constant):
    """Returns its state before the first step only, and fails when a checkpoint is written."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def state(self) -> dict[str, Any]:
        self.calls += 1
        return {} if self.calls == 1 else {"missing": {}["key"]}


def test_a_fault_while_saving_is_recorded_as_the_end_of_the_run(
    experiment: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = {**experiment().table, "schedule": FailsToSave}
    with pytest.raises(PluginError, match="schedule 'session/FailsToSave': state failed: KeyError: 'key'"):
        train(Experiment.from_dict(table), tmp_path)
    assert "cannot be saved" not in capsys.readouterr().err  # It would say the same twice.
    assert read_state(tmp_path / "small")[0] == "failed"


def test_an_error_of_the_core_is_not_blamed_on_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqforge.training.trainer.train_step", len)
    with pytest.raises(TypeError, match="len"):
        train(
            Experiment(corpus=texts(["some text\n" * 60]), training={"batch_size": 2, "sequence_length": 8}), tmp_path
        )
