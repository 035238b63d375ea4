"""Matrix products by the operator of oneDNN if it exists and is correct, and by torch otherwise."""

import ctypes
from collections.abc import Iterator
from typing import Any, cast

import pytest
import torch
from hypothesis import example, given, strategies
from seqforge_native import matrices
from seqforge_native.library import Library, best_library
from seqforge_native.matrices import linear, matrix_product, weight_and_bias_gradients
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


@given(
    rows=strategies.sampled_from([1, 5, 97, 700]),
    depth=strategies.sampled_from([16, 48, 512]),
    outputs=strategies.integers(1, 150),
    threads=strategies.integers(1, 3),
    transposed=strategies.booleans(),
    result=strategies.sampled_from([torch.bfloat16, torch.float32]),
    seed=strategies.integers(0, 99),
)
@example(rows=700, depth=512, outputs=97, threads=2, transposed=True, result=torch.float32, seed=0)
@example(rows=700, depth=512, outputs=128, threads=2, transposed=False, result=torch.bfloat16, seed=0)
def test_linear_in_bfloat16_equals_float64(
    rows: int, depth: int, outputs: int, threads: int, transposed: bool, result: torch.dtype, seed: int
) -> None:
    torch.manual_seed(seed)
    inputs = torch.randn(rows, depth).bfloat16()
    weight = torch.randn(depth, outputs).t() if transposed else torch.randn(outputs, depth)
    tensors = [inputs, weight, torch.randn(outputs)]
    upstream = torch.randn(rows, outputs).to(result)
    # The kernels round weights and gradients to bfloat16, and nothing else.
    exact = [tensor.double().requires_grad_() for tensor in (inputs, weight.bfloat16(), tensors[2])]
    expected = functional.linear(*exact)
    before, called = torch.get_num_threads(), []
    call = Library.call

    def counted(self: Library, function: str, *arguments: Any) -> None:
        called.append(function)
        call(self, function, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Library, "call", counted)
        try:
            torch.set_num_threads(threads)
            leaves = [tensor.clone(memory_format=torch.preserve_format).requires_grad_() for tensor in tensors]
            found = linear(*leaves, result)
            gradients = torch.autograd.grad(found, leaves, upstream)
        finally:
            torch.set_num_threads(before)
    library = best_library()
    has_kernel = library is not None and ("linear", torch.bfloat16) in library.functions
    if has_kernel:
        assert called.count("pack_matrix") == (2 if outputs % 16 == 0 or result == torch.float32 else 1)
    assert found.dtype == result
    expected_gradients = torch.autograd.grad(expected, exact, upstream.bfloat16().double())
    # Without a kernel, torch also rounds the products before it adds the bias, to which the error is then relative.
    terms = [0.0 if has_kernel else float(tensors[2].norm()) * rows**0.5, 0.0, 0.0, 0.0]
    for one, other, term in zip([found, *gradients], [expected, *expected_gradients], terms, strict=True):
        # A result in bfloat16 is rounded once; torch rounds sums of weight and bias gradients as well.
        is_rounded = one.dtype == torch.bfloat16 or outputs % 16 or not has_kernel
        error = (one.double() - other).norm() / (other.norm() + term)
        assert error < (0.004 if is_rounded else 1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("depth", "width", "outputs"), [(16, 512, 64), (32, 20, 64), (16, 16, 3)])
def test_linear_of_sizes_that_do_not_fit_is_an_error(
    depth: int, width: int, outputs: int, dtype: torch.dtype, unchecked: None
) -> None:
    weights, bias = torch.ones(64, width), torch.zeros(outputs)
    with pytest.raises(RuntimeError, match=r"shape|size"), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        linear(torch.ones(4, depth), weights, bias)


def test_linear_has_the_dtype_of_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(torch.randn(2, 3, 4), torch.randn(5, 4), torch.randn(5)).dtype == torch.bfloat16


@given(
    rows=strategies.sampled_from([1, 2, 63, 511, 512, 513, 1025]),
    outputs=strategies.integers(1, 5),
    inputs=strategies.integers(1, 5),
    threads=strategies.integers(1, 3),
    seed=strategies.integers(0, 99),
)
@example(rows=513, outputs=3, inputs=4, threads=2, seed=0)
def test_the_gradient_of_a_weight_is_summed_in_float32(
    rows: int, outputs: int, inputs: int, threads: int, seed: int
) -> None:
    torch.manual_seed(seed)
    left, right = torch.randn(rows, 16 * outputs).bfloat16(), torch.randn(rows, 16 * inputs).bfloat16()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        found = weight_and_bias_gradients(left, right)[0]
    finally:
        torch.set_num_threads(before)
    library = best_library()
    if library is not None and ("weight_and_bias_gradients", torch.bfloat16) in library.functions:
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), left.double().t() @ right.double(), rtol=1e-4, atol=1e-3)
        assert torch.equal(found, weight_and_bias_gradients(left, right)[0])  # for any number of threads


@pytest.mark.parametrize(("height", "width"), [(20, 16), (16, 20)])
def test_the_gradient_of_a_weight_may_have_any_size(height: int, width: int) -> None:
    left, right = torch.ones(3, height).bfloat16(), torch.ones(3, width).bfloat16()
    assert torch.equal(weight_and_bias_gradients(left, right)[0].float(), torch.full((height, width), 3.0))


def test_outputs_without_their_padding_do_not_run_on_the_reference_implementation(
    capfd: pytest.CaptureFixture[str],
) -> None:
    if not matrices._onednn_multiplies():
        pytest.skip("torch has no operator of oneDNN")
    outputs = torch.randn(2, 3, 32)[..., :20].requires_grad_()
    weight = torch.randn(32, 48)[:20].t().requires_grad_()
    onednn = cast("Any", torch.backends.mkldnn)
    with onednn.verbose(onednn.VERBOSE_ON):
        linear(outputs, weight, torch.randn(48)).sum().backward()
    ctypes.CDLL(None).fflush(None)  # oneDNN prints to the buffer of C
    lines = [line for line in capfd.readouterr().out.splitlines() if ",exec," in line]
    assert len(lines) >= 3
    assert not [line for line in lines if ",ref" in line]
