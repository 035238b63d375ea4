"""The state of a torch optimizer as tensors and JSON values, so that a checkpoint needs no pickle."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from seqforge.errors import PluginError
from seqforge.kinds import Optimizer
from seqforge.kinds.optimizer import STORABLE, state_fault

PREFIX = "optimizer."
Scalars = dict[str, dict[str, bool | int | float | str | None]]


def split_optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], Scalars]:
    """Split the state of an optimizer into tensors and JSON values. Its options are not included.

    Returns:
        Tensors named `optimizer.INDEX.NAME`, and all other values by index and name.

    Raises:
        PluginError: If the state has a value that a checkpoint cannot hold, or a value that belongs to no parameter.
    """
    if fault := state_fault(optimizer):
        raise PluginError(f"optimizer {type(optimizer).__name__!r}: {fault}", hint=STORABLE)
    tensors: dict[str, Tensor] = {}
    scalars: Scalars = {}
    states: Mapping[int, Mapping[str, Any]] = optimizer.state_dict()["state"]
    for index, moments in states.items():
        for name, value in moments.items():
            if isinstance(value, Tensor):
                tensors[f"{PREFIX}{index}.{name}"] = value
            else:
                scalars.setdefault(str(index), {})[name] = value
    return tensors, scalars


def join_optimizer_state(
    optimizer: torch.optim.Optimizer,
    builder: Optimizer,
    parameters: Iterable[tuple[str, nn.Parameter]],
    tensors: Mapping[str, Tensor],
    scalars: Scalars,
) -> None:
    """Load a saved state into a new optimizer, after checking all of it, since fused kernels do not check sizes.

    Args:
        optimizer: New optimizer.
        builder: Component that built it, which builds a second one to find out the names and shapes of its state.
        parameters: The named parameters from which it was built.
        tensors: Tensors of the state, as `split_optimizer_state` returns them; others are ignored.
        scalars: Other values of the state.

    Raises:
        ValueError: If the state belongs to another optimizer or to other parameters.
    """
    count = sum(len(group["params"]) for group in optimizer.param_groups)
    moments: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        if key.startswith(PREFIX):
            index, _, name = key.removeprefix(PREFIX).partition(".")
            moments.setdefault(_index(index, count), {})[name] = value
    for index, values in scalars.items():
        moments.setdefault(_index(index, count), {}).update(values)
    expected: Mapping[int, Mapping[str, Any]] = _state_after_a_step(builder, parameters) if moments else {}
    for index, state in moments.items():
        wanted: Mapping[str, Any] = expected.get(index, {})
        if state.keys() != wanted.keys():
            stored = f"and the checkpoint has {_join(state)} of parameter {index}"
            raise ValueError(f"the optimizer stores {_join(wanted)}, {stored}")
        for name, value in state.items():
            if _form(value) != _form(wanted[name]):
                raise ValueError(f"the optimizer's {name} of parameter {index} is {_form(value)}")
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def _index(text: str, count: int) -> int:
    if not text.isdecimal() or int(text) >= count:
        raise ValueError(f"the optimizer has no parameter {text!r}")
    return int(text)


def _state_after_a_step(
    builder: Optimizer, parameters: Iterable[tuple[str, nn.Parameter]]
) -> Mapping[int, Mapping[str, Any]]:
    """Return the state that an optimizer has for each parameter after one step, on parameters of the same shapes."""
    probes = [(name, nn.Parameter(torch.zeros_like(parameter))) for name, parameter in parameters]
    for _, probe in probes:
        probe.grad = torch.zeros_like(probe)
    optimizer = builder.build(probes)
    optimizer.step()
    return optimizer.state_dict()["state"]


def _form(value: Any) -> str:
    """Return the shape and the type of a tensor, or the same text for all other values."""
    return f"{list(value.shape)}, {value.dtype}" if isinstance(value, Tensor) else "a plain value"


def _join(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
