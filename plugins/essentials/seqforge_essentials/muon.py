"""Muon, the optimizer with orthogonal updates, beside AdamW for the parameters to which it does not apply."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from seqforge.kinds import Optimizer
from seqforge_essentials.initializers import is_bias, is_recurrent_weight
from seqforge_essentials.optimizers import (
    DecoupledWeightDecay,
    LearningRate,
    MeanDecay,
    Momentum,
    SquareDecay,
    parameter_groups,
)


@dataclass(frozen=True)
class Muon(Optimizer):
    """Gradient descent whose update of a matrix is the orthogonal matrix nearest to the momentum.

    Jordan et al. 2024, "Muon: An Optimizer for Hidden Layers in Neural Networks". AdamW updates the rest: vectors, the
    weights of symbols and those of the head. An update has the root mean square that it would have with AdamW (Liu et
    al. 2025, "Muon Is Scalable for LLM Training"), so both use the same learning rate.
    """

    learning_rate: LearningRate = 5e-3
    momentum: Momentum = 0.95
    beta1: MeanDecay = 0.9
    beta2: SquareDecay = 0.99
    weight_decay: DecoupledWeightDecay = 0.1

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        """Build the torch optimizer."""
        hidden: list[nn.Parameter] = []
        others: list[tuple[str, nn.Parameter]] = []
        for name, parameter in parameters:
            if is_hidden_weight(name, parameter):
                hidden.append(parameter)
            else:
                others.append((name, parameter))
        parts: list[torch.optim.Optimizer] = []
        if hidden:
            options: dict[str, Any] = {"momentum": self.momentum, "weight_decay": self.weight_decay}
            parts.append(torch.optim.Muon(hidden, self.learning_rate, adjust_lr_fn="match_rms_adamw", **options))
        if others:
            groups, betas = parameter_groups(others, self.weight_decay), (self.beta1, self.beta2)
            parts.append(torch.optim.AdamW(groups, self.learning_rate, betas=betas))
        return _Together(parts)


def is_hidden_weight(name: str, parameter: nn.Parameter) -> bool:
    """Return whether a parameter is a matrix from the outputs of units to the inputs of others.

    The columns of an embedding, or of the input weight of the lowest layer, belong to single symbols, which are often
    rare, and so do the rows of the head. An orthogonal update would be as large for the rarest symbol as for a space.
    """
    if parameter.ndim != 2 or is_bias(name) or {"input", "head"} & set(name.split(".")):
        return False
    return "cells.0." not in name or is_recurrent_weight(name)


class _Together(torch.optim.Optimizer):
    """Several optimizers, each with parameters of its own, as one."""

    def __init__(self, parts: list[torch.optim.Optimizer]) -> None:
        self._parts = [(part, len(part.param_groups)) for part in parts]
        super().__init__([group for part in parts for group in part.param_groups], {})

    def step(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a step of every optimizer."""
        first = 0
        for part, groups in self._parts:
            # `load_state_dict` replaces the state and the groups, with the learning rates of the schedule.
            part.state, part.param_groups = self.state, self.param_groups[first : first + groups]
            part.step()
            first += groups
