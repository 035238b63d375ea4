"""The input of a cell beside its gates, for cells that add it to their state or output."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seqforge.kinds import Inputs, ProjectedCell
from seqforge.kinds.cell import StateT


class HighwayCell(ProjectedCell[StateT]):
    """Base of cells whose step reads the input x too, or a product with it if the sizes of x and h differ."""

    def project(self, inputs: Inputs) -> Float[Tensor, "time batch gates"]:
        """Return the products of all steps, followed by x if x and h have one size; a symbol is a unit vector."""
        gates = super().project(inputs)
        if self.input_size != self.hidden_size:
            return gates
        vectors = inputs if inputs.is_floating_point() else functional.one_hot(inputs, self.input_size)
        return torch.cat([gates, vectors.to(gates.dtype)], dim=-1)
