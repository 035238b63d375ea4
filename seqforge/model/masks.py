"""Masks of whole sequences, of symbols and of weights, which regularize a model in training.

Whatever the backend of a cell is, it receives masked inputs and masked weights.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from seqforge.kinds import Cell


class Masks(NamedTuple):
    """The masks of one batch of sequences, which are the same on each of their steps.

    Masks are drawn for the sequences of a step. A carried state is not masked, and continues with other masks.

    Attributes:
        symbols: Factor of the vector of each symbol.
        inputs: Factors of the inputs of the lowest layer.
        outputs: Factors of the outputs of a layer, `[batch, features]`, by its index.
        weights: Factors of the recurrent weights of a cell, by its index in the stack and by their names in the cell.
    """

    symbols: Float[Tensor, "symbols 1"] | None = None
    inputs: Float[Tensor, "batch features"] | None = None
    outputs: Mapping[int, Tensor] = {}
    weights: Mapping[int, Mapping[str, Tensor]] = {}


NO_MASKS = Masks()


def with_masked_weights(cell: Cell[Any], masks: Mapping[str, Tensor]) -> Callable[[Tensor, Any], tuple[Tensor, Any]]:
    """Return a cell whose weights are multiplied by masks while it reads a sequence, on its backend.

    Wan et al. 2013, "Regularization of Neural Networks using DropConnect", and Merity et al. 2018, section 2.
    """
    if not masks:
        return cell

    def read(inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        masked = {name: cell.get_parameter(name) * mask for name, mask in masks.items()}
        return torch.func.functional_call(cell, masked, (inputs, state))

    return read
