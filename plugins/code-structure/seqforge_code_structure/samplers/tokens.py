"""The tokens that the samplers of generated C draw: one character each, with a finite logit."""

from __future__ import annotations

import torch

from seqforge.errors import ExperimentError
from seqforge.kinds import Vocabulary
from seqforge_code_structure.samplers.grammar import FRAGMENT

LEAST_LOGIT = torch.tensor(-1e30)
"""Lower bound of the logits. A symbol with this logit is drawn only if all allowed symbols have it."""


def token_characters(vocabulary: Vocabulary, sampler: str) -> tuple[str, ...]:
    """Return the character of each token, or `FRAGMENT` for a byte that is a part of a character.

    Args:
        vocabulary: The vocabulary.
        sampler: Name of the sampler, for messages.

    Raises:
        ExperimentError: If a symbol is not a single character or byte.
    """
    return tuple(_character(vocabulary, token, sampler) for token in range(vocabulary.size))


def _character(vocabulary: Vocabulary, token: int, sampler: str) -> str:
    content = vocabulary.decode([token])
    if len(content) == 1 and not content.isascii():
        return FRAGMENT
    if not content:
        raise ExperimentError(
            f"the sampler {sampler} is for models of running text, but this model has an end-of-sequence symbol",
            hint="Remove the sampler from the chain.",
        )
    text = content.decode("utf-8", "replace")
    if len(text) != 1:
        raise ExperimentError(
            f"the sampler {sampler} needs symbols of one character, but symbol {token} is {text!r}",
            hint="Use a vocabulary of bytes or of characters, or remove the sampler from the chain.",
        )
    return text
