"""Parameter groups: weight decay for the matrices alone."""

from collections.abc import Iterable
from typing import Any

from torch import nn

from seqforge_essentials.initializers.roles import is_bias


def parameter_groups(parameters: Iterable[tuple[str, nn.Parameter]], weight_decay: float) -> list[dict[str, Any]]:
    """Part the parameters that decay from those that do not: biases, gains and whatever else is a vector.

    Decay makes a function smoother by shrinking what multiplies its inputs; a bias multiplies nothing, and a gain
    has no reason to be near 0 (Goodfellow et al. 2016, "Deep Learning", section 7.1).

    Args:
        parameters: Names and parameters.
        weight_decay: Of the matrices.

    Returns:
        The groups that hold anything, as `torch.optim` takes them, each with its `weight_decay`. Where nothing decays
        it is one, since an optimizer's step takes its time for each group; the order of the parameters, by which a
        checkpoint knows them, is the same.
    """
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in parameters:
        (others if parameter.ndim < 2 or is_bias(name) else decayed).append(parameter)
    if not weight_decay:
        return [{"params": decayed + others, "weight_decay": 0.0}]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
