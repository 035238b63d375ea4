"""A sampler with a constraint automaton whose tables are incomplete at first, for the tests of generation kernels."""

from typing import Any

import numpy as np
import torch

from seqforge.kinds import FORBIDDEN, ConstraintAutomaton, Sampler, SamplingContext

Turn = tuple[int, tuple[int, ...]]


class Turns(Sampler):
    """Forbids one symbol in three. Which ones depends on the turn, one of three states.

    Symbol 0 pushes the turn on a stack of at most three, and symbol 1 pops it. The weight of a turn is its number, and
    the total weight is at most five. A transition is added to the automaton after it was drawn for the first time. An
    automaton is valid for nine symbols.
    """

    MOST = 5

    def __init__(self, symbols: int) -> None:
        tokens, turns = torch.arange(symbols), torch.arange(3).unsqueeze(1)
        self.weights = torch.arange(3).int()
        costs = (turns + tokens + 1) % 3 - turns
        costs[:, :1] = (turns + 1) % 3
        costs[:, 1:2] = -turns
        forbidden = tokens % 3 == turns
        if symbols < 4:  # One symbol has to be left.
            forbidden[:, -1] = False
        self.costs = costs.where(~forbidden, FORBIDDEN).to(torch.int8)
        self.actions = torch.tensor([(0, turn, (turn + 1) % 3) for turn in range(3)] + [(1, -1, -1)]).int()

    def start(self, context: SamplingContext) -> tuple[list[Turn], list[torch.Tensor], int]:
        return [(0, ())] * context.batch_size, [], context.length

    def transform(self, logits: torch.Tensor, memory: Any) -> torch.Tensor:
        refused = torch.stack([self.refused(place, memory[2]) for place in memory[0]])
        return logits.masked_fill(refused, -torch.inf)

    def refused(self, place: Turn, left: int) -> torch.Tensor:
        turn, stack = place
        owed, costs = turn + sum(stack), self.costs[turn].long()
        refused = costs == FORBIDDEN
        if owed <= left:
            refused |= owed + costs > left - 1
        else:
            refused |= costs > 0
        refused |= (owed + costs > self.MOST) & (costs > 0)
        return refused if not refused.all() else costs > costs.min()

    def advance(self, memory: Any, tokens: torch.Tensor, logits: torch.Tensor) -> Any:
        places = [self.after(*place, token) for place, token in zip(memory[0], tokens.tolist(), strict=True)]
        return places, memory[1], memory[2] - 1

    def after(self, turn: int, stack: tuple[int, ...], token: int) -> Turn:
        if token == 0 and len(stack) < 3:
            return (turn + 1) % 3, (*stack, turn)
        if token == 1 and stack:
            return stack[-1], stack[:-1]
        return (turn + token + 1) % 3, stack

    def automaton(self, memory: Any) -> ConstraintAutomaton:
        places, tables, left = memory
        if not tables:
            tables.append(torch.full(self.costs.shape, -1).int())
        states = np.array([turn for turn, _ in places], dtype=np.int32)
        heights = np.array([len(stack) for _, stack in places], dtype=np.int32)
        stacks = np.array([[*stack, 0, 0, 0][:3] for _, stack in places], dtype=np.int32)
        return ConstraintAutomaton(
            states,
            tables[0],
            self.actions,
            self.costs,
            self.weights,
            stacks,
            heights,
            left,
            self.MOST,
            max(0, left - 9),
        )

    def resume(
        self, memory: Any, automaton: ConstraintAutomaton, tokens: np.ndarray
    ) -> tuple[Any, ConstraintAutomaton]:
        places: list[Turn] = []
        rows = zip(
            automaton.states.tolist(),
            automaton.stacks.tolist(),
            automaton.heights.tolist(),
            tokens.tolist(),
            strict=True,
        )
        for state, numbers, height, token in rows:
            stack = tuple(numbers[:height])
            if state >= 0:
                places.append((state, stack))
                continue
            places.append(self.after(-1 - state, stack, token))
            if token > 1:
                automaton.next_states[-1 - state, token] = places[-1][0]
            else:
                automaton.next_states[-1 - state, token] = -2 - (3 if token else -1 - state)
        memory = places, memory[1], automaton.remaining
        return memory, self.automaton(memory)
