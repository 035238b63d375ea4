"""An LSTM in JAX: compiled `lax.scan` over the steps of each layer, with the input projection outside the scan."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.sizes import BATCH_SIZE, CLIP_NORM, SEQUENCE_LENGTH, SIZES, SYMBOLS
from benchmarks.worker import Clock

Parameters = dict[str, Any]


def train(clocks: Iterator[Clock], size: str) -> None:
    """Time training steps."""
    chosen = SIZES[size]
    generator = np.random.default_rng(1)
    shape = (SEQUENCE_LENGTH, BATCH_SIZE)
    inputs, targets = (jnp.asarray(generator.integers(SYMBOLS, size=shape)) for _ in range(2))
    parameters = _parameters(generator, chosen.layers, chosen.hidden_size)
    moments = (jax.tree.map(jnp.zeros_like, parameters), jax.tree.map(jnp.zeros_like, parameters))
    step = jax.jit(_step, donate_argnums=(0, 1))
    number = 0
    for clock in clocks:
        with clock:
            for _ in range(chosen.steps):
                number += 1
                parameters, moments, loss = step(parameters, moments, number, inputs, targets)
                float(loss)


def _parameters(generator: np.random.Generator, layers: int, hidden_size: int) -> Parameters:
    bound = hidden_size**-0.5

    def uniform(*shape: int) -> jax.Array:
        return jnp.asarray(generator.uniform(-bound, bound, shape).astype(np.float32))

    layer_weights = [
        {
            "input": uniform(SYMBOLS if layer == 0 else hidden_size, 4 * hidden_size),
            "recurrent": uniform(hidden_size, 4 * hidden_size),
            "bias": uniform(4 * hidden_size),
        }
        for layer in range(layers)
    ]
    return {"layers": layer_weights, "head": {"weight": uniform(hidden_size, SYMBOLS), "bias": uniform(SYMBOLS)}}


def _layer(weights: Parameters, inputs: jax.Array) -> jax.Array:
    def step(state: tuple[jax.Array, jax.Array], gates: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        h, c = state
        i, f, g, o = jnp.split(gates + h @ weights["recurrent"], 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zeros = jnp.zeros((inputs.shape[1], weights["recurrent"].shape[0]))
    return jax.lax.scan(step, (zeros, zeros), inputs @ weights["input"] + weights["bias"])[1]


def _loss(parameters: Parameters, inputs: jax.Array, targets: jax.Array) -> jax.Array:
    outputs = jax.nn.one_hot(inputs, SYMBOLS)
    for weights in parameters["layers"]:
        outputs = _layer(weights, outputs)
    logits = outputs @ parameters["head"]["weight"] + parameters["head"]["bias"]
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), targets[..., None], axis=-1).mean()


def _step(
    parameters: Parameters, moments: tuple[Parameters, Parameters], number: int, inputs: jax.Array, targets: jax.Array
) -> tuple[Parameters, tuple[Parameters, Parameters], jax.Array]:
    """Take one step: gradients, clipping by their norm, Adam."""
    loss, gradients = jax.value_and_grad(_loss)(parameters, inputs, targets)
    norm = jnp.sqrt(sum((gradient**2).sum() for gradient in jax.tree.leaves(gradients)))
    scale = jnp.minimum(1.0, CLIP_NORM / (norm + 1e-6))
    gradients = jax.tree.map(lambda gradient: gradient * scale, gradients)
    first = jax.tree.map(lambda mean, gradient: 0.9 * mean + 0.1 * gradient, moments[0], gradients)
    second = jax.tree.map(lambda mean, gradient: 0.999 * mean + 0.001 * gradient**2, moments[1], gradients)
    parameters = jax.tree.map(
        lambda parameter, mean, square: (
            parameter - 1e-3 * (mean / (1 - 0.9**number)) / (jnp.sqrt(square / (1 - 0.999**number)) + 1e-8)
        ),
        parameters,
        first,
        second,
    )
    return parameters, (first, second), loss
