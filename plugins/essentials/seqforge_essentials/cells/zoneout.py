"""Zoneout of the state of any cell."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from seqforge.kinds import Cell


class Zoneout(Cell[Any]):
    """A cell whose state keeps some of its numbers in training (Krueger et al. 2017, "Zoneout: Regularizing RNNs").

    s' = m ⊙ s + (1 − m) ⊙ f(x, s) for a part s of the state, with a mask m of zeros and ones that is drawn for each
    step, row and number. Outside of training, m is its expected value, the probability. Where the output is a part of
    the state, such as the hidden state of an LSTM, it is this part after zoneout.

    Raises:
        ValueError: If `probabilities` has a name that is no part of the state.
    """

    steps_inner_cell: ClassVar[bool] = True

    def __init__(
        self,
        input_size: int,
        cell: Annotated[Callable[[int], Cell[Any]], Field(description="Cell to whose state zoneout is applied.")],
        probabilities: Annotated[
            dict[str, Annotated[float, Field(ge=0, lt=1)]],
            Field(
                min_length=1,
                description="Probability that a number stays what it was, for each part of the state: "
                "{hidden = 0.05, cell = 0.5} for an LSTM.",
            ),
        ],
    ) -> None:
        inner = cell(input_size)
        super().__init__(input_size, inner.hidden_size)
        self.inner = inner
        parts: dict[str, Tensor] = inner.initial_state(1)._asdict()
        for name in probabilities.keys() - parts.keys():
            raise ValueError(
                f"probabilities has {name!r}, and the state of {type(inner).__name__} has {', '.join(parts)}"
            )
        self._sizes = {name: part.numel() for name, part in parts.items() if name in probabilities}
        chances = torch.cat([torch.full((size,), probabilities[name]) for name, size in self._sizes.items()])
        self.register_buffer("probabilities", chances, persistent=False)

    def initial_state(self, batch_size: int) -> Any:
        """Return the initial state of the inner cell."""
        return self.inner.initial_state(batch_size)

    def auxiliary_loss(self, state: Any) -> Tensor | None:
        """Return the auxiliary loss of the inner cell."""
        return self.inner.auxiliary_loss(state)

    def project(self, inputs: Float[Tensor, "time batch input"]) -> Float[Tensor, "time batch projected"]:
        """Return what the inner cell projects, followed by the masks of all steps."""
        projected = self.inner.project(inputs)
        masks = self.get_buffer("probabilities").expand(*inputs.shape[:2], -1)
        if self.training:
            masks = torch.rand_like(masks) < masks
        return torch.cat([projected, masks.to(projected.dtype)], dim=-1)

    def step(
        self, projected: Float[Tensor, "batch projected"], state: Any
    ) -> tuple[Float[Tensor, "batch hidden"], Any]:
        """Return the output and the next state of one step; see `Cell.step`."""
        sizes = list(self._sizes.values())
        projected, *masks = torch.split(projected, [projected.shape[-1] - sum(sizes), *sizes], dim=-1)
        output, after = self.inner.step(projected, state)
        parts = after._asdict()
        for name, mask in zip(self._sizes, masks, strict=True):
            old, new = getattr(state, name), parts[name]
            kept = mask.reshape(new.shape)
            parts[name] = kept * old + (1 - kept) * new
            output = parts[name] if output is new else output
        return output, type(after)(**parts)
