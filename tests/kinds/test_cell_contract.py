"""A cell whose state or output has a wrong type or shape is an error before training."""

from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import torch

from seqforge import Experiment
from seqforge.errors import PluginError
from seqforge.faults import name_component
from seqforge.kinds import Cell
from seqforge.kinds.cell import validate_cell
from seqforge.model.build import build_model


class Memory(NamedTuple):
    hidden: Any


class ValidCell(Cell[Any]):
    """A valid cell. Each of its subclasses has one fault."""

    def __init__(self, input_size: int, hidden_size: int = 3) -> None:
        super().__init__(input_size, hidden_size)
        self.weight = torch.nn.Parameter(torch.zeros(input_size, hidden_size))

    def initial_state(self, batch_size: int) -> Any:
        return Memory(self.weight.new_zeros(batch_size, self.hidden_size))

    def step(self, projected: Any, state: Any) -> Any:
        hidden = projected @ self.weight + state.hidden
        return hidden, Memory(hidden)


class Number(ValidCell):
    def initial_state(self, batch_size: int) -> Any:
        return Memory(0.0)


class Growing(ValidCell):
    def step(self, projected: Any, state: Any) -> Any:
        hidden = projected @ self.weight
        return hidden, Memory(torch.cat([state.hidden, hidden], dim=1))


class Forgetting(ValidCell):
    def step(self, projected: Any, state: Any) -> Any:
        return projected @ self.weight, (state.hidden,)


class WithoutState(ValidCell):
    def step(self, projected: Any, state: Any) -> Any:
        return projected @ self.weight


class WithoutOutput(ValidCell):
    def step(self, projected: Any, state: Any) -> Any:
        return Memory(projected @ self.weight)


class WithoutResult(ValidCell):
    def step(self, projected: Any, state: Any) -> Any: ...


class Wide(ValidCell):
    def step(self, projected: Any, state: Any) -> Any:
        return torch.cat([state.hidden, state.hidden], dim=1), state


class WithClasses(ValidCell):
    def step(self, projected: Any, state: Any) -> Any:
        return torch.Tensor, Memory


class Raising(ValidCell):
    def step(self, projected: Any, state: Any) -> Any:
        return projected.foo, state


def test_a_valid_cell_passes():
    validate_cell(ValidCell(4))


EXPECTED = r"expected the output and the next state, \(a tensor \[2, 3\], Memory\(hidden=a tensor \[2, 3\]\)\)"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Number, r"the batch is not the first axis of `state.hidden` in .*: expected a tensor \[2, …\], got 0\.0"),
        (Growing, r"after a step the shape of `state.hidden` changes: expected \[2, 3\], got \[2, 6\]"),
        (Forgetting, rf"`step` returns \(a tensor \[2, 3\], \(a tensor \[2, 3\],\)\): {EXPECTED}"),
        (WithoutState, rf"`step` returns a tensor \[2, 3\]: {EXPECTED}"),
        (WithoutOutput, rf"`step` returns Memory\(hidden=a tensor \[2, 3\]\): {EXPECTED}"),
        (WithoutResult, f"`step` returns None: {EXPECTED}"),
        (WithClasses, rf"`step` returns \(<class 'torch.Tensor'>, <class '.*Memory'>\): {EXPECTED}"),
        (Wide, r"`step` returns an output of another shape: expected \[2, 3\], got \[2, 6\]"),
        (Raising, r"it cannot read a step: AttributeError: .* \(test_cell_contract.py, line \d+\)"),
    ],
)
def test_an_invalid_cell_is_an_error_that_names_the_plugin(kind: type[ValidCell], message: str):
    name_component(kind, "cell", "sample/faulty")
    with pytest.raises(PluginError, match=f"^cell 'sample/faulty': {message}") as caught:
        validate_cell(kind(4))
    assert caught.value.hint == "Report this to the author of the plugin 'sample'."


def test_a_model_with_an_invalid_cell_is_not_built(experiment: Any):
    chosen: Experiment = experiment()
    invalid = replace(chosen.model.cells[0], component=Growing, options={"hidden_size": 3})
    object.__setattr__(chosen.model, "cells", (invalid,))
    with pytest.raises(PluginError, match="after a step"):
        build_model(chosen, 5)


def test_a_cell_whose_constructor_fails_is_an_error_that_names_it(experiment: Any):
    class FailsToBuild(ValidCell):
        def __init__(self, input_size: int) -> None:  # pyright: ignore[reportMissingSuperCall]
            self.weight = torch.nn.Parameter(torch.zeros(input_size))

    cell = replace(experiment().model.cells[0], component=FailsToBuild, options={})
    with pytest.raises(
        PluginError, match=r"cell 'essentials/lstm': it cannot be built: AttributeError: .*, line \d+\)"
    ):
        cell.build(input_size=3)


def test_running_out_of_memory_is_not_blamed_on_the_plugin(experiment: Any):
    class Large(ValidCell):
        def __init__(self, input_size: int) -> None:  # pyright: ignore[reportMissingSuperCall]
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    cell = replace(experiment().model.cells[0], component=Large, options={})
    with pytest.raises(RuntimeError, match="allocate"):
        cell.build(input_size=3)
