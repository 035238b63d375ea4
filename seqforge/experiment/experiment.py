"""An experiment: settings and components, checked as a whole before anything is built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, cast

import tomli_w

from seqforge.errors import ExperimentError
from seqforge.experiment.check import Checker
from seqforge.experiment.compatibility import TOPOLOGIES, Topology
from seqforge.experiment.settings import Data, Evaluation, Identity, Model, Prediction, Sampling, Training
from seqforge.experiment.tables import override, read_table
from seqforge.faults import blame_components
from seqforge.kinds import ExampleSpec
from seqforge.registry import Choice, Component, Problem, Registry, format_value, plain_tables, use, with_classes_of
from seqforge.storage.paths import is_utf8

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True, init=False)
class Experiment:
    """An immutable description of a run: settings and components.

    Create one in Python, with `load` from a file, or with `from_dict` from tables. All three make the same checks.
    An argument that is a component takes a `use(…)`, or only a name or a class.

    Args:
        corpus: Source of text or of labelled examples.
        vocabulary: Conversion of text to tokens; `characters` by default.
        cells: One cell for each layer, from the input to the output; one `lstm` by default.
        attention: Attention of the decoder over the encoder output; none by default.
        initializer: Initial weights; `default` by default.
        loss: Training objective; `cross-entropy` by default.
        optimizer: Update rule; `adam` by default.
        schedule: Learning rate over the run; `constant` by default.
        samplers: Chain of samplers, in order; `temperature` by default.
        metrics: Metrics of samples or of predictions; none by default.
        trackers: Programs that collect the curves of runs; none by default.
        data: Keys of `[data]`.
        model: Keys of `[model]`, without the components.
        training: Keys of `[training]`, such as `{"steps": 2000}`.
        evaluation: Keys of `[evaluation]`.
        prediction: Keys of `[prediction]`.
        sampling: Keys of `[sampling]`.
        name: Name of the run directory; the name of the corpus by default.
        seed: Seed of the weights, dropout, the order of the data, and samples; 1337 by default.
        registry: Registered components; those of the installed plugins by default.

    Attributes:
        identity: Name and seed of the run.
        data: Splits of the corpus, and the order of reading.
        model: The network around the cells.
        training: Length, batches and intervals of training.
        evaluation: Evaluation while training.
        prediction: Decoding of predicted sequences.
        sampling: Samples drawn while training.
        corpus: Source of text or of labelled examples.
        vocabulary: Conversion of text to tokens.
        cells: One component for each layer, from the input to the output.
        attention: Attention of the decoder, or None.
        initializer: Initial weights.
        loss: Training objective.
        optimizer: Update rule.
        schedule: Learning rate over the run.
        samplers: Chain of samplers.
        metrics: Metrics of samples or of predictions.
        trackers: Programs that collect the curves of runs.
        plugins: Versions of seqforge and of the plugins that register the components, by name.
        example_spec: Shape of the labelled examples; None if the corpus is a stream of text.
        table: The experiment as the tables of a file, with every default.
        registry: Registry of the components.
        origin: What messages name as the place of a problem; see `from_dict`.

    Raises:
        ExperimentError: If anything is wrong; the message lists every problem with its key.
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
    trackers: tuple[Component, ...]
    plugins: Mapping[str, str]
    example_spec: ExampleSpec | None
    table: Mapping[str, Any]
    registry: Registry = field(repr=False, compare=False)
    origin: Path | str | None = field(repr=False, compare=False)

    def __init__(
        self,
        *,
        corpus: Choice,
        vocabulary: Choice | None = None,
        cells: Sequence[Choice] | None = None,
        attention: Choice | None = None,
        initializer: Choice | None = None,
        loss: Choice | None = None,
        optimizer: Choice | None = None,
        schedule: Choice | None = None,
        samplers: Sequence[Choice] | None = None,
        metrics: Sequence[Choice] | None = None,
        trackers: Sequence[Choice] | None = None,
        data: Settings | None = None,
        model: Settings | None = None,
        training: Settings | None = None,
        evaluation: Settings | None = None,
        prediction: Settings | None = None,
        sampling: Settings | None = None,
        name: str | None = None,
        seed: int | None = None,
        registry: Registry | None = None,
    ) -> None:
        if isinstance(corpus, list | tuple | PathLike):
            raise ExperimentError(
                f"corpus is a name, a class or use(…), not {format_value(corpus)}",
                hint='For a text file: corpus=use("text", files=["notes.txt"]). For texts: corpus=texts([…]).',
            )
        for parameter, components in _without_none(
            {"cells": cells, "samplers": samplers, "metrics": metrics, "trackers": trackers}
        ).items():
            check_list(parameter, components)
        settings: Any = model or {}
        network = _without_none(
            {"cells": _as_use(cells), "attention": _as_use(attention), "initializer": _as_use(initializer)}
        )
        table: dict[str, Any] = {
            "experiment": _without_none({"name": name, "seed": seed}),
            "corpus": _as_use(corpus),
            "vocabulary": _as_use(vocabulary),
            "model": {**cast("Settings", settings), **network} if isinstance(settings, Mapping) else settings,
            "loss": _as_use(loss),
            "optimizer": _as_use(optimizer),
            "schedule": _as_use(schedule),
            "sampler": _as_use(samplers),
            "metrics": _as_use(metrics),
            "trackers": _as_use(trackers),
            "data": data,
            "training": training,
            "evaluation": evaluation,
            "prediction": prediction,
            "sampling": sampling,
        }
        self._fill(_without_none(table), ".", registry, None)

    @classmethod
    def load(cls, path: str | Path, overrides: Sequence[str] = (), registry: Registry | None = None) -> "Experiment":
        """Read and check an experiment file.

        Args:
            path: The TOML file. Relative paths in it are relative to its folder.
            overrides: Assignments such as `training.batch_size=32`, which replace values of the file.
            registry: Registered components; those of the installed plugins by default.

        Raises:
            ExperimentError: If anything is wrong; the message lists every problem with its key.
        """
        if not isinstance(path, str | PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ExperimentError(
                f"Experiment.load() takes the path of a file, not {format_value(path)}",
                hint="For tables: Experiment.from_dict({…}).",
            )
        path = Path(path)
        return cls.from_dict(override(read_table(path), overrides), path.parent, registry, origin=path)

    @classmethod
    def from_dict(
        cls,
        table: Mapping[str, Any],
        folder: str | Path = ".",
        registry: Registry | None = None,
        origin: Path | str | None = None,
    ) -> "Experiment":
        """Check an experiment in the form of tables, with the structure of an experiment file.

        Args:
            table: The tables. A component may be a `use(…)`.
            folder: Folder to which relative paths are relative.
            registry: Registered components; those of the installed plugins by default.
            origin: What messages name as the place of a problem: the file from which the tables were read, after which
                the run is named by default, or a text such as "the command line". None if the tables were written in
                Python: then hints show Python.

        Raises:
            ExperimentError: If anything is wrong; the message lists every problem with its key.
        """
        experiment = object.__new__(cls)
        experiment._fill(table, folder, registry, origin)
        return experiment

    def _fill(
        self, table: Mapping[str, Any], folder: str | Path, registry: Registry | None, origin: Path | str | None
    ) -> None:
        if not isinstance(table, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ExperimentError(
                f"an experiment is a dict of tables, not {format_value(table)}",
                hint='Write {"corpus": {"use": "text", "files": "notes.txt"}}. For a file: Experiment.load(path).',
            )
        folder = Path(folder).resolve()
        if not is_utf8(str(folder)):
            raise ExperimentError(
                f"{str(folder)!r}: the name of the folder is not valid UTF-8",
                hint="Rename the folder: a run stores the paths of its experiment in UTF-8.",
            )
        registry = with_classes_of(table, registry or Registry.installed())
        checker = Checker(registry, folder)
        with blame_components():  # the check calls class methods of components, such as `fits` of a metric
            default_name = origin.stem if isinstance(origin, Path) else None
            parts = checker.check(plain_tables(table, registry), default_name)
        if checker.problems:
            raise ExperimentError(_format_problems(checker.problems, origin))
        for name, value in (parts | {"registry": registry, "origin": origin}).items():
            object.__setattr__(self, name, value)

    @property
    def topology(self) -> Topology:
        """Topology of the model: the kind of its input, and the steps on which it has an output."""
        return TOPOLOGIES[cast("str", self.model.topology)]

    @property
    def backend_pins(self) -> tuple[tuple[str, ...], ...]:
        """Backends to which the cell of each layer is pinned, in order of preference; empty if it is not pinned."""
        entries = (layer.get("backend", ()) for layer in self.table["model"]["cells"])
        return tuple((entry,) if isinstance(entry, str) else tuple(entry) for entry in entries)

    @property
    def labelled(self) -> bool:
        """Whether the corpus yields labelled examples, and not a stream of text."""
        return self.example_spec is not None

    def to_toml(self) -> str:
        """Return the experiment as TOML, with every default and the version of every plugin."""
        return tomli_w.dumps(self.table, multiline_strings=False)


def _format_problems(problems: Sequence[Problem], origin: Path | str | None) -> str:
    place = "the experiment" if origin is None else str(origin)
    lines = [problem.describe(in_python=origin is None) for problem in problems]
    if len(lines) == 1:
        return f"{place}: {lines[0]}"
    return "\n".join([f"{place}: {len(lines)} problems", *(f"  {line}" for line in lines)])


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def check_list(parameter: str, components: Any) -> None:
    """Check that an argument for several components is a list.

    Raises:
        ExperimentError: If it is one component, or something else.
    """
    if isinstance(components, str) or not isinstance(components, Sequence):
        raise ExperimentError(f"{parameter} is a list, not {format_value(components)}", hint=f"Write {parameter}=[…].")


def _as_use(choice: Choice | Sequence[Choice] | None) -> Any:
    """Convert a name or a class to `use(…)`, also each in a list. The check of the experiment refuses other values."""
    if isinstance(choice, list | tuple):
        return [_as_use(item) for item in choice]
    return use(choice) if isinstance(choice, str | type) else choice
