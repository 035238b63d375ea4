"""Tensors of a module that are neither parameters nor buffers, so that no checkpoint and no device receives them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from torch import Tensor, nn

from seqforge.testing.conformance import fail

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

_DEPTH = 4
"""Number of lists, tables and objects inside one another in which tensors are looked for."""


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


def require_registered(module: nn.Module) -> None:
    """Check that every tensor of a module is a parameter or a buffer.

    Raises:
        ConformanceError: If one is not.
    """
    for name, tensor in unregistered_tensors(module).items():
        fail(
            module,
            f"tensor `{name}` is not registered as a parameter or buffer, so that checkpoints, `.to(device)` and "
            "`.double()` leave it out",
            expected="`nn.Parameter`, `register_buffer`, or `nn.ModuleList` for a list of layers",
            got=f"a plain tensor {list(tensor.shape)}",
        )


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
