"""The model: an input layer, a stack of cells, a head, and a writer where a new sequence is written."""

from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from seqforge.cells import product_dtype, recurrent_product
from seqforge.interfaces import Cell, GeneratingCell, GenerationKernel, GenerationModel, LogitRule
from seqforge.model.decoder import Decoder, DecoderContext
from seqforge.model.encoder_output import EncoderOutput
from seqforge.model.input import EmbeddingInput, OneHotInput, SymbolInput, VectorInput
from seqforge.model.precision import Precision, products_in
from seqforge.model.stack import RecurrentStack, States


class SequenceModel(nn.Module):
    """Reads, and then writes: once, on every step that it reads, or a new sequence.

    A language model reads a stream, chunk by chunk with its states carried, and writes on every step a logit for each
    symbol that may come next: `forward` and `stepper`. Of labelled examples, `read` takes each whole; then
    `predict_once`, `predict_each_step` or a writer says the rest, as the topology has it.

    Args:
        input_layer: What is read, into what the lowest layer reads.
        stack: The recurrent layers.
        outputs: What is written at one time: logits, or numbers.
        precision: Of the products.
        decoder: Writes new sequences; None where the topology writes none.
    """

    def __init__(
        self,
        input_layer: OneHotInput | SymbolInput | EmbeddingInput | VectorInput,
        stack: RecurrentStack,
        outputs: int,
        precision: Precision = "float32",
        decoder: Decoder | None = None,
    ) -> None:
        super().__init__()
        self.precision: Precision = precision
        self.input = input_layer
        self.stack = stack
        self.decoder = decoder
        self.head = nn.Linear((decoder.stack if decoder else stack).hidden_size, outputs)

    @property
    def cells(self) -> list[Cell[Any]]:
        """Every layer of every stack."""
        stacks = [self.stack, *([self.decoder.stack] if self.decoder else [])]
        return [cell for stack in stacks for cell in (*stack.layers, *stack.backward_layers)]

    def initial_states(self, batch_size: int) -> States:
        """Make every layer's state before the first symbol.

        Args:
            batch_size: Sequences in the batch.
        """
        return self.stack.initial_states(batch_size)

    def forward(
        self, tokens: Int[Tensor, "time batch"], states: States
    ) -> tuple[Float[Tensor, "time batch symbols"], States]:
        """Read a sequence.

        Args:
            tokens: The symbols.
            states: Every layer's state before the first.

        Returns:
            Logits of the symbol after each, and every layer's state after the last.
        """
        with products_in(self.precision, tokens.device):
            outputs, states = self.stack(self.input(tokens), states)
            logits = self.head(outputs)
        return logits.to(self.head.weight.dtype), states

    def encode(
        self, inputs: Int[Tensor, "time batch"] | Float[Tensor, "time batch size"], lengths: Int[Tensor, " batch"]
    ) -> EncoderOutput:
        """Read whole examples.

        Args:
            inputs: Symbols or vectors; beyond a row's length, padding.
            lengths: Steps of each row.
        """
        with products_in(self.precision, inputs.device):
            return self.stack.encode(self.input(inputs), lengths)

    def predict_once(self, encoded: EncoderOutput) -> Float[Tensor, "batch outputs"]:
        """Write once, when all has been read.

        Args:
            encoded: What was read.
        """
        return self._head_outputs(encoded.last)

    def predict_each_step(self, encoded: EncoderOutput) -> Float[Tensor, "time batch outputs"]:
        """Write on every step that was read.

        Args:
            encoded: What was read.
        """
        return self._head_outputs(encoded.outputs)

    def decoder_context(self, encoded: EncoderOutput) -> DecoderContext:
        """Prepare to write new sequences; of a model that has a writer.

        Args:
            encoded: What was read.
        """
        with products_in(self.precision, encoded.last.device):
            return self._decoder.decoder_context(encoded)

    def decoder_states(self, batch_size: int) -> States:
        """Make the state of every layer of the writer before its first step.

        Args:
            batch_size: Sequences in the batch.
        """
        return self._decoder.stack.initial_states(batch_size)

    def decode(
        self, symbols: Int[Tensor, "steps batch"], decoder_context: DecoderContext, states: States | None = None
    ) -> tuple[Float[Tensor, "steps batch symbols"], States]:
        """Write on some steps before each of which the last symbol is known; of a model that has a writer.

        Args:
            symbols: Those symbols.
            decoder_context: What was read.
            states: Every layer's state before the first step; None at the start.

        Returns:
            Logits of the next symbols, and every layer's state after the last step.
        """
        before = self.decoder_states(symbols.shape[1]) if states is None else states
        with products_in(self.precision, symbols.device):
            outputs, after = self._decoder(symbols, decoder_context, before)
        return self._head_outputs(outputs), after

    def decoder_stepper(
        self, batch_size: int
    ) -> Callable[[Int[Tensor, " batch"], DecoderContext, States], tuple[Float[Tensor, "batch symbols"], States]]:
        """Prepare to write one symbol at a time, without gradients or dropout: for generation.

        Args:
            batch_size: Sequences that will be written side by side.

        Returns:
            A function of the last symbols, of what was read and of every layer's state, which gives logits of the
            next symbols, and every layer's state after it.
        """
        with products_in(self.precision, self.head.weight.device):
            advance = self._decoder.stepper(batch_size)

        def step(symbols: Tensor, decoder_context: DecoderContext, states: States) -> tuple[Tensor, States]:
            with products_in(self.precision, symbols.device):
                outputs, states = advance(symbols, decoder_context, states)
            return self._head_outputs(outputs), states

        return step

    @property
    def _decoder(self) -> Decoder:
        if self.decoder is None:
            raise TypeError("a model without a writer writes no new sequence")
        return self.decoder

    def _head_outputs(self, features: Tensor) -> Tensor:
        with products_in(self.precision, features.device):
            return self.head(features).to(self.head.weight.dtype)

    def generation_kernel(
        self, states: States, rules: Sequence[LogitRule], *, int8: bool = False
    ) -> GenerationKernel | None:
        """Ask the lowest cell whether it can generate at a stretch.

        Args:
            states: Every layer's, after what was read so far.
            rules: What is done to the logits before a draw, in order.
            int8: Whether to multiply in 8 bits.

        Returns:
            The decoder, or None where symbols are to be read one by one.
        """
        cells = self.stack.layers
        if not isinstance(cells[0], GeneratingCell):
            return None
        embedding = self.input.embedding.weight if isinstance(self.input, EmbeddingInput) else None
        network = GenerationModel(cells, embedding, self.head.weight, self.head.bias, int8)
        with products_in(self.precision, self.head.weight.device):
            return cells[0].generation_kernel(network, states, rules)

    def stepper(
        self, batch_size: int
    ) -> Callable[[Int[Tensor, " batch"], States], tuple[Float[Tensor, "batch symbols"], States]]:
        """Prepare to read one symbol at a time, with the parameters as they are and without dropout: for generation.

        Args:
            batch_size: Sequences that will be read side by side.

        Returns:
            A function of one symbol a sequence and of every layer's state before it, which gives logits of the next
            symbol, and every layer's state after it.
        """
        weight, bias = self.head.weight.detach(), self.head.bias.detach()
        with products_in(self.precision, weight.device):
            read = self.stack.stepper(batch_size)
            dtype = product_dtype(weight)
            multiply = recurrent_product(weight, dtype, batch_size)

        def step(tokens: Tensor, states: States) -> tuple[Tensor, States]:
            with products_in(self.precision, tokens.device):
                outputs, states = read(self.input(tokens), states)
            return multiply(outputs.to(dtype)).to(bias.dtype) + bias, states

        return step
