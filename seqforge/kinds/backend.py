"""Backends, which run a cell over a sequence on a device, and their contract: the results are those of `step`."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional

from seqforge.kinds.cell import Cell, State, map_state
from seqforge.kinds.cell_contract import (
    CellCase,
    CellResult,
    Parts,
    Read,
    read_steps,
    results_of,
    results_with_gradients,
)
from seqforge.kinds.generation_kernel import GenerationKernel, GenerationModel

__all__ = ["Backend", "BackendContext", "OutputLayer", "Refusal", "SequenceFunction"]

SequenceFunction = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""Differentiable function from inputs `[time, batch, input]`, or symbols `[time, batch]`, and a state to the outputs of
all steps and the state after the last step. It computes the same as the cell's `forward`."""

OutputLayer = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Differentiable function from outputs of the highest cell `[*rows, hidden]`, a weight `[outputs, hidden]` and a bias
`[outputs]` to the logits `[*rows, outputs]`, in the type of the weight. The model calls it under autocast."""

TOLERANCES = MappingProxyType({torch.float64: 1e-9, torch.float32: 1e-5, torch.bfloat16: 0.05})
"""Maximum distance between a result and the reference, relative to the norm, for each type of the products."""

Results = Callable[[CellCase, Read], Parts]
"""Function that computes results of a case with a function that reads its sequence."""


@dataclass(frozen=True, slots=True)
class BackendContext:
    """Device and precision of a cell.

    Attributes:
        device: Device of the parameters and the inputs.
        dtype: Type of the matrix products. Parameters and states are float32, or float64 if this is float64.
    """

    device: torch.device
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a backend does not run a cell.

    Attributes:
        reason: The reason, in words that complete "native cannot run it: …".
        about: What the reason concerns: the device, the cell in its precision, the length of the run, or the plugin of
            the backend.
    """

    reason: str
    about: Literal["device", "cell", "run", "plugin"] = "cell"


class Backend(ABC):
    """A way to run a cell. The parameters belong to the cell, so checkpoints do not depend on the backend.

    The suite `BackendSuite` compares a backend with the scan of `Cell.step`.

    Attributes:
        device_types: Types of the devices on which the backend runs, such as `cpu` and `cuda`; empty for all.
    """

    device_types: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str | None:
        """Explain why this backend cannot run a cell in this precision, on a device of one of its types.

        Returns:
            The reason, in words that complete "native cannot run it: …", or None if the backend can run the cell.
        """

    @abstractmethod
    def sequence_function(self, cell: Cell[Any], context: BackendContext) -> SequenceFunction:
        """Return a reader for a cell that the backend can run; every call uses the current parameters of the cell."""

    def refusal(self, cell: Cell[Any], context: BackendContext) -> Refusal | None:
        """Return why this backend does not run a cell: the device, or what `unsupported` returns; None if it does."""
        if self.device_types and context.device.type not in self.device_types:
            types = " or ".join(self.device_types)
            return Refusal(f"it runs on {types}, not on {context.device.type}", about="device")
        reason = self.unsupported(cell, context)
        return None if reason is None else Refusal(reason)

    def preparation_seconds(self, cell: Cell[Any], context: BackendContext) -> float:
        """Return the estimated time in seconds that the reader needs for compilation; 0 by default.

        A run does not try a backend whose compilation would take too large a part of the run.
        """
        return 0.0

    def output_layer(self, context: BackendContext) -> OutputLayer | None:
        """Return a function that computes the output layer above cells of this backend, or None to use torch's."""
        return None

    def generation_kernel(self, model: GenerationModel) -> GenerationKernel | None:
        """Return a function that draws many symbols in one call, or None if the backend has none for this model."""
        return None


class BackendCase(NamedTuple):
    """A cell that runs on a backend, and a sequence.

    Attributes:
        backend: The backend.
        cell: Cell, in float64 if the products are in float64, otherwise in float32.
        inputs: Vectors `[time, batch, input]`.
        state: State before the first step.
        context: Device, and type of the products.
        function: Function of the backend that reads sequences with the cell.
    """

    backend: Backend
    cell: Cell[Any]
    inputs: Tensor
    state: State
    context: BackendContext
    function: SequenceFunction

    def read(self, cell: Cell[Any], inputs: Tensor, state: State) -> CellResult:
        """Return the outputs and the last state of the cell on the backend."""
        return self._read(self.function, inputs, state)

    def read_eagerly(self, cell: Cell[Any], inputs: Tensor, state: State) -> CellResult:
        """Return the outputs and the last state of the cell by its own `forward`, in the same precision."""
        return self._read(cell, inputs, state)

    def _read(self, function: SequenceFunction, inputs: Tensor, state: State) -> CellResult:
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self.context.dtype == torch.bfloat16):
            return function(inputs, state)

    @property
    def subject(self) -> str:
        """What a message is about, such as "NativeBackend on LSTM in float32"."""
        dtype = str(self.context.dtype).removeprefix("torch.")
        return f"{type(self.backend).__name__} on {type(self.cell).__name__} in {dtype}"

    @property
    def cell_case(self) -> CellCase:
        """The cell and the sequence."""
        return CellCase(self.cell, self.inputs, self.state)


def backend_case(backend: Backend, case: CellCase, context: BackendContext) -> BackendCase:
    """Convert a case to the device and the types of a context, and let a backend read it."""
    dtype = parameter_dtype(context.dtype)

    def convert(tensor: Tensor) -> Tensor:
        return tensor.to(context.device, dtype if tensor.is_floating_point() else None)

    cell = case.cell.to(context.device, dtype)
    function = backend.sequence_function(cell, context)
    return BackendCase(backend, cell, convert(case.inputs), map_state(convert, case.state), context, function)


def parameter_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the type of parameters and states for a type of products."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def _read_steps_in_float64(cell: Cell[Any], inputs: Tensor, state: State) -> CellResult:
    inputs = inputs.double() if inputs.is_floating_point() else functional.one_hot(inputs, cell.input_size).double()
    return read_steps(cell, inputs, map_state(lambda part: part.double() if part.is_floating_point() else part, state))


def _outputs(case: CellCase, read: Read) -> Parts:
    return results_of(read(*case))


def difference(case: BackendCase, problem: str, compute: Results, actual: Parts | None = None) -> str | None:
    """Return which result of a backend is far from that of the scan of `step` in float64, or None.

    The distance is relative to the norm. It may be larger if `forward` is as far from the scan in the type of the
    products: then the cell is ill-conditioned.

    Args:
        case: The case.
        problem: What a difference means; `{part}` stands for the name of the result that differs.
        compute: Function that computes the results.
        actual: Results of the backend, if `compute` does not compute them.
    """
    wide = case.cell_case._replace(cell=copy.deepcopy(case.cell).double())
    expected = compute(wide, _read_steps_in_float64)
    actual = compute(case.cell_case, case.read) if actual is None else actual
    dtype = case.context.dtype
    for part, wanted in expected.items():
        if actual[part].shape != wanted.shape:
            return f"{part} has another shape: expected {list(wanted.shape)}, got {list(actual[part].shape)}"
        distance = _distance(actual[part], wanted)
        # A sum over steps and rows may be small, but has the rounding errors of its terms.
        size = max(0.5, 0.1 * (case.inputs.shape[0] * case.inputs.shape[1]) ** 0.5) * wanted.numel() ** 0.5
        allowed = TOLERANCES[dtype] * (_distance(wanted, torch.zeros_like(wanted)) + size)
        if not distance <= allowed and dtype != torch.float64:
            allowed += 4 * _distance(compute(case.cell_case, case.read_eagerly)[part], wanted)
        if not distance <= allowed:
            expectation = f"expected a distance of at most {allowed:.2g}, got {distance:.2g}"
            return f"{problem.format(part=part)}: {expectation}"
    return None


def _distance(one: Tensor, other: Tensor) -> float:
    return torch.dist(one.detach().double(), other.detach().double()).item()


def sequence_fault(case: BackendCase) -> str | None:
    """Return which output, last state or gradient differs from that of the scan, or has another type, or None."""
    actual = results_with_gradients(case.cell_case, case.read)
    if fault := difference(case, "{part} differs from the scan of `step`", results_with_gradients, actual):
        return fault
    own = parameter_dtype(case.context.dtype)
    if (output := actual["the output"].dtype) not in (case.context.dtype, own):
        return f"the output has another type: expected {own}, got {output}"
    for name, tensor in actual.items():
        if name.startswith("`state.") and tensor.is_floating_point() and tensor.dtype != own:
            return f"the type of {name} changes: expected {own}, got {tensor.dtype}"
    return None


def symbol_fault(case: BackendCase) -> str | None:
    """Return which result or gradient for symbols differs from that of the scan for one-hot vectors, or None."""
    if not case.cell.reads_symbols:
        return None
    problem = "{part} for symbols differs from the scan of `step` for unit vectors"
    return difference(case._replace(inputs=case.inputs.argmax(-1)), problem, results_with_gradients)


def inference_fault(case: BackendCase) -> str | None:
    """Return which result is wrong when no gradients are computed, or None."""
    with torch.no_grad():
        actual = _outputs(case.cell_case, case.read)
        if fault := difference(case, "{part} without gradients differs from the scan of `step`", _outputs, actual):
            return fault
    wrong = [part for part, tensor in actual.items() if tensor.requires_grad]
    return f"{wrong[0]} requires a gradient inside `torch.no_grad()`" if wrong else None


def chunk_fault(case: BackendCase) -> str | None:
    """Return which result of a sequence in two chunks is wrong, or None.

    The state between the chunks is also detached, or not contiguous.
    """
    cut = len(case.inputs) // 2
    if not cut:
        return None
    first, between = case.read(case.cell, case.inputs[:cut], case.state)
    detached = map_state(torch.detach, between)
    kinds = {"": between, " with a detached state": detached, " with a state that is not contiguous": sliced(detached)}
    for kind, state in kinds.items():
        second, after = case.read(case.cell, case.inputs[cut:], state)
        actual = results_of((torch.cat([first, second]), after))
        if fault := difference(case, f"{{part}} differs after chunking{kind}", _outputs, actual):
            return fault
    return None


def sliced(state: State) -> State:
    """Return an equal state that is not contiguous: every other row of a larger batch."""
    return map_state(lambda part: torch.stack([part, part], dim=1).flatten(0, 1)[::2], state)


def parameter_fault(case: BackendCase) -> str | None:
    """Return which result does not follow the parameters of the cell after optimizer steps, or None."""
    optimizer = torch.optim.SGD(case.cell.parameters(), lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        outputs, _ = case.read(*case.cell_case)
        cast("Any", outputs.float().square().mean()).backward()
        optimizer.step()
    case.cell.zero_grad(set_to_none=True)
    problem = "{part} does not change as it must after an optimizer step: the backend uses old parameters"
    return difference(case, problem, _outputs)


def copy_fault(case: BackendCase) -> str | None:
    """Return which result of a deep copy of the cell does not follow the parameters of the copy, or None."""
    other = copy.deepcopy(case.cell)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(-0.5)
    changed = case._replace(cell=other, function=case.backend.sequence_function(other, case.context))
    problem = "{part} is wrong in a deep copy: it shares the parameters"
    return difference(changed, problem, _outputs) or difference(case, problem, _outputs)


def repetition_fault(case: BackendCase) -> str | None:
    """Return which result or gradient has other bits in a second call, or None."""
    first, again = (results_with_gradients(case.cell_case, case.read) for _ in range(2))
    wrong = [part for part, tensor in first.items() if not torch.equal(tensor, again[part])]
    return f"{wrong[0]} has other bits in a second call, so that a run cannot be resumed" if wrong else None
