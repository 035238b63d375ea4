"""A stack of recurrent layers, with dropout between them and its masks, and its output for whole examples."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqforge.dropout import Dropout
from seqforge.experiment.model import Regularization
from seqforge.kinds import Cell, State, map_state
from seqforge.kinds.cell import recurrent_matrices
from seqforge.model.initial_states import LearnedStates, read_documents
from seqforge.model.recomputation import Reader, States, read_recomputed


def map_states(function: Callable[[Tensor], Tensor], states: States) -> States:
    """Return recurrent states, with a function applied to every tensor."""
    return tuple(map_state(function, state) for state in states)


NO_REGULARIZATION = Regularization()


class EncoderOutput(NamedTuple):
    """Output of an encoder for a padded batch of examples.

    Attributes:
        outputs: Output of the highest layer on every step. Steps beyond the length of a row are padding.
        last: Output of the highest layer after reading a whole row: on the last step of the row for the forward
            direction, and on its first step for the backward direction.
        lengths: Number of steps of each row.
    """

    outputs: Float[Tensor, "time batch features"]
    last: Float[Tensor, "batch features"]
    lengths: Int[Tensor, " batch"]

    def rows(self, indices: Int[Tensor, " rows"]) -> "EncoderOutput":
        """Return the rows at the given indices, which may repeat."""
        return EncoderOutput(self.outputs[:, indices], self.last[indices], self.lengths[indices])


class Masks(NamedTuple):
    """The masks of one batch of sequences, which are the same on each of their steps and on every backend.

    Each batch has new masks. A carried state is not masked, and the next batch continues it with its own masks.

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


class RecurrentStack(nn.Module):
    """A stack of layers, each of which reads the outputs of the layer below.

    Dropout applies to the outputs of a layer, never to its state (Zaremba et al. 2014, "Recurrent Neural Network
    Regularization"). With backward cells, a layer's output is the concatenation of both directions (Schuster and
    Paliwal 1997, "Bidirectional Recurrent Neural Networks"); such a stack reads whole examples only.

    Args:
        cells: Layers, the lowest first. The input size of each is the output size of the layer below.
        regularization: Dropout of the inputs, outputs and recurrent weights, and penalties of the outputs.
        backward_cells: For each layer, the cell that reads the reversed sequence; empty for none.

    Attributes:
        hidden_size: Size of the output of the highest layer.
    """

    def __init__(
        self,
        cells: Sequence[Cell[Any]],
        regularization: Regularization = NO_REGULARIZATION,
        backward_cells: Sequence[Cell[Any]] = (),
    ) -> None:
        super().__init__()
        self.cells = nn.ModuleList(cells)
        self.backward_cells = nn.ModuleList(backward_cells)
        self.regularization = regularization
        per_sequence = regularization.dropout_mask == "sequence"
        self.input_dropout = Dropout(regularization.input_dropout or 0.0, per_sequence=per_sequence)
        self.dropout = Dropout(regularization.dropout, per_sequence=per_sequence)
        self.weight_drop = Dropout(regularization.weight_drop or 0.0, per_sequence=True)
        self.learned: LearnedStates | None = None
        self.hidden_size = cells[-1].hidden_size + (backward_cells[-1].hidden_size if backward_cells else 0)

    @property
    def layers(self) -> list[Cell[Any]]:
        """The forward cells, the lowest first."""
        return [cast("Cell[Any]", cell) for cell in self.cells]

    @property
    def backward_layers(self) -> list[Cell[Any]]:
        """The backward cells, the lowest first."""
        return [cast("Cell[Any]", cell) for cell in self.backward_cells]

    def learn_initial_states(self) -> None:
        """Make the initial state of every cell a parameter."""
        self.learned = LearnedStates([*self.layers, *self.backward_layers])

    def initial_states(self, batch_size: int) -> States:
        """Return the state of every layer before the first step."""
        return self._start(self.layers, batch_size)

    def _start(self, cells: Sequence[Cell[Any]], batch_size: int) -> States:
        """Return the states before the first step, of the forward cells or of all."""
        states = [cell.initial_state(batch_size) for cell in cells]
        if self.learned is None:
            return tuple(states)
        return tuple(self.learned.fill(index, state) for index, state in enumerate(states))

    def draw_masks(self, batch_size: int) -> Masks:
        """Return the masks of inputs, outputs and recurrent weights for a batch; none outside of training."""
        if not (self.training and (self.dropout.per_sequence or self.weight_drop.probability)):
            return NO_MASKS
        like = next(self.parameters(), torch.empty(0))
        inputs = self.input_dropout.draw_mask((batch_size, self.layers[0].input_size), like)
        outputs: dict[int, Tensor] = {}
        for layer, cells in enumerate(zip_longest(self.layers, self.backward_layers)):
            size = sum(cell.hidden_size for cell in cells if cell is not None)
            if (mask := self.dropout.draw_mask((batch_size, size), like)) is not None:
                outputs[layer] = mask
        weights: dict[int, dict[str, Tensor]] = {}
        for index, cell in enumerate([*self.layers, *self.backward_layers]):
            for name, weight in recurrent_matrices(cell).items():
                if (mask := self.weight_drop.draw_mask(weight.shape, weight)) is not None:
                    weights.setdefault(index, {})[name] = mask
        return Masks(None, inputs, outputs, weights)

    def drop_outputs(self, outputs: Float[Tensor, "time batch hidden"], masks: Masks, layer: int = -1) -> Tensor:
        """Return the outputs of a layer, by default the highest, after dropout."""
        return self.dropout(outputs, masks.outputs.get(layer % len(self.cells)))

    def penalty(self, outputs: Tensor, dropped: Tensor, states: States) -> Tensor | float:
        """Return what a language model adds to the loss of a sequence in training.

        These are the auxiliary losses of the layers, from their states, and penalties of the outputs of the highest
        layer (Merity et al. 2018, section 4.6): α times their mean square after dropout, and β times the mean square of
        their change from step to step, before dropout.
        """
        losses = [cell.auxiliary_loss(state) for cell, state in zip(self.layers, states, strict=True)]
        total: Tensor | float = sum((loss for loss in losses if loss is not None), 0.0)
        alpha, beta = self.regularization.activation_penalty, self.regularization.temporal_activation_penalty
        if alpha:
            total = total + alpha * dropped.float().square().mean()
        if beta and len(outputs) > 1:
            total = total + beta * (outputs[1:] - outputs[:-1]).float().square().mean()
        return total

    def forward(
        self,
        inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"],
        states: States,
        starts: Bool[Tensor, "time batch"] | None = None,
        masks: Masks = NO_MASKS,
    ) -> tuple[Float[Tensor, "time batch hidden"], States]:
        """Return the outputs of the highest layer, before dropout, and the state of every layer after the last step.

        Args:
            inputs: Inputs of the lowest layer.
            states: State of every layer before the first step.
            starts: Whether a document starts with a step, before which the state is reset, on the CPU; None for no
                resets.
            masks: Masks of the batch.
        """
        outputs = self.input_dropout(inputs, masks.inputs)
        after: list[State] = []
        initial = states if starts is None else self.initial_states(1)
        for index, (layer, before, first) in enumerate(zip(self.layers, states, initial, strict=True)):
            outputs = self.drop_outputs(outputs, masks, index - 1) if index else outputs
            cell = with_masked_weights(layer, masks.weights.get(index, {}))
            # A call of a cell runs on its backend.
            if starts is None:
                outputs, state = cell(outputs, before)
            else:
                outputs, state = read_documents(cell, outputs, before, starts, first)
            after.append(state)
        return outputs, tuple(after)

    def encode(
        self,
        inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"],
        lengths: Int[Tensor, " batch"],
        recompute_every: int | None = None,
        masks: Masks = NO_MASKS,
    ) -> EncoderOutput:
        """Return the encoder output of whole examples; beyond a row's length, inputs and outputs are padding.

        Args:
            inputs: Inputs of the lowest layer.
            lengths: Number of steps of each row.
            recompute_every: Number of steps of the parts that the backward pass computes again; None to store the
                activations of all steps. With backward cells, each layer is divided into parts, and its inputs and
                outputs are stored.
            masks: Masks of the batch.
        """
        parameters = list(self.parameters())
        if not self.backward_cells:
            states = self.initial_states(lengths.shape[0])
            read = partial(self, masks=masks)
            outputs = read_recomputed(read, inputs, states, recompute_every, parameters)
            outputs = self.drop_outputs(outputs, masks)
            return EncoderOutput(outputs, last_outputs(outputs, lengths), lengths)
        outputs = self.input_dropout(inputs, masks.inputs)
        cells, count = [*self.layers, *self.backward_layers], len(self.cells)
        states = self._start(cells, lengths.shape[0])
        for layer in range(count):
            ahead, reverse = (
                read_recomputed(
                    _reader(with_masked_weights(cells[index], masks.weights.get(index, {}))),
                    steps,
                    (states[index],),
                    recompute_every,
                    parameters,
                )
                for index, steps in ((layer, outputs), (count + layer, reverse_rows(outputs, lengths)))
            )
            both = torch.cat([ahead, reverse_rows(reverse, lengths)], dim=-1)
            outputs = self.drop_outputs(both, masks, layer)
        ahead, reverse = outputs.tensor_split([self.layers[-1].hidden_size], dim=-1)
        return EncoderOutput(outputs, torch.cat([last_outputs(ahead, lengths), reverse[0]], dim=-1), lengths)

    def stepper(self) -> Callable[[Tensor, States], tuple[Float[Tensor, "batch hidden"], States]]:
        """Return a function that computes one step without gradients or dropout, for generation."""
        steppers = [cell.stepper() for cell in self.layers]

        def step(inputs: Tensor, states: States) -> tuple[Tensor, States]:
            outputs = inputs
            after: list[State] = []
            for step_cell, before in zip(steppers, states, strict=True):
                outputs, state = step_cell(outputs, before)
                after.append(state)
            return outputs, tuple(after)

        return step


def _reader(cell: Callable[[Tensor, Any], tuple[Tensor, Any]]) -> Reader:
    """Return a function that reads a sequence with one cell."""

    def read(inputs: Tensor, states: States) -> tuple[Tensor, States]:
        outputs, after = cell(inputs, states[0])
        return outputs, (after,)

    return read


def last_outputs(outputs: Float[Tensor, "time batch features"], lengths: Int[Tensor, " batch"]) -> Tensor:
    """Return the output of each row on the last step of that row, `[batch, features]`.

    In contrast to the state after the last step of the batch, it does not depend on padding.
    """
    return outputs[lengths - 1, torch.arange(lengths.shape[0], device=lengths.device)]


def reverse_rows(steps: Tensor, lengths: Int[Tensor, " batch"]) -> Tensor:
    """Reverse each row of `[time, batch, …]` within its own length. The padding stays at the end."""
    time = torch.arange(steps.shape[0], device=lengths.device).unsqueeze(1)
    sources = torch.where(time < lengths, lengths - 1 - time, time)
    return steps[sources, torch.arange(lengths.shape[0], device=lengths.device)]
