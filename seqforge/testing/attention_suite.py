"""The conformance suite of attentions, for subclasses in the tests of a plugin."""

from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies
from hypothesis.strategies import DataObject
from torch import Tensor

from seqforge.interfaces import Attention
from seqforge.testing.strategies import run_on_each, seeds, sizes

AttentionFactory = Callable[[int, int], Attention]
"""Function that returns an attention for a query size and a memory size: a class or `partial(Class, option=…)`."""

_SETTINGS = settings(
    deadline=None, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow], max_examples=15
)


class _Case(NamedTuple):
    attention: Attention
    queries: Tensor
    memory: Tensor
    lengths: Tensor

    def attend(self) -> tuple[Tensor, Tensor]:
        return self.attention(self.queries, self.memory, self.attention.project(self.memory), self.lengths)

    def select(self, row: int) -> "_Case":
        rows, length = slice(row, row + 1), int(self.lengths[row])
        return _Case(self.attention, self.queries[:, rows], self.memory[:length, rows], self.lengths[rows])


class AttentionSuite:
    """Tests that every attention must pass. List your attentions in a subclass whose name begins with `Test`.

    ```python
    class TestAdditive(AttentionSuite):
        attentions: ClassVar = {"plain": Additive, "narrow": partial(Additive, size=2)}
    ```

    Attributes:
        attentions: Functions that return an attention for a query size and a memory size, by name.
    """

    attentions: ClassVar[Mapping[str, AttentionFactory]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every test on every attention. pytest calls this.

        Raises:
            UsageError: If the subclass lists no attention.
        """
        run_on_each(self, metafunc, "attentions", "make", "Mine")

    @given(data=strategies.data())
    @_SETTINGS
    def test_weights_sum_to_one_over_a_rows_own_steps(self, make: AttentionFactory, data: DataObject) -> None:
        """The weights of every decoder step sum to 1 over the encoder steps of its row, and are 0 in the padding."""
        case = _draw_case(make, data)
        averages, weights = case.attend()
        target_steps, batch, _ = case.queries.shape
        assert averages.shape == (target_steps, batch, case.attention.memory_size)
        assert weights.shape == (batch, target_steps, len(case.memory))
        torch.testing.assert_close(weights.sum(-1), torch.ones(batch, target_steps, dtype=torch.float64))
        for row, length in enumerate(case.lengths):
            assert (weights[row, :, int(length) :] == 0).all(), "padding has a weight"
            assert (weights[row, :, : int(length)] >= 0).all(), "a weight is negative"

    @given(data=strategies.data())
    @_SETTINGS
    def test_a_row_gives_alone_what_it_gives_in_a_batch(self, make: AttentionFactory, data: DataObject) -> None:
        """Other rows and the content of the padding affect neither the averages nor the gradients."""
        case = _draw_case(make, data)
        averages, _ = case.attend()
        for row in range(len(case.lengths)):
            alone, _ = case.select(row).attend()
            torch.testing.assert_close(averages[:, row : row + 1], alone, rtol=1e-9, atol=1e-9)
        parameters = list(case.attention.parameters())
        if parameters:
            total = sum((case.select(row).attend()[0].sum() for row in range(len(case.lengths))), torch.zeros(()))
            torch.testing.assert_close(
                torch.autograd.grad(averages.sum(), parameters, allow_unused=True, materialize_grads=True),
                torch.autograd.grad(total, parameters, allow_unused=True, materialize_grads=True),
                rtol=1e-8,
                atol=1e-9,
            )

    @given(data=strategies.data())
    @_SETTINGS
    def test_each_step_is_scored_by_itself(self, make: AttentionFactory, data: DataObject) -> None:
        """Decoder steps do not affect each other, so that decoding step by step gives the same weights."""
        case = _draw_case(make, data)
        _, weights = case.attend()
        for step in range(len(case.queries)):
            _, alone = case._replace(queries=case.queries[step : step + 1]).attend()
            torch.testing.assert_close(weights[:, step : step + 1], alone, rtol=1e-9, atol=1e-9)


def _draw_case(make: AttentionFactory, data: DataObject) -> _Case:
    query_size, memory_size, seed = (data.draw(strategy) for strategy in (sizes(), sizes(), seeds()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        attention = make(query_size, memory_size).double().eval()
    lengths = torch.tensor(data.draw(strategies.lists(strategies.integers(1, 6), min_size=1, max_size=4)))
    generator = torch.Generator().manual_seed(seed)
    target_steps, batch = data.draw(sizes()), len(lengths)
    source_steps = int(lengths.max()) + data.draw(strategies.integers(0, 2))
    queries = torch.randn(target_steps, batch, query_size, generator=generator, dtype=torch.float64)
    memory = torch.randn(source_steps, batch, memory_size, generator=generator, dtype=torch.float64)
    return _Case(attention, queries, memory, lengths)
