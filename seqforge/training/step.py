"""One optimizer step, and that of truncated backpropagation through time."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from seqforge.checkpoints.training_state import TrainingState
from seqforge.data import Batch
from seqforge.errors import NonFiniteError
from seqforge.interfaces import Loss, map_state
from seqforge.model import States


@dataclass(frozen=True, slots=True)
class StepResult:
    """A step's figures.

    Attributes:
        loss: Mean over the step's targets.
        gradient_norm: L2, before clipping.
        learning_rate: Of the first parameter group.
    """

    loss: float
    gradient_norm: float
    learning_rate: float


def train_step(
    state: TrainingState,
    batches: Sequence[Batch],
    loss: Loss,
    learning_rate_factor: float,
    clip_norm: float | None = None,
    clip_value: float | None = None,
) -> StepResult:
    """Read one batch, or several whose gradients are accumulated, and move the parameters once.

    The recurrent state is carried on where a batch continues the one before, cut off from its graph: the truncation
    (Williams and Peng 1990).

    Args:
        state: Renewed in place.
        batches: One for each accumulated gradient, each with rows and state of its own.
        loss: What is made small.
        learning_rate_factor: From the schedule.
        clip_norm: The gradient's L2 norm at most (Pascanu et al. 2013).
        clip_value: The size of each of its components at most.

    Raises:
        NonFiniteError: Where loss or gradient is not finite; the parameters are then as before the step.
    """
    device = state.device
    after: list[States] = []

    def losses() -> Iterator[Tensor]:
        for index, batch in enumerate(batches):
            carried = batch.continues and bool(state.recurrent)
            before = state.recurrent[index] if carried else state.model.initial_states(batch.inputs.shape[1])
            outputs, states = state.model(batch.inputs.to(device), before)
            after.append(detached(states))
            value = loss(outputs, batch.targets.to(device))
            yield value if len(batches) == 1 else value / len(batches)

    result = optimizer_step(state, losses(), learning_rate_factor, clip_norm, clip_value)
    state.recurrent = after
    return result


def optimizer_step(
    state: TrainingState,
    losses: Iterator[Tensor],
    learning_rate_factor: float,
    clip_norm: float | None = None,
    clip_value: float | None = None,
) -> StepResult:
    """Move the parameters once, against the gradient of a sum of losses.

    Args:
        state: Renewed in place.
        losses: Each is computed when the gradient of the one before has been, so that one graph is there at a time.
        learning_rate_factor: From the schedule.
        clip_norm: The gradient's L2 norm at most (Pascanu et al. 2013).
        clip_value: The size of each of its components at most.

    Raises:
        NonFiniteError: Where loss or gradient is not finite; the parameters are then as before the step.
    """
    if not state.model.training:  # to say so to every module takes longer than to ask the one
        state.model.train()
    for parameter in state.parameters:
        parameter.grad = None
    parts: list[Tensor] = []
    for value in losses:
        value.backward()
        parts.append(value.detach())
    norm = _clip(state.parameters, clip_norm, clip_value)
    loss = reduce(torch.add, parts).item()
    result = StepResult(loss, norm, _set_learning_rates(state.optimizer, learning_rate_factor))
    if not (math.isfinite(result.loss) and math.isfinite(norm)):
        raise NonFiniteError(f"the loss is {result.loss} and the gradient's norm {norm}")
    state.optimizer.step()
    state.step += 1
    return result


def detached(states: States) -> States:
    """Cut states off from the graph that made them.

    Args:
        states: Every layer's state.
    """
    return tuple(map_state(Tensor.detach, state) for state in states)


def _clip(parameters: list[nn.Parameter], norm: float | None, value: float | None) -> float:
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    total = nn.utils.get_total_norm(gradients)
    found = total.item()
    # torch multiplies every gradient by min(1, norm / (found + 1e-6)); where that is surely 1, it need not be done.
    if norm is not None and found + 1e-6 > 0.999 * norm:
        nn.utils.clip_grads_with_norm_(parameters, norm, total)
    if value is not None:
        nn.utils.clip_grad_value_(parameters, value)
    return found


def _set_learning_rates(optimizer: torch.optim.Optimizer, factor: float) -> float:
    groups: list[dict[str, Any]] = optimizer.param_groups
    for group in groups:
        group["lr"] = group["initial_lr"] * factor
    return float(groups[0]["lr"])
