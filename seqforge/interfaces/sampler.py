"""Samplers: from logits to the distribution that the next symbol is drawn from."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from seqforge.interfaces.decoding import Guide, Rule
from seqforge.interfaces.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class SamplingContext:
    """What a sampler may know before the first draw.

    Attributes:
        prompt: Token ids that every sample starts with, `[length]`.
        batch_size: Samples drawn side by side.
        length: Symbols that will be drawn for each.
        vocabulary: Turns token ids into text.
    """

    prompt: Int[Tensor, " length"]
    batch_size: int
    length: int
    vocabulary: Vocabulary


class Sampler(ABC):
    """Transforms logits; several make a chain, at whose end the engine draws from the softmax.

    A sampler without memory writes `transform` alone. One with memory makes it in `start`, and renews it in
    `advance`, as a value: nothing is kept on the sampler itself.
    """

    def start(self, context: SamplingContext) -> Any:
        """Make the memory before the first draw; by default None.

        Args:
            context: What is known by then.
        """
        return None

    @abstractmethod
    def transform(self, logits: Float[Tensor, "batch symbols"], memory: Any) -> Float[Tensor, "batch symbols"]:
        """Give new logits; minus infinity forbids a symbol. At least one of a row must stay finite.

        Args:
            logits: From the model, or from the sampler before.
            memory: From `start` or `advance`.
        """

    def rule(self) -> Rule | None:
        """Say what `transform` does by a rule that compiled generation can follow; by default None, where it cannot.

        A sampler that has one has no memory.
        """
        return None

    def advance(self, memory: Any, tokens: Int[Tensor, " batch"]) -> Any:
        """Give the memory after a draw; by default the same.

        Args:
            memory: From `start` or `advance`.
            tokens: What was drawn.
        """
        return memory

    def guide(self, memory: Any) -> Guide | None:
        """Say what `transform` does by tables that compiled generation can follow; by default None, where it cannot.

        Asked of the first sampler of a chain, before each stretch.

        Args:
            memory: From `start`, `advance` or `guided`.
        """
        return None

    def guided(self, memory: Any, guide: Guide, tokens: Int[Tensor, "steps batch"]) -> Any:
        """Give the memory after what was drawn by a guide; by default by `advance`, a step at a time.

        Args:
            memory: That the guide was made of.
            guide: The guide, with its states where the draws left them.
            tokens: What was drawn, at least one step.
        """
        for drawn in tokens:
            memory = self.advance(memory, drawn)
        return memory
