"""Correct components that look wrong at first sight pass their suites."""

from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from seeded_bugs.sound_cell import Sound
from seeded_bugs.training import Adam
from torch import Tensor

from seqforge.errors import DataError
from seqforge.kinds import Corpus, Document, FactoredCell
from seqforge.testing.cell_suite import CellSuite
from seqforge.testing.corpus_suite import CorpusSuite
from seqforge.testing.optimizer_suite import OptimizerSuite


class Clock(NamedTuple):
    hidden: Tensor
    step: Tensor


class Clockwork(FactoredCell[Clock]):
    """A cell with a counter that starts again, where its results jump."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, gates_size=hidden_size)

    def initial_state(self, batch_size: int) -> Clock:
        zeros = self.bias.new_zeros(batch_size, self.hidden_size)
        return Clock(zeros, zeros)

    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: Clock) -> tuple[Tensor, Clock]:
        hidden = torch.where(state.step % 2 == 0, torch.tanh(input_gates + recurrent_gates), state.hidden)
        return hidden, Clock(hidden, (state.step + 1) % 4)


class TestCells(CellSuite):
    # The state of the second one is chaotic with many units.
    cells: ClassVar = {"counter": Clockwork, "chaotic": Sound}


class NoisyAdam(torch.optim.Adam):
    """Adam with noise in its gradients, also where they are zero."""

    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad += 1e-3 * torch.randn_like(parameter)
        super().step()


class Noisy(Adam):
    algorithm = NoisyAdam


class TestOptimizers(OptimizerSuite):
    optimizers: ClassVar = {"noisy": Noisy}

    def test_the_state_survives_a_checkpoint(self, make: Any) -> None:
        """The random state of torch is restored by the engine."""


class Lines(Corpus):
    """A corpus of lines, the second of which may be damaged."""

    def __init__(self, damaged: bool = False) -> None:
        self.damaged = damaged

    def documents(self) -> Any:
        yield Document("line-1", b"one")
        if self.damaged:
            raise DataError("line 2 is damaged")

    def fingerprint(self) -> str:
        return f"lines, {self.damaged}"

    def describe(self) -> str:
        return "lines"


class TestCorpora(CorpusSuite):
    corpora: ClassVar = {"lines": Lines}
    unreadable: ClassVar = {"damaged on line 2": partial(Lines, damaged=True)}
