"""The model: an input layer, a stack of cells, a head, and a decoder if it predicts new sequences."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqforge.cells import product_dtype
from seqforge.interfaces import (
    Attention,
    Backend,
    Cell,
    GenerationKernel,
    GenerationModel,
    LogitRule,
    State,
)
from seqforge.model.dropout import Dropout
from seqforge.model.encoder_output import EncoderOutput, last_outputs, reverse_rows
from seqforge.model.input import EmbeddingInput, OneHotInput, SymbolInput, VectorInput
from seqforge.model.precision import Precision, products_in

States = tuple[State, ...]
"""State of every layer, the lowest layer's first."""


class RecurrentStack(nn.Module):
    """Layers of cells, each of which reads the outputs of the one below.

    Dropout applies to the outputs of a layer, never to its state (Zaremba et al. 2014, "Recurrent Neural Network
    Regularization"). With backward cells, a layer's output is the concatenation of both directions (Schuster and
    Paliwal 1997, "Bidirectional Recurrent Neural Networks"); such a stack reads whole examples only.

    Args:
        cells: Layers, the lowest first; the input size of each is the output size of the one below.
        dropout: Probability of dropping an output in training.
        backward_cells: For each layer, the cell that reads the reversed sequence; empty for none.

    Attributes:
        hidden_size: Size of the highest layer's output.
    """

    def __init__(self, cells: Sequence[Cell[Any]], dropout: float, backward_cells: Sequence[Cell[Any]] = ()) -> None:
        super().__init__()
        self.cells = nn.ModuleList(cells)
        self.backward_cells = nn.ModuleList(backward_cells)
        self.dropout = Dropout(dropout)
        self.hidden_size = cells[-1].hidden_size + (backward_cells[-1].hidden_size if backward_cells else 0)

    @property
    def layers(self) -> list[Cell[Any]]:
        """The forward cells, the lowest first."""
        return [cast("Cell[Any]", cell) for cell in self.cells]

    @property
    def backward_layers(self) -> list[Cell[Any]]:
        """The backward cells, the lowest first."""
        return [cast("Cell[Any]", cell) for cell in self.backward_cells]

    def initial_states(self, batch_size: int) -> States:
        """Return every layer's state before the first step."""
        return tuple(cell.initial_state(batch_size) for cell in self.layers)

    def forward(
        self, inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"], states: States
    ) -> tuple[Float[Tensor, "time batch hidden"], States]:
        """Return the highest layer's outputs, and every layer's state after the last step."""
        outputs = inputs
        after: list[State] = []
        for cell, before in zip(self.layers, states, strict=True):
            outputs, state = cell(outputs, before)
            outputs = self.dropout(outputs)
            after.append(state)
        return outputs, tuple(after)

    def encode(
        self, inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"], lengths: Int[Tensor, " batch"]
    ) -> EncoderOutput:
        """Return the encoder output of whole examples; beyond a row's length, inputs and outputs are padding."""
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
        """Return a function that reads one step without gradients or dropout, for generation."""
        steppers = [cell.stepper(batch_size) for cell in self.layers]

        def step(inputs: Tensor, states: States) -> tuple[Tensor, States]:
            outputs = inputs
            after: list[State] = []
            for read, before in zip(steppers, states, strict=True):
                outputs, state = read(outputs, before)
                after.append(state)
            return outputs, tuple(after)

        return step


class DecoderContext(NamedTuple):
    """What a decoder reads of the encoder output on every step.

    Attributes:
        summary: Input of every step beside the last symbol.
        encoded: Encoder output.
        projected: Encoder outputs as the attention prepares them; without attention, the outputs themselves.
    """

    summary: Float[Tensor, "batch memory"]
    encoded: EncoderOutput
    projected: Float[Tensor, "time batch projected"]

    def rows(self, indices: Int[Tensor, " rows"]) -> "DecoderContext":
        """Return the context of some rows, in the order of the indices."""
        return DecoderContext(self.summary[indices], self.encoded.rows(indices), self.projected[:, indices])


class Decoder(nn.Module):
    """A second stack, which predicts a new sequence from the encoder output.

    On every step it reads the last symbol and a summary of the encoder output, through a trainable layer (Cho et al.
    2014, "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation"). The summary
    is made of outputs, since a cell returns its state at the end of the batch only, not at the end of each row.
    Attention follows the layers (Luong et al. 2015), so that all steps of a known sequence are computed at once.

    Args:
        input_layer: Maps symbols to vectors.
        stack: Recurrent layers; the lowest reads a symbol's vector and the summary.
        memory_size: Size of the encoder's outputs.
        attention: Attention over the encoder outputs, or None.
    """

    def __init__(
        self,
        input_layer: OneHotInput | EmbeddingInput,
        stack: RecurrentStack,
        memory_size: int,
        attention: Attention | None = None,
    ) -> None:
        super().__init__()
        self.input = input_layer
        self.stack = stack
        self.bridge = nn.Linear(memory_size, memory_size)
        self.attention = attention
        self.combination = nn.Linear(memory_size + stack.hidden_size, stack.hidden_size) if attention else None

    def context(self, encoded: EncoderOutput) -> DecoderContext:
        """Return the context of an encoder output."""
        projected = encoded.outputs if self.attention is None else self.attention.project(encoded.outputs)
        return DecoderContext(torch.tanh(self.bridge(encoded.last)), encoded, projected)

    def forward(
        self, symbols: Int[Tensor, "steps batch"], context: DecoderContext, states: States
    ) -> tuple[Float[Tensor, "steps batch hidden"], States]:
        """Return the features from which the head predicts the symbol after each given one, and the states."""
        outputs, states = self.stack(self._inputs(symbols, context), states)
        return self._attend(outputs, context), states

    def stepper(self, batch_size: int) -> Callable[[Tensor, DecoderContext, States], tuple[Tensor, States]]:
        """Return a function that decodes one step without gradients or dropout, for generation."""
        read = self.stack.stepper(batch_size)

        def step(symbols: Tensor, context: DecoderContext, states: States) -> tuple[Tensor, States]:
            outputs, states = read(self._inputs(symbols.unsqueeze(0), context).squeeze(0), states)
            return self._attend(outputs.unsqueeze(0), context).squeeze(0), states

        return step

    def _inputs(self, symbols: Tensor, context: DecoderContext) -> Tensor:
        summaries = context.summary.expand(len(symbols), *context.summary.shape)
        return torch.cat([self.input(symbols), summaries], dim=-1)

    def _attend(self, outputs: Tensor, context: DecoderContext) -> Tensor:
        if self.attention is None or self.combination is None:
            return outputs
        encoded = context.encoded
        found, _ = self.attention(outputs, encoded.outputs, context.projected, encoded.lengths)
        return torch.tanh(self.combination(torch.cat([found, outputs], dim=-1)))


class SequenceModel(nn.Module):
    """A network that predicts once, on every step of its input, or a new sequence.

    A language model reads a stream in chunks, with its states carried, and returns logits of the next symbol on every
    step: `forward` and `stepper`. For labelled examples, `encode` reads each whole; then `predict_once`,
    `predict_each_step` or the decoder predicts, depending on the topology.

    Args:
        input_layer: Maps the input to what the lowest layer reads.
        stack: Recurrent layers.
        outputs: Size of one output: logits or numbers.
        precision: Precision of the matrix products.
        decoder: Predicts new sequences; None if the topology has none.
        backends: Backends that may offer a generation kernel, in order of preference.
    """

    def __init__(
        self,
        input_layer: OneHotInput | SymbolInput | EmbeddingInput | VectorInput,
        stack: RecurrentStack,
        outputs: int,
        precision: Precision = "float32",
        decoder: Decoder | None = None,
        backends: Sequence[Backend] = (),
    ) -> None:
        super().__init__()
        self.precision: Precision = precision
        self.input = input_layer
        self.stack = stack
        self.decoder = decoder
        self.backends = tuple(backends)
        self.head = nn.Linear((decoder.stack if decoder else stack).hidden_size, outputs)

    @property
    def cells(self) -> list[Cell[Any]]:
        """Every layer of every stack."""
        stacks = [self.stack, *([self.decoder.stack] if self.decoder else [])]
        return [cell for stack in stacks for cell in (*stack.layers, *stack.backward_layers)]

    def initial_states(self, batch_size: int) -> States:
        """Return every layer's state before the first symbol."""
        return self.stack.initial_states(batch_size)

    def forward(
        self, tokens: Int[Tensor, "time batch"], states: States
    ) -> tuple[Float[Tensor, "time batch symbols"], States]:
        """Return the logits of the symbol after each token, and every layer's state after the last token."""
        with products_in(self.precision, tokens.device):
            outputs, states = self.stack(self.input(tokens), states)
        return self._head(outputs), states

    def encode(
        self, inputs: Int[Tensor, "time batch"] | Float[Tensor, "time batch size"], lengths: Int[Tensor, " batch"]
    ) -> EncoderOutput:
        """Return the encoder output of whole examples; inputs beyond a row's length are padding."""
        with products_in(self.precision, inputs.device):
            return self.stack.encode(self.input(inputs), lengths)

    def predict_once(self, encoded: EncoderOutput) -> Float[Tensor, "batch outputs"]:
        """Return one output per example."""
        return self._head(encoded.last)

    def predict_each_step(self, encoded: EncoderOutput) -> Float[Tensor, "time batch outputs"]:
        """Return an output for every step of the input."""
        return self._head(encoded.outputs)

    def decoder_context(self, encoded: EncoderOutput) -> DecoderContext:
        """Return what the decoder reads of an encoder output."""
        with products_in(self.precision, encoded.last.device):
            return self._decoder.context(encoded)

    def decoder_states(self, batch_size: int) -> States:
        """Return the state of every layer of the decoder before its first step."""
        return self._decoder.stack.initial_states(batch_size)

    def decode(
        self, symbols: Int[Tensor, "steps batch"], context: DecoderContext, states: States | None = None
    ) -> tuple[Float[Tensor, "steps batch symbols"], States]:
        """Return the logits of the symbol after each given one, and every layer's state after the last.

        Args:
            symbols: Known symbols, as in teacher forcing.
            context: Encoder output, prepared.
            states: State of every layer before the first step; None for the initial state.
        """
        before = self.decoder_states(symbols.shape[1]) if states is None else states
        with products_in(self.precision, symbols.device):
            outputs, after = self._decoder(symbols, context, before)
        return self._head(outputs), after

    def decoder_stepper(
        self, batch_size: int
    ) -> Callable[[Int[Tensor, " batch"], DecoderContext, States], tuple[Float[Tensor, "batch symbols"], States]]:
        """Return a function that decodes one symbol without gradients or dropout, for generation."""
        with products_in(self.precision, self.head.weight.device):
            advance = self._decoder.stepper(batch_size)

        def step(symbols: Tensor, context: DecoderContext, states: States) -> tuple[Tensor, States]:
            with products_in(self.precision, symbols.device):
                outputs, states = advance(symbols, context, states)
            return self._head(outputs), states

        return step

    @property
    def _decoder(self) -> Decoder:
        if self.decoder is None:
            raise TypeError("a model without a decoder predicts no new sequence")
        return self.decoder

    def _head(self, features: Tensor) -> Tensor:
        with products_in(self.precision, features.device):
            return self.head(features).to(self.head.weight.dtype)

    def generation_kernel(
        self, states: States, rules: Sequence[LogitRule], *, int8: bool = False
    ) -> GenerationKernel | None:
        """Return the first generation kernel that a backend offers, or None if symbols must be drawn one by one.

        Args:
            states: State of every layer after the prompt.
            rules: Changes to the logits before a draw, in order.
            int8: Whether to multiply in 8 bits.
        """
        embedding = self.input.embedding.weight if isinstance(self.input, EmbeddingInput) else None
        head = self.head
        with products_in(self.precision, head.weight.device):
            dtype = torch.int8 if int8 else product_dtype(head.weight)
        model = GenerationModel(self.stack.layers, embedding, head.weight, head.bias, states, rules, dtype)
        return next(filter(None, (backend.generation_kernel(model) for backend in self.backends)), None)

    def stepper(
        self, batch_size: int
    ) -> Callable[[Int[Tensor, " batch"], States], tuple[Float[Tensor, "batch symbols"], States]]:
        """Return a function that reads one symbol without gradients or dropout, and returns the next one's logits."""
        bias = self.head.bias.detach()
        with products_in(self.precision, bias.device):
            read = self.stack.stepper(batch_size)
            dtype = product_dtype(self.head.weight)
            weight = self.head.weight.detach().to(dtype).t()

        def step(tokens: Tensor, states: States) -> tuple[Tensor, States]:
            with products_in(self.precision, tokens.device):
                outputs, states = read(self.input(tokens), states)
            return torch.mm(outputs.to(dtype), weight).to(bias.dtype) + bias, states

        return step
