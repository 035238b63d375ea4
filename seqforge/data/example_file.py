"""The format of encoded examples on disk: inputs, targets, an index, and the example spec."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from seqforge.data.splits import SplitName, split_by_hash
from seqforge.data.token_file import IndexRecord, Positions, measure_file, type_field
from seqforge.kinds import ExampleSpec
from seqforge.storage.records import DamagedFileError, Record

INPUTS, TARGETS, EXAMPLES = "inputs.bin", "targets.bin", "examples.json"
EXAMPLE_SPEC = "example_spec.json"
"""File with the example spec. Every run keeps a copy, so that it can predict without the corpus."""


class RaggedFile(BaseModel):
    """Sequences of different lengths in one file, which is mapped into memory for each read.

    Attributes:
        path: Path of the file.
        dtype: Type of the numbers in the file.
        width: Numbers per step, or 0 if each step is one integer.
        stops: For each sequence, the index after its last step; ascending. A sequence may be empty.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    path: Annotated[Path, Field(exclude=True)]
    dtype: Annotated[np.dtype[Any], *type_field("uint8", "uint16", "uint32", "uint64", "float32")]
    width: Annotated[int, Field(ge=0, lt=2**31)]
    stops: Positions

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of steps of each sequence."""
        return np.diff(self.stops, prepend=0)

    @property
    def steps(self) -> int:
        """Total number of steps."""
        return int(self.stops[-1]) if len(self.stops) else 0

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> list[NDArray[Any]]:
        """Read sequences `[steps]` or `[steps, width]`. The mapping is dropped afterwards; see `TokenFile.map`."""
        shape = (self.steps, self.width) if self.width else (self.steps,)
        if not self.steps:
            return [np.empty((0, *shape[1:]), self.dtype) for _ in indices]
        steps = np.memmap(self.path, dtype=self.dtype, mode="r", shape=shape)
        return [np.array(steps[self.stops[index - 1] if index else 0 : self.stops[index]]) for index in indices]


class ExampleFile(IndexRecord):
    """An encoded labelled corpus, and the content of its `examples.json`. The sequences are in files beside it.

    Attributes:
        spec: Shape of the examples.
        names: Names of the examples, in order.
        splits: Split that the corpus sets for each example, or None.
        inputs: One sequence for each example.
        targets: One sequence for each target of each example.
        target_stops: For each example, the index after its last target; ascending.
        digest: Digest of all content. Two files with the same digest train the same model.
    """

    VERSION = 3

    spec: Annotated[ExampleSpec, Field(exclude=True)]
    names: list[str]
    splits: list[SplitName | None]
    inputs: RaggedFile
    targets: RaggedFile
    target_stops: Positions
    digest: str

    @model_validator(mode="before")
    @classmethod
    def _add_paths(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Add the paths of the sequences, which the file does not contain."""
        paths = {name: values["folder"] / file for name, file in (("inputs", INPUTS), ("targets", TARGETS))}
        indices = {name: values[name] for name in paths if isinstance(values.get(name), dict)}
        return values | {name: {**index, "path": paths[name]} for name, index in indices.items()}

    def first_targets(self, examples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the index of the first target of each example."""
        return np.where(examples > 0, self.target_stops[examples - 1], 0)

    def longest_targets(self) -> NDArray[np.int64]:
        """Return the number of steps of the longest target of each example."""
        return np.maximum.reduceat(self.targets.lengths, self.first_targets(np.arange(len(self.names))))

    def split(self, validation_fraction: float, test_fraction: float) -> dict[SplitName, NDArray[np.int64]]:
        """Assign each example to the split that the corpus sets, or otherwise by a hash of its name.

        Returns:
            Indices of the examples of each split, ascending.
        """
        by_hash = split_by_hash(self.names, validation_fraction, test_fraction)
        splits = np.array([fixed or hashed for fixed, hashed in zip(self.splits, by_hash, strict=True)])
        return {name: np.flatnonzero(splits == name) for name in get_args(SplitName)}

    @classmethod
    def open(cls, folder: Path) -> "ExampleFile":
        """Open an encoded labelled corpus.

        Raises:
            DamagedFileError: If it is damaged, or its format version is unknown.
        """
        file = cls.read(folder / EXAMPLES, folder=folder, spec=ExampleSpecRecord.read(folder / EXAMPLE_SPEC).spec)
        for one in (file.inputs, file.targets):
            # Vectors are floats, and tokens and classes are unsigned: floats in a damaged file must not become indices.
            fits = one.dtype.kind == ("f" if one.width else "u") and bool((one.lengths >= 0).all())
            if not fits or measure_file(one.path) != one.steps * max(one.width, 1) * one.dtype.itemsize:
                raise DamagedFileError(one.path, f"damaged: it does not fit {EXAMPLES}")
        stops = file.target_stops
        counts = {len(file.names), len(file.splits), len(file.inputs.stops)}
        fits = counts == {len(stops)} and len(stops) > 0 and stops[-1] == len(file.targets.stops)
        if not fits or not (np.diff(stops, prepend=0) > 0).all():
            raise DamagedFileError(folder / EXAMPLES, "damaged: its entries do not fit together")
        return file


class ExampleSpecRecord(Record):
    """The content of `example_spec.json`."""

    VERSION = 3

    spec: ExampleSpec
