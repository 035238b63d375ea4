"""Sequences of unlike lengths, end to end in one file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RaggedFile:
    """Sequences on disk, mapped into memory as they are read.

    Attributes:
        path: The file.
        dtype: Of its numbers.
        width: Numbers of a step; 0 where a step is one whole number.
        stops: For each sequence, the index one past its last step; ascending, int64. A sequence may be empty.
    """

    path: Path
    dtype: np.dtype[Any]
    width: int
    stops: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Steps of each sequence."""
        return np.diff(self.stops, prepend=0)

    @property
    def steps(self) -> int:
        """Steps in all."""
        return int(self.stops[-1]) if len(self.stops) else 0

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> list[NDArray[Any]]:
        """Read some sequences.

        A mapping is made for each read and dropped after it, as for a token file.

        Args:
            indices: Which.

        Returns:
            Arrays `[steps]`, or `[steps, width]`.
        """
        shape = (self.steps, self.width) if self.width else (self.steps,)
        if not self.steps:
            return [np.empty((0, *shape[1:]), self.dtype) for _ in indices]
        steps = np.memmap(self.path, dtype=self.dtype, mode="r", shape=shape)
        return [np.array(steps[self.stops[index - 1] if index else 0 : self.stops[index]]) for index in indices]

    def table(self) -> dict[str, Any]:
        """Write everything but the sequences as plain values."""
        return {"dtype": self.dtype.name, "width": self.width, "stops": self.stops.tolist()}

    @classmethod
    def from_table(cls, path: Path, table: Any) -> "RaggedFile":
        """Take up what `table` gave.

        Args:
            path: The file.
            table: What `table` gave, from this or another process.

        Raises:
            ValueError: Where it is no such table, or not that of this file.
        """
        values = cast("dict[str, Any]", table)
        dtype, width = np.dtype(str(values["dtype"])), int(values["width"])
        stops = np.asarray(values["stops"], dtype=np.int64)
        file = cls(path, dtype, width, stops)
        size = file.steps * max(width, 1) * dtype.itemsize
        # Whole numbers are told apart from real ones here, so that no index is read out of a damaged file.
        fits = dtype.kind == ("f" if width else "u") and width >= 0 and bool((file.lengths >= 0).all())
        if not fits or path.stat().st_size != size:
            raise ValueError(f"{path.name} is not what the index says")
        return file
