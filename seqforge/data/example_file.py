"""Examples as numbers on disk: what is read, what is right, and which examples are for what."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqforge.data.example_spec_file import EXAMPLE_SPEC, read_example_spec
from seqforge.data.ragged import RaggedFile
from seqforge.data.splits import SplitName, place
from seqforge.data.token_file import VOCABULARY
from seqforge.errors import DataError
from seqforge.interfaces import ExampleSpec

EXAMPLES_VERSION = 1
INPUTS, TARGETS, EXAMPLES = "inputs.bin", "targets.bin", "examples.json"


@dataclass(frozen=True, slots=True)
class ExampleFile:
    """An encoded labelled corpus.

    Attributes:
        folder: Holds `inputs.bin`, `targets.bin`, `examples.json`, `form.json` and `vocabulary.json`.
        spec: What every example is made of.
        names: The examples' names, in order.
        splits: The split that the corpus states for each; None where it states none.
        inputs: What is read, a sequence for each example.
        targets: What is right, a sequence for each target of each example.
        target_stops: For each example, the index one past its last target; ascending, int64.
        digest: Of all of it: two files with the same digest train the same model.
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
        """The file of what the vocabulary learnt."""
        return self.folder / VOCABULARY

    def first_targets(self, examples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the index of the first target of some examples.

        Args:
            examples: Which.
        """
        return np.where(examples > 0, self.target_stops[examples - 1], 0)

    def longest_targets(self) -> NDArray[np.int64]:
        """Give the steps of each example's longest target."""
        return np.maximum.reduceat(self.targets.lengths, self.first_targets(np.arange(len(self.names))))

    def split(self, validation_fraction: float, test_fraction: float) -> dict[SplitName, NDArray[np.int64]]:
        """Divide the examples, as the corpus says where it says so, and else by a hash of their names.

        Args:
            validation_fraction: Part of the examples held out.
            test_fraction: Likewise.

        Returns:
            Their indices, ascending.
        """
        chosen = [stated or _drawn(name, validation_fraction, test_fraction) for name, stated in self._stated()]
        of = np.array(chosen)
        return {
            "training": np.flatnonzero(of == "training"),
            "validation": np.flatnonzero(of == "validation"),
            "test": np.flatnonzero(of == "test"),
        }

    def _stated(self) -> list[tuple[str, SplitName | None]]:
        return list(zip(self.names, self.splits, strict=True))

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

        Args:
            folder: Where it is.

        Raises:
            DataError: Where it is damaged, or of a version this program does not know.
        """
        damaged = DataError(
            f"{folder}: not a whole encoded labelled corpus", hint="Delete the folder; it will be made anew."
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
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise damaged from error
        count = len(file.names)
        whole = count == len(file.splits) == len(file.inputs.stops) == len(file.target_stops)
        if not (whole and count and file.target_stops[-1] == len(file.targets.stops)):
            raise damaged
        if not (np.diff(file.target_stops, prepend=0) > 0).all():
            raise damaged
        return file


def _drawn(name: str, validation_fraction: float, test_fraction: float) -> SplitName:
    where = place(name)
    if where < test_fraction:
        return "test"
    return "validation" if where < test_fraction + validation_fraction else "training"
