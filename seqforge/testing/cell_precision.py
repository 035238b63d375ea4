"""Where a cell computes in another type, or on another device, than that of its parameters."""

import linecache
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seqforge.interfaces import Cell
from seqforge.testing.cell_results import named_state
from seqforge.testing.conformance import fail, is_authors_code, place_of

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

_MIXED_DEVICES = ("expected device", "same device", "Cannot copy out of meta tensor")
"""Parts of torch's messages about tensors on different devices."""


def require_float64(cell: Cell[Any]) -> None:
    """Check that a cell whose parameters are in float64 computes in float64.

    Raises:
        ConformanceError: If a result is in another type, or if a tensor in float64 is converted to another type.
    """
    watch = _Watch(cell, lambda tensor: tensor.is_floating_point() and tensor.dtype != torch.float64)
    results, error = _run(cell, watch, torch.device("cpu"))
    wrong = {name: each.dtype for name, each in results.items() if each.is_floating_point()}
    wrong = {name: dtype for name, dtype in wrong.items() if dtype != torch.float64}
    if watch.conversion or wrong or (watch.place and isinstance(error, RuntimeError)):
        place = watch.conversion or watch.place or next(iter(wrong))
        fail(
            cell,
            f"{watch.type_name or 'another type'} inside a float64 cell ({place})",
            expected="every tensor in the type of the parameters, such as `self.weight.new_zeros(…)`",
            got=next((f"{name} in {dtype}" for name, dtype in wrong.items()), f"{error or 'a loss of precision'}"),
        )


def require_device(cell: Cell[Any], device: str) -> None:
    """Check that a cell creates its tensors on the device of its parameters.

    Raises:
        ConformanceError: If a result is on another device, or if tensors of two devices are mixed.
    """
    cell = cell.to(device)
    watch = _Watch(cell, lambda tensor: tensor.device.type != device)
    results, error = _run(cell, watch, torch.device(device))
    wrong = {name: each.device for name, each in results.items() if each.device.type != device}
    mixed = error is not None and any(part in str(error) for part in _MIXED_DEVICES)
    if wrong or mixed:
        place = watch.place or (place_of(error).strip(" ()") if error else next(iter(wrong)))
        fail(
            cell,
            f"a tensor on the CPU inside a cell on another device ({place})",
            expected="every tensor on the device of the parameters, such as `self.weight.new_zeros(…)`",
            got=next((f"{name} on {each}" for name, each in wrong.items()), str(error).partition("\n")[0]),
        )


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
    states = {f"{name} of `initial_state`": part for name, part in named_state(start).items()}
    return {**states, "the output": output, **named_state(after)}, None


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
        """Return the layer that is running, and the line of the author's code."""
        parts = [f"layer `{self._layers[-1]}`"] if self._layers else []
        frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
        while frame is not None and not is_authors_code(frame.f_globals.get("__name__", "")):
            frame = frame.f_back
        if frame is not None:
            path, line = frame.f_code.co_filename, frame.f_lineno
            code = linecache.getline(path, line).strip()
            parts.append(f"{Path(path).name}, line {line}: `{code}`")
        return ", ".join(parts)
