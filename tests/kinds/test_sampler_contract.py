"""A constraint automaton with which a compiled kernel would read outside of its tables is rejected."""

from copy import copy, deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from seqforge.errors import PluginError, describe_type
from seqforge.kinds import FORBIDDEN, ConstraintAutomaton, Sampler
from seqforge.kinds.sampler_contract import check_places, first_automaton, has_stopped, resume_automaton


class Constrained(Sampler):
    """A sampler whose memory is its constraint automaton."""

    def automaton(self, memory: ConstraintAutomaton | None) -> ConstraintAutomaton | None:
        return memory

    def resume(self, memory: Any, automaton: ConstraintAutomaton, tokens: np.ndarray) -> Any:
        return memory

    def transform(self, logits: torch.Tensor, memory: ConstraintAutomaton | None) -> torch.Tensor:
        return logits


AUTOMATON = ConstraintAutomaton(
    states=np.array([0, 1, 1], dtype=np.int32),
    next_states=torch.tensor([[0, 1, -1, -2], [-3, 1, 0, 0]], dtype=torch.int32),
    actions=torch.tensor([[0, 1, 0], [1, -1, -1]], dtype=torch.int32),
    costs=torch.tensor([[0, 1, 0, 1], [-1, FORBIDDEN, 0, 0]], dtype=torch.int8),
    closing_lengths=torch.tensor([0, 1], dtype=torch.int32),
    stacks=np.array([[0, 7, 7], [1, 1, 0], [7, 7, 7]], dtype=np.int32),
    heights=np.array([1, 3, 0], dtype=np.int32),
    remaining=10,
    largest_closing_length=5,
)


def test_a_valid_automaton_is_accepted():
    assert first_automaton(Constrained(), AUTOMATON, 3, 4) is AUTOMATON
    assert resume((None, AUTOMATON)) == (None, AUTOMATON)


def test_an_automaton_that_continues_is_validated_again_only_if_it_is_another_one():
    damaged = replace(AUTOMATON, next_states=changed("next_states", (0, 0), -4))
    assert resume((None, damaged), damaged) == (None, damaged)
    with pytest.raises(PluginError, match="resume left an invalid automaton: next_states must be"):
        resume((None, damaged))
    wrong = copy(AUTOMATON)
    wrong.states = AUTOMATON.states.astype(np.int64)
    with pytest.raises(PluginError, match="states is not a contiguous NumPy array"):
        resume((None, wrong))


@pytest.mark.parametrize("result", [None, AUTOMATON, (1, None), (1, 2, 3)])
def test_a_sampler_that_returns_no_automaton_is_named(result: Any):
    with pytest.raises(PluginError, match=f"resume returned {describe_type(result)}, not a tuple of the memory and"):
        resume(result)


def resume(result: Any, automaton: ConstraintAutomaton = AUTOMATON) -> Any:
    return resume_automaton(Constrained(), result, automaton, np.zeros(3, dtype=np.int64))


def test_the_numbers_that_a_sampler_left_are_checked():
    replaced = copy(AUTOMATON)
    check_places(Constrained(), replaced)
    replaced.states = changed("states", (0,), -1)
    with pytest.raises(PluginError, match="resume left an invalid automaton: states must be from 0 to 1, not -1"):
        check_places(Constrained(), replaced)


@pytest.mark.parametrize(
    ("states", "remaining", "stopped"), [([0], 3, False), ([-1], 3, True), ([0], 2, True), ([0], 0, False)]
)
def test_an_automaton_stops_at_a_missing_transition_and_when_it_is_no_longer_valid(
    states: list[int], remaining: int, stopped: bool
):
    automaton = copy(AUTOMATON)
    automaton.states, automaton.remaining, automaton.valid_until = np.array(states), remaining, 2
    assert has_stopped(automaton) is stopped


def test_a_sampler_may_have_no_automaton():
    assert first_automaton(Constrained(), None, 3, 4) is None


def changed(name: str, index: tuple[int, ...], value: int) -> Any:
    table = deepcopy(getattr(AUTOMATON, name))
    table[index] = value
    return table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"states": AUTOMATON.states.astype(np.int64)}, "states is not a contiguous NumPy array of int32"),
        ({"stacks": torch.from_numpy(AUTOMATON.stacks)}, "stacks is not a contiguous NumPy array"),
        ({"costs": AUTOMATON.costs.T.contiguous().T}, "costs is not a contiguous tensor of torch.int8"),
        (
            {"next_states": AUTOMATON.next_states[:, :3].contiguous()},
            r"next_states has the shape \[2, 3\], not \[2, 4\]",
        ),
        ({"closing_lengths": torch.zeros(3, dtype=torch.int32)}, r"next_states has the shape \[2, 4\], not \[3, 4\]"),
        (
            {"closing_lengths": AUTOMATON.closing_lengths.unsqueeze(1)},
            r"closing_lengths has the shape \[2, 1\], not \[2\]",
        ),
        ({"actions": changed("actions", (1, 0), 0)}, "an action returns to the popped state, but pops none"),
        ({"heights": AUTOMATON.heights[:2]}, r"heights has the shape \[2\], not \[3\]"),
        ({"states": changed("states", (0,), 2)}, "states must be from 0 to 1, not 2"),
        ({"states": changed("states", (0,), -1)}, "states must be from 0 to 1, not -1"),
        ({"next_states": changed("next_states", (0, 0), -4)}, "next_states must be from -3 to 1, not -4"),
        ({"actions": changed("actions", (0, 1), 2)}, "states in actions must be from -1 to 1, not 2"),
        ({"actions": changed("actions", (0, 0), -1)}, "counts in actions must be from 0 to 3, not -1"),
        ({"heights": changed("heights", (0,), 4)}, "heights must be from 0 to 3, not 4"),
        ({"stacks": changed("stacks", (1, 2), 2)}, "stacks must be from 0 to 1, not 2"),
        ({"costs": changed("costs", (1,), FORBIDDEN)}, "a state forbids every symbol"),
        ({"valid_until": 10}, "valid_until is 10, but must be less than remaining, 10"),
    ],
)
def test_an_invalid_automaton_is_rejected(change: dict[str, Any], message: str):
    automaton = copy(AUTOMATON)
    for name, table in change.items():
        setattr(automaton, name, table)
    with pytest.raises(PluginError, match=f"'Constrained': automaton returned an invalid automaton: {message}"):
        first_automaton(Constrained(), automaton, 3, 4)
