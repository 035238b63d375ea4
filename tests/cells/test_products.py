"""Embedding rows: rounded in the forward pass, with gradients that are summed in the dtype of the table."""

import pytest
import torch
from torch.nn import functional

from seqforge.cells import embed_rows


@pytest.mark.parametrize("shape", [(7,), (5, 3), (1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_are_rounded_and_their_gradients_are_summed_unrounded(shape: tuple[int, ...], dtype: torch.dtype):
    table = torch.randn(6, 10, requires_grad=True)
    symbols = torch.randint(6, shape)
    rows = embed_rows(table, symbols, dtype)
    assert torch.equal(rows, functional.embedding(symbols, table).to(dtype))
    weights = torch.randn(*shape, 10).to(dtype)
    rows.backward(weights)
    expected = torch.zeros(6, 10, dtype=torch.float64)
    expected.index_add_(0, symbols.flatten(), weights.double().flatten(0, -2))
    assert table.grad is not None
    torch.testing.assert_close(table.grad.double(), expected, rtol=1e-5, atol=1e-6)  # sums in float32


def test_many_small_gradients_are_not_lost():
    table = torch.zeros(2, 4, requires_grad=True)
    embed_rows(table, torch.zeros(5000, dtype=torch.int64), torch.bfloat16).backward(torch.ones(5000, 4).bfloat16())
    assert table.grad is not None
    # In bfloat16, a sum of ones does not grow beyond 256.
    assert table.grad[0].tolist() == [5000.0] * 4


def test_a_symbol_outside_the_table_is_an_error():
    with pytest.raises(IndexError):
        embed_rows(torch.randn(3, 4, requires_grad=True), torch.tensor([3]), torch.bfloat16)
