"""The format of encoded examples on disk: inputs, targets, an index, and the example spec."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from seqforge.data.splits import SplitName, hash_to_unit_interval
from seqforge.data.token_file import VOCABULARY
from seqforge.errors import DataError
from seqforge.kinds import Classes, ExampleSpec, Numbers, Text
from seqforge.storage.files import describe_failure, read_json

EXAMPLES_VERSION = 1
EXAMPLE_SPEC_VERSION = 1
INPUTS, TARGETS, EXAMPLES = "inputs.bin", "targets.bin", "examples.json"
EXAMPLE_SPEC = "example_spec.json"
"""File with the example spec. Every run keeps a copy, so that it can predict without the corpus."""


@dataclass(frozen=True, slots=True)
class RaggedFile:
    """Sequences of different lengths in one file, which is mapped into memory for each read.

    Attributes:
        path: Path of the file.
        dtype: Type of the numbers in the file.
        width: Numbers per step, or 0 if each step is one integer.
        stops: For each sequence, the index after its last step; ascending, int64. A sequence may be empty.
    """

    path: Path
    dtype: np.dtype[Any]
    width: int
    stops: NDArray[np.int64]

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

    def table(self) -> dict[str, Any]:
        """Return all attributes except the path as plain values."""
        return {"dtype": self.dtype.name, "width": self.width, "stops": self.stops.tolist()}

    @classmethod
    def from_table(cls, path: Path, table: Any) -> "RaggedFile":
        """Return the file that a table describes.

        Raises:
            ValueError: If the table is invalid or does not fit the file.
        """
        values = cast("dict[str, Any]", table)
        dtype, width = np.dtype(str(values["dtype"])), int(values["width"])
        stops = np.asarray(values["stops"], dtype=np.int64)
        file = cls(path, dtype, width, stops)
        size = file.steps * max(width, 1) * dtype.itemsize
        # Vectors are floats, and tokens and classes are unsigned: floats in a damaged file must not become indices.
        fits = dtype.kind == ("f" if width else "u") and width >= 0 and bool((file.lengths >= 0).all())
        if not fits or path.stat().st_size != size:
            raise ValueError(f"{path.name} does not match the index")
        return file


@dataclass(frozen=True, slots=True, weakref_slot=True)
class ExampleFile:
    """An encoded labelled corpus.

    Attributes:
        folder: Folder of `inputs.bin`, `targets.bin`, `examples.json`, `example_spec.json` and `vocabulary.json`.
        spec: Shape of the examples.
        names: Names of the examples, in order.
        splits: Split that the corpus sets for each example, or None.
        inputs: One sequence for each example.
        targets: One sequence for each target of each example.
        target_stops: For each example, the index after its last target; ascending, int64.
        digest: Digest of all content. Two files with the same digest train the same model.
    """

    folder: Path
    spec: ExampleSpec
    names: list[str]
    splits: list[SplitName | None]
    inputs: RaggedFile
    targets: RaggedFile
    target_stops: NDArray[np.int64]
    digest: str

    @property
    def vocabulary(self) -> Path:
        """Path of the vocabulary's state."""
        return self.folder / VOCABULARY

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
        splits = np.array(
            [
                fixed or _split_by_hash(name, validation_fraction, test_fraction)
                for name, fixed in zip(self.names, self.splits, strict=True)
            ]
        )
        return {
            "training": np.flatnonzero(splits == "training"),
            "validation": np.flatnonzero(splits == "validation"),
            "test": np.flatnonzero(splits == "test"),
        }

    def write_index(self) -> None:
        """Write `examples.json`."""
        index = {
            "version": EXAMPLES_VERSION,
            "names": self.names,
            "splits": self.splits,
            "inputs": self.inputs.table(),
            "targets": self.targets.table(),
            "target_stops": self.target_stops.tolist(),
            "digest": self.digest,
        }
        (self.folder / EXAMPLES).write_text(json.dumps(index), encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> "ExampleFile":
        """Open an encoded labelled corpus.

        Raises:
            DataError: If it is damaged, or its format version is unknown.
        """
        damaged = DataError(
            f"{folder}: the encoded examples are incomplete or damaged",
            hint="Delete the folder. The next run encodes the corpus again.",
        )
        try:
            index: dict[str, Any] = json.loads((folder / EXAMPLES).read_text(encoding="utf-8"))
            if index["version"] != EXAMPLES_VERSION:
                raise damaged
            file = cls(
                folder,
                read_example_spec(folder / EXAMPLE_SPEC),
                list(index["names"]),
                list(index["splits"]),
                RaggedFile.from_table(folder / INPUTS, index["inputs"]),
                RaggedFile.from_table(folder / TARGETS, index["targets"]),
                np.asarray(index["target_stops"], dtype=np.int64),
                str(index["digest"]),
            )
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise damaged from error
        count = len(file.names)
        whole = (count,) == file.target_stops.shape and count == len(file.splits) == len(file.inputs.stops)
        if not (whole and count and file.target_stops[-1] == len(file.targets.stops)):
            raise damaged
        if not (np.diff(file.target_stops, prepend=0) > 0).all():
            raise damaged
        return file


def write_example_spec(spec: ExampleSpec, path: Path) -> None:
    """Write an example spec to a file."""
    table = {
        "version": EXAMPLE_SPEC_VERSION,
        "input": _part_table(spec.input),
        "input_kind": spec.input_kind,
        "target": _part_table(spec.target),
        "output_mode": spec.output_mode,
    }
    path.write_text(json.dumps(table), encoding="utf-8")


def read_example_spec(path: Path) -> ExampleSpec:
    """Read an example spec from a file.

    Raises:
        DataError: If the file is damaged, or its format version is unknown.
        RunError: If the file cannot be read.
    """
    try:
        table = read_json(path, "version", "input", "input_kind", "target", "output_mode")
        if table["version"] != EXAMPLE_SPEC_VERSION:
            raise ValueError(f"its version is {table['version']}, and this program reads {EXAMPLE_SPEC_VERSION}")
        part = _part(table["input"])
        if isinstance(part, Classes):
            raise ValueError("an input cannot consist of classes")
        return ExampleSpec(part, table["input_kind"], _part(table["target"]), table["output_mode"])
    except (FileNotFoundError, ValueError) as error:
        reason = "the file is missing" if isinstance(error, FileNotFoundError) else error
        raise DataError(f"{path}: not a valid example spec: {reason}") from error
    except OSError as error:
        raise describe_failure(error, f"reading {path}") from error


def _part_table(part: Text | Numbers | Classes) -> dict[str, Any]:
    match part:
        case Text():
            return {"kind": "text"}
        case Numbers(size):
            return {"kind": "numbers", "size": size}
        case Classes(names):
            return {"kind": "classes", "names": list(names)}


def _part(table: Any) -> Text | Numbers | Classes:
    match table:
        case {"kind": "text"}:
            return Text()
        case {"kind": "numbers", "size": int(size)}:
            return Numbers(size)
        case {"kind": "classes", "names": [*names]}:
            return Classes(tuple(str(name) for name in names))
        case _:
            raise ValueError(f"{table!r:.60} does not describe an input or target")


def _split_by_hash(name: str, validation_fraction: float, test_fraction: float) -> SplitName:
    position = hash_to_unit_interval(name)
    if position < test_fraction:
        return "test"
    return "validation" if position < test_fraction + validation_fraction else "training"
