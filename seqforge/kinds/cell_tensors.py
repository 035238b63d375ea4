"""Tensors of a module that do not follow its parameters: not registered, of another type, or on another device.

The check of a plugin and the conformance suites report them with the same sentences.
"""

import inspect
import linecache
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seqforge.faults import is_authors_code, place_of
from seqforge.kinds.cell import Cell

_MIXED_DEVICES = ("expected device", "same device", "Cannot copy out of meta tensor")
"""Parts of torch's messages about tensors on different devices."""

_DEPTH = 4
"""Number of lists, tables and objects inside one another in which tensors are looked for."""


class TensorFault(NamedTuple):
    """A fault of a tensor, in words.

    Attributes:
        problem: The mistake, with the name or the line of the tensor.
        expected: What to write instead.
        got: What the component did.
    """

    problem: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.problem}: expected {self.expected}, got {self.got}"


def find_unregistered(module: nn.Module) -> TensorFault | None:
    """Return the first tensor of a module that is neither a parameter nor a buffer, or None."""
    for name, tensor in unregistered_tensors(module).items():
        return TensorFault(
            f"tensor `{name}` is not registered as a parameter or buffer, so that checkpoints, `.to(device)` and "
            "`.double()` leave it out",
            "`nn.Parameter`, `register_buffer`, or `nn.ModuleList` for a list of layers",
            f"a plain tensor {list(tensor.shape)}",
        )
    return None


def find_other_type(cell: Cell[Any]) -> TensorFault | None:
    """Return where a cell whose parameters are in float64 computes in another type, or None."""

    def is_foreign(tensor: Tensor) -> bool:
        return tensor.is_floating_point() and tensor.dtype != torch.float64

    watch = _Watch(cell, is_foreign)
    results, error = _run(cell, watch, torch.device("cpu"))
    wrong = {name: each.dtype for name, each in results.items() if is_foreign(each)}
    if not (watch.conversion or wrong or (watch.place and isinstance(error, RuntimeError))):
        return None
    place = watch.conversion or watch.place or next(iter(wrong))
    return TensorFault(
        f"{watch.type_name or 'another type'} inside a float64 cell ({place})",
        "every tensor in the type of the parameters, such as `self.weight.new_zeros(…)`",
        next((f"{name} in {dtype}" for name, dtype in wrong.items()), f"{error or 'a loss of precision'}"),
    )


def find_other_device(cell: Cell[Any], device: str) -> TensorFault | None:
    """Move a cell to a device, and return where it creates a tensor on another one, or None."""
    cell = cell.to(device)
    watch = _Watch(cell, lambda tensor: tensor.device.type != device)
    results, error = _run(cell, watch, torch.device(device))
    wrong = {name: each.device for name, each in results.items() if each.device.type != device}
    if not (wrong or (error is not None and any(part in str(error) for part in _MIXED_DEVICES))):
        return None
    place = watch.place or (place_of(error).strip(" ()") if error else next(iter(wrong)))
    return TensorFault(
        f"a tensor on the CPU inside a cell on another device ({place})",
        "every tensor on the device of the parameters, such as `self.weight.new_zeros(…)`",
        next((f"{name} on {each}" for name, each in wrong.items()), str(error).partition("\n")[0]),
    )


def unregistered_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the tensors in attributes of a module and its children that are not registered, by their names."""
    known: set[int] = {id(tensor) for tensor in (*module.parameters(), *module.buffers())}
    known |= {id(child) for child in module.modules()}
    found: dict[str, Tensor] = {}
    for path, child in cast("Iterable[tuple[str, nn.Module]]", module.named_modules()):
        attributes: dict[str, Any] = {}
        for parent in type(child).__mro__[::-1]:
            if parent.__module__.partition(".")[0] not in ("torch", "builtins", "seqforge"):
                attributes |= vars(parent)
        for name, value in {**attributes, **vars(child)}.items():
            for place, tensor in _tensors_in(f"{path}.{name}".lstrip("."), value, _DEPTH):
                if id(tensor) not in known:
                    found.setdefault(place, tensor)
    return found


def _run(cell: Cell[Any], watch: "_Watch", device: torch.device) -> tuple[dict[str, Tensor], Exception | None]:
    """Compute one step, and return its results by name, or the error."""
    inputs = torch.ones(1, 2, cell.input_size, dtype=torch.float64, device=device)
    try:
        with torch.no_grad(), watch:
            start = cell.initial_state(2)
            output, after = cell.step(cell.project(inputs)[0], start)
    except Exception as error:  # noqa: BLE001 - the caller describes it
        return {}, error
    finally:
        watch.detach()
    parts = {f"`state.{name}` of `initial_state`": part for name, part in start._asdict().items()}
    parts |= {"the output": output, **{f"`state.{name}`": part for name, part in after._asdict().items()}}
    return parts, None


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
        self._is_foreign, self._layers, self._hooks = is_foreign, list[str](), list[Any]()
        for name, child in cast("Iterable[tuple[str, nn.Module]]", cell.named_modules()):
            if name:
                self._hooks.append(child.register_forward_pre_hook(self._enter(name)))
                self._hooks.append(child.register_forward_hook(self._leave, always_call=True))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        # A number converts to the type and the device of the tensor with which it is combined.
        if isinstance(result, Tensor) and result.ndim and self._is_foreign(result):
            tensors = [each for each in cast("tuple[Any, ...]", args) if isinstance(each, Tensor) and each.ndim]
            if not self.place:
                self.place, self.type_name = self._describe(), str(result.dtype).removeprefix("torch.")
            own = [each for each in tensors if each.is_floating_point()]
            if result.dtype.is_floating_point and own and not any(map(self._is_foreign, own)) and not self.conversion:
                self.conversion = self._describe()
        return result

    def detach(self) -> None:
        """Remove the hooks from the layers."""
        for hook in self._hooks:
            hook.remove()

    def _enter(self, name: str) -> Callable[..., None]:
        return lambda *_: self._layers.append(name)

    def _leave(self, *_: Any) -> None:
        self._layers.pop()

    def _describe(self) -> str:
        """Return the layer that is running, and the line of the author's code, unless seqforge runs its own code."""
        parts = [f"layer `{self._layers[-1]}`"] if self._layers else []
        frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
        last = inspect.unwrap(_run).__code__  # The caller of seqforge is not the author of the cell.
        while frame and frame.f_code is not last and not is_authors_code(frame.f_globals.get("__name__", "")):
            frame = frame.f_back
        if frame and frame.f_code is not last:
            path, line = frame.f_code.co_filename, frame.f_lineno
            code = linecache.getline(path, line).strip()
            parts.append(f"{Path(path).name}, line {line}: `{code}`")
        return ", ".join(parts)


def _tensors_in(place: str, value: Any, depth: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield place, value
    elif not depth:
        return
    elif isinstance(value, nn.Module):
        for name, tensor in (*value.named_parameters(), *value.named_buffers()):
            yield f"{place}.{name}", tensor
    elif isinstance(value, Mapping):
        for key, item in cast("Mapping[Any, Any]", value).items():
            yield from _tensors_in(f"{place}[{key!r}]", item, depth - 1)
    elif isinstance(value, list | tuple | set):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from _tensors_in(f"{place}[{index}]", item, depth - 1)
    elif hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
        for name, item in cast("dict[str, Any]", vars(value)).items():
            yield from _tensors_in(f"{place}.{name}", item, depth - 1)
