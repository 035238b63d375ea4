"""The recording of a step of any cell as instructions, while torch computes it."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch._decomp import decomposition_table  # pyright: ignore[reportUnknownVariableType]
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode

from seqforge.kinds import MatrixStateCell, Parts
from seqforge_native.row_programs.builder import Builder
from seqforge_native.row_programs.memory import Instruction, UntraceableError, Value, View
from seqforge_native.row_programs.operations import FUNCTIONS
from seqforge_native.row_programs.recording import compute, operation_name


def emit_change(builder: Builder, state: Value | Tensor, parts: Sequence[Value | Tensor | None]) -> tuple[View, View]:
    """Emit the instructions of a step, and return what is read and the state, `[1, heads, keys, values]`.

    The parts are in the order of `Parts`, with a batch of 1.
    """
    query, key, value, log_decay, read, write = cast("Any", parts)
    memory, q, k = (builder.as_view(part) for part in (state, query, key))
    _, heads, keys, values = memory.shape
    decay = builder.constant(1.0, (1, heads)) if log_decay is None else builder.apply("exp", log_decay)
    v = builder.copied(builder.as_view(value))
    of_keys = [k, q, *(builder.as_view(part) for part in (read, write) if part is not None)]
    phase = max(view.buffer.phase for view in (memory, decay, v, *of_keys))
    memory, reads = builder.copy(memory, phase), builder.new_view((1, heads, values), phase)
    operands = [
        (memory, "hkv"),
        (decay, "hk"),
        (k, "hk"),
        (v, "hv"),
        (reads, "hv"),
        *((part, "hk") for part in of_keys[1:]),
    ]
    instruction = Instruction("change_state", (heads, keys, values), least_phase=phase)
    for view, axes in operands:
        strides = dict(zip(axes, view.strides[1:], strict=False))  # a decay may have no axis for keys
        instruction.operands.append((view, tuple(strides.get(axis, 0) for axis in "hkv")))
    builder.instructions.append(instruction)
    return reads, memory


_DECOMPOSITIONS = cast("dict[Any, Callable[..., Any]]", decomposition_table)

_DATA: set[Any] = {Tensor.tolist, Tensor.numpy, Tensor.__array__, Tensor.data_ptr}
"""Functions that return the numbers of a tensor without an operation of torch."""


class StepRecorder(TorchDispatchMode):
    """Turns operations of torch on recorded tensors into instructions.

    An operation on other tensors is computed, and its result is a constant of the program. The numbers of recorded
    tensors have no meaning. Each tensor is known by its identity, which views keep in inference mode only.
    """

    def __init__(self, builder: Builder) -> None:
        super().__init__()
        self._builder = builder
        self._values: dict[int, tuple[Tensor, Value]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # to skip it, torch would import its compiler, which takes a second

    def tensor_of(self, value: Value) -> Tensor:
        """Return a new recorded tensor that stands for a value."""
        tensor = torch.zeros(value.shape)
        self._values[id(tensor)] = tensor, value
        return tensor

    def value_of(self, tensor: Any) -> Any:
        """Return the value of a recorded tensor, or anything else unchanged, such as a tensor, which is a constant."""
        return self._values[id(tensor)][1] if id(tensor) in self._values else tensor

    @contextmanager
    def recording(self, module: nn.Module) -> Generator[None]:
        """Record what is computed, with the step of a matrix state in a module as one operation.

        Raises:
            UntraceableError: If a program cannot compute it.
        """
        with ExitStack() as stack:
            for cell in cast("Iterable[Any]", module.modules()):
                if isinstance(cell, MatrixStateCell) and type(cast("Any", cell)).step is MatrixStateCell.step:
                    vars(cell)["step"] = self._step_of(cast("Any", cell))
                    stack.callback(vars(cell).pop, "step")
            stack.enter_context(_NoData(self._values))
            stack.enter_context(self)
            try:
                yield
            except (UntraceableError, KeyboardInterrupt):
                raise
            except Exception as error:  # a cell may raise any error for numbers without a meaning
                raise UntraceableError(f"{type(error).__name__}: {error}".partition("\n")[0]) from error

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute an operation, and add its instructions if it reads a recorded tensor."""
        kwargs = kwargs or {}
        tensors = [each for each in _pytree.tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        if not any(id(tensor) in self._values for tensor in tensors):
            return func(*args, **kwargs)
        if func not in FUNCTIONS:
            with self:
                found = func.decompose(*args, **kwargs)
            if found is not NotImplemented:
                return found
        operation = _without_effect(func)
        if operation is not func:
            self._require_alone(tensors[0])
        if operation not in FUNCTIONS and func in _DECOMPOSITIONS:
            with self:
                return _DECOMPOSITIONS[func](*args, **kwargs)
        arguments, options = _pytree.tree_map(self.value_of, (args, kwargs))
        value = compute(operation, self._builder, arguments, options, FUNCTIONS)
        return self._recorded(func(*args, **kwargs), value)

    def _recorded(self, result: Any, value: Any) -> Any:
        if isinstance(result, Tensor):
            self._values[id(result)] = result, self._builder.as_value(value)
        else:
            for each, own in zip(result, value, strict=True):
                self._recorded(each, own)
        return result

    def _require_alone(self, tensor: Tensor) -> None:
        """Raise an error if a tensor that an operation changes shares its memory with another one."""
        memory = tensor.untyped_storage().data_ptr()
        sharing = [other for other, _ in self._values.values() if other.untyped_storage().data_ptr() == memory]
        if len(sharing) != 1 or sharing[0] is not tensor:
            raise UntraceableError("an operation that changes a part of a tensor")

    def _step_of(self, cell: MatrixStateCell[Any]) -> Callable[..., tuple[Tensor, Any]]:
        def change(parts: Parts, state: Tensor) -> tuple[Tensor, Tensor]:
            own = parts.map(lambda part: part[0])
            own = own._replace(query=own.query.expand(own.key.shape))
            values = [None if part is None else self.value_of(part) for part in own]
            reads, after = emit_change(self._builder, self.value_of(state), values)
            return self.tensor_of(reads)[None], self.tensor_of(after)

        def step(projected: Tensor, state: Any) -> tuple[Tensor, Any]:
            output, after = cell.advance(projected[None], state, change)
            return output[0], after

        return step


class _NoData(TorchFunctionMode):
    """Raises an error if code reads the numbers of recorded tensors."""

    def __init__(self, values: dict[int, tuple[Tensor, Value]]) -> None:
        super().__init__()
        self._values = values

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _DATA and id(args[0]) in self._values:
            raise UntraceableError("a computation outside of torch")
        return func(*args, **(kwargs or {}))


def _without_effect(operation: Any) -> Any:
    """Return the operation whose result an operation writes in place, or the operation itself.

    Raises:
        UntraceableError: If it writes to another tensor.
    """
    schema = operation._schema
    if not schema.is_mutable:
        return operation
    name = schema.name.removeprefix("aten::")
    packet = getattr(torch.ops.aten, name.removesuffix("_"), None)
    if not name.endswith("_") or packet is None:
        raise UntraceableError(f"the operation {operation_name(operation)}")
    return getattr(packet, operation._overloadname)
