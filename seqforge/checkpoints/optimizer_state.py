"""The state of a torch optimizer as tensors and JSON values, so that a checkpoint needs no pickle."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from seqforge.interfaces import Optimizer

PREFIX = "optimizer."
Scalars = dict[str, dict[str, bool | int | float | str | None]]


def split_optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], Scalars]:
    """Split the state of an optimizer into tensors and JSON values. Its options are not included.

    Returns:
        Tensors named `optimizer.INDEX.NAME`, and all other values by index and name.
    """
    tensors: dict[str, Tensor] = {}
    scalars: Scalars = {}
    for index, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            if isinstance(value, Tensor):
                tensors[f"{PREFIX}{index}.{name}"] = value
            else:
                scalars.setdefault(str(index), {})[name] = value
    return tensors, scalars


def join_optimizer_state(
    optimizer: torch.optim.Optimizer, builder: Optimizer, tensors: Mapping[str, Tensor], scalars: Scalars
) -> None:
    """Load a saved state into a new optimizer, after checking all of it, since fused kernels do not check sizes.

    Args:
        optimizer: New optimizer.
        builder: Component that built it, which builds a second one to find out the names of its state.
        tensors: Tensors of the state, as `split_optimizer_state` returns them; others are ignored.
        scalars: Other values of the state.

    Raises:
        ValueError: If the state belongs to another optimizer or to other parameters.
    """
    parameters: list[Tensor] = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        if key.startswith(PREFIX):
            index, _, name = key.removeprefix(PREFIX).partition(".")
            moments.setdefault(_index(index, len(parameters)), {})[name] = value
    for index, values in scalars.items():
        moments.setdefault(_index(index, len(parameters)), {}).update(values)
    names = _moment_names(builder) if moments else set[str]()
    for index, state in moments.items():
        if state.keys() != names:
            raise ValueError(f"the optimizer stores {_join(names)}, and the checkpoint has {_join(state.keys())}")
        for name, value in state.items():
            fits = not isinstance(value, Tensor) or (
                value.is_floating_point() and value.shape in (parameters[index].shape, torch.Size([]))
            )
            if not fits:
                raise ValueError(f"the optimizer's {name} of parameter {index} is {list(value.shape)}, {value.dtype}")
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def _index(text: str, count: int) -> int:
    if not text.isdecimal() or int(text) >= count:
        raise ValueError(f"the optimizer has no parameter {text!r}")
    return int(text)


def _moment_names(builder: Optimizer) -> set[str]:
    """Return the names of the state that an optimizer has for each parameter after a step, by one step on a probe."""
    probe = nn.Parameter(torch.zeros(1))
    probe.grad = torch.zeros(1)
    optimizer = builder.build([("probe", probe)])
    optimizer.step()
    return set(optimizer.state_dict()["state"].get(0, {}))


def _join(names: Any) -> str:
    return ", ".join(sorted(names)) or "nothing"
