"""Samplers: transformations of the logits from which the next symbol is drawn. Minus infinity excludes a symbol."""

import math
from typing import Annotated

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from seqforge.interfaces import LogitRule, Sampler, SamplingContext


class Greedy(Sampler):
    """Keeps only the most probable symbol, the first one in a tie."""

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: None) -> Float[Tensor, "batch symbols"]:
        """Exclude all symbols except one."""
        best = logits.argmax(dim=-1, keepdim=True)
        return torch.full_like(logits, -torch.inf).scatter(-1, best, 0.0)

    def logit_rule(self) -> LogitRule:
        """Return this transformation for generation kernels."""
        return LogitRule("greedy")


class Temperature(Sampler):
    """Divides logits by a temperature: below 1 sharpens the distribution, above 1 flattens it.

    Ackley et al. 1985, "A Learning Algorithm for Boltzmann Machines". The sampler `greedy` is the limit at 0.
    """

    def __init__(
        self,
        temperature: Annotated[float, Field(ge=0.001, description="Divisor of the logits; 1 changes nothing.")] = 0.8,
    ) -> None:
        self._temperature = temperature

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: None) -> Float[Tensor, "batch symbols"]:
        """Divide the logits by the temperature."""
        return logits / self._temperature

    def logit_rule(self) -> LogitRule:
        """Return this transformation for generation kernels."""
        return LogitRule("temperature", self._temperature)


class TopK(Sampler):
    """Keeps the k most probable symbols, and any others that tie with the last of them.

    Fan et al. 2018, "Hierarchical Neural Story Generation". A k above the vocabulary size keeps all symbols.
    """

    def __init__(self, k: Annotated[int, Field(ge=1, description="Number of symbols to keep.")] = 40) -> None:
        self._k = k

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: None) -> Float[Tensor, "batch symbols"]:
        """Exclude symbols that are less probable than the k-th."""
        kept = logits.topk(min(self._k, logits.shape[-1]), dim=-1).values
        return logits.masked_fill(logits < kept[:, -1:], -torch.inf)

    def logit_rule(self) -> LogitRule:
        """Return this transformation for generation kernels."""
        return LogitRule("top-k", float(self._k))


class TopP(Sampler):
    """Keeps the fewest symbols whose total probability is at least p (the nucleus); the first ones in a tie.

    Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration".
    """

    def __init__(
        self, p: Annotated[float, Field(gt=0, le=1, description="Least total probability of the kept symbols.")] = 0.95
    ) -> None:
        self._p = p

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: None) -> Float[Tensor, "batch symbols"]:
        """Exclude the improbable tail."""
        ordered, order = logits.sort(dim=-1, descending=True, stable=True)
        probabilities = ordered.softmax(dim=-1)
        # Sum from the improbable end, where the terms are small, so that rounding excludes nothing if p is 1.
        tail = probabilities.flip(-1).cumsum(-1).flip(-1)
        excluded = tail <= 1 - self._p
        excluded[:, 0] = False
        return logits.masked_fill(excluded.scatter(-1, order, excluded), -torch.inf)

    def logit_rule(self) -> LogitRule:
        """Return this transformation for generation kernels."""
        return LogitRule("top-p", self._p)


class MinP(Sampler):
    """Keeps symbols whose probability is at least a share of that of the most probable symbol.

    Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs".
    """

    def __init__(
        self, min_p: Annotated[float, Field(gt=0, le=1, description="Least share of the highest probability.")] = 0.1
    ) -> None:
        self._min_p = min_p

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: None) -> Float[Tensor, "batch symbols"]:
        """Exclude symbols with p < min_p · max p. In logarithms this needs no softmax."""
        threshold = logits.amax(dim=-1, keepdim=True) + math.log(self._min_p)
        return logits.masked_fill(logits < threshold, -torch.inf)

    def logit_rule(self) -> LogitRule:
        """Return this transformation for generation kernels."""
        return LogitRule("min-p", self._min_p)


class RepetitionPenalty(Sampler):
    """Lowers the probability of symbols that occur among the last few, including those of the prompt.

    Keskar et al. 2019, "CTRL: A Conditional Transformer Language Model for Controllable Generation", which divides a
    logit by the penalty. This sampler multiplies negative logits, because division would raise their probability.
    """

    def __init__(
        self,
        penalty: Annotated[float, Field(ge=1, description="Divisor of the logits of repeated symbols.")] = 1.2,
        window: Annotated[int, Field(ge=1, description="Number of recent symbols that count.")] = 64,
    ) -> None:
        self._penalty = penalty
        self._window = window

    def start(self, context: SamplingContext) -> Int[Tensor, "batch recent"]:
        """Return the end of the prompt, the same for every sample."""
        return context.prompt[-self._window :].expand(context.batch_size, -1)

    def transform(
        self, logits: Float[Tensor, "batch symbols"], memory: Int[Tensor, "batch recent"]
    ) -> Float[Tensor, "batch symbols"]:
        """Lower the logits of recent symbols, each once regardless of how often it occurs."""
        repeated = logits.gather(-1, memory)
        penalized = torch.where(repeated > 0, repeated / self._penalty, repeated * self._penalty)
        return logits.scatter(-1, memory, penalized)

    def advance(self, memory: Int[Tensor, "batch recent"], tokens: Int[Tensor, " batch"]) -> Int[Tensor, "batch kept"]:
        """Append the drawn symbols, and drop those that have left the window."""
        return torch.cat([memory, tokens[:, None]], dim=1)[:, -self._window :]
