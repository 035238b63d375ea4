"""Held-out text for the examinations of a model, and the states and gates with which a model reads it."""

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from seqforge.data import Dataset, SplitName, TokenStream
from seqforge.kinds import Cell, Vocabulary
from seqforge.model import SequenceModel
from seqforge.report.gates import GateRecorder

MOST_LOGITS = 1 << 26
"""Maximum number of logits that are in memory at once: 256 MiB, also for a vocabulary of thousands of symbols."""


@dataclass(frozen=True, slots=True)
class LayerReading:
    """What one layer computes while it reads.

    Attributes:
        units: Values of the state, `[time, batch, hidden]`, by the name of the field.
        gates: Values of the gates, `[time, batch, hidden]`, by the name of the gate; empty if the cell has none.
    """

    units: dict[str, Float[Tensor, "time batch hidden"]]
    gates: dict[str, Float[Tensor, "time batch hidden"]] = field(default_factory=dict[str, Tensor])


def choose_split(dataset: Dataset) -> SplitName:
    """Return the validation split, or the training split if the validation split is empty."""
    return "validation" if dataset.splits["validation"].length >= 2 else "training"


def read_pieces(dataset: Dataset, split: SplitName, count: int, length: int, seed: int) -> NDArray[np.int64]:
    """Return pieces of a split at random positions, `[count, length]`; shorter ones if the split is shorter."""
    stream = TokenStream(dataset.token_file, dataset.splits[split])
    length = min(length, len(stream))
    starts = np.random.default_rng(seed).integers(0, len(stream) - length + 1, count)
    return stream.read(starts.tolist(), length)


def decode_symbols(vocabulary: Vocabulary, tokens: NDArray[np.int64]) -> list[str]:
    """Return each token as text. A token that is not valid UTF-8 by itself becomes escape sequences."""
    symbols: dict[int, str] = {}
    for token in np.unique(tokens).tolist():
        symbols[token] = vocabulary.decode([token]).decode("utf-8", "backslashreplace")
    return [symbols[token] for token in tokens.tolist()]


@torch.inference_mode()
def next_symbol_nats(model: SequenceModel, tokens: Int[Tensor, "length batch"]) -> Float[Tensor, "time batch"]:
    """Return the negative log-likelihood of each token but the first, from the initial state."""
    device = next(model.parameters()).device
    rows = max(1, MOST_LOGITS // (len(tokens) * model.head.out_features))
    parts: list[Tensor] = []
    for part in torch.split(tokens, rows, dim=1):
        logits, _ = model(part[:-1].to(device), model.initial_states(part.shape[1]))
        losses = functional.cross_entropy(logits.flatten(0, 1).float(), part[1:].flatten().to(device), reduction="none")
        parts.append(losses.view(len(part) - 1, -1).cpu())
    return torch.cat(parts, dim=1)


@torch.inference_mode()
def read_layers(model: SequenceModel, tokens: Int[Tensor, "time batch"]) -> list[LayerReading]:
    """Read tokens step by step from the initial state, in plain torch and float32, and record every layer.

    Tensors of the state that are not vectors of the layer's size are left out.
    """
    features: Tensor = model.input(tokens.to(next(model.parameters()).device))
    readings: list[LayerReading] = []
    for cell in model.stack.layers:
        features, reading = read_cell(cell, features)
        readings.append(reading)
    return readings


def read_cell(cell: Cell[Any], inputs: Tensor) -> tuple[Float[Tensor, "time batch hidden"], LayerReading]:
    """Return the output of every step of a cell from the initial state, with its states and gates."""
    projected = cell.project(inputs)
    state = cell.initial_state(projected.shape[1])
    outputs: list[Tensor] = []
    units: dict[str, list[Tensor]] = {}
    recorder = GateRecorder(cell.hidden_size)
    for step_input in projected.unbind(0):
        with recorder:
            output, state = cell.step(step_input, state)
        outputs.append(output)
        for name, values in zip(cast("tuple[str, ...]", getattr(state, "_fields")), state, strict=True):  # noqa: B009
            if values.shape == output.shape:
                units.setdefault(name, []).append(values.float().cpu())
    # A sigmoid that a cell computes on some steps only is no gate.
    gates = {name: values for name, values in recorder.gates.items() if len(values) == len(outputs)}
    stacked = ({name: torch.stack(values) for name, values in table.items()} for table in (units, gates))
    return torch.stack(outputs), LayerReading(*stacked)
