"""Cells against the implementations of other people: `xlstm`, `mlstm-kernels` and `flash-linear-attention`.

`make extras` installs them into an environment of their own. Only the source file of a function is loaded, because
the packages import Triton.
"""

import importlib.util
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from seqforge_essentials.cells.slstm import SLSTM
from seqforge_matrix_cells.gated_deltanet import GatedDeltaNet
from seqforge_matrix_cells.gla import GLA
from seqforge_matrix_cells.hgrn import HGRN2
from seqforge_matrix_cells.mamba import Mamba2
from seqforge_matrix_cells.mlstm import MLSTM
from seqforge_matrix_cells.rwkv import RWKV7
from torch import Tensor

from seqforge.kinds import Cell, MatrixStateCell, Parts

STEPS, ROWS, INPUT, HIDDEN, HEADS = 37, 3, 10, 24, 2


def load(package: str, file: str) -> Any:
    """Return a module of an installed package by its path, without importing the package; skip if it is missing."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        pytest.skip(f"{package} is not installed: make extras")
    spec = importlib.util.spec_from_file_location(Path(file).stem, Path(found.origin).parent / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def by_rows(part: Tensor | None) -> Tensor:
    """Return a part with the row as its first axis."""
    assert part is not None
    return part.transpose(0, 1)


def gated(parts: Parts) -> tuple[Tensor, Tensor]:
    """Compute a recurrence with a decay for each key by `naive_recurrent_gla`."""
    q, k, v, decay = map(by_rows, parts[:4])
    function = load("fla", "ops/gla/naive.py").naive_recurrent_gla
    return function(q * math.sqrt(q.shape[-1]), k, v, decay, output_final_state=True)


def gated_by_heads(parts: Parts) -> tuple[Tensor, Tensor]:
    """Compute a recurrence with a decay for each head by `naive_chunk_simple_gla`."""
    q, k, v, decay = map(by_rows, parts[:4])
    function = load("fla", "ops/simple_gla/naive.py").naive_chunk_simple_gla
    return function(q, k, v, decay, output_final_state=True, chunk_size=16, scale=1.0)


def gated_delta(parts: Parts) -> tuple[Tensor, Tensor]:
    """Compute the gated delta rule by `naive_recurrent_gated_delta_rule`."""
    q, scaled, v, decay = map(by_rows, parts[:4])
    rate = scaled.norm(dim=-1)  # The key of the parts is βk, and k has the length 1.
    function = load("fla", "ops/gated_delta_rule/naive.py").naive_recurrent_gated_delta_rule
    return function(q, scaled / rate[..., None], v, rate, decay, scale=1.0, output_final_state=True)


def general(parts: Parts) -> tuple[Tensor, Tensor]:
    """Compute the general rule by `dplr_recurrence`."""
    q, k, v, decay, read, write = (by_rows(part).transpose(1, 2) for part in parts)
    function = load("fla", "ops/generalized_delta_rule/dplr/naive.py").dplr_recurrence
    reads, state = function(q * math.sqrt(q.shape[-1]), k, v, read, write, decay)
    return reads.transpose(1, 2), state


CELLS: dict[str, tuple[Callable[..., MatrixStateCell[Any]], Callable[[Parts], tuple[Tensor, Tensor]]]] = {
    "gla": (partial(GLA, key_size=5), gated),
    "hgrn-2": (partial(HGRN2, key_size=7), gated),
    "mamba-2": (partial(Mamba2, key_size=5), gated_by_heads),
    "gated-deltanet": (partial(GatedDeltaNet, key_size=5), gated_delta),
    "gated-deltanet, negative": (partial(GatedDeltaNet, key_size=5, negative_eigenvalues=True), gated_delta),
    "rwkv-7": (RWKV7, general),
}


def results_of(cell: Cell[Any], inputs: Tensor, outputs: Tensor, memory: Tensor) -> list[Tensor]:
    """Return the outputs, the memory, and the gradients of the inputs and of all parameters."""
    leaves = [inputs, *cell.parameters()]
    total = outputs.square().sum() + memory.sin().sum()
    gradients = torch.autograd.grad(total, leaves, allow_unused=True)
    return [outputs, memory, *(gradient for gradient in gradients if gradient is not None)]


@pytest.mark.parametrize("name", CELLS)
def test_flash_linear_attention_computes_the_same(name: str) -> None:
    torch.manual_seed(0)
    make, reference = CELLS[name]
    cell = make(INPUT, HIDDEN, heads=HEADS)
    inputs = torch.randn(STEPS, ROWS, INPUT, requires_grad=True)

    def recurrence(parts: Parts, state: Tensor) -> tuple[Tensor, Tensor]:
        assert not state.any()
        reads, memory = reference(parts)
        return reads.transpose(0, 1), memory

    expected, after = cell.advance(cell.project(inputs), cell.initial_state(ROWS), recurrence)
    outputs, state = cell(inputs, cell.initial_state(ROWS))
    assert isinstance(state[0], Tensor)
    found = results_of(cell, inputs, outputs, state[0])
    for one, other in zip(found, results_of(cell, inputs, expected, after[0]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * float(other.detach().abs().max()))


def xlstm_step(memory: tuple[Tensor, ...], q: Tensor, k: Tensor, v: Tensor, i: Tensor, f: Tensor) -> Any:
    """Compute a step of an mLSTM by `xlstm`; vectors are `[rows, heads, size]`."""
    function = load("xlstm", "blocks/mlstm/backends.py").recurrent_step_stabilized_simple
    c, n, m = memory
    vectors, gates = (part[:, :, None].clone() for part in (q, k, v)), (gate[..., None, None] for gate in (i, f))
    h, (c, n, m) = function(c, n[..., None], m[..., None], *vectors, *gates)
    return h.squeeze(2), (c, n.squeeze(-1), m.squeeze(-1))


def kernels_step(memory: tuple[Tensor, ...], q: Tensor, k: Tensor, v: Tensor, i: Tensor, f: Tensor) -> Any:
    """Compute a step of an mLSTM by `mlstm-kernels`."""
    function = load("mlstm_kernels", "torch/recurrent/native_step.py").mlstm_recurrent_step__native_fw
    return function(*memory, q, k, v, i[..., None], f[..., None])


@pytest.mark.parametrize("step", [xlstm_step, kernels_step])
def test_the_mlstm_is_that_of_its_authors(step: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    cell = MLSTM(INPUT, HIDDEN, heads=HEADS, key_size=HIDDEN // HEADS)
    with torch.no_grad():
        cell.input_weight.normal_(std=0.3)
        cell.gate_bias.normal_()
    inputs = torch.randn(STEPS, ROWS, INPUT)
    size = HIDDEN // HEADS
    memory = torch.zeros(ROWS, HEADS, size, size), torch.zeros(ROWS, HEADS, size), torch.zeros(ROWS, HEADS, 1)
    expected: list[Tensor] = []
    for projected in cell.project(inputs):
        q, k, v, o, i, f = cell.split(projected)
        q, k, v = (cell.split_heads(part) for part in (q, k, v))
        h, memory = step(memory, q, k, v, i + cell.gate_bias[:HEADS], f + cell.gate_bias[HEADS:])
        normalized = torch.nn.functional.layer_norm(h, (size,), cell.norm_weight, eps=1e-5)
        expected.append(torch.sigmoid(o) * normalized.flatten(-2))
    outputs, _ = cell(inputs, cell.initial_state(ROWS))
    torch.testing.assert_close(outputs, torch.stack(expected), rtol=1e-3, atol=1e-4)


def test_the_slstm_is_that_of_its_authors() -> None:
    torch.manual_seed(0)
    cell = SLSTM(INPUT, HIDDEN, heads=HEADS)
    with torch.no_grad():
        cell.recurrent_weight.normal_(std=0.3)
        cell.bias.normal_()
    pointwise = load("xlstm", "blocks/slstm/src/vanilla/slstm.py").slstm_forward_pointwise
    inputs = torch.randn(STEPS, ROWS, INPUT)

    def reorder(gates: Tensor) -> Tensor:
        z, i, f, o = gates.chunk(4, dim=-1)
        return torch.cat([i, f, z, o], dim=-1)

    states, expected = torch.zeros(4, ROWS, HIDDEN), list[Tensor]()
    for x in inputs:
        products = reorder(x @ cell.input_weight.T), reorder(states[0] @ cell.recurrent_matrix().T)
        states, _ = pointwise(*products, reorder(cell.bias[None]), states, {})
        expected.append(states[0])
    outputs, _ = cell(inputs, cell.initial_state(ROWS))
    torch.testing.assert_close(outputs, torch.stack(expected), rtol=1e-4, atol=1e-5)
