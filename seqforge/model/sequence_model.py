"""The model: an input layer, a stack of cells, a head, and a decoder for models that predict new sequences."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqforge.cells import product_dtype
from seqforge.kinds import (
    Attention,
    Backend,
    Cell,
    GenerationKernel,
    GenerationModel,
    LogitRule,
    OutputLayer,
)
from seqforge.model.input import EmbeddingInput, OneHotInput
from seqforge.model.precision import Precision, products_in
from seqforge.model.recomputation import States
from seqforge.model.stack import NO_MASKS, EncoderOutput, Masks, RecurrentStack


class DecoderContext(NamedTuple):
    """The encoder output in the form that a decoder reads on every step.

    Attributes:
        summary: Input of every step, in addition to the last symbol.
        encoded: Encoder output.
        projected: Result of `Attention.project`; without attention, the outputs of the encoder.
        masks: Masks of the decoder for this batch.
    """

    summary: Float[Tensor, "batch memory"]
    encoded: EncoderOutput
    projected: Float[Tensor, "time batch projected"]
    masks: Masks = NO_MASKS

    def rows(self, indices: Int[Tensor, " rows"]) -> "DecoderContext":
        """Return the context of the rows at the given indices, which may repeat."""
        return DecoderContext(self.summary[indices], self.encoded.rows(indices), self.projected[:, indices])


class Decoder(nn.Module):
    """A second stack, which predicts a new sequence from the encoder output.

    On every step it reads the last symbol and a summary: the last output of the encoder, after a trainable layer (Cho
    et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation"). The
    summary does not use the state of the encoder, because a cell returns its state after the last step of the batch
    only, not of each row. Attention is applied after the layers (Luong et al. 2015, "Effective Approaches to
    Attention-based Neural Machine Translation"), so that all steps of a known sequence are computed at once.

    Args:
        input_layer: Maps symbols to vectors.
        stack: Recurrent layers. The lowest reads the vector of a symbol, concatenated with the summary.
        memory_size: Size of the outputs of the encoder.
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
        """Return the context that every step reads."""
        projected = encoded.outputs if self.attention is None else self.attention.project(encoded.outputs)
        masks = draw_masks(self.input, self.stack, encoded.last.shape[0])
        return DecoderContext(torch.tanh(self.bridge(encoded.last)), encoded, projected, masks)

    def forward(
        self, symbols: Int[Tensor, "steps batch"], context: DecoderContext, states: States
    ) -> tuple[Float[Tensor, "steps batch hidden"], States]:
        """Return the features from which the head predicts the next symbol on every step, and the states."""
        outputs, states = self.stack(self._inputs(symbols, context), states, masks=context.masks)
        return self._attend(self.stack.drop_outputs(outputs, context.masks), context), states

    def stepper(self) -> Callable[[Tensor, DecoderContext, States], tuple[Tensor, States]]:
        """Return a function that decodes one step without gradients or dropout, for generation."""
        step_stack = self.stack.stepper()

        def step(symbols: Tensor, context: DecoderContext, states: States) -> tuple[Tensor, States]:
            outputs, states = step_stack(self._inputs(symbols.unsqueeze(0), context).squeeze(0), states)
            return self._attend(outputs.unsqueeze(0), context).squeeze(0), states

        return step

    def _inputs(self, symbols: Tensor, context: DecoderContext) -> Tensor:
        summaries = context.summary.expand(symbols.shape[0], *context.summary.shape)
        return torch.cat([read_inputs(self.input, symbols, context.masks), summaries], dim=-1)

    def _attend(self, outputs: Tensor, context: DecoderContext) -> Tensor:
        if self.attention is None or self.combination is None:
            return outputs
        encoded = context.encoded
        average, _ = self.attention(outputs, encoded.outputs, context.projected, encoded.lengths)
        return torch.tanh(self.combination(torch.cat([average, outputs], dim=-1)))


def draw_masks(input_layer: nn.Module, stack: RecurrentStack, batch_size: int) -> Masks:
    """Return the masks of a batch for an input layer and a stack, with random bits from torch's default generator."""
    masks = stack.draw_masks(batch_size)
    return masks._replace(symbols=input_layer.draw_mask()) if isinstance(input_layer, EmbeddingInput) else masks


def read_inputs(input_layer: nn.Module, inputs: Tensor, masks: Masks) -> Tensor:
    """Return what a stack reads, without the symbols that a batch drops."""
    vectors: Tensor = input_layer(inputs)
    return vectors if masks.symbols is None else vectors * masks.symbols[inputs]


class SequenceModel(nn.Module):
    """A network that predicts once, on every step of its input, or a new sequence.

    A language model reads a stream in chunks, carries its states from chunk to chunk, and returns the logits of the
    next symbol on every step: see `forward` and `stepper`. For labelled examples, `encode` reads whole examples. Then
    `predict` or `decode` predicts, depending on the topology.

    Args:
        input_layer: Maps the input to what the lowest layer reads.
        stack: Recurrent layers.
        outputs: Size of one output: the number of logits, or of numbers to predict.
        precision: Precision of the matrix products.
        decoder: Decoder that predicts new sequences, or None.
        norm: Norm of the features before the head, or None.
        backends: Backends that may have a generation kernel, in order of preference.

    Attributes:
        output_layer: Function of a backend that computes the output layer, or None to use torch's.
    """

    def __init__(
        self,
        input_layer: OneHotInput | EmbeddingInput | nn.Linear | nn.Identity,
        stack: RecurrentStack,
        outputs: int,
        precision: Precision = "float32",
        decoder: Decoder | None = None,
        norm: nn.RMSNorm | nn.LayerNorm | None = None,
        backends: Sequence[Backend] = (),
    ) -> None:
        super().__init__()
        self.precision: Precision = precision
        self.input = input_layer
        self.stack = stack
        self.decoder = decoder
        self.norm = norm
        self.backends = tuple(backends)
        self.head = nn.Linear((decoder.stack if decoder else stack).hidden_size, outputs)
        self.output_layer: OutputLayer | None = None

    def tie_weights(self) -> None:
        """Make the embedding the weight of the head, with the initial values of the head."""
        if not isinstance(self.input, EmbeddingInput):
            raise TypeError("a model without an embedding has no weights to tie")
        self.input.embedding.weight = self.head.weight

    @property
    def cells(self) -> list[Cell[Any]]:
        """The cells of all stacks, and the cells inside of other cells."""
        return [module for module in self.modules() if isinstance(module, Cell)]

    def constrain_parameters(self) -> None:
        """Apply the constraints of all cells to their parameters; see `Cell.constrain_parameters`."""
        with torch.no_grad():
            for cell in self.cells:
                cell.constrain_parameters()

    def initial_states(self, batch_size: int) -> States:
        """Return the state of every layer before the first symbol."""
        return self.stack.initial_states(batch_size)

    def draw_masks(self, batch_size: int) -> Masks:
        """Return the masks of a batch of sequences; none outside of training. A decoder has its own, in its context."""
        return draw_masks(self.input, self.stack, batch_size)

    def forward(
        self, tokens: Int[Tensor, "time batch"], states: States, starts: Bool[Tensor, "time batch"] | None = None
    ) -> tuple[Float[Tensor, "time batch symbols"], States]:
        """Return the logits and the states of `read`, for sequences with masks of their own."""
        return self.read(tokens, states, starts, self.draw_masks(tokens.shape[1]))[:2]

    def read(
        self, tokens: Int[Tensor, "time batch"], states: States, starts: Bool[Tensor, "time batch"] | None, masks: Masks
    ) -> tuple[Float[Tensor, "time batch symbols"], States, Tensor | float]:
        """Return the logits of the next symbol after each token, the states, and what training adds to the loss.

        The states are those of every layer after the last token. The state is reset before each token with which a
        document starts; `starts` is on the CPU.
        """
        with products_in(self.precision, tokens.device):
            outputs, after = self.stack(read_inputs(self.input, tokens, masks), states, starts, masks)
            dropped = self.stack.drop_outputs(outputs, masks)
        penalty = self.stack.penalty(outputs, dropped, after) if self.training else 0.0
        return self.predict(dropped), after, penalty

    def stepper(self) -> Callable[[Int[Tensor, " batch"], States], tuple[Float[Tensor, "batch symbols"], States]]:
        """Return a function from a symbol to the logits of the next, without gradients or dropout, for generation."""
        bias = self.head.bias.detach()
        with products_in(self.precision, bias.device):
            step_stack = self.stack.stepper()
            dtype = product_dtype(self.head.weight)
            weight = self.head.weight.detach().to(dtype).t()

        def step(tokens: Tensor, states: States) -> tuple[Tensor, States]:
            with products_in(self.precision, tokens.device):
                outputs, states = step_stack(self.input(tokens), states)
            return torch.mm(self._normalize(outputs).to(dtype), weight).to(bias.dtype) + bias, states

        return step

    def generation_kernel(self, rules: Sequence[LogitRule], *, int8: bool = False) -> GenerationKernel | None:
        """Return the generation kernel of the first backend that has one, or None if symbols must be drawn one by one.

        Args:
            rules: Changes to the logits before a draw, in order.
            int8: Whether to multiply in 8-bit integers.
        """
        embedding = self.input.embedding.weight if isinstance(self.input, EmbeddingInput) else None
        head = self.head
        with products_in(self.precision, head.weight.device):
            dtype = torch.int8 if int8 else product_dtype(head.weight)
        model = GenerationModel(self.stack.layers, embedding, head.weight, head.bias, rules, dtype, self.norm)
        return next(filter(None, (backend.generation_kernel(model) for backend in self.backends)), None)

    def encode(
        self,
        inputs: Int[Tensor, "time batch"] | Float[Tensor, "time batch size"],
        lengths: Int[Tensor, " batch"],
        recompute_every: int | None = None,
    ) -> EncoderOutput:
        """Return the encoder output for whole examples; see `RecurrentStack.encode`."""
        with products_in(self.precision, inputs.device):
            masks = self.draw_masks(lengths.shape[0])
            return self.stack.encode(read_inputs(self.input, inputs, masks), lengths, recompute_every, masks)

    def decoder_context(self, encoded: EncoderOutput) -> DecoderContext:
        """Return the context that the decoder reads on every step."""
        with products_in(self.precision, encoded.last.device):
            return self._decoder.context(encoded)

    def decoder_states(self, batch_size: int) -> States:
        """Return the state of every layer of the decoder before its first step."""
        return self._decoder.stack.initial_states(batch_size)

    def decode(
        self, symbols: Int[Tensor, "steps batch"], context: DecoderContext, states: States | None = None
    ) -> tuple[Float[Tensor, "steps batch symbols"], States]:
        """Return the logits of the next symbol after each symbol, and the state of every layer after the last symbol.

        Args:
            symbols: Known symbols, as in teacher forcing.
            context: Result of `decoder_context`.
            states: State of every layer before the first step; None for the initial states.
        """
        before = self.decoder_states(symbols.shape[1]) if states is None else states
        with products_in(self.precision, symbols.device):
            outputs, after = self._decoder(symbols, context, before)
        return self.predict(outputs), after

    def decoder_stepper(
        self,
    ) -> Callable[[Int[Tensor, " batch"], DecoderContext, States], tuple[Float[Tensor, "batch symbols"], States]]:
        """Return a function that decodes one symbol without gradients or dropout, for generation."""
        with products_in(self.precision, self.head.weight.device):
            step_decoder = self._decoder.stepper()

        def step(symbols: Tensor, context: DecoderContext, states: States) -> tuple[Tensor, States]:
            with products_in(self.precision, symbols.device):
                outputs, states = step_decoder(symbols, context, states)
            return self.predict(outputs), states

        return step

    @property
    def _decoder(self) -> Decoder:
        if self.decoder is None:
            raise TypeError("the model has no decoder, so it cannot predict new sequences")
        return self.decoder

    def _normalize(self, features: Tensor) -> Tensor:
        # The features may be bfloat16.
        return features if self.norm is None else self.norm(features.to(self.norm.weight.dtype))

    def predict(self, features: Float[Tensor, "*batch features"]) -> Float[Tensor, "*batch outputs"]:
        """Return the output for outputs of the highest layer, such as the last ones of examples."""
        with products_in(self.precision, features.device):
            features = self._normalize(features)
            if self.output_layer is not None:
                return self.output_layer(features, self.head.weight, self.head.bias)
            return self.head(features).to(self.head.weight.dtype)
