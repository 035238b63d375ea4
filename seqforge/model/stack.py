"""Cells one above the other."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqforge.interfaces import Cell, State
from seqforge.model.dropout import Dropout
from seqforge.model.encoder_output import EncoderOutput, last_outputs, reverse_rows

States = tuple[State, ...]
"""The state of every layer, the first layer's first."""


class RecurrentStack(nn.Module):
    """Layers of cells, each reading what the one below writes.

    Dropout falls on what a layer writes, and never on its state (Zaremba et al. 2014, "Recurrent Neural Network
    Regularization").

    With cells that read backwards beside them, a layer writes what both write, one behind the other (Schuster and
    Paliwal 1997, "Bidirectional Recurrent Neural Networks"). Such a stack reads whole examples only.

    Args:
        cells: The layers, the lowest first; each reads as many features as the one below it writes.
        dropout: Probability of dropping each of a layer's outputs while training.
        backward_cells: A cell for each layer that reads the other way, or none.

    Attributes:
        hidden_size: Features that the highest layer writes.
    """

    def __init__(self, cells: Sequence[Cell[Any]], dropout: float, backward_cells: Sequence[Cell[Any]] = ()) -> None:
        super().__init__()
        self.cells = nn.ModuleList(cells)
        self.backward_cells = nn.ModuleList(backward_cells)
        self.dropout = Dropout(dropout)
        self.hidden_size = cells[-1].hidden_size + (backward_cells[-1].hidden_size if backward_cells else 0)

    @property
    def layers(self) -> list[Cell[Any]]:
        """The cells, the lowest first."""
        return [cast("Cell[Any]", cell) for cell in self.cells]

    @property
    def backward_layers(self) -> list[Cell[Any]]:
        """The cells that read the other way, the lowest first."""
        return [cast("Cell[Any]", cell) for cell in self.backward_cells]

    def initial_states(self, batch_size: int) -> States:
        """Make every layer's state before the first step.

        Args:
            batch_size: Sequences in the batch.
        """
        return tuple(cell.initial_state(batch_size) for cell in self.layers)

    def forward(
        self, inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"], states: States
    ) -> tuple[Float[Tensor, "time batch hidden"], States]:
        """Read a sequence.

        Args:
            inputs: What the lowest layer reads.
            states: Every layer's state before it.

        Returns:
            What the highest layer writes on every step, and every layer's state after the last.
        """
        outputs = inputs
        after: list[State] = []
        for cell, before in zip(self.layers, states, strict=True):
            outputs, state = cell(outputs, before)
            outputs = self.dropout(outputs)
            after.append(state)
        return outputs, tuple(after)

    def encode(
        self,
        inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"],
        lengths: Int[Tensor, " batch"],
    ) -> EncoderOutput:
        """Read whole examples, each from its own start to its own end.

        Args:
            inputs: What the lowest layer reads; beyond a row's length, padding.
            lengths: Steps of each row.
        """
        if not self.backward_cells:
            outputs, _ = self(inputs, self.initial_states(len(lengths)))
            return EncoderOutput(outputs, last_outputs(outputs, lengths), lengths)
        outputs = inputs
        for cell, backward in zip(self.layers, self.backward_layers, strict=True):
            there, _ = cell(outputs, cell.initial_state(len(lengths)))
            back, _ = backward(reverse_rows(outputs, lengths), backward.initial_state(len(lengths)))
            outputs = self.dropout(torch.cat([there, reverse_rows(back, lengths)], dim=-1))
        there, back = outputs.tensor_split([self.layers[-1].hidden_size], dim=-1)
        return EncoderOutput(outputs, torch.cat([last_outputs(there, lengths), back[0]], dim=-1), lengths)

    def stepper(self, batch_size: int) -> Callable[[Tensor, States], tuple[Float[Tensor, "batch hidden"], States]]:
        """Prepare to read one step at a time, without dropout: for generation.

        Args:
            batch_size: Sequences that will be read side by side.

        Returns:
            A function of what the lowest layer reads and of every layer's state, which gives what the highest layer
            writes, and every layer's state after it.
        """
        steppers = [cell.stepper(batch_size) for cell in self.layers]

        def step(inputs: Tensor, states: States) -> tuple[Tensor, States]:
            outputs = inputs
            after: list[State] = []
            for read, before in zip(steppers, states, strict=True):
                outputs, state = read(outputs, before)
                after.append(state)
            return outputs, tuple(after)

        return step
