"""The contract of what a cell computes: from the state and from earlier steps only, and finite numbers."""

import inspect
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from seqforge.kinds.cell import Cell, State, map_state, named_state, scan
from seqforge.kinds.cell_tensors import line_of, overflow_place, unregistered_tensors

LARGE_INPUT = 1000.0
"""Size of inputs with which outputs and gradients must be finite in float32."""


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
