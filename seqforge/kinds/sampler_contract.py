"""The contract of a sampler: its logits."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from seqforge.errors import describe_type
from seqforge.faults import wrong_result
from seqforge.kinds.sampler import RedrawingSampler, Review, Sampler


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
