"""The writer: a second stack, which writes a new sequence from what was read."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqforge.interfaces import Attention
from seqforge.model.encoder_output import EncoderOutput
from seqforge.model.input import EmbeddingInput, OneHotInput
from seqforge.model.stack import RecurrentStack, States


class DecoderContext(NamedTuple):
    """What a writer keeps of a reading while it writes.

    Attributes:
        summary: What it reads on every step beside its own last symbol.
        encoded: What was read.
        projected: The reader's outputs as the attention has prepared them; without attention, as they are.
    """

    summary: Float[Tensor, "batch memory"]
    encoded: EncoderOutput
    projected: Float[Tensor, "time batch projected"]

    def rows(self, indices: Int[Tensor, " rows"]) -> "DecoderContext":
        """Take some rows, each as often as it is named.

        Args:
            indices: Which.
        """
        return DecoderContext(self.summary[indices], self.encoded.rows(indices), self.projected[:, indices])


class Decoder(nn.Module):
    """Reads, on every step, its own last symbol and a summary of what was read; writes what the next symbol is told by.

    The summary comes from the reader's last outputs through a learnt bridge, and is read on every step (Cho et al.
    2014, "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation"). Handing a
    state over instead would ask a cell for its state at each row's own end, which it gives for the batch's end alone,
    and would tie what a reader's cell keeps to what a writer's cell keeps; outputs every cell has.

    Attention comes after the layers (Luong et al. 2015), so that all steps of a known sequence are written at once.

    Args:
        input_layer: Symbols into vectors.
        stack: The recurrent layers; the lowest reads a symbol's vector and the summary.
        memory_size: Features of what the reader writes.
        attention: Where to look in what was read; None not to look again.
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

    def decoder_context(self, encoded: EncoderOutput) -> DecoderContext:
        """Prepare to write from a reading.

        Args:
            encoded: What was read.
        """
        projected = encoded.outputs if self.attention is None else self.attention.project(encoded.outputs)
        return DecoderContext(torch.tanh(self.bridge(encoded.last)), encoded, projected)

    def forward(
        self, symbols: Int[Tensor, "steps batch"], decoder_context: DecoderContext, states: States
    ) -> tuple[Float[Tensor, "steps batch hidden"], States]:
        """Write on each of some steps whose symbols are known.

        Args:
            symbols: The last symbol before each step.
            decoder_context: What was read.
            states: Every layer's state before the first step.

        Returns:
            What the next symbols are told by, and every layer's state after the last step.
        """
        outputs, states = self.stack(self._inputs(symbols, decoder_context), states)
        return self._attended(outputs, decoder_context), states

    def stepper(self, batch_size: int) -> Callable[[Tensor, DecoderContext, States], tuple[Tensor, States]]:
        """Prepare to write one step at a time, without gradients or dropout: for generation.

        Args:
            batch_size: Sequences that will be written side by side.

        Returns:
            A function of the last symbols `[batch]`, of what was read and of every layer's state, which gives what
            the next symbols are told by, `[batch, hidden]`, and every layer's state after it.
        """
        read = self.stack.stepper(batch_size)

        def step(symbols: Tensor, decoder_context: DecoderContext, states: States) -> tuple[Tensor, States]:
            outputs, states = read(self._inputs(symbols.unsqueeze(0), decoder_context).squeeze(0), states)
            return self._attended(outputs.unsqueeze(0), decoder_context).squeeze(0), states

        return step

    def _inputs(self, symbols: Tensor, decoder_context: DecoderContext) -> Tensor:
        summaries = decoder_context.summary.expand(len(symbols), *decoder_context.summary.shape)
        return torch.cat([self.input(symbols), summaries], dim=-1)

    def _attended(self, outputs: Tensor, decoder_context: DecoderContext) -> Tensor:
        if self.attention is None or self.combination is None:
            return outputs
        encoded = decoder_context.encoded
        found, _ = self.attention(outputs, encoded.outputs, decoder_context.projected, encoded.lengths)
        return torch.tanh(self.combination(torch.cat([found, outputs], dim=-1)))
