import torch
from hypothesis import given, strategies
from seqforge_native.layout import interleaved, interleaved_rows, padded, separated

sizes = strategies.integers(1, 40)


@given(hidden=sizes, count=strategies.integers(1, 4), lanes=strategies.sampled_from([4, 8, 16]), rows=sizes)
def test_separating_inverts_interleaving(hidden: int, count: int, lanes: int, rows: int) -> None:
    gates = torch.randn(rows, count * hidden)
    kernels = interleaved(gates, count, lanes)
    assert kernels.shape == (rows, count * padded(gates[:, :hidden], lanes).shape[1])
    assert torch.equal(separated(kernels.t(), count, hidden, lanes).t(), gates)


@given(hidden=sizes, count=strategies.integers(1, 4), lanes=strategies.sampled_from([4, 8, 16]), columns=sizes)
def test_rows_are_reordered_like_numbers(hidden: int, count: int, lanes: int, columns: int) -> None:
    rows = torch.randn(count * hidden, columns)
    assert torch.equal(interleaved_rows(rows, count, lanes), interleaved(rows.t(), count, lanes).t())


def test_each_register_holds_units_of_one_gate() -> None:
    gates = torch.arange(2 * 10).float()  # two gates of ten units
    kernels = interleaved(gates, 2, 8).view(-1, 8)
    first, last = [0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 0, 0, 0, 0, 0, 0]
    assert kernels.tolist() == [first, [10 + unit for unit in first], last, [18, 19, 0, 0, 0, 0, 0, 0]]
