"""The recurrence of matrix states in plain torch: one step after another, and a chunk of steps in a few products.

The state of a head is a matrix S, `[key, value]`. Every step changes it by

    u = Sᵀ a;  S' = diag(w) S + b uᵀ + k vᵀ;  o = S'ᵀ q

where q, k, a, b and the decay w have a number for each row of S, and v, u and o for each column. Without a and b,
this is the recurrence of GLA, Mamba-2 and mLSTM. With b = -k, it is the delta rule of DeltaNet. RWKV-7 has its own b.
"""

from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor

Memory = Float[Tensor, "batch heads key value"]
"""State S of every head."""

Reads = Float[Tensor, "*time batch heads value"]
"""What the queries read, o, in every step."""

Projected = Float[Tensor, "*time batch projected"]
"""Input projection of every step."""

Outputs = Float[Tensor, "*time batch hidden"]
"""Output of every step."""


class Parts(NamedTuple):
    """Vectors that a cell computes from its input, for every step and head.

    Attributes:
        query: q.
        key: k.
        value: v.
        log_decay: Logarithm of w, one number for each head or for each key; None for a state that does not decay.
        read: a, or None for a rule without u.
        write: b. With `read`, None means -k, the delta rule.
    """

    query: Float[Tensor, "*time batch heads key"]
    key: Float[Tensor, "*time batch heads key"]
    value: Float[Tensor, "*time batch heads value"]
    log_decay: Float[Tensor, "*time batch heads"] | Float[Tensor, "*time batch heads key"] | None = None
    read: Float[Tensor, "*time batch heads key"] | None = None
    write: Float[Tensor, "*time batch heads key"] | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> "Parts":
        """Return the parts with a function applied to each tensor."""
        query, key, value = function(self.query), function(self.key), function(self.value)
        return Parts(query, key, value, *(part if part is None else function(part) for part in self[3:]))


Recurrence = Callable[[Parts, Tensor], tuple[Tensor, Tensor]]
"""Function that takes the parts of at least one step and the state before it, and returns what is read in every step
and the state after the last one."""


def delta_rule(parts: Parts, rate: Float[Tensor, "*time batch heads"]) -> Parts:
    """Return the parts of the delta rule, S' = D + βk (v - Dᵀk)ᵀ with D = diag(w) S, from β, a rate for each head.

    The value that the decayed state holds for the key is replaced by v to the fraction β. A β of 2 with a key of unit
    length reflects it, which is an eigenvalue of -1.
    """
    key, decay = parts.key, parts.log_decay
    written = key * rate[..., None]
    read = key if decay is None else key * _for_keys(decay, key).exp()
    return parts._replace(key=written, read=read)


def read_steps(parts: Parts, state: Memory) -> tuple[Reads, Memory]:
    """Apply the rule to one step after another. This is the definition of the recurrence."""
    outputs: list[Tensor] = []
    for step in range(parts.key.shape[0]):
        q, k, v, log_w, a, b = parts.map(itemgetter(step))
        changed = k[..., :, None] * v[..., None, :]
        if a is not None:
            u = torch.einsum("bhkv,bhk->bhv", state, a)
            changed = changed + (-k if b is None else b)[..., :, None] * u[..., None, :]
        if log_w is not None:
            state = state * _for_keys(log_w, k).exp()[..., None]
        state = state + changed
        outputs.append(torch.einsum("bhkv,bhk->bhv", state, q))
    return torch.stack(outputs), state


def read_chunk(parts: Parts, state: Memory) -> tuple[Reads, Memory]:
    """Compute the steps of a chunk at once; see Yang et al. 2024, "Gated Delta Networks", arXiv 2412.06464, section 3.

    With d_ij, the decay from the end of step j to that of step i, and d_i, that since the chunk began, the state after
    step i is

        d_i ⊙ S_0 + Σ_{j ≤ i} d_ij ⊙ (b_j u_jᵀ + k_j v_jᵀ)

    so that q and a read it through products of vectors of two steps. Each u depends on those before it: together, they
    are the solution of a triangular system.
    """
    # Time is the axis before the features, so that products are those of matrices.
    q, k, v, log_w, a, b = parts.map(lambda part: part.movedim(0, 2))
    log_w = k.new_zeros(k.shape[:-1]) if log_w is None else log_w
    pairs = _decays_between(log_w)
    since_start = _for_keys(log_w.cumsum(2), k).exp()
    to_end = _for_keys(pairs[:, :, -1], k)
    outputs = (q * since_start) @ state + _scores(q, k, pairs) @ v
    added = (k * to_end).mT @ v
    if a is not None:
        b = -k if b is None else b
        # a reads the state before its step, after the decay of the steps before.
        earlier = torch.cat([torch.zeros_like(pairs[:, :, :1]), pairs[:, :, :-1]], dim=2)
        since_start_earlier = torch.cat([torch.ones_like(since_start[:, :, :1]), since_start[:, :, :-1]], dim=2)
        known = (a * since_start_earlier) @ state + _scores(a, k, earlier) @ v
        system = torch.eye(a.shape[2], dtype=a.dtype, device=a.device) - _scores(a, b, earlier)
        solve = cast("Callable[..., Tensor]", torch.linalg.solve_triangular)
        u = solve(system, known, upper=False, unitriangular=True)
        outputs = outputs + _scores(q, b, pairs) @ u
        added = added + (b * to_end).mT @ u
    return outputs.movedim(2, 0), state * since_start[:, :, -1, :, None] + added


def _decays_between(
    log_decay: Float[Tensor, "batch heads time"] | Float[Tensor, "batch heads time key"],
) -> Float[Tensor, "batch heads time time"] | Float[Tensor, "batch heads time time key"]:
    """Return the decay from the end of step j to that of step i ≥ j, and 0 for i < j.

    The logarithms are added from j on, not subtracted from a common sum, which would lose the slow decays after a fast
    one. No exponent is positive, so that no decay overflows.
    """
    steps = log_decay.shape[2]
    trailing = (None,) * (log_decay.ndim - 3)
    ones = torch.ones(steps, steps, dtype=torch.bool, device=log_decay.device)
    repeated = log_decay[:, :, :, None].expand(*log_decay.shape[:3], steps, *log_decay.shape[3:])
    sums = repeated.masked_fill(ones.triu()[..., *trailing], 0.0).cumsum(2)
    return sums.masked_fill(ones.triu(1)[..., *trailing], -torch.inf).exp()


def _scores(
    left: Float[Tensor, "batch heads time key"],
    right: Float[Tensor, "batch heads time key"],
    decays: Float[Tensor, "batch heads time time"] | Float[Tensor, "batch heads time time key"],
) -> Float[Tensor, "batch heads time time"]:
    """Return the products of the vectors of two steps, decayed from the second to the first."""
    if decays.ndim == left.ndim:
        return (left @ right.mT) * decays
    return torch.einsum("bhik,bhjk,bhijk->bhij", left, right, decays)


def _for_keys(decay: Tensor, key: Tensor) -> Tensor:
    """Return a decay that has an axis for keys, also if it is one number for each head."""
    return decay if decay.ndim == key.ndim else decay[..., None]
