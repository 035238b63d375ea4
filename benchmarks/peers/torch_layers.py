"""Recurrent layers of `torch.nn` with one-hot input and a linear output layer."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers import torch_training
from benchmarks.sizes import SIZES, SYMBOLS
from benchmarks.worker import Clock


class Model(nn.Module):
    """A stack of recurrent layers of `torch.nn`, and a head.

    Args:
        layer: Name of the layer: `LSTM`, `GRU` or `RNN`.
        layers: Number of layers.
        hidden_size: Hidden size of each layer.
    """

    def __init__(self, layer: str, layers: int, hidden_size: int) -> None:
        super().__init__()
        self.recurrent = getattr(nn, layer)(SYMBOLS, hidden_size, layers)
        self.head = nn.Linear(hidden_size, SYMBOLS)

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return logits `[time, batch, symbols]` and the state for symbols `[time, batch]`."""
        outputs, state = self.recurrent(functional.one_hot(tokens, SYMBOLS).float(), state)
        return self.head(outputs), state


def train(clocks: Iterator[Clock], layer: str, size: str, precision: str) -> None:
    """Time training steps."""
    chosen = SIZES[size]
    model = Model(layer, chosen.layers, chosen.hidden_size)
    torch_training.train(clocks, model, lambda tokens: model(tokens)[0], chosen.steps, precision)


def sample(clocks: Iterator[Clock], layer: str, size: str, batch_size: int) -> None:
    """Time sampling with one call of the layer for each symbol."""
    chosen = SIZES[size]
    model = Model(layer, chosen.layers, chosen.hidden_size).eval()
    for clock in clocks:
        with clock, torch.inference_mode():
            state = None
            tokens = torch.zeros(1, batch_size, dtype=torch.int64)
            for _ in range(chosen.draws):
                logits, state = model(tokens, state)
                tokens = torch.multinomial(logits[0].softmax(-1), 1).t()


def sample_by_cells(clocks: Iterator[Clock], size: str, batch_size: int) -> None:
    """Time sampling with one call of `nn.LSTMCell` for each layer and symbol."""
    chosen = SIZES[size]
    input_sizes = [SYMBOLS, *[chosen.hidden_size] * (chosen.layers - 1)]
    cells = [nn.LSTMCell(input_size, chosen.hidden_size) for input_size in input_sizes]
    head = nn.Linear(chosen.hidden_size, SYMBOLS)
    for clock in clocks:
        with clock, torch.inference_mode():
            zeros = torch.zeros(batch_size, chosen.hidden_size)
            states = [(zeros, zeros) for _ in cells]
            tokens = torch.zeros(batch_size, dtype=torch.int64)
            for _ in range(chosen.draws):
                inputs = functional.one_hot(tokens, SYMBOLS).float()
                for layer, cell in enumerate(cells):
                    states[layer] = cell(inputs, states[layer])
                    inputs = states[layer][0]
                tokens = torch.multinomial(head(inputs).softmax(-1), 1).squeeze(1)
