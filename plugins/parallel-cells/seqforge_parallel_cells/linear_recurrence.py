"""The linear recurrence with its gradient, and which scan computes it where."""

from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqforge_parallel_cells.parallel_scan import parallel_scan
from seqforge_parallel_cells.sequential_scan import sequential_scan

Scan = Callable[[Tensor, Tensor, Tensor, bool], Tensor]
"""`sequential_scan` or `parallel_scan`: start, decays, addends and whether to read backwards, into all states."""


def scan_for(device: torch.device) -> Scan:
    """Choose the scan for a device.

    A GPU waits for each of a loop's kernels, and has units to spare for a parallel scan; a CPU does neither.

    Args:
        device: Where the tensors are.
    """
    return parallel_scan if device.type == "cuda" else sequential_scan


def linear_recurrence(
    scan: Scan,
    decays: Float[Tensor, "time batch hidden"],
    addends: Float[Tensor, "time batch hidden"],
    start: Float[Tensor, "batch hidden"],
) -> Float[Tensor, "time batch hidden"]:
    """Compute h_t = a_t ⊙ h_{t-1} + b_t for a whole sequence, with a gradient but no second one.

    Args:
        scan: Computes the states, and backwards their gradients.
        decays: a, for every step.
        addends: b, for every step.
        start: h before the first step.

    Returns:
        h after every step.
    """
    return cast("Any", _LinearRecurrence).apply(scan, decays, addends, start)


class _LinearRecurrence(torch.autograd.Function):
    """The gradient of a linear recurrence is the same recurrence read backwards (Martin and Cundy 2018, 1709.04057).

    With g_t what comes from h_t's own readers, and λ_t all that reaches h_t, λ_t = a_{t+1} ⊙ λ_{t+1} + g_t.
    """

    @staticmethod
    def forward(ctx: Any, scan: Scan, decays: Tensor, addends: Tensor, start: Tensor) -> Tensor:
        states = scan(start, decays, addends, False)
        ctx.scan = scan
        ctx.save_for_backward(decays, states)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[None, Tensor, Tensor, Tensor]:
        decays, states = ctx.saved_tensors
        reaching = ctx.scan(gradient[-1], decays[1:], gradient[:-1], True)
        return None, reaching * states[:-1], reaching, decays[0] * reaching[0]
