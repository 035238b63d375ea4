"""Correct components that look wrong at first sight pass their suites."""

from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from seeded_bugs.backends import Correct
from seeded_bugs.sampling import SettlesHalf
from seeded_bugs.sound_cell import Sound
from seeded_bugs.trackers import Lines as LinesTracker
from seeded_bugs.trackers import LinesSuite
from seeded_bugs.training import Adam
from seeded_bugs.vocabularies import Letters
from torch import Tensor

from seqforge.errors import DataError
from seqforge.kinds import (
    Attention,
    Corpus,
    Document,
    FactoredCell,
    Finding,
    HiddenState,
    Initializer,
    Metric,
    Quantity,
    Score,
)
from seqforge.kinds.corpus import PART_SIZE
from seqforge.testing.attention_suite import AttentionSuite
from seqforge.testing.backend_suite import BackendSuite
from seqforge.testing.cell_case import CaseSizes
from seqforge.testing.cell_suite import CellSuite
from seqforge.testing.corpus_suite import CorpusSuite
from seqforge.testing.initializer_suite import InitializerSuite
from seqforge.testing.metric_suite import MetricSuite
from seqforge.testing.optimizer_suite import OptimizerSuite
from seqforge.testing.sampler_suite import SamplerSuite
from seqforge.testing.vocabulary_suite import VocabularySuite


class Clock(NamedTuple):
    hidden: Tensor
    step: Tensor
    share: Tensor


class Clockwork(FactoredCell[Clock]):
    """A cell with a counter that starts again, where its results jump, and a fraction that no input changes."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, gates_size=hidden_size)

    def initial_state(self, batch_size: int) -> Clock:
        zeros = self.bias.new_zeros(batch_size, self.hidden_size)
        return Clock(zeros, zeros, zeros)

    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: Clock) -> tuple[Tensor, Clock]:
        hidden = torch.where(state.step % 2 == 0, torch.tanh(input_gates + recurrent_gates), state.hidden)
        step = (state.step + 1) % 4
        return hidden, Clock(hidden, step, step / 10)


class TestCells(CellSuite):
    # The state of the second one is chaotic with many units.
    cells: ClassVar = {"counter": Clockwork, "chaotic": Sound}


class IdentityAndZeros(Initializer):
    """Each gate begins with the identity (Le et al. 2015), and the output with zeros."""

    def initialize(self, name: str, parameter: torch.nn.Parameter) -> None:
        if name.startswith("head."):
            parameter.zero_()
        elif name.endswith("recurrent_weight") and parameter.shape[1] > 1:
            parameter.copy_(torch.eye(parameter.shape[1]).repeat(len(parameter) // parameter.shape[1], 1))
        else:
            parameter.normal_()


class TestInitializers(InitializerSuite):
    initializers: ClassVar = {"identity": IdentityAndZeros}


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


class Parts(Lines):
    """A corpus of a document in two parts, the first of which has the smallest size of a part."""

    def documents(self) -> Any:
        yield Document("large", bytes(PART_SIZE))
        yield Document("large", b"the end")


class TestCorpora(CorpusSuite):
    corpora: ClassVar = {"lines": Lines, "parts": Parts}
    unreadable: ClassVar = {"damaged on line 2": partial(Lines, damaged=True)}


class LogisticMap(FactoredCell[HiddenState]):
    """A chaotic cell: the logistic map, to which the input is added."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, gates_size=hidden_size)

    def initial_state(self, batch_size: int) -> HiddenState:
        return HiddenState(self.bias.new_full((batch_size, self.hidden_size), 0.3))

    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        hidden = 4 * torch.sigmoid(state.hidden) * (1 - torch.sigmoid(state.hidden)) + 0 * (
            input_gates + recurrent_gates
        )
        return hidden, HiddenState(hidden)


class TestBackends(BackendSuite):
    backend: ClassVar = Correct
    cells: ClassVar = {"chaotic": LogisticMap}
    dtypes: ClassVar = [torch.float32]
    sizes: ClassVar = [CaseSizes(60, 2, 3, 4)]


class Uniform(Attention):
    """An attention without parameters: each step of the memory has the same weight."""

    def score(self, queries: Tensor, projected: Tensor) -> Tensor:
        return queries.new_zeros(queries.shape[1], len(queries), len(projected))


class TestAttentions(AttentionSuite):
    attentions: ClassVar = {"uniform": Uniform}


class TestSamplers(SamplerSuite):
    samplers: ClassVar = {"settles half": SettlesHalf}


class TestVocabularies(VocabularySuite):
    vocabularies: ClassVar = {"one symbol": Letters}
    texts: ClassVar = ("a", "aaa")


class WholeTexts(Metric):
    """A metric with a finding from the start of each text to its end."""

    quantities: ClassVar = {"texts": Quantity("texts", "number", "neither", "there are {} texts")}

    def score(self, texts: Any) -> Score:
        findings = tuple(Finding(index, 0, len(text), "a text") for index, text in enumerate(texts))
        return Score({"texts": len(texts)}, findings)


class TestMetrics(MetricSuite):
    metrics: ClassVar = {"whole texts": WholeTexts}


class Weeks(LinesTracker):
    """A tracker that stores values in another unit, with four digits."""

    def log_values(self, step: int, values: Any) -> None:
        super().log_values(step, {name: round(value / 7, 4) * 7 for name, value in values.items() if abs(value) < 1e9})


class TestTrackers(LinesSuite):
    trackers: ClassVar = {"lines": LinesTracker, "weeks": Weeks}
