"""The contract of a cell: its state, its step and its sequences, on what they depend, and its results by name."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from seqforge.errors import describe_type
from seqforge.faults import blame_plugin, component_fault, describe_error, owner_of
from seqforge.kinds.cell import Cell, State, map_state, named_state, scan
from seqforge.kinds.cell_tensors import REAL_NUMBERS, line_of, overflow_place, unregistered_tensors

LARGE_INPUT = 1000.0
"""Size of inputs with which outputs and gradients must be finite in float32."""


Parts = dict[str, Tensor]
"""Results of a component by the name that a message gives them, such as "`state.hidden`"."""

CellResult = tuple[Tensor, State]
"""Outputs `[time, batch, hidden]` of a cell, and the state after the last step."""

Read = Callable[[Cell[Any], Tensor, State], CellResult]
"""Function that reads a sequence with a cell."""


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
            fault = sequence_fault(cell, torch.ones(1, 2, cell.input_size), start)
    if fault is not None:
        raise component_fault(cell, fault)


def initial_state_fault(cell: Cell[Any], batch_size: int) -> str | None:
    """Return a sentence about what is wrong with the initial state of a cell, or None."""
    state: Any = cell.initial_state(batch_size)
    if not hasattr(state, "_asdict"):
        return f"the initial state is not a NamedTuple of tensors: got {describe_type(state)}"
    for name, part in named_state(state).items():
        if not isinstance(part, Tensor) or part.shape[:1] != (batch_size,):
            expected = f"expected a tensor [{batch_size}, …], got {_describe(part)}"
            return f"the batch is not the first axis of {name} in `initial_state({batch_size})`: {expected}"
        if part.is_complex():
            return f"{name} is complex: {REAL_NUMBERS}"
    return None


def sequence_fault(cell: Cell[Any], inputs: Tensor, state: Any) -> str | None:
    """Return a sentence about what is wrong with the results of `step` and `forward`, or None.

    Args:
        cell: The cell.
        inputs: Vectors `[time, batch, input]`.
        state: State before the first step. Its numbers should not be zero, which a change in place may keep.
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
        expected = f"([{batch}, {cell.hidden_size}], {_describe(start)})"
        return f"`{method}` returns {_describe(result)}: expected the output and the next state, {expected}"
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


def symbol_fault(cell: Cell[Any], symbols: Tensor, state: Any) -> str | None:
    """Return a sentence about what is wrong with the outputs for symbols `[time, batch]`, or None."""
    if not cell.reads_symbols:
        return None
    vectors = functional.one_hot(symbols, cell.input_size).to(next(cell.parameters()).dtype)
    try:
        outputs, _ = cell(symbols, state)
    except Exception as error:  # noqa: BLE001 - the sentence describes it
        fault = describe_error(error, type(cell))
        return f"it cannot read symbols, integers [time, batch], as the first layer does: {fault}"
    expected, _ = cell(vectors, state)
    tolerance = 1e-9 if expected.dtype == torch.float64 else 1e-3
    if outputs.shape != expected.shape or not torch.allclose(outputs, expected, atol=tolerance):
        return "the output for symbols differs from that for the unit vectors for which they stand"
    return None


def state_change(before: Any, after: Any, when: str) -> str | None:
    """Return a sentence about a class, type or shape of a state that a step has changed, or None.

    Args:
        before: A state of the cell.
        after: State after the step.
        when: The step, such as "after a sequence".
    """
    if type(after) is not type(before):
        return f"{when} the class of the state changes: expected {describe_type(before)}, got {describe_type(after)}"
    for (name, old), new in zip(named_state(before).items(), after, strict=True):
        for what, was, now in (("type", old.dtype, new.dtype), ("shape", list(old.shape), list(new.shape))):
            if was != now:
                return f"{when} the {what} of {name} changes: expected {was}, got {now}"
    return None


def _describe(value: Any) -> str:
    """Describe a result of a step by its types and shapes, such as `([2, 8], HiddenState(hidden=[2, 8]))`."""
    if isinstance(value, Tensor):
        return str(list(value.shape))
    if hasattr(value, "_asdict"):
        parts = [f"{name}={_describe(part)}" for name, part in value._asdict().items()]
        return f"{type(value).__name__}({', '.join(parts)})"
    if isinstance(value, tuple):
        parts = [_describe(part) for part in cast("tuple[Any, ...]", value)]
        return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
    return describe_type(value)


def order_fault(cell: Cell[Any], inputs: Tensor, state: Any) -> str | None:
    """Return that outputs depend on later steps, or that the state has no effect, or None.

    Args:
        cell: Cell in evaluation mode.
        inputs: Vectors `[time, batch, input]` of at least two steps.
        state: State before the first step, whose numbers are not zero.
    """
    with torch.no_grad():
        outputs, _ = cell(inputs, state)
        changed = torch.cat([inputs[:-1], inputs[-1:] + 1])
        if not _equal(cell(changed, state)[0][:-1], outputs[:-1]):
            if _equal(outputs.flip(0), scan(cell.step, cell.project(inputs), state)[0]):
                return "`forward` returns the outputs from the last step to the first"
            return (
                "outputs depend on later steps: the cell reads the sequence from its end, or normalizes over time, "
                "which generation cannot do"
            )
        # Numbers that are not equal in all units, since a cell may normalize.
        other = map_state(lambda part: part.flip(-1) * 1.5 + 0.5 if part.is_floating_point() else part, state)
        projected = cell.project(inputs)[0]
        steps = [cell.step(projected, start) for start in (state, other)]
        results = [[output, *after] for output, after in steps]
        if all(_equal(one, two) for one, two in zip(*results, strict=True)):
            return "`step` ignores the given state: neither its output nor the next state depends on it"
        ends = [[outputs, *after] for outputs, after in (cell(inputs[:1], start) for start in (state, other))]
        if all(_equal(one, two) for one, two in zip(*ends, strict=True)):
            return "`forward` ignores the given state, so that every sequence starts anew"
    return None


def large_input_fault(cell: Cell[Any]) -> str | None:
    """Return which output or gradient of a cell in float32 is not finite for large inputs, or None."""
    generator = torch.Generator().manual_seed(0)
    inputs = LARGE_INPUT * torch.randn(16, 4, cell.input_size, generator=generator)
    inputs.requires_grad_()
    outputs, after = cell(inputs, cell.initial_state(4))
    wrong = [name for name, part in {"the output": outputs, **named_state(after)}.items() if not _is_finite(part)]
    if not wrong:
        leaves = {"the input": inputs, **{f"`{name}`": each for name, each in cell.named_parameters()}}
        gradients = torch.autograd.grad(outputs.sum(), list(leaves.values()), materialize_grads=True)
        wrong = [
            f"the gradient of {name}"
            for name, gradient in zip(leaves, gradients, strict=True)
            if not _is_finite(gradient)
        ]
    if not wrong:
        return None
    place = overflow_place(cell, inputs.detach())
    return (
        f"for inputs of about {LARGE_INPUT:,.0f}, {wrong[0]} is not finite{place}: expected a stable form, such as "
        "`torch.sigmoid` and `logsigmoid`, or a maximum that is subtracted before `exp`"
    )


def training_randomness_fault(cell: Cell[Any], inputs: Tensor, state: State) -> str | None:
    """Return that only one of `step` and `forward` draws random numbers in training mode, or None.

    The two may draw in another order. If neither draws, their results are compared as in evaluation mode.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():

        def read(seed: int, *, by_steps: bool) -> Tensor:
            torch.manual_seed(seed)
            if by_steps:
                return scan(cell.step, cell.project(inputs), state)[0]
            return cell(inputs, state)[0]

        step, forward = (not _equal(read(0, by_steps=way), read(1, by_steps=way)) for way in (True, False))
        if not step and not forward and not _equal(read(0, by_steps=True), read(0, by_steps=False)):
            return "in training mode the output of `forward` differs from the scan of `step`"
    if step != forward:
        names = ("step", "forward") if step else ("forward", "step")
        return f"in training mode `{names[0]}` draws random numbers, such as dropout, and `{names[1]}` does not"
    return None


def kept_tensor_fault(cell: Cell[Any], inputs: Tensor, state: State) -> str | None:
    """Return in which attribute a cell keeps a tensor of a sequence that it read, or None."""
    before = dict(unregistered_tensors(cell))
    for _ in range(2):
        cell(inputs, state)
    for name, tensor in unregistered_tensors(cell):
        if tensor is not before.get(name):
            return (
                f"a call keeps a tensor {list(tensor.shape)} in the attribute `{name}`, outside of the state: it needs "
                "memory in every step, and is in no checkpoint"
            )
    return None


def detached_place(cell: Cell[Any], inputs: Tensor, state: State) -> str:
    """Return where the code of a cell detaches a tensor, as " (`detach` in …)"; empty if it does not."""
    watch = _DetachWatch()
    with watch:
        cell(inputs, state)
    return f" (`detach` in {watch.place})" if watch.place else ""


class _DetachWatch(TorchFunctionMode):
    """The first line of an author's code that detaches a tensor."""

    place = ""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        frame = inspect.currentframe()
        if func == Tensor.detach and frame is not None and frame.f_back is not None:
            self.place = self.place or line_of(frame.f_back, frame.f_back.f_lineno)
        return func(*args, **(kwargs or {}))


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-9, atol=1e-9, equal_nan=True)


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(tensor.isfinite().all())


class CellCase(NamedTuple):
    """A cell, an input sequence, and a state to start from.

    Attributes:
        cell: The cell.
        inputs: Sequence `[time, batch, input]`.
        state: State of the cell after another sequence, so that its values are not zero.
    """

    cell: Cell[Any]
    inputs: Tensor
    state: State


def read_forward(cell: Cell[Any], inputs: Tensor, state: State) -> CellResult:
    """Return the outputs and the last state of a cell by a call of it."""
    return cell(inputs, state)


def read_steps(cell: Cell[Any], inputs: Tensor, state: State) -> CellResult:
    """Return the outputs and the last state of a cell by the scan of its step."""
    return scan(cell.step, cell.project(inputs), state)


def results_of(result: CellResult) -> Parts:
    """Return the outputs and the tensors of the last state, by the names that messages give them."""
    outputs, state = result
    return {"the output": outputs, **named_state(state)}


def results_with_gradients(case: CellCase, read: Read = read_forward) -> Parts:
    """Return the results of a case, and the gradient of their weighted sum for every leaf, by name."""
    case, leaves = with_gradients(case)
    result = read(*case)
    total = weighted_sum(result)
    gradients = [torch.zeros_like(leaf) for leaf in leaves.values()]
    if total.requires_grad:
        gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return results_of(result) | {
        f"the gradient of {name}": gradient for name, gradient in zip(leaves, gradients, strict=True)
    }


def with_gradients(case: CellCase) -> tuple[CellCase, Parts]:
    """Return a case whose inputs and state are leaves of a new graph, and all leaves by name."""

    def leaf_of(tensor: Tensor) -> Tensor:
        return tensor.detach().clone().requires_grad_(tensor.is_floating_point())

    inputs, state = leaf_of(case.inputs), map_state(leaf_of, case.state)
    leaves = {"the input": inputs, **named_state(state)}
    leaves |= {f"`{name}`": parameter for name, parameter in case.cell.named_parameters()}
    return CellCase(case.cell, inputs, state), {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}


def weighted_sum(result: CellResult) -> Tensor:
    """Return a sum of outputs and state in which every number has a different weight."""
    total = torch.zeros((), dtype=torch.float64, device=result[0].device)
    for tensor in (result[0], *result[1]):
        if tensor.is_floating_point():
            weights = torch.linspace(0.5, 1.5, tensor.numel(), dtype=torch.float64, device=tensor.device)
            total = total + (tensor.double() * weights.view_as(tensor)).sum()
    return total
