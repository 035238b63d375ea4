"""A torch optimizer's state as tensors and plain JSON, for files that hold no pickle."""

from typing import Any

import torch
from torch import Tensor

PREFIX = "optimizer."


def split_optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Take an optimizer's state apart.

    Args:
        optimizer: Any of torch's.

    Returns:
        Its tensors, named `optimizer.INDEX.NAME`, and the rest: plain JSON values.
    """
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, dict[str, Any]] = {}
    for index, moments in state["state"].items():
        for name, value in moments.items():
            if isinstance(value, Tensor):
                tensors[f"{PREFIX}{index}.{name}"] = value
            else:
                scalars.setdefault(str(index), {})[name] = value
    return tensors, {"scalars": scalars, "groups": state["param_groups"]}


def join_optimizer_state(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], rest: dict[str, Any]) -> None:
    """Put an optimizer's state together again.

    Args:
        optimizer: Built as the saved one was.
        tensors: From `split_optimizer_state`; other names are passed over.
        rest: From `split_optimizer_state`.

    Raises:
        ValueError: Where it is the state of another optimizer.
    """
    moments: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        if key.startswith(PREFIX):
            index, _, name = key.removeprefix(PREFIX).partition(".")
            moments.setdefault(int(index), {})[name] = value
    for index, values in rest["scalars"].items():
        moments.setdefault(int(index), {}).update(values)
    optimizer.load_state_dict({"state": moments, "param_groups": rest["groups"]})
