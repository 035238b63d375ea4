"""Parts of the recurrence of matrix states, for every rule, with hostile decays, rates and keys."""

import math

import torch
from torch import Tensor

from seqforge.matrix_states import Parts, delta_rule

RULES = (
    "linear",
    "gated",
    "gated by keys",
    "delta",
    "gated delta",
    "gated delta by keys",
    "general",
    "general by keys",
)

DECAYS = (0.0, -1e-9, -0.1, -3.0, -60.0, -1e4)
"""Logarithms of a decay, from none to one that leaves nothing."""


RATES = (0.0, 0.5, 1.0, 1.5, 2.0)


def make_parts(
    rule: str,
    shape: tuple[int, int, int],
    sizes: tuple[int, int] = (5, 3),
    *,
    seed: int,
    scale: float = 1.0,
    rates: tuple[float, ...] = RATES,
) -> Parts:
    """Return random parts of some steps, rows and heads. Some keys repeat, and decays and rates are often extreme."""
    generator = torch.Generator().manual_seed(seed)
    keys, values = sizes

    def draw(size: int) -> Tensor:
        return torch.randn(*shape, size, generator=generator, dtype=torch.float64) * scale / math.sqrt(keys)

    q, k, v = draw(keys), draw(keys), draw(values)
    k = torch.nn.functional.normalize(k, dim=-1)
    k[1::3] = k[::3][: len(k[1::3])]
    decays = (*shape, keys) if rule.endswith("keys") else shape
    index = torch.randint(len(DECAYS), decays, generator=generator)
    log_decay = None if rule in ("linear", "delta") else torch.tensor(DECAYS, dtype=torch.float64)[index]
    parts = Parts(q, k, v, log_decay)
    if rule.startswith("general"):
        return parts._replace(read=draw(keys) / 2, write=draw(keys) / 2)
    if "delta" not in rule:
        return parts
    choice = torch.randint(len(rates), shape, generator=generator)
    return delta_rule(parts, torch.tensor(rates, dtype=torch.float64)[choice])
