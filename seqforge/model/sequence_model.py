"""The model: an input layer, a stack of cells, and a head."""

from collections.abc import Callable, Sequence

from jaxtyping import Float, Int
from torch import Tensor, nn

from seqforge.interfaces import Decoder, DecodingCell, Network, Rule
from seqforge.model.input import EmbeddingInput, OneHotInput, SymbolInput
from seqforge.model.precision import Precision, products_in
from seqforge.model.stack import RecurrentStack, States
from seqforge.recurrence import product_dtype, recurrent_product


class SequenceModel(nn.Module):
    """Reads symbols and writes, on every step, a logit for each symbol that may come next.

    Args:
        input_layer: Symbols into vectors.
        stack: The recurrent layers.
        symbols: Size of the vocabulary.
        precision: Of the products.
    """

    def __init__(
        self,
        input_layer: OneHotInput | SymbolInput | EmbeddingInput,
        stack: RecurrentStack,
        symbols: int,
        precision: Precision = "float32",
    ) -> None:
        super().__init__()
        self.precision: Precision = precision
        self.input = input_layer
        self.stack = stack
        self.head = nn.Linear(stack.hidden_size, symbols)

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

    def decoder(self, states: States, rules: Sequence[Rule], *, int8: bool = False) -> Decoder | None:
        """Ask the lowest cell whether it can generate at a stretch.

        Args:
            states: Every layer's, after what was read so far.
            rules: What is done to the logits before a draw, in order.
            int8: Whether to multiply in 8 bits.

        Returns:
            The decoder, or None where symbols are to be read one by one.
        """
        cells = self.stack.layers
        if not isinstance(cells[0], DecodingCell):
            return None
        embedding = self.input.embedding.weight if isinstance(self.input, EmbeddingInput) else None
        network = Network(cells, embedding, self.head.weight, self.head.bias, int8)
        with products_in(self.precision, self.head.weight.device):
            return cells[0].decoder(network, states, rules)

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
