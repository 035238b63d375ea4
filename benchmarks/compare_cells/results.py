"""The results of the comparison: one line of JSON for each trained model, and what is to be trained next."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from benchmarks.compare_cells.models import Model

Table = Literal["characters", "time"]
"""Kind of a table: all models read equally many characters, or train for the same CPU time."""

SEEDS = (1, 2, 3, 4, 5)
CHOICE_SEED = 0
"""Seed of the runs that choose the learning rate, which are not reported."""

RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
FIRST_RATES = (0.003, 0.01)


@dataclass(frozen=True, slots=True)
class Trial:
    """A model to train.

    Attributes:
        model: The model.
        table: Table that it belongs to. The runs that choose a learning rate belong to `characters`.
        learning_rate: Learning rate.
        seed: Seed of the weights and of the batches.
    """

    model: Model
    table: Table
    learning_rate: float
    seed: int


@dataclass(frozen=True, slots=True)
class Result:
    """A trained model.

    Attributes:
        trial: What was trained.
        steps: Number of training steps.
        hidden_size: Size of the output of a layer.
        parameters: Number of parameters.
        bits_per_character: Loss of the held-out text after the last step; infinite if the training diverged.
        seconds: CPU time of the whole run, with other programs on the machine.
    """

    trial: Trial
    steps: int
    hidden_size: int
    parameters: int
    bits_per_character: float
    seconds: float

    def to_json(self) -> str:
        """Return a line of JSON."""
        trial = asdict(self.trial)
        own = {name: value for name, value in asdict(self).items() if name != "trial"}
        if own["bits_per_character"] == math.inf:
            own["bits_per_character"] = None
        return json.dumps({**trial.pop("model"), **trial, **own})

    @classmethod
    def from_json(cls, line: str) -> "Result":
        """Return the result in a line."""
        values = json.loads(line)
        model = Model(*(values.pop(name) for name in ("text", "cell", "form")))
        trial = Trial(model, *(values.pop(name) for name in ("table", "learning_rate", "seed")))
        bits = values.pop("bits_per_character")
        return cls(trial, **values, bits_per_character=math.inf if bits is None else bits)


def read_results(file: Path) -> list[Result]:
    """Return the results in a file; none if it does not exist."""
    return [Result.from_json(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []


def next_trial(models: Sequence[Model], table: Table, results: Sequence[Result]) -> Trial | None:
    """Return what is to be trained next, or None if nothing is missing.

    First, the learning rate of every model is chosen. Then all models are trained with the first seed, with the second,
    and so on, so that every cell has as many results as the others while the table grows.
    """
    rates = {model: rates_tried(model, results) for model in models}
    for model in models:
        rate = next_rate(rates[model])
        if rate is not None:
            return Trial(model, "characters", rate, CHOICE_SEED)
    finished = {result.trial for result in results}
    for seed in SEEDS:
        for model in models:
            trial = Trial(model, table, best_rate(rates[model]), seed)
            if trial not in finished:
                return trial
    return None


def rates_tried(model: Model, results: Sequence[Result]) -> dict[float, float]:
    """Return the loss of each learning rate that was tried for a model."""
    return {
        result.trial.learning_rate: result.bits_per_character
        for result in results
        if result.trial.model == model and result.trial.seed == CHOICE_SEED
    }


def best_rate(tried: Mapping[float, float]) -> float:
    """Return the learning rate with the lowest loss."""
    return min(tried, key=lambda rate: tried[rate])


def next_rate(tried: Mapping[float, float]) -> float | None:
    """Return a learning rate to try, or None if the best one lies between two that are worse."""
    for rate in FIRST_RATES:
        if rate not in tried:
            return rate
    place = RATES.index(best_rate(tried))
    neighbours = RATES[max(0, place - 1) : place + 2]
    return next((rate for rate in neighbours if rate not in tried), None)
