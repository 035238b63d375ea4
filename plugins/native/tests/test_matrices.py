"""Matrix products by the operator of oneDNN if it exists and is correct, and by torch otherwise."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, strategies
from seqforge_native import matrices
from seqforge_native.matrices import linear, matrix_product
from torch import Tensor
from torch.nn import functional

sizes = strategies.integers(1, 70)


@pytest.fixture(params=["as it is", "missing", "wrong"])
def operator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Provide the operator of oneDNN as it is, missing, or with wrong results."""

    def missing(*_: Tensor) -> Tensor:
        raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_linear_pointwise'")

    def wrong(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return functional.linear(rows, weight, bias) + 1

    fault = {"missing": missing, "wrong": wrong}.get(request.param)
    if fault is not None:
        monkeypatch.setattr(matrices, "_by_onednn", fault)
    matrices._onednn_multiplies.cache_clear()
    yield request.param
    matrices._onednn_multiplies.cache_clear()


def test_a_matrix_product_is_correct_even_if_the_operator_is_missing_or_wrong(operator: str) -> None:
    @given(rows=sizes, depth=sizes, columns=sizes, transposed=strategies.booleans(), seed=strategies.integers(0, 99))
    def check(rows: int, depth: int, columns: int, transposed: bool, seed: int) -> None:
        torch.manual_seed(seed)
        left = torch.randn(depth, rows).t() if transposed else torch.randn(rows, depth)
        right = torch.randn(depth, columns)
        torch.testing.assert_close(
            matrix_product(left, right).double(), left.double() @ right.double(), rtol=1e-4, atol=1e-4
        )

    check()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_linear_and_its_gradients_equal_those_of_torch(operator: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    tensors = [torch.randn(shape).to(dtype).requires_grad_() for shape in ((7, 3, 20), (33, 20), (33,))]
    weights = torch.randn(7, 3, 33).to(dtype)
    for found, expected in zip(
        *(
            [each(*tensors), *torch.autograd.grad((each(*tensors) * weights).sum(), tensors)]
            for each in (linear, functional.linear)
        ),
        strict=True,
    ):
        torch.testing.assert_close(found, expected)


def test_linear_has_the_dtype_of_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(torch.randn(2, 3, 4), torch.randn(5, 4), torch.randn(5)).dtype == torch.bfloat16
