"""Samplers, which change the distribution from which the next symbol is drawn."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Int64
from torch import Tensor

from seqforge.faults import wrong_result
from seqforge.kinds.generation_kernel import ConstraintAutomaton, LogitRule
from seqforge.kinds.vocabulary import Vocabulary

__all__ = ["Sampler", "SamplingContext"]


@dataclass(frozen=True, slots=True)
class SamplingContext:
    """Information for samplers before the first draw.

    Attributes:
        prompt: Token ids that every sample starts with; empty if a decoder draws the samples.
        batch_size: Number of samples in the batch.
        length: Number of symbols to draw for each sample.
        vocabulary: Vocabulary of the model.
    """

    prompt: Int[Tensor, " length"]
    batch_size: int
    length: int
    vocabulary: Vocabulary


class Sampler(ABC):
    """A transformation of logits. In a chain of samplers, each transforms the result of the previous one.

    The engine draws from the softmax of the last result. A sampler without memory implements `transform` only. A
    sampler with memory returns its memory from `start` and `advance`, and stores nothing in attributes.
    """

    def start(self, context: SamplingContext) -> Any:
        """Return the memory before the first draw; by default None."""
        return None

    @abstractmethod
    def transform(self, logits: Float[Tensor, "batch symbols"], memory: Any) -> Float[Tensor, "batch symbols"]:
        """Return new logits. Minus infinity forbids a symbol. In each row, at least one symbol must stay allowed.

        Args:
            logits: Logits of the model, or the result of the previous sampler.
            memory: Result of `start` or `advance`.
        """

    def logit_rule(self) -> LogitRule | None:
        """Return a rule for compiled code that is equivalent to `transform`, or None; for samplers without memory."""
        return None

    def advance(self, memory: Any, tokens: Int[Tensor, " batch"], logits: Float[Tensor, "batch symbols"]) -> Any:
        """Return the memory after symbols were drawn; by default the same memory.

        Args:
            memory: Memory before the draw.
            tokens: Symbol that was drawn for each sample.
            logits: Logits of the model, before all samplers. A sampler that follows how surprising its draws are, such
                as mirostat (Basu et al. 2021), computes their probabilities from them.
        """
        return memory

    def automaton(self, memory: Any) -> ConstraintAutomaton | None:
        """Return an automaton for compiled code that is equivalent to `transform` with this memory, or None.

        The engine calls this for the first sampler of a chain, after the first draw.
        """
        return None

    def resume(
        self, memory: Any, automaton: ConstraintAutomaton, tokens: Int64[np.ndarray, " batch"]
    ) -> tuple[Any, ConstraintAutomaton]:
        """Continue an automaton that stopped, and return the memory and the automaton.

        It stops if it has no transition for the last symbol of a sample, or if it is no longer valid. A sampler whose
        automata can stop must implement this. Write to the tables and arrays of the automaton, and return it. If a
        table or an array must be another one, return another automaton, for example by `dataclasses.replace`.

        Args:
            memory: Memory from which the automaton was made, or the one that this method returned last.
            automaton: Automaton after its last draw.
            tokens: Last symbol of each sample.
        """
        raise wrong_result(self.resume, "is not implemented, but an automaton of the sampler stopped")
