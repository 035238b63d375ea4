"""Sampling from an LSTM in numpy, with one stream."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.sizes import SIZES, SYMBOLS
from benchmarks.worker import Clock

Array = NDArray[np.float32]


def sample(clocks: Iterator[Clock], size: str) -> None:
    """Time sampling."""
    chosen = SIZES[size]
    generator = np.random.default_rng(1)
    hidden_size = chosen.hidden_size

    def uniform(*shape: int) -> Array:
        return generator.uniform(-(hidden_size**-0.5), hidden_size**-0.5, shape).astype(np.float32)

    # The product of the first input weight with a one-hot vector is a row of this table.
    table = uniform(SYMBOLS, 4 * hidden_size)
    sizes = [hidden_size, *[2 * hidden_size] * (chosen.layers - 1)]
    weights = [uniform(4 * hidden_size, features) for features in sizes]
    biases = [uniform(4 * hidden_size) for _ in sizes]
    head, head_bias = uniform(SYMBOLS, hidden_size), uniform(SYMBOLS)
    for clock in clocks:
        states = [(np.zeros(hidden_size, np.float32), np.zeros(hidden_size, np.float32)) for _ in weights]
        symbol = 0
        with clock:
            for _ in range(chosen.draws):
                below: list[Array] = []
                for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                    h, c = states[layer]
                    gates = weight @ np.concatenate([*below, h]) + bias
                    states[layer] = _lstm(gates + table[symbol] if layer == 0 else gates, c)
                    below = [states[layer][0]]
                logits = head @ below[0] + head_bias
                cumulative = np.cumsum(np.exp(logits - logits.max()))
                symbol = min(int(np.searchsorted(cumulative, generator.random() * cumulative[-1])), SYMBOLS - 1)


def _lstm(gates: Array, c: Array) -> tuple[Array, Array]:
    i, f, g, o = np.split(gates, 4)
    c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
    return np.tanh(c) / (1 + np.exp(-o)), c
