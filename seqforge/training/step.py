"""One optimizer step, and one step of truncated backpropagation through time."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor, nn

from seqforge.data import Batch
from seqforge.distribution import Replica, reported_lost_processes
from seqforge.errors import NonFiniteError
from seqforge.kinds import Loss, map_state
from seqforge.model import SequenceModel, States
from seqforge.runs.training_state import TrainingState


@dataclass(frozen=True, slots=True)
class StepResult:
    """The values of one optimizer step.

    Attributes:
        loss: Mean loss over the targets of the step; with several processes, the part of this process, and the loss is
            the mean of all parts.
        gradient_norm: L2 norm of the gradient before clipping.
        learning_rate: Learning rate of the first parameter group.
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
    replica: Replica[SequenceModel] | None = None,
) -> StepResult:
    """Take one optimizer step on the accumulated gradients of one or several batches.

    A batch that continues the previous one starts from its recurrent state, without its graph: truncated
    backpropagation through time (Williams and Peng 1990).

    Args:
        state: Training state; updated in place.
        batches: Batches, whose losses are averaged.
        loss: Training loss.
        learning_rate_factor: Factor of the schedule.
        clip_norm: Maximum L2 norm of the gradient; see `optimizer_step`.
        clip_value: Maximum absolute value of each component of the gradient.
        replica: The model, whose gradients are averaged over several processes; by default, that of one process.

    Raises:
        NonFiniteError: If the loss or the gradient is not finite. The parameters are then unchanged.
    """
    after: list[States] = []
    losses = _losses_of(state, batches, loss, replica or Replica(state.model), after)
    result = optimizer_step(state, losses, learning_rate_factor, clip_norm, clip_value)
    state.recurrent = after
    return result


def _losses_of(
    state: TrainingState, batches: Sequence[Batch], loss: Loss, replica: Replica[SequenceModel], after: list[States]
) -> Iterator[Tensor]:
    """Compute the loss of every batch, and append the recurrent state after it to `after`."""
    for index, batch in enumerate(batches):
        carried = batch.continues and bool(state.recurrent)
        before = state.recurrent[index] if carried else state.model.initial_states(batch.inputs.shape[1])
        with replica.part(last=index == len(batches) - 1):
            value, states = replica(partial(_read_batch, batch, before, loss, state.device))
            after.append(detach_states(states))
            yield value if len(batches) == 1 else value / len(batches)


def _read_batch(
    batch: Batch, before: States, loss: Loss, device: torch.device, model: SequenceModel
) -> tuple[Tensor, States]:
    outputs, states = model(batch.inputs.to(device), before)
    return loss(outputs, batch.targets.to(device)), states


def optimizer_step(
    state: TrainingState,
    losses: Iterator[Tensor],
    learning_rate_factor: float,
    clip_norm: float | None = None,
    clip_value: float | None = None,
) -> StepResult:
    """Take one optimizer step on the gradient of a sum of losses.

    Args:
        state: Training state; updated in place.
        losses: Losses. Each is computed after the gradient of the previous one, so that only one graph is in memory.
        learning_rate_factor: Factor of the schedule.
        clip_norm: Maximum L2 norm of the gradient (Pascanu et al. 2013).
        clip_value: Maximum absolute value of each component of the gradient.

    Raises:
        NonFiniteError: If the loss or the gradient is not finite. The parameters are then unchanged.
    """
    if not state.model.training:  # Setting the mode of all modules takes longer than reading the mode of one.
        state.model.train()
    for parameter in state.parameters:
        parameter.grad = None
    parts: list[Tensor] = []
    for value in losses:
        with reported_lost_processes():
            value.backward()
        parts.append(value.detach())
    norm = clip_gradients(state.parameters, clip_norm, clip_value)
    loss = reduce(torch.add, parts).item()
    result = StepResult(loss, norm, _set_learning_rates(state.optimizer, learning_rate_factor))
    if not (math.isfinite(result.loss) and math.isfinite(norm)):
        raise NonFiniteError(f"the loss is {result.loss}, and the norm of the gradient is {norm}")
    state.optimizer.step()
    state.model.constrain_parameters()
    state.step += 1
    return result


def detach_states(states: States) -> States:
    """Return recurrent states without the graph that computed them."""
    return tuple(map_state(Tensor.detach, state) for state in states)


def map_recurrent(function: Callable[[Tensor], Tensor], recurrent: list[States]) -> list[States]:
    """Return the recurrent states of several batches, with a function applied to every tensor."""
    return [tuple(map_state(function, state) for state in states) for states in recurrent]


def clip_gradients(parameters: list[nn.Parameter], norm: float | None, value: float | None) -> float:
    """Clip the gradients of parameters as `optimizer_step` does, and return their L2 norm before."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    total_norm = nn.utils.get_total_norm(gradients)
    before = total_norm.item()
    # torch multiplies every gradient by min(1, norm / (before + 1e-6)), even if this factor is 1.
    if norm is not None and before + 1e-6 > 0.999 * norm:
        nn.utils.clip_grads_with_norm_(parameters, norm, total_norm)
    if value is not None:
        nn.utils.clip_grad_value_(parameters, value)
    return before


def _set_learning_rates(optimizer: torch.optim.Optimizer, factor: float) -> float:
    groups: list[dict[str, Any]] = optimizer.param_groups
    for group in groups:
        group["lr"] = group["initial_lr"] * factor
    return float(groups[0]["lr"])
