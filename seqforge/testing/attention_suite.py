"""What every attention must do, as tests that a plugin's author inherits."""

from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies
from hypothesis.strategies import DataObject
from torch import Tensor

from seqforge.interfaces import Attention
from seqforge.testing.strategies import seeds, sizes
from seqforge.testing.tables import run_on_each

AttentionFactory = Callable[[int, int], Attention]
"""Makes an attention, given its query size and its memory size: its class, or `functools.partial(Class, option=…)`."""

_SETTINGS = settings(
    deadline=None, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow], max_examples=15
)


class _Case(NamedTuple):
    attention: Attention
    queries: Tensor
    memory: Tensor
    lengths: Tensor

    def attended(self) -> tuple[Tensor, Tensor]:
        return self.attention(self.queries, self.memory, self.attention.project(self.memory), self.lengths)

    def row(self, row: int) -> "_Case":
        place, length = slice(row, row + 1), int(self.lengths[row])
        return _Case(self.attention, self.queries[:, place], self.memory[:length, place], self.lengths[place])


class AttentionSuite:
    """Holds attentions to the interface; a subclass named `Test…` names them, and pytest runs every check on each.

    ```python
    class TestAdditive(AttentionSuite):
        attentions: ClassVar = {"plain": Additive, "narrow": partial(Additive, size=2)}
    ```

    Attributes:
        attentions: Functions of query size and memory size that make the attentions, by name.
    """

    attentions: ClassVar[Mapping[str, AttentionFactory]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every check on every attention of the table; called by pytest.

        Args:
            metafunc: The test that is being collected.

        Raises:
            UsageError: Where the subclass names no attention.
        """
        run_on_each(self, metafunc, "attentions", "make", "Mine")

    @given(data=strategies.data())
    @_SETTINGS
    def test_weights_sum_to_one_over_a_rows_own_steps(self, make: AttentionFactory, data: DataObject) -> None:
        """Every step that is written looks at its row's own steps, and at no padding."""
        case = _drawn(make, data)
        averages, weights = case.attended()
        written, batch, _ = case.queries.shape
        assert averages.shape == (written, batch, case.attention.memory_size)
        assert weights.shape == (batch, written, len(case.memory))
        torch.testing.assert_close(weights.sum(-1), torch.ones(batch, written, dtype=torch.float64))
        for row, length in enumerate(case.lengths):
            assert (weights[row, :, int(length) :] == 0).all(), "padding has a weight"
            assert (weights[row, :, : int(length)] >= 0).all(), "a weight is negative"

    @given(data=strategies.data())
    @_SETTINGS
    def test_a_row_gives_alone_what_it_gives_in_a_batch(self, make: AttentionFactory, data: DataObject) -> None:
        """Neither the other rows nor the padding matter, whatever the padding holds; nor do they for gradients."""
        case = _drawn(make, data)
        averages, _ = case.attended()
        for row in range(len(case.lengths)):
            alone, _ = case.row(row).attended()
            torch.testing.assert_close(averages[:, row : row + 1], alone, rtol=1e-9, atol=1e-9)
        parameters = list(case.attention.parameters())
        if parameters:
            total = sum((case.row(row).attended()[0].sum() for row in range(len(case.lengths))), torch.zeros(()))
            torch.testing.assert_close(
                torch.autograd.grad(averages.sum(), parameters, allow_unused=True, materialize_grads=True),
                torch.autograd.grad(total, parameters, allow_unused=True, materialize_grads=True),
                rtol=1e-8,
                atol=1e-9,
            )

    @given(data=strategies.data())
    @_SETTINGS
    def test_each_step_is_scored_by_itself(self, make: AttentionFactory, data: DataObject) -> None:
        """All steps that are written at once look where each looks alone, so that writing step by step is the same."""
        case = _drawn(make, data)
        _, weights = case.attended()
        for step in range(len(case.queries)):
            _, alone = case._replace(queries=case.queries[step : step + 1]).attended()
            torch.testing.assert_close(weights[:, step : step + 1], alone, rtol=1e-9, atol=1e-9)


def _drawn(make: AttentionFactory, data: DataObject) -> _Case:
    query_size, memory_size, seed = (data.draw(strategy) for strategy in (sizes(), sizes(), seeds()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        attention = make(query_size, memory_size).double().eval()
    lengths = torch.tensor(data.draw(strategies.lists(strategies.integers(1, 6), min_size=1, max_size=4)))
    generator = torch.Generator().manual_seed(seed)
    written, batch = data.draw(sizes()), len(lengths)
    read = int(lengths.max()) + data.draw(strategies.integers(0, 2))
    queries = torch.randn(written, batch, query_size, generator=generator, dtype=torch.float64)
    memory = torch.randn(read, batch, memory_size, generator=generator, dtype=torch.float64)
    return _Case(attention, queries, memory, lengths)
