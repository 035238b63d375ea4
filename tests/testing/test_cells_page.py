"""What the cells in the documentation compute. tests/docs/test_plugins_page.py checks them as components."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from seqforge_essentials.cells.gru import GRU

import seqforge as sf
from seqforge.errors import ExperimentError, PluginError
from seqforge.kinds import Cell
from seqforge.kinds.cell import validate_cell
from seqforge.training.callbacks import Callback

PAGE = (Path(__file__).parents[2] / "docs/how-to/components/cell.md").read_text("utf-8")


def names_in(title: str) -> dict[str, Any]:
    """Run a Python block of the page about cells, and return its names."""
    blocks = re.findall(rf'^```python title="{title}"\n(.*?)^```$', PAGE, re.M | re.S)
    names: dict[str, Any] = {"__name__": title.removesuffix(".py")}
    exec(compile(blocks[0], title, "exec"), names)
    return names


SteadyRNN = names_in("steady_rnn.py")["SteadyRNN"]


def test_the_layers_of_the_value_residual_use_the_values_of_the_first() -> None:
    cell = names_in("value_residual.py")["ValueResidual"](3, 4, layers=2)
    with torch.no_grad():
        cell.mix.fill_(100.0)
        cell.layers[1].weight[4:].zero_()  # The values of the second layer have no effect.
        cell.layers[1].weight[:4].zero_()
        cell.layers[1].bias[:4].fill_(-100.0)  # It forgets its memory in each step.
    x = torch.randn(5, 2, 3)
    outputs, _ = cell(x, cell.initial_state(2))
    torch.testing.assert_close(outputs, cell.layers[0](x)[..., 4:])


class Losses(Callback):
    def __init__(self) -> None:
        self.values: list[float] = []

    def on_step_finished(self, event: sf.events.StepFinished) -> None:
        self.values.append(event.loss)


def losses_of(tmp_path: Path, strength: float, **training: Any) -> tuple[list[float], float]:
    """Train a steady RNN, and return the loss of each step and the mean change of its state afterwards."""
    losses = Losses()
    experiment = sf.Experiment(
        corpus=sf.texts(["the cat sat on the mat. " * 20]),
        model={"cells": [sf.use(SteadyRNN, hidden_size=8, strength=strength)]},
        data={"validation_fraction": 0.0},
        training={"steps": 30, "batch_size": 2, "sequence_length": 16, "backend": "eager", **training},
        sampling={"length": 1},
    )
    run = sf.train(experiment, tmp_path / f"{strength}-{len(training)}", callbacks=[losses], progress=False)
    model = run.model("latest", device="cpu")
    _, (state,) = model(torch.arange(16).reshape(-1, 1) % 10, model.initial_states(1))
    return losses.values, state.change.mean().item()


def test_an_auxiliary_loss_is_added_and_minimized(tmp_path: Path) -> None:
    plain, changes = losses_of(tmp_path, 0.0)
    penalized, fewer_changes = losses_of(tmp_path, 100.0)
    assert penalized[0] > plain[0] + 0.01
    assert fewer_changes < 0.75 * changes


def test_an_auxiliary_loss_does_not_depend_on_recomputation(tmp_path: Path) -> None:
    whole, _ = losses_of(tmp_path, 0.0, recompute_every=4)
    parts, _ = losses_of(tmp_path, 1.0, recompute_every=4)
    assert whole[0] < parts[0] < whole[0] + 1


class Around(Cell[Any]):
    """A cell that only calls another one."""

    def __init__(self, input_size: int, inner: Cell[Any]) -> None:
        super().__init__(input_size, inner.hidden_size)
        self.inner = inner

    def initial_state(self, batch_size: int) -> Any:
        return self.inner.initial_state(batch_size)

    def project(self, inputs: Any) -> torch.Tensor:
        return self.inner.project(inputs)

    def step(self, projected: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        return self.inner.step(projected, state)


class PassingOn(Around):
    def auxiliary_loss(self, state: Any) -> torch.Tensor | None:
        return self.inner.auxiliary_loss(state)


def test_an_auxiliary_loss_of_an_inner_cell_that_would_be_lost_is_an_error() -> None:
    validate_cell(PassingOn(3, SteadyRNN(3, 4, strength=1.0)))
    validate_cell(Around(3, GRU(3, 4)))
    with pytest.raises(PluginError, match="it contains SteadyRNN, whose loss its `auxiliary_loss` does not return"):
        validate_cell(Around(3, SteadyRNN(3, 4, strength=1.0)))


def test_an_auxiliary_loss_with_labelled_examples_is_an_error() -> None:
    spec = sf.ExampleSpec(sf.Text(), "sequence", sf.Classes(("a", "b")), "once")
    examples = sf.examples([("ab", 0), ("ba", 1)] * 10, spec)
    experiment = sf.Experiment(corpus=examples, model={"cells": [sf.use(SteadyRNN)]}, training={"steps": 1})
    with pytest.raises(ExperimentError, match="SteadyRNN has an auxiliary loss, which only a language model adds"):
        sf.train(experiment, progress=False)
