"""Generation kernels, with which a backend draws many symbols in one call."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqforge.kinds.cell import Cell, State

__all__ = ["GenerationKernel", "GenerationModel", "LogitRule"]


@dataclass(frozen=True, slots=True)
class LogitRule:
    """The change that a sampler without memory makes to the logits, as a value that compiled code can apply.

    Attributes:
        kind: `temperature` divides the logits by the value; `top-k`, `top-p` and `min-p` forbid the symbols that the
            sampler of the same name forbids; `greedy` forbids all symbols but the most probable one.
        value: Parameter of the rule; `greedy` ignores it.
    """

    kind: Literal["temperature", "top-k", "top-p", "min-p", "greedy"]
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class GenerationModel:
    """The parts of a language model that a generation kernel needs.

    Attributes:
        cells: Layers, the lowest first.
        embedding: Vector of each symbol, or None if the lowest cell reads symbols.
        head_weight: Weight of the head, which maps the output of the highest layer to the logits.
        head_bias: Bias of the head.
        rules: Changes to the logits before a draw, in order.
        dtype: Type of the matrix products: float32, bfloat16 or int8.
        norm: Norm of the output of the highest layer, which the head reads, or None.
    """

    cells: Sequence[Cell[Any]]
    embedding: Float[Tensor, "symbols input"] | None
    head_weight: Float[Tensor, "symbols hidden"]
    head_bias: Float[Tensor, " symbols"]
    rules: Sequence[LogitRule]
    dtype: torch.dtype
    norm: nn.Module | None = None


@runtime_checkable
class GenerationKernel(Protocol):
    """A function that draws symbols. It keeps no state, so that the engine can go back to an earlier one."""

    def __call__(
        self, last: Int[Tensor, " batch"], states: Sequence[State], uniforms: Float[Tensor, "steps batch"]
    ) -> tuple[Int[Tensor, "drawn batch"], Sequence[State]]:
        """Draw symbols by inverse transform sampling.

        Args:
            last: Last symbol of each sample, which the model has not read yet.
            states: State of every layer before that symbol. The function does not modify it.
            uniforms: Uniform random numbers in [0, 1), one for each draw.

        Returns:
            The drawn symbols, and the state of every layer before the last of them. There are fewer symbols than
            `steps` if the logits of the next step are not finite; the states are then undefined.
        """
        ...
