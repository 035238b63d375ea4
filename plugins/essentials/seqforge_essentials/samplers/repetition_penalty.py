"""Fewer repetitions."""

from typing import Annotated

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from seqforge.interfaces import Sampler, SamplingContext


class RepetitionPenalty(Sampler):
    """Makes symbols less likely that were among the last few, the prompt's included.

    Keskar et al. 2019, "CTRL: A Conditional Transformer Language Model for Controllable Generation", which divides a
    logit by the penalty; a negative one is multiplied instead, since dividing would make it likelier.

    Args:
        penalty: What to divide by; 1 changes nothing.
        window: How many of the last symbols count.
    """

    def __init__(
        self,
        penalty: Annotated[float, Field(ge=1, description="What the logits of repeated symbols are divided by.")] = 1.2,
        window: Annotated[int, Field(ge=1, description="How many of the last symbols count.")] = 64,
    ) -> None:
        self._penalty = penalty
        self._window = window

    def start(self, context: SamplingContext) -> Int[Tensor, "batch recent"]:
        """Begin with the end of the prompt, the same for every sample.

        Args:
            context: Holds the prompt and the number of samples.
        """
        return context.prompt[-self._window :].expand(context.batch_size, -1)

    def transform(
        self, logits: Float[Tensor, "batch symbols"], memory: Int[Tensor, "batch recent"]
    ) -> Float[Tensor, "batch symbols"]:
        """Make recent symbols less likely, each once however often it was drawn.

        Args:
            logits: From the model, or from the sampler before.
            memory: The last symbols of each sample.
        """
        repeated = logits.gather(-1, memory)
        penalised = torch.where(repeated > 0, repeated / self._penalty, repeated * self._penalty)
        return logits.scatter(-1, memory, penalised)

    def advance(self, memory: Int[Tensor, "batch recent"], tokens: Int[Tensor, " batch"]) -> Int[Tensor, "batch kept"]:
        """Add what was drawn, and forget what has left the window.

        Args:
            memory: The last symbols of each sample.
            tokens: What was drawn for each.
        """
        return torch.cat([memory, tokens[:, None]], dim=1)[:, -self._window :]
