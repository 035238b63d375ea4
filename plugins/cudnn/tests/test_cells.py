from pathlib import Path

import pytest
import torch
from seqforge_cudnn.gru import GRU
from seqforge_cudnn.lstm import LSTM, LSTMState
from seqforge_cudnn.rnn import RNN

from seqforge.errors import PluginError
from seqforge.interfaces import map_state, scan
from seqforge.registry import Registry, resolve

every_cell = pytest.mark.parametrize("cell_class", [RNN, GRU, LSTM])
needs_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is at hand")


def sequence(time=12, batch=5, features=7):
    return torch.randn(time, batch, features, generator=torch.Generator().manual_seed(1))


def train_once(cell, inputs, state):
    """Give outputs, last state and the parameters' gradients, as one list."""
    cell.zero_grad()
    outputs, after = cell(inputs, state)
    outputs.square().mean().backward()
    return [outputs, *after, *(parameter.grad.clone() for parameter in cell.parameters())]


@every_cell
def test_float32_kernels_agree_with_the_steps(cell_class):
    # In float32 torch may take another kernel (oneDNN's LSTM) than in float64, where the suite looks.
    cell = cell_class(7, 33)
    outputs, after = cell(sequence(), cell.initial_state(5))
    expected, expected_after = scan(cell.step, sequence(), cell.initial_state(5))
    torch.testing.assert_close((outputs, *after), (expected, *expected_after), rtol=1e-5, atol=1e-6)


@every_cell
def test_float32_repeats_bit_for_bit(cell_class):
    cell = cell_class(7, 33)
    first = train_once(cell, sequence(), cell.initial_state(5))
    again = train_once(cell, sequence(), cell.initial_state(5))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@every_cell
def test_going_on_from_a_copied_state_and_weights_gives_the_same_bits(cell_class):
    cell, other = cell_class(7, 33), cell_class(7, 33)
    _, between = cell(sequence(), cell.initial_state(5))
    other.load_state_dict({name: weight.clone() for name, weight in cell.state_dict().items()})
    copied = map_state(lambda tensor: tensor.detach().clone(), between)
    went_on = train_once(cell, sequence(time=9), map_state(torch.detach, between))
    resumed = train_once(other, sequence(time=9), copied)
    assert all(torch.equal(a, b) for a, b in zip(went_on, resumed, strict=True))


@every_cell
def test_a_state_cut_from_a_larger_batch_is_taken(cell_class):
    cell = cell_class(7, 4)
    _, state = cell(sequence(batch=10), cell.initial_state(10))
    every_other = map_state(lambda tensor: tensor[::2], state)
    assert not every_other[0].is_contiguous()
    outputs, _ = cell(sequence(), every_other)
    expected, _ = cell(sequence(), map_state(torch.clone, every_other))
    assert torch.equal(outputs, expected)


def test_the_forget_bias_is_the_sum_of_torchs_two():
    cell = LSTM(3, 2, forget_bias=2.5)
    with torch.no_grad():
        cell.layer.bias_ih_l0.fill_(7.0)
        cell.layer.bias_hh_l0.fill_(7.0)
    cell.set_initial_biases()
    total = cell.layer.bias_ih_l0 + cell.layer.bias_hh_l0
    assert total.tolist() == [14.0, 14.0, 2.5, 2.5, 14.0, 14.0, 14.0, 14.0]


def test_the_forget_bias_is_set_from_the_start():
    cell = LSTM(3, 2)
    assert (cell.layer.bias_ih_l0 + cell.layer.bias_hh_l0)[2:4].tolist() == [1.0, 1.0]


def test_the_parts_of_an_initial_state_are_apart():
    hidden, cell = LSTM(3, 2).initial_state(4)
    hidden += 1
    assert cell.sum() == 0


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("rnn", {"hidden_size": 128, "nonlinearity": "tanh"}),
        ("gru", {"hidden_size": 128}),
        ("lstm", {"hidden_size": 128, "forget_bias": 1.0}),
    ],
)
def test_a_cell_is_found_by_its_qualified_name(name, options):
    chosen = resolve(Registry.installed(), "cell", {"use": f"cudnn/{name}"}, "model.cells.0", Path())
    assert chosen.table == {"use": f"cudnn/{name}", **options}
    assert chosen.build(input_size=5).input_size == 5


def test_the_short_names_are_left_to_others():
    with pytest.raises(PluginError):
        Registry([plugin for plugin in Registry.installed().plugins if plugin.name == "cudnn"]).find("cell", "lstm")


@needs_a_gpu
@every_cell
def test_on_a_gpu_a_moved_cell_agrees_with_the_cpu_and_warns_of_nothing(cell_class):
    # A warning, such as cuDNN's of weights that are not in one piece, is an error here.
    cell = cell_class(7, 33)
    expected = train_once(cell, sequence(), cell.initial_state(5))
    cell.to("cuda")
    found = train_once(cell, sequence().cuda(), cell.initial_state(5))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.cpu(), b, rtol=1e-3, atol=1e-4)


@needs_a_gpu
@every_cell
def test_on_a_gpu_a_step_agrees_with_the_fused_call(cell_class):
    cell = cell_class(7, 33).cuda().double()
    inputs = sequence().cuda().double()
    outputs, after = cell(inputs, cell.initial_state(5))
    expected, expected_after = scan(cell.step, inputs, cell.initial_state(5))
    torch.testing.assert_close((outputs, *after), (expected, *expected_after))
    assert isinstance(after, type(cell.initial_state(5)))


@needs_a_gpu
def test_on_a_gpu_a_state_cut_from_a_larger_batch_is_taken():
    cell = LSTM(7, 4).cuda()
    hidden, memory = torch.zeros(10, 4, device="cuda"), torch.zeros(10, 4, device="cuda")
    outputs, _ = cell(sequence().cuda(), LSTMState(hidden[::2], memory[::2]))
    assert outputs.shape == (12, 5, 4)
