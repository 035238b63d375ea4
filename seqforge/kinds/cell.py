"""Recurrent cells, and the contract that the engine checks: their state, their step and their sequences."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqforge.cells import require_steps
from seqforge.errors import describe_type
from seqforge.faults import blame_plugin, component_fault, describe_value, owner_of

__all__ = ["Cell", "Hidden", "HiddenState", "Inputs", "State", "Stepper", "map_state", "scan"]

State = tuple[Tensor, ...]
"""State of a cell between steps: a NamedTuple of tensors whose first axis is the batch."""


Hidden = Float[Tensor, "batch hidden"]
"""One number for each hidden unit: a part of the state, or the output of a step."""

Inputs = Float[Tensor, "time batch input"] | Int[Tensor, "time batch"]
"""Features of every step, or symbols."""


class HiddenState(NamedTuple):
    """State of a cell whose state is its output.

    Attributes:
        hidden: Output of the previous step.
    """

    hidden: Hidden


StateT = TypeVar("StateT", bound=tuple[Any, ...])

Stepper = Callable[[Tensor, StateT], tuple[Tensor, StateT]]
"""Function that computes one step: it takes the input, `[batch, input]` or symbols `[batch]`, and the state before the
step, and returns the output and the state after the step."""


class Cell(nn.Module, ABC, Generic[StateT]):
    """A recurrent layer that is defined by one step. Tensors are time-major.

    A subclass implements `initial_state` and `step`. It may move what does not depend on the state to `project`. It may
    override `forward` with a faster implementation, which the suite `CellSuite` compares with a scan of `step`.
    The engine passes `input_size` to `__init__`; the other arguments of `__init__` are the options of the cell.

    Attributes:
        reads_symbols: Whether the inputs may also be symbols `[time, batch]` in int64. A symbol stands for a unit
            vector: its product with a weight is one row of the weight.
        steps_inner_cell: Whether `step` and `forward` both call `step` of an inner cell. A backend then computes the
            sequences of this cell; otherwise, those of the inner cell.
        input_size: Number of features of the input.
        hidden_size: Number of features of the output.
        sequence_function: Function of a backend that computes whole sequences instead of `forward`; None for none. The
            engine sets it.
    """

    reads_symbols: ClassVar[bool] = False
    steps_inner_cell: ClassVar[bool] = False
    input_size: int
    hidden_size: int
    sequence_function: "Callable[[Tensor, StateT], tuple[Tensor, StateT]] | None" = None

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size

    def __call__(self, inputs: Tensor, state: StateT) -> tuple[Tensor, StateT]:
        """Compute a whole sequence, as `forward` does, on the backend that is chosen for this cell."""
        if self.sequence_function is None:
            return super().__call__(inputs, state)
        return self.sequence_function(inputs, state)

    @abstractmethod
    def initial_state(self, batch_size: int) -> StateT:
        """Return the state before the first step, a NamedTuple of tensors `[batch, …]` on the parameters' device."""

    def project(self, inputs: Inputs) -> Float[Tensor, "time batch projected"]:
        """Compute what does not depend on the state, for all steps at once; by default, return the inputs.

        Args:
            inputs: Vectors of a sequence, or symbols if `reads_symbols`.

        Returns:
            The first argument of `step`, for every step.
        """
        return inputs

    @abstractmethod
    def step(self, projected: Float[Tensor, "batch projected"], state: StateT) -> tuple[Hidden, StateT]:
        """Compute one step.

        The result should depend on the arguments and on the parameters and buffers of the cell only, because a backend
        may compile the step.

        Args:
            projected: One step of the result of `project`.
            state: State before the step.

        Returns:
            The output, and the state after the step.
        """

    def forward(self, inputs: Inputs, state: StateT) -> tuple[Float[Tensor, "time batch hidden"], StateT]:
        """Compute a whole sequence of at least one step.

        Args:
            inputs: Vectors or symbols of the sequence.
            state: State before the first step.

        Returns:
            The output of every step, and the state after the last step.
        """
        step = self._step_keeping_types if torch.is_autocast_enabled(inputs.device.type) else self.step
        return scan(step, self.project(inputs), state)

    def _step_keeping_types(self, projected: Tensor, state: StateT) -> tuple[Tensor, StateT]:
        """Compute one step. Convert the new state to the types of the old one, which autocast may have changed."""
        output, after = self.step(projected, state)
        return output, type(state)(*(new.to(old.dtype) for new, old in zip(after, state, strict=True)))

    def stepper(self) -> Stepper[StateT]:
        """Return a function that computes one step without gradients, for generation.

        The function may copy the parameters and ignore later changes to them.
        """
        return lambda inputs, state: self.step(self.project(inputs.unsqueeze(0)).squeeze(0), state)

    def auxiliary_loss(self, state: StateT) -> Float[Tensor, ""] | None:
        """Return what a language model adds to the loss of each sequence in training; by default None, for nothing.

        It may depend on the state only, so the state carries what it needs, such as a moving average of a penalty. A
        cell that contains another one returns that of the inner cell.

        Args:
            state: State after the last step of a sequence, of all rows.
        """
        return None

    def set_initial_biases(self) -> None:
        """Set the parameters whose initial values do not depend on the initializer, such as an LSTM's forget bias.

        The engine calls it after the initializer. The default sets none.
        """

    def constrain_parameters(self) -> None:
        """Move every parameter that violates a constraint of the paper to the nearest allowed value, in place.

        The engine calls this method, without gradients, on initial weights and after each optimizer step, as in
        projected gradient descent. If `step` clamped the parameter instead, it would have no gradient outside of its
        bounds, and could not return. A second call must change nothing. The default has no constraints.
        """


def scan(
    step: Callable[[Tensor, StateT], tuple[Tensor, StateT]],
    inputs: Float[Tensor, "time batch features"],
    state: StateT,
) -> tuple[Float[Tensor, "time batch outputs"], StateT]:
    """Apply a step to a sequence of at least one step, as `jax.lax.scan` does.

    Returns:
        The outputs of all steps, and the state after the last step.

    Raises:
        ValueError: If the sequence has no steps.
    """
    require_steps(inputs)
    outputs: list[Tensor] = []
    for step_input in inputs.unbind(0):
        output, state = step(step_input, state)
        outputs.append(output)
    return torch.stack(outputs), state


def map_state(function: Callable[[Tensor], Tensor], state: StateT) -> StateT:
    """Return a state of the same type, with a function applied to every tensor."""
    return type(state)(*(function(tensor) for tensor in state))


def named_state(state: Any) -> dict[str, Any]:
    """Return the tensors of a state by the names that messages give them, such as "`state.hidden`"."""
    return {f"`state.{name}`": tensor for name, tensor in state._asdict().items()}


def is_recurrent_weight(name: str) -> bool:
    """Return whether a parameter name belongs to a recurrent weight: `recurrent_weight`, or torch's `weight_hh_l0`."""
    return name.rpartition(".")[2].startswith(("recurrent_weight", "weight_hh"))


def recurrent_matrices(cell: Cell[Any]) -> dict[str, nn.Parameter]:
    """Return the matrices of a cell, and of the cells inside of it, that multiply a hidden state, by their names."""
    named = cell.named_parameters()
    return {name: weight for name, weight in named if weight.ndim >= 2 and is_recurrent_weight(name)}


REAL_NUMBERS = (
    "expected its real and its imaginary part as two tensors, since casts, learned initial states and compiled "
    "backends know real numbers only"
)


def validate_cell(cell: Cell[Any]) -> None:
    """Compute one step of a new cell on the CPU, and check its state and output.

    Without this check, a faulty cell may train without an error, and then fail when a run is resumed or sampled.

    Raises:
        PluginError: If the state or the output does not satisfy the interface `Cell`.
    """
    with blame_plugin(*owner_of(cell), type(cell), "it cannot read a step"), torch.no_grad():
        fault = initial_state_fault(cell, 2)
        if fault is None:
            start = map_state(torch.clone, cell.initial_state(2))  # Its parts may share their memory.
            fault = sequence_fault(cell, torch.ones(1, 2, cell.input_size), start) or _loss_fault(cell)
    if fault is not None:
        raise component_fault(cell, fault)


def has_auxiliary_loss(cell: Cell[Any]) -> bool:
    """Return whether a cell adds to the loss."""
    return cell.auxiliary_loss(cell.initial_state(1)) is not None


def _loss_fault(cell: Cell[Any]) -> str | None:
    """Return a sentence about a cell inside of this one whose auxiliary loss it does not pass on, or None."""
    cells: list[Cell[Any]] = [part for part in cell.modules() if isinstance(part, Cell)]
    losing = [part for part in cells if has_auxiliary_loss(part)]
    if not losing or cell in losing:
        return None
    return f"it contains {type(losing[0]).__name__}, whose loss its `auxiliary_loss` does not return"


def initial_state_fault(cell: Cell[Any], batch_size: int) -> str | None:
    """Return a sentence about what is wrong with the initial state of a cell, or None."""
    state: Any = cell.initial_state(batch_size)
    if not hasattr(state, "_asdict"):
        return f"the initial state is not a NamedTuple of tensors: got {describe_type(state)}"
    for name, part in named_state(state).items():
        if not isinstance(part, Tensor) or part.shape[:1] != (batch_size,):
            expected = f"expected a tensor [{batch_size}, …], got {describe_value(part)}"
            return f"the batch is not the first axis of {name} in `initial_state({batch_size})`: {expected}"
        if part.is_complex():
            return f"{name} is complex: {REAL_NUMBERS}"
    return None


def sequence_fault(cell: Cell[Any], inputs: Tensor, state: Any) -> str | None:
    """Return a sentence about what is wrong with the results of `step` and `forward`, or None.

    The inputs are vectors `[time, batch, input]`. The given state should not be zero: some changes in place, such as a
    multiplication, leave zeros as they are, and would not be found.
    """
    time, batch, _ = inputs.shape
    start, given = cell.initial_state(batch), map_state(torch.clone, state)
    method = "pointwise" if hasattr(cell, "pointwise") else "step"

    def modified_part() -> str | None:
        pairs = zip(named_state(state).items(), given, strict=True)
        wrong = [name for (name, part), old in pairs if not torch.allclose(part, old, rtol=0, atol=0, equal_nan=True)]
        problem = f"the given state was modified in place: {', '.join(wrong)}: expected a new tensor for the next state"
        return problem if wrong else None

    result: Any = cell.step(cell.project(inputs)[0], state)
    if fault := modified_part():
        return fault
    is_pair = type(result) is tuple and len(cast("tuple[Any, ...]", result)) == 2
    output, after_step = cast("tuple[Any, Any]", result) if is_pair else (None, None)
    if not isinstance(output, Tensor) or type(after_step) is not type(start):
        expected = f"(a tensor [{batch}, {cell.hidden_size}], {describe_value(start)})"
        return f"`{method}` returns {describe_value(result)}: expected the output and the next state, {expected}"
    outputs, after_sequence = cell(inputs, state)
    results = {
        method: (output, [batch, cell.hidden_size], "after a step", after_step),
        "forward": (outputs, [time, batch, cell.hidden_size], "after a sequence", after_sequence),
    }
    if fault := modified_part():
        return fault
    for name, (output, shape, when, after) in results.items():
        if list(output.shape) != shape:
            return f"`{name}` returns an output of another shape: expected {shape}, got {list(output.shape)}"
        if output.dtype != inputs.dtype:
            return f"`{name}` returns an output of another type: expected {inputs.dtype}, got {output.dtype}"
        if fault := state_change(start, after, when):
            return fault
    return None


def state_change(before: Any, after: Any, when: str) -> str | None:
    """Return a sentence about a class, type or shape of a state that has changed "after a sequence", or None."""
    if type(after) is not type(before):
        return f"{when} the class of the state changes: expected {describe_type(before)}, got {describe_type(after)}"
    for (name, old), new in zip(named_state(before).items(), after, strict=True):
        for what, was, now in (("type", old.dtype, new.dtype), ("shape", list(old.shape), list(new.shape))):
            if was != now:
                return f"{when} the {what} of {name} changes: expected {was}, got {now}"
    return None
