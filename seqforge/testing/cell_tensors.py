"""The tensors in a module: all must be registered, and have the type and the device of the parameters."""

import inspect
import linecache
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seqforge.faults import is_authors_code, place_of
from seqforge.kinds import Cell, State
from seqforge.kinds.cell import REAL_NUMBERS, named_state

_MIXED_DEVICES = ("expected device", "same device", "Cannot copy out of meta tensor")
"""Parts of torch's messages about tensors on different devices."""

_DEPTH = 4
"""Number of lists, tables and objects inside one another in which tensors are looked for."""


def registration_fault(module: nn.Module) -> str | None:
    """Return a sentence about the first tensor of a module that is complex or not registered, or None."""
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_complex():
            return f"`{name}` is complex: {REAL_NUMBERS}"
    for name, tensor in unregistered_tensors(module):
        return (
            f"tensor `{name}` is not registered as a parameter or buffer, so that checkpoints, `.to(device)` and "
            "`.double()` leave it out: expected `nn.Parameter`, `register_buffer`, or `nn.ModuleList` for a list of "
            f"layers, got a plain tensor {list(tensor.shape)}"
        )
    return None


def type_fault(cell: Cell[Any]) -> str | None:
    """Return where a cell whose parameters are in float64 computes in another type, or None."""

    def is_foreign(tensor: Tensor) -> bool:
        return tensor.is_floating_point() and tensor.dtype != torch.float64

    watch = _Watch(cell, is_foreign)
    results, error = _compute_step(cell, watch, "cpu")
    wrong = {name: each.dtype for name, each in results.items() if is_foreign(each)}
    if not (watch.conversion or wrong or (watch.place and isinstance(error, RuntimeError))):
        return None
    place = watch.conversion or watch.place or next(iter(wrong))
    got = next((f"{name} in {dtype}" for name, dtype in wrong.items()), f"{error or 'a loss of precision'}")
    return (
        f"{watch.type_name or 'another type'} inside a float64 cell ({place}): expected every tensor in the type of "
        f"the parameters, such as `self.weight.new_zeros(…)`, got {got}"
    )


def device_fault(cell: Cell[Any], device: str) -> str | None:
    """Move a cell to a device, and return where it creates a tensor on another one, or None."""
    watch = _Watch(cell.to(device), lambda tensor: tensor.device.type != device)
    results, error = _compute_step(cell, watch, device)
    wrong = {name: each.device for name, each in results.items() if each.device.type != device}
    if not (wrong or (error is not None and any(part in str(error) for part in _MIXED_DEVICES))):
        return None
    place = watch.place or (place_of(error).strip(" ()") if error else next(iter(wrong)))
    got = next((f"{name} on {each}" for name, each in wrong.items()), str(error).partition("\n")[0])
    return (
        f"a tensor on the CPU inside a cell on another device ({place}): expected every tensor on the device of the "
        f"parameters, such as `self.weight.new_zeros(…)`, got {got}"
    )


def overflow_place(cell: Cell[Any], inputs: Tensor) -> str:
    """Return the line of a cell that first computes a number that is not finite, as " (…)"; empty if none does."""
    watch = _Watch(cell, lambda tensor: tensor.is_floating_point() and not bool(tensor.isfinite().all()))
    _compute_step(cell, watch, "cpu", inputs)
    return f" ({watch.place})" if watch.place else ""


def _compute_step(
    cell: Cell[Any], watch: "_Watch", device: str, inputs: Tensor | None = None
) -> tuple[dict[str, Tensor], Exception | None]:
    """Return the results of one step of a cell by name, or the error; by default, in float64 with inputs of 1."""
    if inputs is None:
        inputs = torch.ones(1, 2, cell.input_size, dtype=torch.float64, device=device)
    try:
        with torch.no_grad(), watch:
            start = cell.initial_state(inputs.shape[1])
            output, after = cell.step(cell.project(inputs)[0], start)
            parts = {f"{name} of `initial_state`": part for name, part in named_state(start).items()}
            return {**parts, "the output": output, **named_state(after)}, None
    except Exception as error:  # noqa: BLE001 - the caller describes it
        return {}, error


class _Watch(TorchFunctionMode):
    """The first function of torch that returns a tensor which a cell must not have.

    Attributes:
        place: Layer, file and line of the first call that returns such a tensor.
        conversion: The same for the first call that returns it from a tensor which the cell may have.
        type_name: Type of the first such tensor.
    """

    def __init__(self, cell: nn.Module, is_foreign: Callable[[Tensor], bool]) -> None:
        super().__init__()
        self.place = self.conversion = self.type_name = ""
        self._is_foreign = is_foreign
        layers = cast("Iterable[tuple[str, nn.Module]]", cell.named_modules())
        self._layers = {id(layer): name for name, layer in layers if name}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        # A number converts to the type and the device of the tensor with which it is combined.
        if isinstance(result, Tensor) and result.ndim and self._is_foreign(result):
            if not self.place:
                self.place, self.type_name = self._describe(), str(result.dtype).removeprefix("torch.")
            tensors = [each for each in cast("tuple[Any, ...]", args) if isinstance(each, Tensor) and each.ndim]
            own = [each for each in tensors if each.is_floating_point()]
            if result.dtype.is_floating_point and own and not any(map(self._is_foreign, own)) and not self.conversion:
                self.conversion = self._describe()
        return result

    def _describe(self) -> str:
        """Return the layer that is running, and the line of the author's code, unless seqforge runs its own code."""
        layer = ""
        for frame, line in traceback.walk_stack(inspect.currentframe()):
            module, function = frame.f_globals.get("__name__", ""), frame.f_code
            if module == __name__ and function.co_name == _compute_step.__name__:
                break  # The caller of seqforge is not the author of the cell.
            name = self._layers.get(id(frame.f_locals.get("self")))
            layer = layer or (f"layer `{name}`" if name else "")
            if place := _line_of(frame, line):
                return ", ".join(filter(None, [layer, place]))
        return layer


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
            self.place = self.place or _line_of(frame.f_back, frame.f_back.f_lineno)
        return func(*args, **(kwargs or {}))


def _line_of(frame: FrameType, line: int) -> str:
    """Return the file, the line and its code, if a frame is in the author's code; otherwise ""."""
    if not is_authors_code(frame.f_globals.get("__name__", "")):
        return ""
    file = frame.f_code.co_filename
    return f"{Path(file).name}, line {line}: `{linecache.getline(file, line).strip()}`"


def unregistered_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors in attributes of a module and its children that are not registered, with their names."""
    known: set[int] = {id(each) for each in (*module.parameters(), *module.buffers(), *module.modules())}
    for path, child in cast("Iterable[tuple[str, nn.Module]]", module.named_modules()):
        attributes: dict[str, Any] = {}
        for parent in type(child).__mro__[::-1]:
            if parent.__module__.partition(".")[0] not in ("torch", "builtins", "seqforge"):
                attributes |= vars(parent)
        for name, value in {**attributes, **vars(child)}.items():
            for place, tensor in _tensors_in(f"{path}.{name}".lstrip("."), value, _DEPTH):
                if id(tensor) not in known:
                    yield place, tensor


def _tensors_in(place: str, value: Any, depth: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield place, value
    elif isinstance(value, nn.Module):
        for name, tensor in (*value.named_parameters(), *value.named_buffers()):
            yield f"{place}.{name}", tensor
    elif depth:
        items: Iterable[tuple[str, Any]] = ()
        if isinstance(value, Mapping):
            items = ((f"[{key!r}]", item) for key, item in cast("Mapping[Any, Any]", value).items())
        elif isinstance(value, list | tuple | set):
            items = ((f"[{index}]", item) for index, item in enumerate(cast("list[Any]", value)))
        elif hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
            items = ((f".{name}", item) for name, item in cast("dict[str, Any]", vars(value)).items())
        for name, item in items:
            yield from _tensors_in(f"{place}{name}", item, depth - 1)
