"""Examples side by side: the shorter ones padded, and nothing of the padding counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqforge.data.example_file import ExampleFile
from seqforge.interfaces import IGNORED_TARGET, ExampleSpec


@dataclass(frozen=True, slots=True)
class PaddedBatch:
    """Some examples.

    Attributes:
        inputs: What is read: symbols or numbers. A row's steps after its own are padding, zeros.
        lengths: Steps of each row; at least one.
        targets: What is right. Written once: a class or numbers for each row. Else a column for each row, padded with
            `IGNORED_TARGET`, numbers with NaN; a new sequence has the end's symbol behind it, where there is one.
    """

    inputs: Int[Tensor, "time batch"] | Float[Tensor, "time batch size"]
    lengths: Int[Tensor, " batch"]
    targets: Tensor

    @property
    def counted(self) -> int:
        """How many targets count: steps or examples."""
        targets = self.targets
        if targets.is_floating_point():
            return int((~targets.isnan()).any(-1).sum())
        return int((targets != IGNORED_TARGET).sum())

    def to(self, device: torch.device) -> "PaddedBatch":
        """Put it on a device.

        Args:
            device: Which.
        """
        return PaddedBatch(self.inputs.to(device), self.lengths.to(device), self.targets.to(device))


def read_batch(file: ExampleFile, examples: NDArray[np.int64], turn: int = 0, end: int | None = None) -> PaddedBatch:
    """Read examples into a batch.

    Args:
        file: Where they are.
        examples: Which.
        turn: Of several targets of an example, which: they take turns.
        end: The symbol that ends a new sequence; None where nothing does.
    """
    inputs = file.inputs.read(examples)
    starts = file.first_targets(examples)
    targets = file.targets.read(starts + turn % (file.target_stops[examples] - starts))
    return PaddedBatch(
        pad_inputs(inputs),
        torch.tensor([len(steps) for steps in inputs]),
        pad_targets(file.spec, targets, end),
    )


def pad_inputs(inputs: Sequence[NDArray[Any]]) -> Int[Tensor, "time batch"] | Float[Tensor, "time batch size"]:
    """Put inputs side by side.

    Args:
        inputs: Tokens `[steps]` or numbers `[steps, size]` of each row.
    """
    return _padded(inputs, 0)


def pad_targets(spec: ExampleSpec, targets: Sequence[NDArray[Any]], end: int | None) -> Tensor:
    """Put targets side by side.

    Args:
        spec: What they are made of.
        targets: Of each row.
        end: The symbol that ends a new sequence; None where nothing does.
    """
    if spec.output_mode == "once":
        return torch.as_tensor(np.concatenate(targets).astype(_wide(targets[0])))
    if end is not None:
        targets = [np.append(steps.astype(np.int64), end) for steps in targets]
    return _padded(targets, IGNORED_TARGET if targets[0].ndim == 1 else np.nan)


def _padded(rows: Sequence[NDArray[Any]], padding: int | float) -> Tensor:
    first = rows[0]
    shape = (max(len(row) for row in rows), len(rows), *first.shape[1:])
    padded = np.full(shape, padding, dtype=_wide(first))
    for column, row in enumerate(rows):
        padded[: len(row), column] = row
    return torch.as_tensor(padded)


def _wide(values: NDArray[Any]) -> type[np.generic]:
    return np.float32 if values.dtype.kind == "f" else np.int64
