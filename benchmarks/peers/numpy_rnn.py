"""A recurrent network in numpy, trained on one sequence at a time: cross-entropy, clipping by value, Adagrad.

It reimplements the algorithm of Karpathy's gist `min-char-rnn.py` (2015).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.sizes import CLIP_NORM, SEQUENCE_LENGTH, SIZES, SYMBOLS
from benchmarks.worker import Clock

Array = NDArray[np.float32]


def train(clocks: Iterator[Clock], size: str) -> None:
    """Time training on as many sequences as the other programs take steps."""
    chosen = SIZES[size]
    generator = np.random.default_rng(1)
    hidden_size = chosen.hidden_size
    shapes = {
        "input": (hidden_size, SYMBOLS),
        "recurrent": (hidden_size, hidden_size),
        "bias": (hidden_size,),
        "head": (SYMBOLS, hidden_size),
        "head bias": (SYMBOLS,),
    }
    weights = {name: (generator.normal(size=shape) * 0.01).astype(np.float32) for name, shape in shapes.items()}
    squares = {name: np.zeros_like(weight) for name, weight in weights.items()}
    inputs, targets = generator.integers(SYMBOLS, size=(2, SEQUENCE_LENGTH))
    hidden = np.zeros(hidden_size, np.float32)
    for clock in clocks:
        with clock:
            for _ in range(chosen.steps):
                gradients, hidden = _gradients(weights, inputs, targets, hidden)
                for name, gradient in gradients.items():
                    np.clip(gradient, -CLIP_NORM, CLIP_NORM, out=gradient)
                    squares[name] += gradient * gradient
                    weights[name] -= 0.1 * gradient / np.sqrt(squares[name] + 1e-8)


def _gradients(
    weights: dict[str, Array], inputs: NDArray[np.int64], targets: NDArray[np.int64], hidden: Array
) -> tuple[dict[str, Array], Array]:
    hiddens = [hidden]
    for symbol in inputs:
        hidden = np.tanh(weights["input"][:, symbol] + weights["recurrent"] @ hidden + weights["bias"])
        hiddens.append(hidden)
    gradients = {name: np.zeros_like(weight) for name, weight in weights.items()}
    later_gradient = np.zeros_like(hidden)
    for step in reversed(range(len(inputs))):
        logits = weights["head"] @ hiddens[step + 1] + weights["head bias"]
        exponentials = np.exp(logits - logits.max())
        error = exponentials / exponentials.sum()
        error[targets[step]] -= 1
        gradients["head"] += np.outer(error, hiddens[step + 1])
        gradients["head bias"] += error
        pre_activation = (1 - hiddens[step + 1] ** 2) * (weights["head"].T @ error + later_gradient)
        gradients["bias"] += pre_activation
        gradients["input"][:, inputs[step]] += pre_activation
        gradients["recurrent"] += np.outer(pre_activation, hiddens[step])
        later_gradient = weights["recurrent"].T @ pre_activation
    return gradients, hidden
