"""Samplers: from logits to the distribution that the next symbol is drawn from."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from seqforge.errors import PluginError
from seqforge.interfaces.generation_kernel import ConstraintAutomaton, LogitRule
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

    def logit_rule(self) -> LogitRule | None:
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

    def automaton(self, memory: Any) -> ConstraintAutomaton | None:
        """Say what `transform` does by tables that compiled generation can follow; by default None, where it cannot.

        Asked of the first sampler of a chain, after the first draw and after each `memory_after_stop`.

        Args:
            memory: From `start`, `advance` or `memory_after_stop`.
        """
        return None

    def memory_after_stop(self, memory: Any, stopped: ConstraintAutomaton, tokens: Int[Tensor, " batch"]) -> Any:
        """Give the memory after a guide stopped, since what follows the last symbol of a sample was not known to it.

        A sampler whose guides may stop has to write this.

        Args:
            memory: That the guide was made of.
            stopped: Where the draws left it.
            tokens: What was drawn last.
        """
        raise PluginError(
            f"the automaton of the sampler {type(self).__name__} stopped, and the sampler does not say how to go on",
            hint="This is for its author to mend: `Sampler.memory_after_stop` gives the memory after such a stop.",
        )
