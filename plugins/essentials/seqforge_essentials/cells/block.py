"""A residual block around any cell."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, cast

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from seqforge.cells import new_norm
from seqforge.dropout import Dropout
from seqforge.kinds import Cell

Recurrence = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""Function that computes a sequence of the inner cell: its outputs and its state."""


class Block(Cell[Any]):
    """A residual block around any cell, as in Griffin and xLSTM.

    With y = norm(x): a projection up to u, a causal convolution of each feature of u over a few steps and SiLU, the
    inner cell, a gate g(W_g y), a projection down, and the sum with x. Then, a feed-forward part of its own, with norm
    and sum. Each part but the norm, the cell and the sum is optional; without a projection up, u = y.

    The block of Griffin (De et al. 2024, arXiv 2402.19427) has a projection, a convolution, a GELU gate and a
    feed-forward part; that of the mLSTM (Beck et al. 2024, arXiv 2405.04517) expands by 2, with a convolution and a
    SiLU gate.

    The size of the output is that of the input. In the first layer, `model.embedding_size` sets it; without an
    embedding, it is the number of symbols.

    The norm by the root mean square is that of Zhang and Sennrich (2019, arXiv 1910.07467), `swiglu` and `geglu` are
    those of Shazeer (2020, arXiv 2002.05202), and dropout before the sums that of Vaswani et al. (2017, section 5.4).
    Stochastic depth (Huang et al. 2016, "Deep Networks with Stochastic Depth") leaves a part out on all steps of a
    sequence in a call. The state of the cell is the same with and without it.
    """

    def __init__(
        self,
        input_size: int,
        cell: Annotated[Callable[[int], Cell[Any]], Field(description="Cell inside the block.")],
        norm: Annotated[Literal["rms", "layer"], Field(description="Norm before each part.")] = "rms",
        expansion: Annotated[
            Annotated[float, Field(gt=0, le=64)] | None,
            Field(description="Features before the cell for each feature of the input."),
        ] = None,
        convolution: Annotated[
            int, Field(ge=0, le=64, description="Steps that a causal convolution before the cell reads; 0 for none.")
        ] = 0,
        gate: Annotated[
            Literal["none", "silu", "gelu"], Field(description="Nonlinearity of a gate on the output of the cell.")
        ] = "none",
        feed_forward: Annotated[
            Literal["none", "swiglu", "geglu", "gelu"], Field(description="Feed-forward part after the cell.")
        ] = "none",
        feed_forward_expansion: Annotated[
            float,
            Field(gt=0, le=64, description="Features inside the feed-forward part for each feature of the input."),
        ] = 2.0,
        dropout: Annotated[
            float, Field(ge=0, lt=1, description="Fraction of the outputs of each part that is dropped before the sum.")
        ] = 0.0,
        stochastic_depth: Annotated[
            Annotated[float, Field(ge=0, lt=1)] | None,
            Field(description="Fraction of the sequences that a part leaves out while training."),
        ] = None,
    ) -> None:
        super().__init__(input_size, input_size)
        inner_size = input_size if expansion is None else max(1, round(expansion * input_size))
        self.inner = cell(inner_size)
        output_size = self.inner.hidden_size
        self.cell_norm = new_norm(norm, input_size)
        self.up = None if expansion is None else nn.Linear(input_size, inner_size, bias=False)
        self.convolution = nn.Parameter(torch.empty(convolution, inner_size)) if convolution else None
        self.convolution_bias = nn.Parameter(torch.empty(inner_size)) if convolution else None
        self.gate_name = gate
        self.gate = None if gate == "none" else nn.Linear(input_size, output_size, bias=False)
        self.down = nn.Linear(output_size, input_size, bias=False)
        self.dropout = Dropout(dropout)
        self.depth = Dropout(stochastic_depth or 0.0, per_sequence=True)
        self.feed_forward_name = feed_forward
        self.feed_forward_norm, self.widen, self.narrow = None, None, None
        if feed_forward != "none":
            width = max(1, round(feed_forward_expansion * input_size))
            self.feed_forward_norm = new_norm(norm, input_size)
            self.widen = nn.Linear(input_size, width if feed_forward == "gelu" else 2 * width, bias=False)
            self.narrow = nn.Linear(width, input_size, bias=False)
        fields = [f"inner_{field}" for field in self.inner.initial_state(1)._fields]
        new_type = cast("Any", NamedTuple)
        self._state_type = new_type("BlockState", [(name, Tensor) for name in ["window"] * bool(convolution) + fields])
        self.set_initial_biases()

    def set_initial_biases(self) -> None:
        """Set the convolution to pass on the last step, and the gains of norms to 1."""
        with torch.no_grad():
            if self.convolution is not None and self.convolution_bias is not None:
                self.convolution.zero_()
                self.convolution[-1] = 1
                self.convolution_bias.zero_()
            for norm in (self.cell_norm, self.feed_forward_norm):
                if norm is not None:
                    norm.reset_parameters()

    def initial_state(self, batch_size: int) -> Any:
        """Return the initial state of the inner cell, after a window of zeros if there is a convolution."""
        inner = self.inner.initial_state(batch_size)
        if self.convolution is None:
            return self._state_type(*inner)
        steps, features = self.convolution.shape
        return self._state_type(self.convolution.new_zeros(batch_size, steps - 1, features), *inner)

    def step(self, projected: Float[Tensor, "batch input"], state: Any) -> tuple[Float[Tensor, "batch input"], Any]:
        """Return the output and the next state of one step; see `Cell.step`."""

        def run(u: Tensor, inner: Any) -> tuple[Tensor, Any]:
            output, after = self.inner.step(self.inner.project(u)[0], inner)
            return output[None], after

        output, after = self._advance(projected[None], state, run)
        return output[0], after

    def forward(
        self, inputs: Float[Tensor, "time batch input"], state: Any
    ) -> tuple[Float[Tensor, "time batch input"], Any]:
        """Return the output of every step, and the state after the last step."""
        return self._advance(inputs, state, self.inner)

    def auxiliary_loss(self, state: Any) -> Tensor | None:
        """Return the auxiliary loss of the inner cell."""
        return self.inner.auxiliary_loss(self._inner_state(state))

    def _inner_state(self, state: Any) -> Any:
        inner = self.inner.initial_state(1)
        return type(inner)(*state[len(state) - len(inner) :])

    def _advance(
        self, x: Float[Tensor, "time batch input"], state: Any, run: Recurrence
    ) -> tuple[Float[Tensor, "time batch input"], Any]:
        """Compute some steps, with the recurrence of the inner cell."""
        y = _normalize(self.cell_norm, x)
        u = y if self.up is None else self.up(y)
        carried: tuple[Tensor, ...] = ()
        if self.convolution is not None:
            u, window = _convolve(u, state[0], self.convolution, cast("Tensor", self.convolution_bias))
            carried = (window,)
        outputs, inner = run(u, self._inner_state(state))
        if self.gate is not None:
            gate = self.gate(y)
            outputs = outputs * (functional.silu(gate) if self.gate_name == "silu" else functional.gelu(gate))
        x = self._add(x, self.down(outputs))
        if self.feed_forward_norm is not None and self.widen is not None and self.narrow is not None:
            wide = self.widen(_normalize(self.feed_forward_norm, x))
            if self.feed_forward_name == "gelu":
                wide = functional.gelu(wide)
            else:
                left, right = wide.chunk(2, dim=-1)
                wide = right * (functional.silu(left) if self.feed_forward_name == "swiglu" else functional.gelu(left))
            x = self._add(x, self.narrow(wide))
        return x, self._state_type(*carried, *inner)

    def _add(self, x: Float[Tensor, "time batch input"], part: Float[Tensor, "time batch input"]) -> Tensor:
        part = self.dropout(part.to(x.dtype))
        return x + self.depth(part, self.depth.draw_mask((x.shape[1], 1), x))


def _convolve(
    inputs: Float[Tensor, "time batch features"],
    window: Float[Tensor, "batch steps features"],
    weight: Float[Tensor, "width features"],
    bias: Float[Tensor, " features"],
) -> tuple[Float[Tensor, "time batch features"], Float[Tensor, "batch steps features"]]:
    """Return SiLU of the causal convolution of each feature, and the inputs that the next step reads."""
    padded = torch.cat([window.transpose(0, 1).to(inputs.dtype), inputs])
    steps = inputs.shape[0]
    total = bias
    for lag, factor in enumerate(weight):
        total = torch.addcmul(total, factor, padded[lag : lag + steps])
    return functional.silu(total), padded[padded.shape[0] - len(weight) + 1 :].transpose(0, 1).to(window.dtype)


def _normalize(norm: nn.RMSNorm | nn.LayerNorm, inputs: Tensor) -> Tensor:
    """Return the norm in the type of its gain, since a layer below may have outputs in bfloat16."""
    return norm(inputs.to(norm.weight.dtype))
