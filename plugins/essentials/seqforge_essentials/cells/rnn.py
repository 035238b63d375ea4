"""The simple recurrent network (RNN)."""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from seqforge.kinds import Equations, FactoredCell, Gates, Hidden, HiddenState

_NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu}


class RNN(FactoredCell[HiddenState]):
    """Simple recurrent network (Elman 1990, "Finding Structure in Time"): h' = tanh(W x + U h + b).

    ReLU in the place of tanh is that of Le et al. (2015, arXiv 1504.00941).

    Attributes:
        input_weight: `[hidden, input]`.
        recurrent_weight: `[hidden, hidden]`.
        bias: `[hidden]`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Size of the state and of the output.")] = 128,
        nonlinearity: Annotated[Literal["tanh", "relu"], Field(description="Activation function.")] = "tanh",
    ) -> None:
        super().__init__(input_size, hidden_size, hidden_size)
        self.nonlinearity = _NONLINEARITIES[nonlinearity]

    @property
    def equations(self) -> Equations:
        """`rnn-tanh` or `rnn-relu`."""
        return "rnn-tanh" if self.nonlinearity is torch.tanh else "rnn-relu"

    def pointwise(self, input_gates: Gates, recurrent_gates: Gates, state: HiddenState) -> tuple[Hidden, HiddenState]:
        """Compute the elementwise part of one step; see `FactoredCell.pointwise`."""
        del state  # `recurrent_gates` is U h, all that the step needs of the state.
        h = self.nonlinearity(input_gates + recurrent_gates)
        return h, HiddenState(h)
