"""An experiment: plain settings and chosen components, checked as a whole before anything is built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from seqforge.errors import ExperimentError
from seqforge.experiment.check import Checker
from seqforge.experiment.compatibility import is_labelled
from seqforge.experiment.settings import Data, Evaluation, Identity, Model, Prediction, Sampling, Training
from seqforge.experiment.tables import is_utf8, override, read_table
from seqforge.experiment.topology import TOPOLOGIES, Topology
from seqforge.registry import Component, Registry


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is run: one value, from which everything else follows.

    Attributes:
        identity: Name and seed.
        data: Splits and order.
        model: The network around the cells.
        training: How long, how fast, how often.
        evaluation: Scoring while training.
        prediction: How sequences are written for examples.
        sampling: Samples while training.
        corpus: Where text, or labelled examples, come from.
        vocabulary: How text becomes tokens.
        cells: One component a layer, the first reading the input.
        attention: Where a writer looks; None for a writer that does not.
        initializer: The weights before the first step.
        loss: What training makes small.
        optimizer: How.
        schedule: The learning rate over the run.
        samplers: The chain that samples are drawn by.
        metrics: What samples are judged by.
        plugins: Versions of the plugins that the components come from.
        table: All of it as an experiment file writes it, every default included.
    """

    identity: Identity
    data: Data
    model: Model
    training: Training
    evaluation: Evaluation
    prediction: Prediction
    sampling: Sampling
    corpus: Component
    vocabulary: Component
    cells: tuple[Component, ...]
    attention: Component | None
    initializer: Component
    loss: Component
    optimizer: Component
    schedule: Component
    samplers: tuple[Component, ...]
    metrics: tuple[Component, ...]
    plugins: Mapping[str, str]
    table: Mapping[str, Any]

    @classmethod
    def load(cls, path: str | Path, overrides: Sequence[str] = (), registry: Registry | None = None) -> "Experiment":
        """Read and check an experiment file.

        Args:
            path: The TOML file; relative paths in it are relative to its folder.
            overrides: Assignments such as `training.batch_size=32`, applied before the check.
            registry: The components; by default those installed.

        Raises:
            ExperimentError: With everything that is wrong, by key.
        """
        path = Path(path)
        return cls.from_table(override(read_table(path), overrides), path.parent, registry, origin=path)

    @classmethod
    def from_table(
        cls,
        table: Mapping[str, Any],
        folder: str | Path = ".",
        registry: Registry | None = None,
        origin: Path | None = None,
    ) -> "Experiment":
        """Check an experiment given as tables and plain values.

        Args:
            table: As a TOML file would hold it.
            folder: What relative paths in it are relative to.
            registry: The components; by default those installed.
            origin: The file it was read from, for messages and for a name where it gives none.

        Raises:
            ExperimentError: With everything that is wrong, by key.
        """
        folder = Path(folder).resolve()
        if not is_utf8(str(folder)):
            raise ExperimentError(
                f"{str(folder)!r}: the folder's name is not text in UTF-8",
                hint="Rename it, since the run keeps the experiment with its paths, in UTF-8.",
            )
        checker = Checker(registry or Registry.installed(), folder)
        parts = checker.check(table, default_name=origin.stem if origin else None)
        if checker.problems:
            raise ExperimentError(_report(checker.problems, origin))
        return cls(**parts)

    @property
    def topology(self) -> Topology:
        """What the model reads and when it writes."""
        return TOPOLOGIES[self.model.topology]

    @property
    def labelled(self) -> bool:
        """Whether the corpus gives labelled examples, and not a stream of text."""
        return is_labelled(self.corpus)

    def to_toml(self) -> str:
        """Write the experiment as resolved: every default, and the version of every plugin."""
        return tomli_w.dumps(self.table, multiline_strings=False)


def _report(problems: Sequence[object], origin: Path | None) -> str:
    place = str(origin) if origin else "the experiment"
    if len(problems) == 1:
        return f"{place}: {problems[0]}"
    return "\n".join([f"{place}: {len(problems)} problems", *(f"  {problem}" for problem in problems)])
