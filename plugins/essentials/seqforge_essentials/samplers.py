"""Samplers, which transform the logits before the next symbol is drawn. A logit of minus infinity excludes a symbol."""

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float, Int
from pydantic import BeforeValidator, Field
from torch import Tensor

from seqforge.kinds import LogitRule, RuleSampler, Sampler, SamplingContext

MINIMUM_TEMPERATURE = 0.001
"""Minimum of the option `temperature`, so that logits stay finite."""


class Greedy(RuleSampler):
    """Keep only the most probable symbol, or in a tie, only the first of the most probable ones."""

    def logit_rule(self) -> LogitRule:
        """Return the rule."""
        return LogitRule("greedy")


def _suggest_greedy(temperature: object) -> object:
    """Return a temperature, or raise an error that names the sampler for the temperature 0."""
    if isinstance(temperature, int | float) and temperature is not False and 0 <= temperature < MINIMUM_TEMPERATURE:
        raise ValueError(
            f"should be at least {MINIMUM_TEMPERATURE}, not {temperature}; "
            "the sampler greedy draws the most probable symbol"
        )
    return temperature


@dataclass(frozen=True)
class Temperature(RuleSampler):
    """Divide the logits by a temperature, which sharpens the distribution below 1 and flattens it above 1.

    Ackley et al. 1985, "A Learning Algorithm for Boltzmann Machines". The limit at 0 is the sampler `greedy`.
    """

    temperature: Annotated[
        float,
        Field(ge=MINIMUM_TEMPERATURE, le=1e3, description="Divisor of the logits; 1 changes nothing."),
        BeforeValidator(_suggest_greedy),
    ] = 0.8

    def logit_rule(self) -> LogitRule:
        """Return the rule."""
        return LogitRule("temperature", self.temperature)


@dataclass(frozen=True)
class TopK(RuleSampler):
    """Keep the k most probable symbols, and any others that tie with the last of them.

    Fan et al. 2018, "Hierarchical Neural Story Generation". A k above the vocabulary size keeps all symbols.
    """

    k: Annotated[int, Field(ge=1, description="Number of symbols to keep.")] = 40

    def logit_rule(self) -> LogitRule:
        """Return the rule."""
        return LogitRule("top-k", float(self.k))


@dataclass(frozen=True)
class TopP(RuleSampler):
    """Keep the nucleus: the fewest symbols whose total probability is at least p.

    Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration". Of equally probable symbols, it keeps the
    first ones.
    """

    p: Annotated[float, Field(gt=0, le=1, description="Smallest total probability of the kept symbols.")] = 0.95

    def logit_rule(self) -> LogitRule:
        """Return the rule."""
        return LogitRule("top-p", self.p)


@dataclass(frozen=True)
class MinP(RuleSampler):
    """Keep the symbols whose probability is at least a given share of the highest probability.

    Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs".
    """

    min_p: Annotated[float, Field(gt=0, le=1, description="Smallest probability, as a part of the highest.")] = 0.1

    def logit_rule(self) -> LogitRule:
        """Return the rule."""
        return LogitRule("min-p", self.min_p)


@dataclass(frozen=True)
class RepetitionPenalty(Sampler):
    """Lower the probability of symbols that occur among the most recent ones, which include the end of the prompt.

    Keskar et al. 2019, "CTRL: A Conditional Transformer Language Model for Controllable Generation", which divides a
    logit by the penalty. This sampler multiplies negative logits, because division would raise their probability.
    """

    penalty: Annotated[float, Field(ge=1, le=1e3, description="Divisor of the logits of repeated symbols.")] = 1.2
    window: Annotated[int, Field(ge=1, le=1_000_000, description="Number of recent symbols that are penalized.")] = 64

    def start(self, context: SamplingContext) -> Int[Tensor, "batch recent"]:
        """Return the end of the prompt, the same for every sample."""
        return context.prompt[-self.window :].expand(context.batch_size, -1)

    def transform(
        self, logits: Float[Tensor, "batch symbols"], memory: Int[Tensor, "batch recent"]
    ) -> Float[Tensor, "batch symbols"]:
        """Lower the logits of recent symbols. The number of occurrences of a symbol does not matter."""
        repeated = logits.gather(-1, memory)
        penalized = torch.where(repeated > 0, repeated / self.penalty, repeated * self.penalty)
        return logits.scatter(-1, memory, penalized)

    def advance(
        self, memory: Int[Tensor, "batch recent"], tokens: Int[Tensor, " batch"], logits: Tensor
    ) -> Int[Tensor, "batch kept"]:
        """Append the drawn symbols, and drop the oldest ones outside of the window."""
        return torch.cat([memory, tokens[:, None]], dim=1)[:, -self.window :]
