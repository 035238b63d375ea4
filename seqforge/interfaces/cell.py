"""Recurrent cells: one step of mathematics, and the sequence it makes."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

State = tuple[Tensor, ...]
"""A cell's memory between steps: a NamedTuple of tensors whose first axis is the batch."""

StateT = TypeVar("StateT", bound=tuple[Any, ...])


class Cell(nn.Module, ABC, Generic[StateT]):
    """A recurrent layer, given by its step; tensors are time-major.

    A subclass writes `initial_state` and `step`, and may hoist into `project` what needs no state.
    `forward` may be overridden to be faster; `seqforge.testing.CellSuite` holds it to the scan of `step`.
    An `__init__` takes `input_size` from the engine; its other arguments are the cell's options.

    Attributes:
        input_size: Features a step reads.
        hidden_size: Features a step writes.
    """

    input_size: int
    hidden_size: int

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size

    @abstractmethod
    def initial_state(self, batch_size: int) -> StateT:
        """Make the state before the first step, on the parameters' device.

        Args:
            batch_size: Sequences in the batch.

        Returns:
            A NamedTuple of tensors, each `[batch, …]`.
        """

    def project(self, inputs: Float[Tensor, "time batch input"]) -> Float[Tensor, "time batch projected"]:
        """Compute what needs no state, for all steps at once; by default nothing.

        Args:
            inputs: The sequence.

        Returns:
            What `step` is given, one step at a time.
        """
        return inputs

    @abstractmethod
    def step(
        self, projected: Float[Tensor, "batch projected"], state: StateT
    ) -> tuple[Float[Tensor, "batch hidden"], StateT]:
        """Advance by one step.

        Args:
            projected: One step of `project`'s result.
            state: The state before it.

        Returns:
            The output and the state after it.
        """

    def forward(
        self, inputs: Float[Tensor, "time batch input"], state: StateT
    ) -> tuple[Float[Tensor, "time batch hidden"], StateT]:
        """Read a whole sequence, of at least one step.

        Args:
            inputs: The sequence.
            state: The state before its first step.

        Returns:
            The output of every step, and the state after the last.
        """
        return scan(self.step, self.project(inputs), state)

    def set_initial_biases(self) -> None:
        """Set what must hold whatever the initializer did, such as an LSTM's forget bias; by default nothing."""


def scan(
    step: Callable[[Tensor, StateT], tuple[Tensor, StateT]],
    inputs: Float[Tensor, "time batch features"],
    state: StateT,
) -> tuple[Float[Tensor, "time batch outputs"], StateT]:
    """Carry a state through a sequence, as `jax.lax.scan` does.

    Args:
        step: Takes one step's input and a state, gives an output and the next state.
        inputs: The sequence, of at least one step.
        state: The state before the first step.

    Returns:
        The outputs, stacked along time, and the state after the last step.
    """
    outputs: list[Tensor] = []
    for step_input in inputs.unbind(0):
        output, state = step(step_input, state)
        outputs.append(output)
    return torch.stack(outputs), state


def map_state(function: Callable[[Tensor], Tensor], state: StateT) -> StateT:
    """Apply a function to every tensor of a state, keeping its type.

    Args:
        function: Applied to each tensor.
        state: A NamedTuple of tensors.

    Returns:
        A state of the same type.
    """
    return type(state)(*(function(tensor) for tensor in state))
