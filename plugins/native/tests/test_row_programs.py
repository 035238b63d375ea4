"""Row programs against torch: one operation after another, with its gradient."""

import copy
import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from seqforge_native.backend import NativeBackend
from seqforge_native.library import Library, runnable_libraries
from seqforge_native.matrix_cells import MatrixCellKernel, read_matrix_cell
from seqforge_native.row_programs.matrix_program import CellPrograms, compile_programs
from torch import Tensor, nn
from torch.nn import functional

from seqforge.kinds import BackendContext, MatrixState, MatrixStateCell, Parts

pytestmark = pytest.mark.skipif(not runnable_libraries(), reason="no kernels were built for this processor")

HEADS, HIDDEN = 3, 57
Formula = Callable[["Computed", Tensor, Tensor], Tensor]


class Computed(MatrixStateCell[MatrixState]):
    """A cell that computes a formula of what is read, `[…, heads, value]`, and of inputs of the same shape."""

    def __init__(self, formula: Formula) -> None:
        super().__init__(5, HIDDEN, [HIDDEN] * 4, heads=HEADS)
        self.formula = formula
        self.matrix = nn.Parameter(torch.randn(self.value_size, 4))
        self.vectors = nn.Parameter(torch.rand(3, HEADS, self.value_size) + 0.5)
        self.register_buffer("mask", torch.arange(self.value_size) % 3 == 0)

    def parts(self, projected: Tensor) -> Parts:
        q, k, v, _ = (self.split_heads(part) for part in self.split(projected))
        return Parts(q, k / math.sqrt(self.key_size), v)

    def readout(self, reads: Tensor, parts: Parts, projected: Tensor) -> Tensor:
        x = self.split_heads(self.split(projected)[3])
        return self.formula(self, reads, x).expand(reads.shape).flatten(-2)


FORMULAS: dict[str, Formula] = {
    "arithmetic": lambda _, o, x: (o + 2 * x - 1) * x / (2 + x * x) - o / 3,
    "exponentials": lambda _, o, x: torch.exp(-o * o) + torch.log(1 + x * x) + torch.log1p(x.abs()),
    "sigmoids": lambda _, o, x: torch.sigmoid(o) * torch.tanh(x) + functional.silu(o - x),
    "logarithms of sigmoids": lambda _, o, x: functional.softplus(9 * o) + functional.logsigmoid(30 * x),
    "roots": lambda _, o, x: torch.sqrt(1 + o * o) + torch.rsqrt(1 + x * x) + (2 + x.square()) ** 0.5,
    "powers": lambda _, o, x: o**2 + x**3,
    "branches": lambda _, o, x: torch.where(o > x, o, 2 * x) + torch.relu(x) + o.clamp(-0.2, 0.4) + o.clamp(min=x),
    "extremes": lambda _, o, x: torch.maximum(o, x) - torch.minimum(o, 2 * x) * o.sign(),
    "norms": lambda cell, o, x: (
        functional.rms_norm(o, (o.shape[-1],), cell.vectors[0, 0]) + functional.normalize(x, dim=-1)
    ),
    "layer norm of all heads": lambda _, o, x: functional.layer_norm(o + x, o.shape[-2:]),
    "layer norm": lambda cell, o, x: functional.layer_norm(o + x, (o.shape[-1],), *cell.vectors[:2, 0]),
    "norm of all heads": lambda _, o, x: functional.rms_norm((o * x).flatten(-2), (HIDDEN,), eps=1e-3).view_as(o),
    "statistics": lambda _, o, x: o.mean(-1, keepdim=True) * x + x.var(-1, keepdim=True) + o.amax(-1, keepdim=True),
    "statistics of one axis less": lambda _, o, x: (
        (o.norm(dim=-1) - o.norm(p=1, dim=-1) + x.mean(-1) + x.var(-1) + o.amax(-1) - x.amin(-1) + o.logsumexp(-1))
        .unsqueeze(-1)
        .mul(x)
    ),
    "sums of three axes": lambda _, o, x: (o.unsqueeze(-1) * x.unsqueeze(-2)).sum(-1),
    "sums over heads": lambda _, o, x: o.sum(-2, keepdim=True) * x + (o * x).sum((-1, -2), keepdim=True),
    "softmax": lambda _, o, x: torch.softmax(o, -1) * torch.logsumexp(x, -1, keepdim=True),
    "products": lambda cell, o, x: (o @ cell.matrix) @ cell.matrix.t() + torch.tanh(x),
    "scaled products": lambda cell, o, x: (
        torch.addmm(cell.vectors[0, 0, :4], o.flatten(0, -2), cell.matrix, beta=0.5)
        .addmm(x.flatten(0, -2), cell.matrix, alpha=0.3)
        .mm(cell.matrix.t())
        .view_as(o)
    ),
    "scaled terms": lambda _, o, x: (
        torch.sub(o, x, alpha=3) + torch.addcmul(o, x, x, value=0.5) * functional.softplus(o, 2)
    ),
    "vectors": lambda cell, o, x: cell.vectors[1] * o + cell.vectors.sum(0) * x,
    "a buffer": lambda cell, o, x: torch.where(cell.get_buffer("mask"), o, x),
    "pieces": lambda _, o, x: torch.cat([o[..., 3:], x[..., :2], o[..., :1]], -1) + functional.pad(x[..., 1:], (0, 1)),
    "sums of pieces": lambda _, o, x: (
        torch.cat([o[..., 3:], x[..., :3]], -1)
        + x[..., 4:5]
        + torch.add(o, torch.cat([x[..., 2:], o[..., :2]], -1), alpha=3)
    ),
    "paddings": lambda _, o, x: functional.pad(x, (-2, 2), value=0.5) * functional.pad(o, (3, -3)) + o,
    "parts of pieces": lambda _, o, x: (
        torch.cat([torch.ones_like(o).flatten(-2), x.flatten(-2)[..., 5:]], -1)[..., None, 59:78] * o
        + torch.cat([torch.ones_like(o).flatten(-2), x.flatten(-2)], -1)[..., None, 3:22]
        + torch.cat([o.flatten(-2), x.flatten(-2)], -1)[..., ::2].view_as(o)
    ),
    "a row of a padding": lambda _, o, x: functional.pad(o, (0, 19)).select(-2, 0)[..., None, 10:29] * x,
    "parts of paddings": lambda _, o, x: (
        functional.pad(o.flatten(-2), (4, 4))[..., 2:59] * functional.pad(x.flatten(-2), (4, 4))[..., 6:63]
    ).view_as(o),
    "an order": lambda _, o, x: o.flatten(-2).unflatten(-1, (-1, HEADS)).transpose(-1, -2) * x,
    "an approximate gelu": lambda _, o, x: functional.gelu(o, approximate="tanh") * x,
    "no reads": lambda _, o, x: torch.tanh(x),
}


def results_of(read: Callable[..., Any], cell: Computed, inputs: Tensor, state: MatrixState) -> list[Tensor]:
    inputs = inputs.clone().requires_grad_()
    outputs, after = read(inputs, state)
    weights = torch.linspace(-1, 1, outputs.numel(), dtype=torch.float64).view_as(outputs)
    loss = (outputs.double() * weights).sum() + after.memory.double().square().sum()
    named = [inputs, *cell.parameters()]
    gradients = torch.autograd.grad(loss, named, allow_unused=True, materialize_grads=True)
    return [result.detach().double() for result in (outputs, after.memory, *gradients)]


@cache
def compiled(name: str) -> tuple[Computed, CellPrograms]:
    """Return a cell with its programs, which are the same for every processor."""
    torch.manual_seed(0)
    cell = Computed(FORMULAS[name])
    return cell, compile_programs(cell)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_program_computes_a_formula_and_its_gradient(name: str, kernels: Library):
    cell, programs = compiled(name)
    inputs, state = torch.randn(18, 2, 5), MatrixState(torch.randn(2, HEADS, 19, 19) / 4)
    kernel, double = MatrixCellKernel(kernels, programs, HIDDEN), copy.deepcopy(cell).double()
    found = results_of(lambda *given: read_matrix_cell(cell, kernel, *given), cell, inputs, state)
    exact = results_of(double.forward, double, inputs.double(), MatrixState(state.memory.double()))
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=3e-5 * float(other.abs().max()) + 1e-12)


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        (lambda _, o, x: torch.cumsum(o, -1) * x, r"the operation cumsum \(test_row_programs.py:\d+\)"),
        (lambda _, o, x: o if o.sum() > 0 else x, "a branch that depends on the data"),
        (
            lambda _, o, x: o + torch.arange(19.0),
            "a tensor that is neither a parameter nor a buffer",
        ),
        (
            lambda _, o, x: o[..., None, None].expand(*o.shape, 2, 2).sum(-1).sum(-1),
            "a sum of a tensor of more than three axes",
        ),
        (lambda _, o, x: o**4, "the power 4"),
        (lambda _, o, x: o.norm(p=3, dim=-1, keepdim=True), "the norm of order 3"),
        (lambda _, o, x: functional.pad(o, (0, 1, 0, 1))[..., 1:, 1:], "a padding of more than one axis"),
    ],
)
def test_a_formula_that_a_program_cannot_compute_is_named(formula: Formula, reason: str):
    found = NativeBackend().unsupported(Computed(formula), BackendContext(torch.device("cpu"), torch.float32))
    assert found is not None
    assert re.search(reason, found), found
