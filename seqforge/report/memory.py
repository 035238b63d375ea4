"""The value of a carried state: bits per character as a function of the distance to the last state reset."""

import math
from typing import Any

import numpy as np
import torch

from seqforge.events import WorkProgressed
from seqforge.report.reading import choose_split, next_symbol_nats, read_pieces
from seqforge.report.subject import Subject

PIECES, CONTEXT, LENGTH = 128, 256, 384
"""Number of pieces of text, symbols read before each with a carried state, and symbols that are scored."""

BINS = 20
"""Number of distances, which are spread evenly on a logarithmic scale."""


def collect_memory(subject: Subject) -> dict[str, Any] | None:
    """Compare the likelihood of the same text after a state reset, and with the state of the text before it.

    Returns:
        Lists of equal length: the mean `distance` to the reset, and the bits per character after a `reset` and with a
        `carried` state at these distances. None if the text is too short.
    """
    dataset = subject.dataset
    if dataset is None:
        return None
    split = choose_split(dataset)
    if dataset.splits[split].length < 4 * (CONTEXT + LENGTH):
        return None
    subject.report(WorkProgressed("measuring memory"))
    tokens = torch.as_tensor(read_pieces(dataset, split, PIECES, CONTEXT + LENGTH + 1, seed=3).T.copy())
    carried = next_symbol_nats(subject.model, tokens)[CONTEXT:]
    reset = next_symbol_nats(subject.model, tokens[CONTEXT:])
    scale = 1 / math.log(2) / dataset.characters_per_token(split)
    edges = np.unique(np.geomspace(1, LENGTH + 1, BINS + 1).round().astype(int))
    table: dict[str, list[float]] = {"distance": [], "reset": [], "carried": []}
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        table["distance"].append(round((start + stop - 1) / 2, 1))
        for name, nats in (("reset", reset), ("carried", carried)):
            table[name].append(round(float(nats[start - 1 : stop - 1].mean()) * scale, 4))
    return table
