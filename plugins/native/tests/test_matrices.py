"""Products in oneDNN, where it can be called, and elsewhere as torch has them."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, strategies
from seqforge_native import matrices
from seqforge_native.matrices import linear, matrix_product
from torch import Tensor
from torch.nn import functional

sizes = strategies.integers(1, 70)


@pytest.fixture(params=["as it is", "gone", "wrong"])
def operator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """oneDNN's operator, or trouble with it."""

    def gone(*_: Tensor) -> Tensor:
        raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_linear_pointwise'")

    def wrong(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return functional.linear(rows, weight, bias) + 1

    trouble = {"gone": gone, "wrong": wrong}.get(request.param)
    if trouble is not None:
        monkeypatch.setattr(matrices, "_by_onednn", trouble)
    matrices._onednn_multiplies.cache_clear()
    yield request.param
    matrices._onednn_multiplies.cache_clear()


def test_a_product_is_the_product_whatever_the_operator_does(operator: str) -> None:
    @given(rows=sizes, depth=sizes, columns=sizes, turned=strategies.booleans(), seed=strategies.integers(0, 99))
    def check(rows: int, depth: int, columns: int, turned: bool, seed: int) -> None:
        torch.manual_seed(seed)
        left = torch.randn(depth, rows).t() if turned else torch.randn(rows, depth)
        right = torch.randn(depth, columns)
        torch.testing.assert_close(
            matrix_product(left, right).double(), left.double() @ right.double(), rtol=1e-4, atol=1e-4
        )

    check()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_linear_map_and_its_gradients_are_torchs(operator: str, dtype: torch.dtype) -> None:
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


def test_a_linear_map_is_in_autocasts_type() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(torch.randn(2, 3, 4), torch.randn(5, 4), torch.randn(5)).dtype == torch.bfloat16
