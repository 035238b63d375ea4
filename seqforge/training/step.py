"""One optimizer step."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, cast

import torch
from torch import Tensor, nn

from seqforge.distribution.replica import Replica
from seqforge.distribution.world import reported_lost_processes
from seqforge.errors import NonFiniteError
from seqforge.model.recomputation import States
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import map_states
from seqforge.runs.training_state import TrainingState
from seqforge.tasks.task import BatchLoss


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
    losses: Sequence[BatchLoss],
    learning_rate_factor: float,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    replica: Replica[SequenceModel] | None = None,
) -> StepResult:
    """Take one optimizer step on the gradient of the sum of the losses of one or several batches.

    The recurrent states after the batches are carried without the graph that computed them: truncated backpropagation
    through time (Williams and Peng 1990).

    Args:
        state: Training state; updated in place.
        losses: Losses of the batches. Each is computed after the gradient of the previous one, so that only one graph
            is in memory.
        learning_rate_factor: Factor of the schedule.
        clip_norm: Maximum L2 norm of the gradient (Pascanu et al. 2013).
        clip_value: Maximum absolute value of each component of the gradient.
        replica: The model, whose gradients are averaged over several processes; by default, that of one process.

    Raises:
        NonFiniteError: If the loss or the gradient is not finite. The parameters are then unchanged.
    """
    replica = replica or Replica(state.model)
    if not state.model.training:  # Setting the mode of all modules takes longer than reading the mode of one.
        state.model.train()
    for parameter in state.parameters:
        parameter.grad = None
    values: list[Tensor] = []
    recurrent: list[States] = []
    for index, compute_loss in enumerate(losses):
        with replica.part(last=index == len(losses) - 1):
            value, after = replica(compute_loss)
            with reported_lost_processes():
                value.backward()
        values.append(value.detach())
        if after:
            recurrent.append(map_states(Tensor.detach, after))
    loss, norm = clip_gradients(state.parameters, reduce(torch.add, values), clip_norm, clip_value)
    groups: list[dict[str, Any]] = state.optimizer.param_groups
    for group in groups:
        group["lr"] = group["initial_lr"] * learning_rate_factor
    result = StepResult(loss, norm, float(groups[0]["lr"]))
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise NonFiniteError(f"the loss is {loss}, and the norm of the gradient is {norm}")
    state.optimizer.step()
    state.model.constrain_parameters()
    state.recurrent = recurrent
    state.step += 1
    return result


def clip_gradients(
    parameters: list[nn.Parameter], loss: Tensor, norm: float | None, value: float | None
) -> tuple[float, float]:
    """Clip the gradients of parameters as `train_step` does, and return the loss and their L2 norm before.

    Both are read at once, since the host waits for a GPU at each read.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    total_norm = nn.utils.get_total_norm(gradients)
    read, before = cast("list[float]", torch.stack([loss, total_norm.to(loss)]).tolist())
    # torch multiplies every gradient by min(1, norm / (before + 1e-6)), even if this factor is 1.
    if norm is not None and before + 1e-6 > 0.999 * norm:
        nn.utils.clip_grads_with_norm_(parameters, norm, total_norm)
    if value is not None:
        nn.utils.clip_grad_value_(parameters, value)
    return read, before
