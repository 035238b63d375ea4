"""Recurrent cells: one step of mathematics, and the sequence it makes."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

State = tuple[Tensor, ...]
"""A cell's memory between steps: a NamedTuple of tensors whose first axis is the batch."""

StateT = TypeVar("StateT", bound=tuple[Any, ...])

Stepper = Callable[[Tensor, StateT], tuple[Tensor, StateT]]
"""Reads one step `[batch, input]` (or `[batch]` symbols) from a state; gives the output and the next state."""


class Cell(nn.Module, ABC, Generic[StateT]):
    """A recurrent layer, given by its step; tensors are time-major.

    A subclass writes `initial_state` and `step`, and may hoist into `project` what needs no state.
    `forward` may be overridden to be faster; `seqforge.testing.CellSuite` holds it to the scan of `step`.
    An `__init__` takes `input_size` from the engine; its other arguments are the cell's options.

    Attributes:
        reads_symbols: Whether the cell reads, instead of vectors, whole numbers `[time, batch]` too: each stands for
            the unit vector of its index, so that a product with it is one row of the weight.
        input_size: Features a step reads.
        hidden_size: Features a step writes.
    """

    reads_symbols: ClassVar[bool] = False
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

    def project(
        self, inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"]
    ) -> Float[Tensor, "time batch projected"]:
        """Compute what needs no state, for all steps at once; by default nothing.

        Args:
            inputs: The sequence; symbols come only to a cell that reads them.

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
        self, inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"], state: StateT
    ) -> tuple[Float[Tensor, "time batch hidden"], StateT]:
        """Read a whole sequence, of at least one step.

        Args:
            inputs: The sequence.
            state: The state before its first step.

        Returns:
            The output of every step, and the state after the last.
        """
        step = self._step_in_own_types if torch.is_autocast_enabled(inputs.device.type) else self.step
        return scan(step, self.project(inputs), state)

    def _step_in_own_types(self, projected: Tensor, state: StateT) -> tuple[Tensor, StateT]:
        """Advance by one step, and keep the state's types, which autocast would round."""
        output, after = self.step(projected, state)
        return output, type(state)(*(new.to(old.dtype) for new, old in zip(after, state, strict=True)))

    def stepper(self, batch_size: int) -> Stepper[StateT]:
        """Prepare to read one step at a time with the parameters as they are, without gradients: for generation.

        Args:
            batch_size: Sequences that will be read side by side.

        Returns:
            A function of one step's inputs and a state, which gives the output and the state after it.
        """
        del batch_size
        return lambda inputs, state: self.step(self.project(inputs.unsqueeze(0)).squeeze(0), state)

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
