"""Cells of random operations on kernels, against the scan of their steps."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import Phase, example, given, settings, strategies
from seqforge_native.backend import NativeBackend
from torch import Tensor, nn
from torch.nn import functional

from seqforge.kinds import BackendContext, Cell, HiddenState, scan

FLOAT32 = BackendContext(torch.device("cpu"), torch.float32)

Operation = Callable[[Tensor, Tensor], Tensor]

ELEMENTWISE: dict[str, Operation] = {
    "tanh": lambda a, _: torch.tanh(a),
    "logsigmoid": lambda a, _: functional.logsigmoid(a),
    "softplus": lambda a, _: functional.softplus(a),
    "exp": lambda a, _: torch.exp(a.clamp(max=2)),
    "log": lambda a, _: torch.log(a.square() + 0.3),
    "log1p": lambda a, _: torch.log1p(a.abs()),
    "sqrt": lambda a, _: torch.sqrt(a.square() + 0.2),
    "rsqrt": lambda a, _: torch.rsqrt(a.square() + 0.5),
    "reciprocal": lambda a, _: torch.reciprocal(a.square() + 1.5),
    "power": lambda a, _: a.clamp(-2, 2) ** 3,
    "clamp": lambda a, _: a.clamp(-0.7, 0.6),
    "sign": lambda a, b: b * torch.sign(a),
    "rsub": lambda a, _: 1 - a,
    "add": lambda a, b: torch.add(a, b, alpha=0.3),
    "mul": torch.mul,
    "div": lambda a, b: a / (1 + b.square()),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "where": lambda a, b: torch.where((a > 0.1) & (b <= 0.2), a, 0.5 * b),
    "or": lambda a, b: torch.where((a > 0) | ~(b >= 0.1), a, b),
    "not equal": lambda a, b: a * (a != b).float() + (a == a.detach()).float(),
    "masked fill": lambda a, b: a.masked_fill(torch.logical_or(b > 0, torch.logical_not(a < 0.5)), 0.25),
    "lerp": lambda a, b: torch.lerp(a, b, torch.sigmoid(a)),
    "addcmul": lambda a, b: torch.addcmul(a, b, b, value=0.2),
    "cat": lambda a, b: torch.cat([a, b], 1).split([a.shape[1], b.shape[1]], dim=1)[1] - a,
}

REDUCTIONS: dict[str, Operation] = {
    "mean": lambda a, _: a - a.mean(-1, keepdim=True),
    "variance": lambda a, b: b / (1 + a.var(-1, keepdim=True, correction=0)),
    "norm": lambda a, b: b / (1 + a.norm(dim=-1, keepdim=True)),
    "softmax": lambda a, _: torch.softmax(a, -1),
    "largest": lambda a, b: b - a.amax(-1, keepdim=True),
    "layer norm": lambda a, _: functional.layer_norm(a, (a.shape[-1],)),
}

PRODUCTS = ("product", "transposed product")

OPERATIONS = [*ELEMENTWISE, *REDUCTIONS, *PRODUCTS]

Program = list[tuple[str, int, int]]
"""Operations, each with the indices of its arguments among the numbers before it."""


class RandomCell(Cell[HiddenState]):
    """A plain cell that performs a program on its two gates, its hidden state, and products with a parameter."""

    def __init__(self, input_size: int, hidden_size: int, program: Program) -> None:
        super().__init__(input_size, hidden_size)
        self.program = program
        self.input_weight = nn.Parameter(torch.randn(2 * hidden_size, input_size) / input_size**0.5)
        self.recurrent_weight = nn.Parameter(torch.randn(2 * hidden_size, hidden_size) / hidden_size**0.5)
        self.square_weight = nn.Parameter(torch.randn(hidden_size, hidden_size) / hidden_size**0.5)
        self.gain = nn.Parameter(torch.rand(hidden_size) + 0.5)

    def initial_state(self, batch_size: int) -> HiddenState:
        return HiddenState(self.gain.new_zeros(batch_size, self.hidden_size))

    def project(self, inputs: Tensor) -> Tensor:
        return inputs @ self.input_weight.t()

    def step(self, projected: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        a, b = (projected + state.hidden @ self.recurrent_weight.t()).chunk(2, dim=1)
        numbers = [a, b, state.hidden, self.gain * b]
        for name, first, second in self.program:
            left, right = numbers[first % len(numbers)], numbers[second % len(numbers)]
            if name == "product":
                numbers.append(left @ self.square_weight)
            elif name == "transposed product":
                numbers.append(left @ self.square_weight.t())
            else:
                numbers.append({**ELEMENTWISE, **REDUCTIONS}[name](left, right))
        hidden = torch.tanh(numbers[-1]) + 0.1 * a
        return hidden + 0.5 * numbers[len(numbers) // 2], HiddenState(hidden)


def results(cell: RandomCell, inputs: Tensor, state: HiddenState, read: Callable[..., Any]) -> list[Tensor]:
    """Return the outputs, the last state, and the gradients of a weighted sum of them, in float64."""
    dtype = cell.gain.dtype
    leaves = [inputs.to(dtype).requires_grad_(), state.hidden.to(dtype).requires_grad_()]
    outputs, after = read(leaves[0], HiddenState(leaves[1]))
    total = (outputs * torch.linspace(0.5, 1.5, outputs.numel(), dtype=dtype).view_as(outputs)).sum()
    gradients = torch.autograd.grad(
        total + after.hidden.square().sum(), [*leaves, *cell.parameters()], allow_unused=True, materialize_grads=True
    )
    return [tensor.detach().double() for tensor in (outputs, after.hidden, *gradients)]


def scanned(cell: RandomCell, inputs: Tensor, state: HiddenState) -> list[Tensor]:
    return results(cell, inputs, state, lambda inputs, state: scan(cell.step, cell.project(inputs), state))


@settings(max_examples=40, phases=(Phase.explicit, Phase.generate), deadline=None)
@given(
    program=strategies.lists(
        strategies.tuples(strategies.sampled_from(OPERATIONS), strategies.integers(0, 99), strategies.integers(0, 99)),
        min_size=3,
        max_size=10,
    ),
    hidden_size=strategies.sampled_from([2, 7, 17]),
    batch=strategies.sampled_from([1, 2, 33]),
    seed=strategies.integers(0, 999),
)
@example(  # a product that no result needs, before one that has a gradient
    program=[("transposed product", 1, 0), ("add", 0, 1), ("product", 1, 0), *[("add", 0, 1)] * 5],
    hidden_size=7,
    batch=2,
    seed=0,
)
@example(program=[("lerp", 0, 1)] * 3, hidden_size=7, batch=2, seed=0)  # torch fills an empty tensor for its gradient
def test_a_cell_of_random_operations_equals_its_scan(program: Program, hidden_size: int, batch: int, seed: int) -> None:
    torch.manual_seed(seed)
    cell, backend = RandomCell(4, hidden_size, program), NativeBackend()
    if (reason := backend.unsupported(cell, FLOAT32)) is not None:
        assert reason.startswith("this processor"), reason
        pytest.skip(reason)
    inputs, state = torch.randn(3, batch, 4), HiddenState(torch.randn(batch, hidden_size) / 2)
    found = results(cell, inputs, state, backend.sequence_function(cell, FLOAT32))
    expected = scanned(copy.deepcopy(cell).double(), inputs, state)
    for one, plain, exact in zip(found, scanned(cell, inputs, state), expected, strict=True):
        # A program may be ill-conditioned, so that torch has large errors in float32 as well.
        allowed = 1e-5 * (exact.norm() + batch**0.5 * exact.numel() ** 0.5) + 4 * (plain - exact).norm()
        assert (one - exact).norm() <= allowed
