"""The recording of operations of torch as instructions, while a step of a cell and its gradients are computed."""

import traceback
import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import jaxtyping
import torch
from torch import Tensor
from torch._decomp import decomposition_table  # pyright: ignore[reportUnknownVariableType]

from seqforge_native.row_programs.builder import Builder
from seqforge_native.row_programs.memory import UntraceableError, Value, map_items
from seqforge_native.row_programs.operations import FUNCTIONS

_aten = torch.ops.aten

_DECOMPOSITIONS = cast("dict[Any, Callable[..., Any]]", decomposition_table)

_REASONS = {
    "not supported for tensor subclasses": "a computation outside of torch",  # tolist and numpy
    "data pointer of Tensor": "a computation outside of torch",
}
"""Reasons for errors of torch, by a part of the message."""

_LIBRARIES = (*(Path(str(module.__file__)).parent for module in (torch, jaxtyping)), Path(__file__).parent)
"""Folders of the code that runs between the lines of a cell."""


class Recorded(Tensor):
    """A tensor that stands for a value of a program. An operation of torch on it adds its instructions to the program.

    An operation on other tensors is computed, and its result is a constant of the program.

    Attributes:
        builder: Receives the instructions.
        numbers: A tensor like the one that it stands for. Its shape, strides and type have a meaning, its numbers none.
        sharing: All recorded tensors that share its memory.
    """

    builder: Builder
    value: Value
    numbers: Tensor
    sharing: list["weakref.ref[Recorded]"]

    __torch_function__ = cast("Any", torch)._C._disabled_torch_function_impl

    @classmethod
    def like(
        cls,
        numbers: Tensor,
        builder: Builder,
        value: Value,
        given: Sequence["Recorded"] = (),
        *,
        requires_grad: bool = False,
    ) -> "Recorded":
        """Return a tensor that stands for a value; `given` are those of whose memory it may be a part."""
        made: Recorded = cast("Any", Tensor)._make_wrapper_subclass(
            cls, numbers.shape, strides=numbers.stride(), dtype=numbers.dtype, requires_grad=requires_grad
        )
        made.builder, made.value, made.numbers = builder, value, numbers
        memory = numbers.untyped_storage().data_ptr()
        owners = [one.sharing for one in given if one.numbers.untyped_storage().data_ptr() == memory]
        made.sharing = owners[0] if owners else []
        made.sharing.append(weakref.ref(made))
        return made

    @classmethod
    def of(cls, builder: Builder, value: Value) -> "Recorded":
        """Return a tensor that stands for a value, in float32."""
        return cls.like(torch.zeros(value.shape), builder, value)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Add the instructions of an operation, and return tensors that stand for its results."""
        kwargs = kwargs or {}
        if func not in FUNCTIONS:
            found = func.decompose(*args, **kwargs)
            if found is not NotImplemented:
                return found
        operation = _without_effect(func)
        if operation is not func:
            _require_alone(args[0])
        if operation not in FUNCTIONS and func in _DECOMPOSITIONS:
            try:
                return _DECOMPOSITIONS[func](*args, **kwargs)
            except UntraceableError as error:
                raise UntraceableError(f"the operation {operation_name(func)}") from error
        given: list[Recorded] = []

        def numbers_of(each: Any) -> Any:
            if not isinstance(each, Recorded):
                return each
            given.append(each)
            return each.numbers

        def with_each(function: Callable[[Any], Any]) -> tuple[list[Any], dict[str, Any]]:
            return [map_items(function, each) for each in args], {
                name: map_items(function, each) for name, each in kwargs.items()
            }

        arguments_of_torch, options_of_torch = with_each(numbers_of)
        builder = given[0].builder
        arguments, options = with_each(partial(value_of, builder))
        value = compute(operation, builder, arguments, options)
        numbers = func(*arguments_of_torch, **options_of_torch)
        _check_type(func, numbers, given)
        if operation is not func:
            args[0].value = builder.as_value(value)
            return args[0]
        if isinstance(numbers, Tensor):
            return cls.like(numbers, builder, builder.as_value(value), given)
        pairs = zip(numbers, value, strict=True)
        return type(numbers)(cls.like(part, builder, builder.as_value(own), given) for part, own in pairs)


def value_of(builder: Builder, given: Any) -> Any:
    """Return the value of a recorded tensor, or anything else unchanged, such as a tensor, which is a constant."""
    if isinstance(given, Recorded):
        return given.value
    return builder.as_constant(given) if isinstance(given, Tensor) else given


def _require_alone(tensor: Tensor) -> None:
    """Raise an error if a tensor that an operation changes shares its memory with another one."""
    alive = [one() for one in tensor.sharing if one() is not None] if isinstance(tensor, Recorded) else []
    if len(alive) != 1:
        raise UntraceableError("an operation that changes a part of a tensor")


def _without_effect(operation: Any) -> Any:
    """Return the operation whose result an operation writes in place, or the operation itself.

    Raises:
        UntraceableError: If it writes to another tensor.
    """
    schema = operation._schema
    if not schema.is_mutable:
        return operation
    name = schema.name.removeprefix("aten::")
    packet = getattr(_aten, name.removesuffix("_"), None)
    if not name.endswith("_") or packet is None:
        raise UntraceableError(f"the operation {operation_name(operation)}")
    return getattr(packet, operation._overloadname)


def _check_type(operation: Any, result: Any, given: Sequence[Recorded]) -> None:
    """Check that a number, as programs compute all results, is what torch computes.

    Raises:
        UntraceableError: If the operation computes with integers, adds booleans, of which True + True is True, or takes
            numbers for booleans.
    """
    if not isinstance(result, Tensor) or result.dtype.is_floating_point:
        return
    name = operation_name(operation)
    if name.startswith("logical") and any(one.dtype != torch.bool for one in given):
        raise UntraceableError(f"the operation {name} on numbers")
    if result.dtype != torch.bool and name.startswith("bitwise"):
        raise UntraceableError(f"the operation {name} on integers")
    if result.dtype == torch.bool and name in ("add", "sub", "mul", "neg", "maximum", "minimum"):
        raise UntraceableError(f"the operation {name} with a boolean result")


def compute(operation: Any, builder: Builder, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Return the result of an operation on values.

    Raises:
        UntraceableError: If there is no function for it, or none for these arguments.
    """
    if operation is _aten._local_scalar_dense.default:
        raise UntraceableError("a branch that depends on the data")
    if operation not in FUNCTIONS:
        raise UntraceableError(f"the operation {operation_name(operation)}")
    try:
        return FUNCTIONS[operation](builder, *arguments, **options)
    except (TypeError, RuntimeError, IndexError) as error:
        raise UntraceableError(f"the operation {operation_name(operation)} with these options: {error}") from error


def operation_name(operation: Any) -> str:
    """Return the name of an aten operation as it is called in torch, such as `cumsum`."""
    return str(operation).removeprefix("aten.").partition(".")[0].strip("_")


def record(
    function: Callable[..., Sequence[Tensor]],
    builder: Builder,
    values: Sequence[Value],
    examples: Sequence[Tensor],
    count: int,
) -> tuple[list[Value], Callable[[Sequence[Value]], list[Value]]]:
    """Record a function, and its gradients if they are needed.

    Args:
        function: The function.
        builder: Receives the instructions.
        values: Values of its arguments.
        examples: Tensors like the arguments, whose numbers have no meaning.
        count: Number of arguments, the first ones, that have gradients.

    Returns:
        The results, and a function that records the gradients of these arguments from those of the results.

    Raises:
        UntraceableError: If a program cannot compute it.
    """
    with located_errors():
        arguments = [
            Recorded.like(example, builder, value, requires_grad=index < count)
            for index, (value, example) in enumerate(zip(values, examples, strict=True))
        ]
        results = function(*arguments)

    def record_gradients(of_results: Sequence[Value]) -> list[Value]:
        chain = [(one, other) for one, other in zip(results, of_results, strict=True) if one.requires_grad]
        found: Sequence[Tensor | None] = [None] * count
        if chain:
            with located_errors(" in a gradient"):
                given = [Recorded.of(builder, other) for _, other in chain]
                found = torch.autograd.grad([one for one, _ in chain], arguments[:count], given, allow_unused=True)
        return [
            builder.constant(0.0, value.shape) if each is None else builder.as_value(value_of(builder, each))
            for value, each in zip(values, found, strict=False)
        ]

    return [builder.as_value(value_of(builder, one)) for one in results], record_gradients


@contextmanager
def located_errors(otherwise: str = "") -> Generator[None]:
    """Replace an error inside the block by one that names the line of the cell that raised it.

    Args:
        otherwise: What is named instead if the code of no cell has raised it.

    Raises:
        UntraceableError: If there is an error.
    """
    try:
        with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", enabled=False):
            yield
    except Exception as error:  # a cell may raise any error for numbers without a meaning
        reason = str(error).partition("\n")[0] or type(error).__name__
        if not isinstance(error, UntraceableError):
            known = (known for part, known in _REASONS.items() if part in reason)
            reason = next(known, f"what torch cannot trace: {reason}")
        frames = [one for one in traceback.extract_tb(error.__traceback__) if not _is_library_code(one.filename)]
        place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else otherwise
        raise UntraceableError(reason + place) from error


def _is_library_code(filename: str) -> bool:
    generated = filename.startswith("<")  # by a type checker
    return generated or any(folder in Path(filename).parents for folder in _LIBRARIES)
