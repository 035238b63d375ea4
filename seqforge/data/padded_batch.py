"""Batches of examples of different lengths. Shorter examples are padded, and the loss ignores the padding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqforge.data.example_file import ExampleFile
from seqforge.kinds import IGNORED_TARGET, ExampleSpec


@dataclass(frozen=True, slots=True)
class PaddedBatch:
    """A batch of examples.

    Attributes:
        inputs: Tokens or vectors. Steps beyond the length of a row are zeros.
        lengths: Number of steps of each row, at least one.
        targets: One class or one vector per row if targets are predicted once. Otherwise `[time, batch]` or
            `[time, batch, size]`, padded with `IGNORED_TARGET` or NaN; for a decoder, each sequence ends with the end
            symbol.
    """

    inputs: Int[Tensor, "time batch"] | Float[Tensor, "time batch size"]
    lengths: Int[Tensor, " batch"]
    targets: Tensor

    @property
    def target_count(self) -> int:
        """Number of targets, one per example or per step, that are not padding. An empty sequence counts as one."""
        targets = self.targets
        if targets.is_floating_point():
            return int((~targets.isnan()).any(-1).sum())
        # A row without a symbol has a loss too, if the loss aligns: that of blanks at all steps.
        return int((targets != IGNORED_TARGET).sum(0).clamp(min=1).sum())

    def to(self, device: torch.device) -> "PaddedBatch":
        """Return the batch on a device."""
        return PaddedBatch(self.inputs.to(device), self.lengths.to(device), self.targets.to(device))


def read_batch(file: ExampleFile, examples: NDArray[np.int64], epoch: int = 0, end: int | None = None) -> PaddedBatch:
    """Return a batch of examples.

    Args:
        file: Encoded examples.
        examples: Indices of the examples.
        epoch: Pass over the examples. If an example has several targets, the epochs use them in turn.
        end: Symbol to append to every target sequence, or None.
    """
    inputs = file.inputs.read(examples)
    targets = file.targets.read(_targets_of_epoch(file, examples, epoch))
    return PaddedBatch(
        pad_inputs(inputs), torch.tensor([len(steps) for steps in inputs]), pad_targets(file.spec, targets, end)
    )


def count_targets(file: ExampleFile, examples: NDArray[np.int64], epoch: int, end: int | None) -> int:
    """Return the `target_count` of the batch that `read_batch` returns for the same arguments, without reading it."""
    if file.spec.output_mode == "once":
        return len(examples)
    lengths = file.targets.lengths[_targets_of_epoch(file, examples, epoch)]
    return int(np.maximum(lengths, 1).sum() if end is None else lengths.sum() + len(examples))


def _targets_of_epoch(file: ExampleFile, examples: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
    """Return the index of one target of each example."""
    starts = file.first_targets(examples)
    return starts + epoch % (file.target_stops[examples] - starts)


def pad_inputs(inputs: Sequence[NDArray[Any]]) -> Int[Tensor, "time batch"] | Float[Tensor, "time batch size"]:
    """Return the tokens `[steps]` or the vectors `[steps, size]` of all rows as one tensor, padded with zeros."""
    return _pad(inputs, 0)


def pad_targets(spec: ExampleSpec, targets: Sequence[NDArray[Any]], end: int | None) -> Tensor:
    """Return targets as one tensor, padded with `IGNORED_TARGET` or NaN. `end` is appended to every sequence."""
    if spec.output_mode == "once":
        return torch.as_tensor(np.concatenate(targets).astype(_tensor_type(targets[0])))
    if end is not None:
        targets = [np.append(steps.astype(np.int64), end) for steps in targets]
    return _pad(targets, IGNORED_TARGET if targets[0].ndim == 1 else np.nan)


def _pad(rows: Sequence[NDArray[Any]], padding: int | float) -> Tensor:
    first = rows[0]
    shape = (max(len(row) for row in rows), len(rows), *first.shape[1:])
    padded = np.full(shape, padding, dtype=_tensor_type(first))
    for column, row in enumerate(rows):
        padded[: len(row), column] = row
    return torch.as_tensor(padded)


def _tensor_type(values: NDArray[Any]) -> type[np.generic]:
    return np.float32 if values.dtype.kind == "f" else np.int64
