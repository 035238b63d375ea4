"""Generation at a stretch: what a cell may offer where a model is of its kind all through."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor

from seqforge.interfaces.cell import Cell, State


@dataclass(frozen=True, slots=True)
class Rule:
    """What a sampler without memory does to logits, as a value that compiled code can follow.

    Attributes:
        kind: `temperature` divides by the value; `top-k`, `top-p` and `min-p` forbid what the sampler of that name
            forbids; `greedy` leaves the likeliest symbol alone.
        value: The number that goes with it; a greedy rule has none.
    """

    kind: Literal["temperature", "top-k", "top-p", "min-p", "greedy"]
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Network:
    """A model that reads symbols and writes logits, in parts.

    Attributes:
        cells: The layers, the lowest first.
        embedding: `[symbols, input]`, or None where the lowest cell reads symbols themselves.
        head_weight: `[symbols, hidden]`.
        head_bias: `[symbols]`.
        int8: Whether to multiply in 8 bits.
    """

    cells: Sequence[Cell[Any]]
    embedding: Tensor | None
    head_weight: Tensor
    head_bias: Tensor
    int8: bool = False


Decoder = Callable[[Tensor, Tensor], Tensor]
"""Goes on from the symbols `[batch]` that were drawn last, by uniform numbers `[steps, batch]` in [0, 1).

Each picks the symbol at which the distribution function passes it. Gives the symbols `[steps, batch]`, or fewer steps
where the logits of the next are not finite; carries its state from call to call.
"""


@runtime_checkable
class DecodingCell(Protocol):
    """A cell that can generate at a stretch; the engine asks the lowest."""

    def decoder(self, network: Network, states: Sequence[State], rules: Sequence[Rule]) -> Decoder | None:
        """Prepare to generate.

        Args:
            network: The whole model.
            states: Every layer's, after what was read so far.
            rules: What is done to the logits before a draw, in order.

        Returns:
            The decoder, or None where it cannot serve this model, or not in 8 bits where those are asked for.
        """
        ...
