"""Cells whose state is a matrix for each head, which a rule of rank one or two changes in every step."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor

from seqforge.cells import require_steps
from seqforge.kinds.cell import Hidden, Inputs, StateT
from seqforge.kinds.factored_cell import ProjectedCell
from seqforge.matrix_states import Memory, Outputs, Parts, Projected, Reads, Recurrence, read_chunk, read_steps

__all__ = ["MatrixState", "MatrixStateCell", "Parts"]


class MatrixState(NamedTuple):
    """State of a cell with a matrix for each head.

    Attributes:
        memory: S, which holds values under keys.
    """

    memory: Memory


class MatrixStateCell(ProjectedCell[StateT]):
    """A cell whose state is a matrix S, `[key, value]`, for each head.

    Every step computes u = Sᵀ a; S' = diag(w) S + b uᵀ + k vᵀ; o = S'ᵀ q. A subclass implements `parts` and
    `readout`, which compute each step by itself; what depends on several steps belongs in `mix_steps`.
    `forward` computes a chunk of steps in a few products, which also have a faster gradient;
    the suite `CellSuite` compares it with `step`. Under autocast, only the input projection runs in the lower
    precision.

    Args:
        input_size: Number of features of the input.
        hidden_size: Number of features of the output, those of the values of all heads.
        sizes: Number of features of each part of the input projection, as `split` returns them.
        heads: Number of heads.
        key_size: Number of keys of a head; by default, as many as it has values.

    Attributes:
        chunk_size: Steps that `forward` computes at once.
        value_size: Number of values of a head.

    Raises:
        ValueError: If the heads do not divide the hidden size.
    """

    chunk_size: ClassVar[int] = 32

    def __init__(
        self, input_size: int, hidden_size: int, sizes: Sequence[int], *, heads: int, key_size: int | None = None
    ) -> None:
        if hidden_size % heads:
            raise ValueError(f"heads = {heads} does not divide hidden_size = {hidden_size}")
        super().__init__(input_size, hidden_size, sum(sizes), bias=False)
        self.sizes = list(sizes)
        self.heads = heads
        self.value_size = hidden_size // heads
        self.key_size = key_size or self.value_size

    @abstractmethod
    def parts(self, projected: Projected) -> Parts:
        """Return q, k, v, the decay, a and b of every step from the input projection of the step.

        For the delta rules, `seqforge.matrix_states.delta_rule` computes k and a.
        """

    @abstractmethod
    def readout(self, reads: Reads, parts: Parts, projected: Projected) -> Outputs:
        """Return the output of every step from o, what its queries read, its parts, and its input projection."""

    def mix_steps(
        self, projected: Float[Tensor, "time batch projected"], state: StateT
    ) -> tuple[Float[Tensor, "time batch mixed"], tuple[Tensor, ...]]:
        """Return features that depend on several steps, and the tensors of the next state after the matrices.

        `parts` and `readout` receive these features after those of the input projection. By default, there are none,
        and the state has no other tensors. The projection may be in bfloat16: convert what you read to the type of the
        state.
        """
        return projected[..., :0], ()

    def initial_state(self, batch_size: int) -> StateT:
        """Return a state of zeros."""
        zeros = self.input_weight.new_zeros(batch_size, self.heads, self.key_size, self.value_size)
        return cast("StateT", MatrixState(zeros))

    def advance(
        self, projected: Float[Tensor, "time batch projected"], state: StateT, recurrence: Recurrence
    ) -> tuple[Float[Tensor, "time batch hidden"], StateT]:
        """Compute some steps by a recurrence, and return their outputs and the state after them."""
        mixed, others = self.mix_steps(projected, state)
        features = torch.cat([projected, mixed], dim=-1) if mixed.shape[-1] else projected
        parts = self.parts(features)
        reads, memory = recurrence(parts, state[0])
        return self.readout(reads, parts, features), type(state)(memory, *others)

    def step(self, projected: Float[Tensor, "batch projected"], state: StateT) -> tuple[Hidden, StateT]:
        """Return the output and the next state of one step; see `Cell.step`."""
        with torch.autocast(projected.device.type, enabled=False):
            output, after = self.advance(projected.to(state[0].dtype)[None], state, read_steps)
        return output[0], after

    def forward(self, inputs: Inputs, state: StateT) -> tuple[Float[Tensor, "time batch hidden"], StateT]:
        """Return the output of every step, and the state after the last step."""
        require_steps(inputs)
        projected = self.project(inputs).to(state[0].dtype)
        outputs: list[Tensor] = []
        with torch.autocast(inputs.device.type, enabled=False):
            for chunk in torch.split(projected, self.chunk_size):
                output, state = self.advance(chunk, state, read_chunk)
                outputs.append(output)
        return torch.cat(outputs), state

    def split(self, projected: Float[Tensor, "*time batch projected"]) -> Sequence[Tensor]:
        """Return the parts of the input projection, `[…, size]` for each of the sizes."""
        return torch.split(projected, self.sizes, dim=-1)

    def split_heads(self, vectors: Float[Tensor, "*leading features"]) -> Float[Tensor, "*leading heads size"]:
        """Return vectors with an axis for heads: `[…, heads, features / heads]`."""
        return vectors.reshape(*vectors.shape[:-1], self.heads, -1)
