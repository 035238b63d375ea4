"""The training step of every torch model: forward pass, cross-entropy, backward pass, gradient clipping, fused Adam."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.sizes import BATCH_SIZE, CLIP_NORM, SEQUENCE_LENGTH, SYMBOLS
from benchmarks.worker import Clock


def train(
    clocks: Iterator[Clock], model: nn.Module, forward: Callable[[Tensor], Tensor], steps: int, precision: str
) -> None:
    """Time training steps.

    Args:
        clocks: One clock for each round.
        model: Model to train.
        forward: Function from symbols `[time, batch]` to logits `[time, batch, symbols]`.
        steps: Training steps in a round.
        precision: "float32", or "bfloat16" for autocast of `forward`.
    """
    generator = torch.Generator().manual_seed(1)
    shape = (SEQUENCE_LENGTH, BATCH_SIZE)
    inputs, targets = (torch.randint(SYMBOLS, shape, generator=generator) for _ in range(2))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = forward(inputs)
        loss = functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()
        return loss.item()

    for clock in clocks:
        with clock:
            for _ in range(steps):
                step()
