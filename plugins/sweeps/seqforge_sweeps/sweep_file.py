"""A sweep file: the base experiment, the parameters, and how many trials are run."""

import itertools
import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, Strict, StrictInt, ValidationError, model_validator

from seqforge.errors import ExperimentError, SeqforgeError, did_you_mean
from seqforge.experiment.experiment import Experiment
from seqforge.experiment.problems import explain
from seqforge.experiment.tables import override, read_table
from seqforge.registry.problems import Problem, format_value, from_validation, join_key
from seqforge.registry.registry import Registry
from seqforge.storage.paths import expand_home

MAXIMUM_CHOICES = 1000

Integer = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)]
"""An integer of 64 bits, as databases store it."""

Number = Integer | Annotated[FiniteFloat, Strict()]
Limits = Annotated[list[Number], Field(min_length=2, max_length=2)]


class Values(BaseModel):
    """The values of a parameter. In a sweep file, a list is written without the key `choices`.

    Attributes:
        choices: Values, one of which is chosen: numbers, texts, booleans, or tables such as components.
        range: Lower and upper limit of a range, both included.
        log: The same, if every order of magnitude is equally likely.
        step: Distance between two values of a range of integers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    choices: list[Any] | None = None
    range: Limits | None = None
    log: Limits | None = None
    step: Annotated[Integer, Field(gt=0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_list(cls, value: Any) -> Any:
        if isinstance(value, list):
            return {"choices": cast("Any", value)}
        if not isinstance(value, Mapping):
            shown = format_value(value)
            raise ValueError(f"must be a list of values or a range, not {shown}. Write [{shown}, …].")
        return cast("Any", value)

    @model_validator(mode="after")
    def _check(self) -> "Values":
        if self.choices is not None:
            if self.range or self.log or self.step:
                raise ValueError("has choices, so it cannot have range, log or step")
            _check_choices(self.choices)
            return self
        if (self.range is None) == (self.log is None):
            raise ValueError("must have either range or log, such as { range = [0.0, 0.5] }")
        if self.step is not None and not self._has_integers:
            raise ValueError("a step needs a range of integers. Write other values as a list, such as [0.0, 0.2, 0.4].")
        low, high = self._limits
        if low > high:
            raise ValueError(f"the lower limit comes first: [{high}, {low}].")
        if self.log is not None and low <= 0:
            raise ValueError(f"a logarithmic range begins above 0, not at {low}.")
        # Optuna raises a ValueError for limits that do not fit together.
        if self.distribution.single():
            raise ValueError("the range has one value. The upper limit is the lower limit plus the step, or larger.")
        return self

    @property
    def _limits(self) -> Limits:
        return self.range or self.log or []

    @property
    def _has_integers(self) -> bool:
        return all(isinstance(number, int) for number in self._limits)

    @cached_property
    def distribution(self) -> BaseDistribution:
        """The distribution of Optuna."""
        if self.choices is not None:
            return CategoricalDistribution(list(map(store, self.choices)))
        low, high = self._limits
        with warnings.catch_warnings(category=UserWarning, action="ignore"):
            # Optuna lowers an upper limit that is not a value, and warns.
            if self._has_integers:
                return IntDistribution(int(low), int(high), log=self.log is not None, step=self.step or 1)
            return FloatDistribution(low, high, log=self.log is not None)

    @property
    def listed(self) -> Sequence[Any] | None:
        """All values of a list or of a range of integers, as Optuna stores them; None for a range of other numbers."""
        match self.distribution:
            case CategoricalDistribution(choices=choices):
                return choices
            case IntDistribution(low=low, high=high, step=step):
                return range(low, high + 1, step)
            case _:
                return None

    @property
    def values_to_check(self) -> Sequence[Any]:
        """Values to check before the first trial, as Optuna stores them: every choice, or both limits."""
        distribution: Any = self.distribution
        return distribution.choices if self.choices is not None else (distribution.low, distribution.high)


def _check_choices(choices: list[Any]) -> None:
    if not choices:
        raise ValueError("the list of values is empty")
    if len(choices) > MAXIMUM_CHOICES:
        raise ValueError(f"has {len(choices)} values, more than {MAXIMUM_CHOICES}. Write a range.")
    for index, choice in enumerate(choices):
        try:
            text = json.dumps(choice)
        except TypeError as error:
            raise ValueError(f"cannot hold such a value: {error}") from error
        if choice in choices[:index]:  # also 1 and 1.0, which Optuna cannot tell apart
            raise ValueError(f"the value {text} is repeated")


def store(value: Any) -> int | float | str:
    """Return a value as Optuna stores it: a number, or another value as JSON."""
    return value if isinstance(value, int | float) else json.dumps(value, ensure_ascii=False)


def restore(stored: Any) -> Any:
    """Return the value that `store` has converted."""
    return json.loads(stored) if isinstance(stored, str) else stored


PARAMETERS = "parameters"

NAME = "experiment.name"
"""Key of the name of a trial's run directory."""

MAXIMUM_TRIALS = 100_000

_RANGE = frozenset(Values.model_fields) - {"choices"}
"""Keys of a table that is a range."""


class Settings(BaseModel):
    """The keys of a sweep file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    base: Annotated[str, Field(min_length=1, description="Experiment file, relative to the sweep file.")]
    name: Annotated[
        str | None,
        Field(pattern=r"^\w[\w.-]*$", max_length=100, description="Name of the study and of its folder."),
    ] = None
    trials: Annotated[int, Field(ge=1, le=MAXIMUM_TRIALS, description="Number of trials.")] = 20
    sampler: Annotated[
        Literal["tpe", "random"],
        Field(description="Choice of parameters: tpe learns from the trials before (Bergstra et al. 2011)."),
    ] = "tpe"
    pruner: Annotated[
        Literal["median", "hyperband", "none"],
        Field(description="Rule by which trials that are worse than others are stopped at an evaluation."),
    ] = "median"
    storage: Annotated[
        str | None, Field(min_length=1, description="Database URL; by default, a SQLite file in the sweep's folder.")
    ] = None
    seed: Annotated[int, Field(ge=0, lt=2**31, description="Seed of the choice of parameters.")] = 1337
    parameters: Annotated[
        dict[str, Values], Field(min_length=1, description="Values of each parameter, by its key in the experiment.")
    ]


@dataclass(frozen=True, slots=True)
class Sweep:
    """A checked sweep.

    Attributes:
        path: The sweep file.
        name: Name of the study and of its folder.
        table: The base experiment, as tables.
        folder: Folder to which the paths in the base experiment are relative.
    """

    path: Path
    name: str
    settings: Settings
    table: Mapping[str, Any]
    folder: Path

    @property
    def parameters(self) -> Mapping[str, Values]:
        """Values of each parameter, by its key in the experiment."""
        return self.settings.parameters

    def experiment(self, chosen: Mapping[str, Any], run_name: str, registry: Registry) -> Experiment:
        """Return the experiment of a trial, from the value of each parameter as Optuna stores it.

        Raises:
            ExperimentError: If the values do not fit together.
        """
        return self._experiment({**{key: chosen[key] for key in self.parameters}, NAME: f'"{run_name}"'}, registry)

    def _experiment(self, stored: Mapping[str, Any], registry: Registry) -> Experiment:
        # A component that is chosen as a whole comes before the options of the same component.
        values = {key: restore(stored[key]) for key in sorted(stored, key=lambda key: key.count("."))}
        return Experiment.from_dict(override(dict(self.table), values), self.folder, registry, origin=self.path)

    @property
    def combinations(self) -> int | None:
        """Number of combinations of the values; None if a parameter may have any number of a range.

        A parameter counts with at most one value more than a sweep can have trials.
        """
        listed = [values.listed for values in self.parameters.values()]
        return None if None in listed else math.prod(len(each[: MAXIMUM_TRIALS + 1]) for each in listed if each)

    @property
    def is_exhaustive(self) -> bool:
        """Whether there are no more combinations of the values than trials."""
        return self.combinations is not None and self.combinations <= self.settings.trials

    def list_combinations(self) -> list[dict[str, Any]]:
        """Return all combinations of the values, as Optuna stores them, of a sweep that is exhaustive."""
        listed = (values.listed or () for values in self.parameters.values())
        return [dict(zip(self.parameters, chosen, strict=True)) for chosen in itertools.product(*listed)]

    def check(self, registry: Registry) -> None:
        """Check every value of every parameter in the base experiment, before the first trial.

        Raises:
            ExperimentError: If the base experiment has no such key, or a value is not allowed.
        """
        if NAME in self.parameters:
            raise ExperimentError(
                f"{self.path}: {PARAMETERS}.{NAME}: the sweep names every trial itself, such as trial-0001",
                hint="Remove the parameter. The name of the sweep is the key `name` of the file.",
            )
        first = {key: values.values_to_check[0] for key, values in self.parameters.items()}
        self._check(first, registry)
        for key, values in self.parameters.items():
            for value in values.values_to_check[1:]:
                self._check({**first, key: value}, registry)

    def _check(self, stored: Mapping[str, Any], registry: Registry) -> None:
        try:
            experiment = self._experiment(stored, registry)
        except ExperimentError as error:
            message = error.message.removeprefix(f"{self.path}: ").removeprefix("override ")
            values = ", ".join(f"{key} = {value}" for key, value in stored.items())
            raise ExperimentError(
                f"{self.path}: {message}",
                hint=" ".join(filter(None, [error.hint, f"The experiment {self.settings.base} with {values}."])),
            ) from error
        if not experiment.data.validation_fraction:
            raise ExperimentError(
                f"{self.path}: data.validation_fraction is 0, and trials are compared on the validation split",
                hint="Set data.validation_fraction in the base experiment, such as 0.1.",
            )


def read_sweep(path: Path, assignments: Sequence[str] = (), trials: int | None = None) -> Sweep:
    """Read a sweep file, and its base experiment with assignments to its keys.

    By default, the number of trials is that of the file.

    Raises:
        ExperimentError: If a file is missing or is not TOML, or if a key or a range is wrong.
    """
    table = read_table(path)
    if "corpus" in table and "base" not in table:
        raise ExperimentError(
            f"{path}: is an experiment file, not a sweep file",
            hint=f'Write a sweep file that names it: base = "{path.name}", and a table [{PARAMETERS}] with the values '
            "to try, such as optimizer.learning_rate = [0.001, 0.003].",
        )
    settings = validate_settings(table if trials is None else {**table, "trials": trials}, path)
    try:
        base = path.parent / expand_home(settings.base)
    except ValueError as error:
        raise ExperimentError(f"{path}: base: {error}") from error
    try:
        experiment = override(read_table(base), assignments)
    except SeqforgeError as error:
        raise ExperimentError(f"{path}: base: {error.message}", hint=error.hint) from error
    return Sweep(path, settings.name or path.stem, settings, experiment, base.parent)


def validate_settings(table: Mapping[str, Any], path: Path) -> Settings:
    """Return the settings of a sweep file.

    Raises:
        ExperimentError: If a key or a range is wrong. It names every one.
    """
    if isinstance(table.get(PARAMETERS), Mapping):
        table = {**table, PARAMETERS: dict(_leaves(table[PARAMETERS], ""))}
    try:
        return Settings.model_validate(table)
    except ValidationError as error:
        known = [*Settings.model_fields, *_RANGE]
        problems = [
            _with_parameters(problem, table) for problem in from_validation(error, table, "", known, "a sweep file")
        ]
    raise explain(problems, path)


def _leaves(table: Mapping[str, Any], key: str) -> Iterator[tuple[str, Any]]:
    """Yield every value that is not a table of further parameters, with its dotted key."""
    for name, value in table.items():
        if isinstance(value, Mapping) and value and not value.keys() & _RANGE:
            yield from _leaves(cast("Mapping[str, Any]", value), join_key(key, name))
        else:
            yield join_key(key, name), value


def _with_parameters(problem: Problem, table: Mapping[str, Any]) -> Problem:
    """Add to a missing or an unknown table how parameters are written."""
    if problem.key == PARAMETERS:
        hint = "Write a table such as [parameters] with optimizer.learning_rate = { log = [1e-4, 1e-1] }"
        return Problem(problem.key, problem.message, hint)
    if isinstance(cast("Any", table.get(problem.key)), Mapping):
        return Problem(problem.key, problem.message, f"{did_you_mean(problem.key, [*Settings.model_fields])} "
                       f"Parameters of the experiment are in [{PARAMETERS}].")  # fmt: skip
    return problem
