"""What compiled code does with the rules and automata of samplers, in Python."""

from typing import cast

import torch
from torch import Tensor

from seqforge.kinds import FORBIDDEN, ConstraintAutomaton, LogitRule
from seqforge.kinds.sampler_contract import has_stopped


def apply_rule(rule: LogitRule, logits: Tensor) -> Tensor:
    """Return logits `[batch, symbols]` after a rule, as a generation kernel computes them."""
    probabilities = logits.double().softmax(-1)
    match rule.kind:
        case "temperature":
            return logits / rule.value
        case "greedy":
            first = torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).bool()
            return logits.masked_fill(~first, -torch.inf)
        case "top-k":
            least = logits.topk(min(int(rule.value), logits.shape[-1]), dim=-1).values[:, -1:]
            return logits.masked_fill(logits < least, -torch.inf)
        case "min-p":
            least = rule.value * probabilities.amax(-1, keepdim=True)
            return logits.masked_fill(probabilities < least, -torch.inf)
        case "top-p":
            ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
            before = ordered.cumsum(-1) - ordered
            kept = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before < rule.value)
            return logits.masked_fill(~kept, -torch.inf)


def allowed_symbols(automaton: ConstraintAutomaton) -> Tensor:
    """Return the symbols `[batch, symbols]` that an automaton allows, as a generation kernel computes them."""
    rows: list[Tensor] = []
    for state, stack, height in zip(automaton.states, automaton.stacks, automaton.heights, strict=True):
        length = int(automaton.closing_lengths.numpy()[[*stack[:height], state]].sum())
        room = automaton.remaining - 1 - length
        room = min(room if room >= -1 else 0, max(automaton.largest_closing_length - length, 0))
        costs = automaton.costs[int(state)]
        rows.append(costs <= min(FORBIDDEN - 1, max(room, int(costs.min()))))
    return torch.stack(rows)


def follow(automaton: ConstraintAutomaton, tokens: Tensor) -> bool:
    """Move every sample to its next state, and return whether the automaton can continue."""
    automaton.remaining -= 1
    for row, token in enumerate(cast("list[int]", tokens.tolist())):
        _move(automaton, row, token)
    return not has_stopped(automaton)


def _move(automaton: ConstraintAutomaton, row: int, token: int) -> None:
    entry = int(automaton.next_states[int(automaton.states[row]), token])
    action = [0, -1, entry] if entry >= -1 else cast("list[int]", automaton.actions[-2 - entry].tolist())
    pops, push, target = action
    height = int(automaton.heights[row]) - pops
    if entry == -1 or height < 0 or (push >= 0 and height == automaton.stacks.shape[1]):
        automaton.states[row] = -1 - automaton.states[row]
        return
    automaton.states[row] = target if target >= 0 else automaton.stacks[row, height]
    if push >= 0:
        automaton.stacks[row, height] = push
        height += 1
    automaton.heights[row] = height
