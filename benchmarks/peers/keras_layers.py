"""`keras.layers.LSTM` on JAX, trained with the compiled `train_on_batch` of Keras."""

import os
from collections.abc import Iterator

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np

from benchmarks.sizes import BATCH_SIZE, CLIP_NORM, SEQUENCE_LENGTH, SIZES, SYMBOLS
from benchmarks.worker import Clock


def train(clocks: Iterator[Clock], size: str) -> None:
    """Time training steps."""
    chosen = SIZES[size]
    generator = np.random.default_rng(1)
    shape = (BATCH_SIZE, SEQUENCE_LENGTH)
    inputs, targets = (generator.integers(SYMBOLS, size=shape, dtype=np.int32) for _ in range(2))
    tokens = keras.Input(shape[1:], batch_size=shape[0], dtype="int32")
    outputs = keras.ops.one_hot(tokens, SYMBOLS)
    for _ in range(chosen.layers):
        outputs = keras.layers.LSTM(chosen.hidden_size, return_sequences=True)(outputs)
    model = keras.Model(tokens, keras.layers.Dense(SYMBOLS)(outputs))
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3, global_clipnorm=CLIP_NORM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for clock in clocks:
        with clock:
            for _ in range(chosen.steps):
                float(model.train_on_batch(inputs, targets))
