"""An experiment: settings and components, checked as a whole before any data is read."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, cast

import tomli_w
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

import seqforge
from seqforge.errors import ExperimentError
from seqforge.experiment.compatibility import (
    derive_topology,
    example_spec_of,
    incompatibilities,
    is_labelled,
)
from seqforge.experiment.model import Model
from seqforge.experiment.problems import explain, missing_plugins, problems_of, used_plugins
from seqforge.experiment.settings import Data, Decoding, Evaluation, Identity, Sampling, Training
from seqforge.experiment.tables import as_table, merge_tables, override, read_table
from seqforge.faults import SESSION, blame_components
from seqforge.kinds import ExampleSpec
from seqforge.kinds.table import KINDS
from seqforge.registry.component import Component, plain_tables
from seqforge.registry.options import Part, default, registry_of
from seqforge.registry.problems import Problem, format_value, raise_problems
from seqforge.registry.registry import Registry
from seqforge.storage.paths import is_utf8

SHOWN_EXAMPLES = 5
"""Default of `sampling.count` for labelled examples."""

DEFAULTS: Any = {}
"""A table that is absent: every key has its default."""


class Experiment(BaseModel):
    """An immutable description of a run, with one field for each table of its file.

    Create one with `load` from a file, or in Python with the same tables as arguments:
    `Experiment(corpus=use("text", files="notes.txt"), model={"cells": ["gru"]}, training={"steps": 500})`. A component
    is a name, a class, or `use(…)` with options. Both ways make the same checks.

    Raises:
        ExperimentError: If anything is wrong; the message lists every problem with its key.
    """

    model_config = ConfigDict(
        title="seqforge experiment",
        extra="forbid",
        strict=True,
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
    )

    identity: Annotated[Identity, Field(alias="experiment")] = DEFAULTS
    """Name and seed of the run."""
    corpus: Annotated[Component, Part("corpus")]
    """Source of text or of labelled examples."""
    vocabulary: Annotated[Component, Part("vocabulary")] = default("vocabulary")
    """Conversion of text to tokens."""
    model: Model = DEFAULTS
    """The network, with its components."""
    loss: Annotated[Component, Part("loss")] = default("loss")
    """Training objective."""
    optimizer: Annotated[Component, Part("optimizer")] = default("optimizer")
    """Update rule."""
    schedule: Annotated[Component, Part("schedule")] = default("schedule")
    """Learning rate over the run."""
    samplers: Annotated[list[Annotated[Component, Part("sampler")]], Field(alias="sampler")] = default("sampler")
    """Chain of samplers, in the order in which they are applied."""
    metrics: list[Annotated[Component, Part("metric")]] = default("metric")
    """Metrics of samples or of predictions."""
    trackers: list[Annotated[Component, Part("tracker")]] = default("tracker")
    """Programs that collect the curves of runs."""
    data: Data = DEFAULTS
    """Splits of the corpus, and the order of reading."""
    training: Training = DEFAULTS
    """Length, batches, precision and intervals of training."""
    evaluation: Evaluation = DEFAULTS
    """Evaluation of the validation split while training."""
    prediction: Decoding = DEFAULTS
    """Decoding of predicted sequences."""
    sampling: Sampling = DEFAULTS
    """Samples drawn while training, by the chain of samplers."""
    plugins: dict[str, str] = DEFAULTS
    """Versions of seqforge and of the plugins that register the components, set by the check."""
    distributions: dict[str, str] = DEFAULTS
    """Installed distribution of each of the plugins, set by the check."""

    _registry: Registry = PrivateAttr()
    _origin: Path | str | None = PrivateAttr(default=None)

    def __init__(self, /, *, registry: Registry | None = None, **tables: Any) -> None:
        self._fill(tables, ".", registry, None)

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
                Python.

        Raises:
            ExperimentError: If anything is wrong; the message lists every problem with its key.
        """
        experiment = cls.__new__(cls)
        experiment._fill(table, folder, registry, origin)
        return experiment

    def with_tables(self, changes: Mapping[str, Any], folder: Path, origin: Path | None = None) -> "Experiment":
        """Return the experiment with changes merged into its tables; see `merge_tables` and `from_dict`.

        Raises:
            ExperimentError: If anything is wrong with the changes.
        """
        return Experiment.from_dict(merge_tables(self.table, changes), folder, self.registry, origin)

    def with_temperature(self, temperature: float, folder: Path) -> "Experiment":
        """Return the experiment in which every sampler with an option `temperature` has this one.

        Raises:
            ExperimentError: If no sampler has the option, or the temperature is not valid.
        """
        if not any("temperature" in sampler.options for sampler in self.samplers):
            names = ", ".join(sampler.name for sampler in self.samplers)
            raise ExperimentError(
                f"no sampler of the run has an option 'temperature': {names}",
                hint="Leave the temperature out, or use a chain with the sampler temperature.",
            )
        new = {"temperature": temperature}
        chain = [{**sampler.table, **(new if "temperature" in sampler.options else {})} for sampler in self.samplers]
        return self.with_tables({"sampler": chain}, folder)

    def _fill(
        self, table: Mapping[str, Any], folder: str | Path, registry: Registry | None, origin: Path | str | None
    ) -> None:
        """Check the tables, and set the fields."""
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
        tables, registry = plain_tables(table, registry or Registry.installed())
        name = origin.stem if isinstance(origin, Path) else _corpus_name(tables)
        if isinstance(identity := tables.get("experiment", {}), dict):
            run = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")[:100]  # "my notes" becomes "my-notes"
            tables["experiment"] = {"name": run or "experiment", **identity}
        valid: dict[str, Any] = {}
        preferring = Registry(registry.plugins, as_table(tables.get("plugins")))
        context: dict[str, Any] = {"registry": preferring, "folder": folder, "owners": {}, "valid": valid}
        problems: list[Problem] = []
        with blame_components():  # the check calls class methods of components, such as `fits` of a metric
            try:
                self.__pydantic_validator__.validate_python(tables, self_instance=self, context=context)
            except ValidationError as error:
                problems += problems_of(error, tables, type(self), context)
            problems += incompatibilities(valid)
        if problems:
            raise explain(problems, origin)
        self._registry, self._origin = registry, origin

    @model_validator(mode="before")
    @classmethod
    def _require_plugins(cls, tables: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Raise a problem for each plugin that a resolved experiment names and uses, and that is not installed."""
        if problems := missing_plugins(tables, registry_of(info)):
            raise_problems(problems)  # Every component of such a plugin would be another problem.
        return tables

    @field_validator("vocabulary", "loss", "optimizer", "schedule", mode="before")
    @classmethod
    def _name_default(cls, table: Any, info: ValidationInfo) -> Any:
        """Name the default component in a table that has only options."""
        if not isinstance(table, Mapping):
            return table
        return {"use": cls.model_fields[cast("str", info.field_name)].default, **cast("dict[str, Any]", table)}

    @field_validator("data", "sampling", mode="before")
    @classmethod
    def _set_defaults_of_examples(cls, table: Any, info: ValidationInfo) -> Any:
        """Set what has another default if the corpus has labelled examples."""
        corpus = info.data.get("corpus")
        if corpus is None or not is_labelled(corpus) or not isinstance(table, Mapping):
            return table
        defaults = {"split": "document"} if info.field_name == "data" else {"count": SHOWN_EXAMPLES}
        return {**defaults, **cast("dict[str, Any]", table)}

    @field_validator("plugins", "distributions")
    @classmethod
    def _describe_plugins(cls, table: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        """Replace the versions with which a run was trained by those of now."""
        plugins = used_plugins(info.data.values(), registry_of(info))
        if info.field_name == "plugins":
            return {"seqforge": seqforge.__version__, **{plugin.name: plugin.version for plugin in plugins}}
        return {plugin.name: plugin.distribution for plugin in plugins if plugin.distribution}

    @field_validator("*")
    @classmethod
    def _note_valid(cls, value: Any, info: ValidationInfo) -> Any:
        """Note a valid field in the context, since pydantic returns none if another one is wrong."""
        cast("dict[str, Any]", info.context)["valid"][info.field_name] = value
        return value

    @property
    def registry(self) -> Registry:
        """Registry of the components."""
        return self._registry

    @property
    def origin(self) -> Path | str | None:
        """What messages name as the place of a problem; see `from_dict`."""
        return self._origin

    @property
    def components(self) -> dict[str, list[Component]]:
        """The components by kind, in the order in which data flows through them."""
        found: dict[str, list[Component]] = {}
        for name, kind in KINDS.items():
            if kind.key is not None:
                owner = self.model if kind.key.startswith("model.") else self
                value: Any = getattr(owner, kind.attribute)
                found[name] = [*value] if kind.many else [value] if value else []
        return found

    @cached_property
    def example_spec(self) -> ExampleSpec | None:
        """Shape of the labelled examples; None if the corpus is a stream of text."""
        return example_spec_of(self.corpus)

    @property
    def labelled(self) -> bool:
        """Whether the corpus yields labelled examples, and not a stream of text."""
        return self.example_spec is not None

    @property
    def topology(self) -> str:
        """Topology of the model, such as "many-to-one"."""
        return derive_topology(self.example_spec, self.loss.component)

    @property
    def has_decoder(self) -> bool:
        """Whether the model predicts new sequences, with a decoder."""
        return self.topology in ("one-to-many", "many-to-many")

    @cached_property
    def table(self) -> Mapping[str, Any]:
        """The experiment as the tables of a file, with every default."""
        tables = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {**tables, "model": {"topology": self.topology, **tables["model"]}}

    def to_toml(self) -> str:
        """Return the experiment as TOML, with every default and the version of every plugin."""
        return tomli_w.dumps(self.table, multiline_strings=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Experiment) and self.table == other.table


def _corpus_name(tables: Mapping[str, Any]) -> str:
    corpus = tables.get("corpus")
    name = cast("dict[str, Any]", corpus).get("use") if isinstance(corpus, dict) else corpus
    return name.removeprefix(f"{SESSION}/") if isinstance(name, str) else ""
