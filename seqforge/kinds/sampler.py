"""Samplers, which change the distribution from which the next symbol is drawn, and their contract."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from seqforge.errors import describe_type
from seqforge.faults import wrong_result
from seqforge.kinds.generation_kernel import LogitRule
from seqforge.kinds.vocabulary import Vocabulary

__all__ = ["RedrawingSampler", "Review", "RuleSampler", "Sampler", "SamplingContext"]


@dataclass(frozen=True, slots=True)
class SamplingContext:
    """Information for samplers before the first draw.

    Attributes:
        prompt: Token ids that every sample starts with; at least one.
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
        """Return new logits, of the same shape and type. Minus infinity forbids a symbol.

        In each row, at least one symbol must stay allowed, and a forbidden one must stay forbidden. A row does not
        depend on the others.

        Args:
            logits: Logits of the model, or the result of the previous sampler.
            memory: Result of `start` or `advance`.
        """

    def advance(self, memory: Any, tokens: Int[Tensor, " batch"], logits: Float[Tensor, "batch symbols"]) -> Any:
        """Return the memory after symbols were drawn; by default the same memory.

        Args:
            memory: Memory before the draw.
            tokens: Symbol that was drawn for each sample.
            logits: Logits of the model, before all samplers. A sampler that follows how surprising its draws are, such
                as mirostat (Basu et al. 2021), computes their probabilities from them.
        """
        return memory


class RuleSampler(Sampler):
    """A sampler without memory that applies a rule, which generation kernels can apply, too."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "transform" in vars(cls):  # Kernels would not call it.
            raise TypeError(f"{cls.__name__} has another `transform` than its rule: derive it from Sampler")

    @abstractmethod
    def logit_rule(self) -> LogitRule:
        """Return the rule."""

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: None) -> Float[Tensor, "batch symbols"]:
        """Apply the rule."""
        return self.logit_rule().apply(logits)


@dataclass(frozen=True, slots=True)
class Review:
    """The judgement of a redrawing sampler on the symbols of a sample that are not settled.

    Attributes:
        kept: Number of leading symbols that may stay. The engine goes back to this place or to one before it, and draws
            the following symbols again.
        settled: Number of leading symbols that need not change any more, at most `kept`. The engine settles these or
            fewer.
    """

    kept: int
    settled: int


class RedrawingSampler(Sampler):
    """A sampler that lets the engine draw symbols again after it has seen them. A chain has at most one.

    The engine calls `start` with a batch size of 1, and handles each sample alone. It draws some symbols with the other
    samplers of the chain, calls `review`, and goes back if a symbol may not stay. The memory is that of the settled
    symbols, which never change again. Samples share memories, so a memory must not be modified.
    """

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: Any) -> Float[Tensor, "batch symbols"]:
        """Return the same logits."""
        return logits

    @abstractmethod
    def settle(self, memory: Any, tokens: Sequence[int]) -> Any:
        """Return the memory after symbols were settled, of which there is at least one."""

    @abstractmethod
    def review(self, memory: Any, tokens: Sequence[int], new: int) -> Review:
        """Judge the symbols that are not settled.

        Args:
            memory: Memory after the settled symbols.
            tokens: All symbols drawn after the settled ones.
            new: Number of symbols at the end of `tokens` that no earlier review has judged.
        """

    @abstractmethod
    def finish(self, memory: Any, tokens: Sequence[int]) -> Sequence[int]:
        """Return the last symbols of a sample, in place of those that are not settled.

        A sample may be shorter than the length of the context, but not longer.

        Args:
            memory: Memory after the settled symbols.
            tokens: Symbols drawn after them, all of which may stay.
        """


def transform_logits(sampler: Sampler, logits: Tensor, memory: object) -> Tensor:
    """Return the logits that a sampler returns for logits `[batch, symbols]`.

    Raises:
        PluginError: If they are not a tensor of the same shape. Their values are not checked; see `drawing_fault`.
    """
    transformed: Any = sampler.transform(logits, memory)
    if not isinstance(transformed, Tensor) or transformed.shape != logits.shape:
        shown = list(transformed.shape) if isinstance(transformed, Tensor) else describe_type(transformed)
        raise wrong_result(sampler.transform, f"returned {shown}, not logits {list(logits.shape)}")
    return transformed


def drawing_fault(logits: Tensor) -> str | None:
    """Return why no symbol can be drawn from the logits that a sampler returned, or None."""
    if (logits.isnan() | (logits == math.inf)).any():
        return "returned a logit that is NaN or infinity"
    if (logits == -math.inf).all(-1).any():
        return "forbids every symbol; at least one must stay allowed"
    return None


def review_symbols(sampler: RedrawingSampler, memory: object, tokens: Sequence[int], new: int) -> tuple[int, int]:
    """Return the numbers of symbols that a redrawing sampler keeps and settles.

    Raises:
        PluginError: If they are not whole numbers in the order 0 ≤ settled ≤ kept ≤ number of symbols.
    """
    review: Any = sampler.review(memory, tokens, new)
    if not isinstance(review, Review):
        raise wrong_result(sampler.review, f"returned {describe_type(review)}, not a Review")
    kept, settled = review.kept, review.settled
    if not 0 <= settled <= kept <= len(tokens):
        raise wrong_result(sampler.review, f"settled {settled} and kept {kept} of {len(tokens)} symbols")
    return kept, settled


def finish_symbols(sampler: RedrawingSampler, memory: object, tokens: Sequence[int], room: int) -> list[int]:
    """Return the last symbols of a sample, in place of those that are not settled.

    Raises:
        PluginError: If they are more than `room`.
    """
    last = [*map(int, sampler.finish(memory, tokens))]
    if len(last) > room:
        raise wrong_result(sampler.finish, f"returned {len(last)} symbols, more than the {room} that are left")
    return last
