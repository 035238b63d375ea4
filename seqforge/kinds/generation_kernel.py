"""Generation kernels, with which a backend draws many symbols in one call."""

import math
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
    """A change to the logits, as a value that compiled code can apply, too.

    Attributes:
        kind: `temperature` divides the logits by the value. `top-k` keeps that number of the most probable symbols, and
            any others that tie with the last of them. `top-p` keeps the fewest symbols whose total probability is at
            least the value; of equally probable ones, the first. `min-p` keeps the symbols whose probability is at
            least this share of the highest one. `greedy` keeps the most probable symbol, or the first of several.
        value: Parameter of the rule; `greedy` ignores it.
    """

    kind: Literal["temperature", "top-k", "top-p", "min-p", "greedy"]
    value: float = 0.0

    def apply(self, logits: Float[Tensor, "batch symbols"]) -> Float[Tensor, "batch symbols"]:
        """Return the changed logits. Minus infinity forbids a symbol."""
        match self.kind:
            case "temperature":
                return logits / self.value
            case "greedy":
                best = logits.argmax(dim=-1, keepdim=True)
                return torch.full_like(logits, -torch.inf).scatter(-1, best, 0.0)
            case "top-k":
                highest = logits.topk(min(int(self.value), logits.shape[-1]), dim=-1).values
                forbidden = logits < highest[:, -1:]
            case "min-p":
                # The comparison of logarithms needs no softmax.
                forbidden = logits < logits.amax(dim=-1, keepdim=True) + math.log(self.value)
            case "top-p":
                ordered, order = logits.sort(dim=-1, descending=True, stable=True)
                # Sum from the improbable end, where the terms are small, so that rounding excludes nothing for 1.
                tail = ordered.softmax(dim=-1).flip(-1).cumsum(-1).flip(-1)
                excluded = tail <= 1 - self.value
                excluded[:, 0] = False
                forbidden = excluded.scatter(-1, order, excluded)
        return logits.masked_fill(forbidden, -torch.inf)


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
