"""The conformance suite of attentions, for subclasses in the tests of a plugin."""

from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from seqforge.kinds import Attention
from seqforge.testing.cell_tensors import registration_fault
from seqforge.testing.conformance import Suite, fail, require_equal, require_no_fault

AttentionFactory = Callable[[int, int], Attention]
"""Function that returns an attention for a query size and a memory size: a class or `partial(Class, option=…)`."""

_SIZES = ((1, 1, 1, (1,), 1), (3, 4, 2, (3, 1, 5), 6), (5, 2, 4, (4, 6), 6), (4, 4, 1, (2, 7, 7, 3), 9))
"""Query size, memory size, decoder steps, encoder steps of each row, and encoder steps of the batch."""


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


class AttentionSuite(Suite, kind="attention"):
    """Tests that every attention must pass, listed as those of `CellSuite`: functions of a query and a memory size."""

    attentions: ClassVar[Mapping[str, AttentionFactory]]

    def test_tensors_are_registered(self, make: AttentionFactory) -> None:
        """Every tensor of the attention is a parameter or a buffer, so that checkpoints and `.to` include it."""
        attention = _cases(make)[0].attention
        require_no_fault(attention, registration_fault(attention))

    def test_weights_sum_to_one_over_a_rows_own_steps(self, make: AttentionFactory) -> None:
        """The weights of every decoder step sum to 1 over the encoder steps of its row, and are 0 in the padding."""
        for case in _cases(make):
            averages, weights = case.attend()
            (target, batch, _), source = case.queries.shape, len(case.memory)
            for name, tensor, shape in (
                ("averages", averages, [target, batch, case.attention.memory_size]),
                ("weights", weights, [batch, target, source]),
            ):
                if list(tensor.shape) != shape:
                    fail(make, f"the {name} have a wrong shape", expected=shape, got=list(tensor.shape))
            padding = torch.arange(source) >= case.lengths.unsqueeze(1)
            if weights.masked_select(padding.unsqueeze(1)).any():
                wanted = "a weight of 0 for encoder steps after the end of a row"
                fail(make, "padding has a weight", expected=wanted)
            if (weights < 0).any() or not weights.isfinite().all():
                fail(make, "a weight is negative or not finite", got=f"{weights.min().item():.6g}")
            furthest = (weights.sum(-1) - 1).abs().max().item()
            if furthest > 1e-4:
                problem = "the sum of the weights of a decoder step is not 1"
                fail(make, problem, got=f"a difference of {furthest:.6g}")

    def test_a_row_gives_alone_what_it_gives_in_a_batch(self, make: AttentionFactory) -> None:
        """Other rows and the content of the padding affect neither the averages nor the gradients."""
        for case in _cases(make):
            averages, _ = case.attend()
            alone = [case.select(row).attend()[0] for row in range(len(case.lengths))]
            problem = "{part} depends on other rows of the batch, or on the padding"
            require_equal(make, problem, {"the average": averages}, {"the average": torch.cat(alone, dim=1)})
            together, apart = (_gradients(case.attention, each.sum()) for each in (averages, torch.cat(alone, dim=1)))
            require_equal(make, problem, together, apart, tolerance=1e-8)

    def test_each_step_is_scored_by_itself(self, make: AttentionFactory) -> None:
        """Decoder steps do not affect each other, so that decoding step by step gives the same weights."""
        for case in _cases(make):
            _, weights = case.attend()
            for step in range(len(case.queries)):
                _, alone = case._replace(queries=case.queries[step : step + 1]).attend()
                name = f"the weights of decoder step {step}"
                actual, expected = {name: weights[:, step : step + 1]}, {name: alone}
                require_equal(make, "{part} depend on other decoder steps", actual, expected)

    def test_attending_again_gives_the_same_bits(self, make: AttentionFactory) -> None:
        """Two calls in evaluation mode return the same bits, and modify nothing that they receive."""
        for case in _cases(make):
            queries, memory = case.queries.clone(), case.memory.clone()
            first, again = ({"the average": case.attend()[0]} for _ in range(2))
            require_equal(make, "{part} is random in eval mode", again, first, tolerance=0.0)
            if not (torch.equal(queries, case.queries) and torch.equal(memory, case.memory)):
                fail(make, "the given queries or encoder outputs were modified in place")


def _gradients(attention: Attention, total: Tensor) -> dict[str, Tensor]:
    if not total.requires_grad:  # The attention has no parameters.
        return {}
    parameters = dict(attention.named_parameters())
    gradients = torch.autograd.grad(total, list(parameters.values()), allow_unused=True, materialize_grads=True)
    return {f"the gradient of `{name}`": each for name, each in zip(parameters, gradients, strict=True)}


def _cases(make: AttentionFactory) -> list[_Case]:
    """Return cases of several sizes in float64, with random parameters and inputs."""
    cases: list[_Case] = []
    for seed, (query_size, memory_size, target, lengths, source) in enumerate(_SIZES):
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            attention = make(query_size, memory_size).double().eval()
        generator = torch.Generator().manual_seed(seed)
        queries, memory = (
            torch.randn(steps, len(lengths), size, generator=generator, dtype=torch.float64)
            for steps, size in ((target, attention.query_size), (source, attention.memory_size))
        )
        cases.append(_Case(attention, queries, memory, torch.tensor(lengths)))
    return cases
