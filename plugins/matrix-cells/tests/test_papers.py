"""Every cell against a loop in numpy that follows the equations of its paper, without the code of the cell."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from seqforge_matrix_cells.gated_deltanet import GatedDeltaNet
from seqforge_matrix_cells.gla import GLA
from seqforge_matrix_cells.hgrn import HGRN2
from seqforge_matrix_cells.mamba import Mamba2
from seqforge_matrix_cells.mlstm import MLSTM
from seqforge_matrix_cells.rwkv import RWKV7

from seqforge.kinds import Cell

Array = np.ndarray[Any, np.dtype[np.float64]]
Weights = dict[str, Array]

HEADS, KEYS, HIDDEN, INPUT, STEPS = 2, 3, 8, 5, 40
VALUES = HIDDEN // HEADS


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def silu(x: Array) -> Array:
    return x * sigmoid(x)


def softplus(x: Array) -> Array:
    return np.log1p(np.exp(x))


def rms_norm(x: Array, epsilon: float = 1e-5) -> Array:
    return x / np.sqrt((x * x).mean() + epsilon)


def layer_norm(x: Array, epsilon: float) -> Array:
    return (x - x.mean()) / np.sqrt(x.var() + epsilon)


def gla(w: Weights, inputs: Array) -> list[Array]:
    states = np.zeros((HEADS, KEYS, VALUES))
    outputs: list[Array] = []
    for x in inputs:
        q, k, v, r, low = np.split(w["input_weight"] @ x, np.cumsum([6, 6, 8, 8]))
        alpha = sigmoid(w["decay_weight"] @ low + w["decay_bias"]) ** (1 / 16)
        heads: list[Array] = []
        for head in range(HEADS):
            keys, values = slice(3 * head, 3 * head + 3), slice(4 * head, 4 * head + 4)
            states[head] = np.diag(alpha[keys]) @ states[head] + np.outer(k[keys], v[values])
            heads.append(rms_norm(states[head].T @ q[keys] / np.sqrt(KEYS)) * w["norm_weight"])
        outputs.append(np.concatenate(heads) * silu(r))
    return outputs


def gated_deltanet(w: Weights, inputs: Array, largest_rate: float = 1) -> list[Array]:
    states = np.zeros((HEADS, KEYS, VALUES))
    outputs: list[Array] = []
    for x in inputs:
        q, k, v, r, decay, rate = np.split(w["input_weight"] @ x, np.cumsum([6, 6, 8, 8, 2]))
        q, k, v = silu(q), silu(k), silu(v)
        heads: list[Array] = []
        for head in range(HEADS):
            keys, values = slice(3 * head, 3 * head + 3), slice(4 * head, 4 * head + 4)
            query, key = (part[keys] / np.linalg.norm(part[keys]) for part in (q, k))
            alpha = np.exp(-np.exp(w["log_decay_rate"][head]) * softplus(decay[head] + w["decay_bias"][head]))
            beta = largest_rate * sigmoid(rate[head])
            # The form of the paper: the state is multiplied by α (I - β k kᵀ).
            transition = alpha * (np.eye(KEYS) - beta * np.outer(key, key))
            states[head] = transition @ states[head] + beta * np.outer(key, v[values])
            heads.append(rms_norm(states[head].T @ query / np.sqrt(KEYS)) * w["norm_weight"])
        outputs.append(np.concatenate(heads) * silu(r))
    return outputs


def hgrn(w: Weights, inputs: Array, lower_bound: float = 0) -> list[Array]:
    states = np.zeros((HEADS, KEYS, VALUES))
    outputs: list[Array] = []
    for x in inputs:
        q, f, i = np.split(w["input_weight"] @ x, np.cumsum([6, 6]))
        f = lower_bound + (1 - lower_bound) * sigmoid(f)
        heads: list[Array] = []
        for head in range(HEADS):
            keys, values = slice(3 * head, 3 * head + 3), slice(4 * head, 4 * head + 4)
            states[head] = np.diag(f[keys]) @ states[head] + np.outer(1 - f[keys], i[values])
            heads.append(states[head].T @ silu(q[keys]))
        outputs.append(rms_norm(np.concatenate(heads)) * w["norm_weight"])
    return outputs


def mamba(w: Weights, inputs: Array) -> list[Array]:
    states = np.zeros((HEADS, KEYS, VALUES))
    outputs: list[Array] = []
    for u in inputs:
        z, x, b, c, dt = np.split(w["input_weight"] @ u, np.cumsum([8, 8, 3, 3]))
        x, b, c, dt = silu(x), silu(b), silu(c), softplus(dt + w["step_bias"])
        heads: list[Array] = []
        for head in range(HEADS):
            value = x[4 * head : 4 * head + 4]
            states[head] *= np.exp(-np.exp(w["log_decay_rate"][head]) * dt[head])
            states[head] += np.outer(dt[head] * b, value)
            heads.append(states[head].T @ c + w["skip_weight"][head] * value)
        outputs.append(rms_norm(np.concatenate(heads) * silu(z)) * w["norm_weight"])
    return outputs


def mlstm(w: Weights, inputs: Array) -> list[Array]:
    # Without the stabilizer, as the paper defines the memory first.
    memories, normalizers = np.zeros((HEADS, KEYS, VALUES)), np.zeros((HEADS, KEYS))
    outputs: list[Array] = []
    for x in inputs:
        q, k, v, o, i, f = np.split(w["input_weight"] @ x, np.cumsum([6, 6, 8, 8, 2]))
        i, f = np.exp(i + w["gate_bias"][:2]), sigmoid(f + w["gate_bias"][2:])
        heads: list[Array] = []
        for head in range(HEADS):
            query, key = (part[3 * head : 3 * head + 3] for part in (q, k / np.sqrt(KEYS)))
            memories[head] = f[head] * memories[head] + i[head] * np.outer(key, v[4 * head : 4 * head + 4])
            normalizers[head] = f[head] * normalizers[head] + i[head] * key
            read = memories[head].T @ query / max(abs(normalizers[head] @ query), 1)
            heads.append(layer_norm(read, 1e-5) * w["norm_weight"])
        outputs.append(sigmoid(o) * np.concatenate(heads))
    return outputs


def rwkv(w: Weights, inputs: Array) -> list[Array]:
    states = np.zeros((HEADS, VALUES, VALUES))  # As in the paper, the rows are values.
    before = np.zeros(INPUT)
    blocks = np.split(w["input_weight"], np.cumsum([8, 8, 8, 2, 2]))
    outputs: list[Array] = []
    for x in inputs:
        mixed = [block @ (x + mu * (before - x)) for block, mu in zip(blocks, w["mix"].reshape(6, -1), strict=True)]
        before = x
        r, k, v, low_decay, low_rate, low_gate = mixed
        decay = w["bottleneck_weight"][0] @ np.tanh(low_decay) + w["gate_bias"][0]
        decay = np.exp(-np.exp(-0.5) * sigmoid(decay))
        rate = sigmoid(w["bottleneck_weight"][1] @ low_rate + w["gate_bias"][1])
        gate = w["bottleneck_weight"][2] @ sigmoid(low_gate)
        xi, alpha, rho = w["key_weight"].reshape(3, -1)
        replacement = k * (1 + (rate - 1) * alpha)
        heads: list[Array] = []
        for head in range(HEADS):
            units = slice(4 * head, 4 * head + 4)
            kappa = (k * xi)[units] / np.linalg.norm((k * xi)[units])
            transition = np.diag(decay[units]) - np.outer(kappa, rate[units] * kappa)
            states[head] = states[head] @ transition + np.outer(v[units], replacement[units])
            bonus = (r[units] * rho[units] * replacement[units]).sum() * v[units]
            normalized = layer_norm(states[head] @ r[units], 64e-5)
            heads.append(normalized * w["norm_weight"][units] + w["norm_bias"][units] + bonus)
        outputs.append(np.concatenate(heads) * gate)
    return outputs


def negative(w: Weights, inputs: Array) -> list[Array]:
    return gated_deltanet(w, inputs, largest_rate=2)


def bounded(w: Weights, inputs: Array) -> list[Array]:
    return hgrn(w, inputs, lower_bound=0.7)


CASES: dict[str, tuple[Callable[[], Cell[Any]], Callable[[Weights, Array], list[Array]]]] = {
    "gla": (lambda: GLA(INPUT, HIDDEN, HEADS, KEYS), gla),
    "gated-deltanet": (lambda: GatedDeltaNet(INPUT, HIDDEN, HEADS, KEYS), gated_deltanet),
    "negative": (lambda: GatedDeltaNet(INPUT, HIDDEN, HEADS, KEYS, negative_eigenvalues=True), negative),
    "hgrn-2": (lambda: HGRN2(INPUT, HIDDEN, HEADS, KEYS), hgrn),
    "bounded": (lambda: HGRN2(INPUT, HIDDEN, HEADS, KEYS, lower_bound=0.7), bounded),
    "mamba-2": (lambda: Mamba2(INPUT, HIDDEN, HEADS, KEYS), mamba),
    "mlstm": (lambda: MLSTM(INPUT, HIDDEN, HEADS, KEYS), mlstm),
    "rwkv-7": (lambda: RWKV7(INPUT, HIDDEN, HEADS, bottleneck_size=2), rwkv),
}


@pytest.mark.parametrize("name", CASES)
def test_a_cell_computes_the_equations_of_its_paper(name: str):
    make, reference = CASES[name]
    torch.manual_seed(0)
    cell = make().double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    inputs = torch.randn(STEPS, 1, INPUT, dtype=torch.float64)
    outputs, _ = cell(inputs, cell.initial_state(1))
    weights = {key: value.detach().numpy() for key, value in cell.named_parameters()}
    np.testing.assert_allclose(outputs[:, 0].detach().numpy(), reference(weights, inputs[:, 0].numpy()), atol=1e-9)


@pytest.mark.parametrize("gates", [(-300.0, -300.0), (-300.0, 300.0), (300.0, -300.0), (300.0, 300.0)])
def test_no_gate_of_the_mlstm_makes_a_gradient_infinite(gates: tuple[float, float]):
    torch.manual_seed(0)
    cell = MLSTM(INPUT, HIDDEN, HEADS, KEYS)
    with torch.no_grad():
        cell.gate_bias.copy_(torch.tensor(gates).repeat_interleave(HEADS))
    outputs, state = cell(torch.randn(STEPS, 1, INPUT), cell.initial_state(1))
    outputs.sum().backward()
    gradients = [parameter.grad for parameter in cell.parameters()]
    assert all(part is not None and part.isfinite().all() for part in (outputs, *state, *gradients))


def test_an_mlstm_with_a_large_stabilizer_and_a_query_of_zero_reads_a_number():
    cell = MLSTM(INPUT, HIDDEN, HEADS, KEYS)
    with torch.no_grad():
        cell.gate_bias.fill_(200)
        cell.input_weight[: HEADS * KEYS] = 0
    outputs, _ = cell(torch.randn(STEPS, 1, INPUT), cell.initial_state(1))
    outputs.sum().backward()
    assert outputs.isfinite().all()
    assert all(part.grad is not None and part.grad.isfinite().all() for part in cell.parameters())


@pytest.mark.parametrize("name", CASES)
def test_a_norm_does_not_depend_on_the_initializer(name: str):
    cell = CASES[name][0]()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.uniform_(-0.08, 0.08)
    cell.set_initial_biases()
    parameters = dict(cell.named_parameters())
    assert torch.equal(parameters["norm_weight"], torch.ones_like(parameters["norm_weight"]))
    assert not parameters.get("norm_bias", torch.zeros(1)).any()


def test_a_reflection_needs_negative_eigenvalues():
    """With β = 2 and a repeated key, the sign of what is stored alternates, as for parity; with β ≤ 1 it cannot."""
    for largest, alternates in ((True, True), (False, False)):
        cell = GatedDeltaNet(1, 4, heads=1, key_size=4, negative_eigenvalues=largest).double()
        with torch.no_grad():
            cell.input_weight.zero_()
            cell.input_weight[:8, 0] = 1.0
            cell.input_weight[-1, 0] = 40.0  # β is at its largest
            cell.decay_bias.fill_(-60)  # nothing decays
        state = cell.initial_state(1)
        state.memory.fill_(1.0)
        signs: list[bool] = []
        for _ in range(4):
            _, state = cell.step(cell.project(torch.ones(1, 1, 1, dtype=torch.float64))[0], state)
            signs.append(bool((state.memory < -0.5).all()))
        assert signs == ([True, False, True, False] if alternates else [False] * 4)
