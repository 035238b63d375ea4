"""The model: an input layer, a stack of cells, and a head."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from seqforge.model.input import EmbeddingInput, OneHotInput
from seqforge.model.stack import RecurrentStack, States


class SequenceModel(nn.Module):
    """Reads symbols and writes, on every step, a logit for each symbol that may come next.

    Args:
        input_layer: Symbols into vectors.
        stack: The recurrent layers.
        symbols: Size of the vocabulary.
    """

    def __init__(self, input_layer: OneHotInput | EmbeddingInput, stack: RecurrentStack, symbols: int) -> None:
        super().__init__()
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
        outputs, states = self.stack(self.input(tokens), states)
        return self.head(outputs), states

    def step(self, tokens: Int[Tensor, " batch"], states: States) -> tuple[Float[Tensor, "batch symbols"], States]:
        """Read one symbol, without dropout: for generation.

        Args:
            tokens: One symbol a sequence.
            states: Every layer's state before it.

        Returns:
            Logits of the next symbol, and every layer's state after it.
        """
        outputs, states = self.stack.step(self.input(tokens), states)
        return self.head(outputs), states
