"""A labelled corpus with any example spec, whose targets a model can learn from the inputs."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from seqforge.kinds import (
    Classes,
    Draw,
    Example,
    ExamplePrediction,
    ExampleSpec,
    LabelledCorpus,
    Numbers,
    PredictionMetric,
    Quantity,
    Score,
    Text,
    Value,
)

Part = Literal["text", "numbers", "classes"]
CLASSES = ("vowel", "consonant", "other")
LETTERS = "aebcd."


class Made(LabelledCorpus):
    """Strings of letters, or their codes, of one to `longest` steps."""

    def __init__(
        self,
        inputs: Literal["text", "numbers"] = "text",
        input_kind: Literal["vector", "sequence"] = "sequence",
        targets: Part = "classes",
        output_mode: Literal["once", "every step", "sequence"] = "once",
        count: int = 60,
        longest: int = 9,
        alternatives: int = 0,
        seed: int = 0,
        endless: bool = False,
    ) -> None:
        self._options = (inputs, input_kind, targets, output_mode, count, longest, alternatives, seed, endless)
        self._endless = endless
        self._count, self._longest, self._alternatives, self._seed = count, longest, alternatives, seed
        self._spec = self.example_spec(
            {"inputs": inputs, "input_kind": input_kind, "targets": targets, "output_mode": output_mode}
        )

    @classmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        parts = {"text": Text(), "numbers": Numbers(3), "classes": Classes(CLASSES)}
        return ExampleSpec(
            parts[options["inputs"]], options["input_kind"], parts[options["targets"]], options["output_mode"]
        )

    def examples(self) -> Iterator[Example]:
        generator = np.random.default_rng(self._seed)
        for number in range(self._count):
            letters = self._draw_letters(generator)
            others = tuple(self._target(letters * (turn + 2)) for turn in range(self._alternatives))
            split = ("validation", "test")[number % 2] if self._endless else None
            yield Example(f"example-{number}", self._input(letters), self._target(letters), others, split)

    def training_stream(self) -> Draw | None:
        return self._draw if self._endless else None

    def _draw(self, generator: np.random.Generator) -> tuple[Value, Value]:
        letters = self._draw_letters(generator)
        return self._input(letters), self._target(letters)

    def _draw_letters(self, generator: np.random.Generator) -> list[str]:
        length = int(generator.integers(1, self._longest + 1)) if self._spec.input_kind == "sequence" else 1
        return [LETTERS[index] for index in generator.integers(0, len(LETTERS), length)]

    def _input(self, letters: list[str]) -> str | np.ndarray:
        if isinstance(self._spec.input, Text):
            return "".join(letters)
        codes = np.array([[LETTERS.index(letter) / 6, kind(letter), 1.0] for letter in letters])
        return codes if self._spec.input_kind == "sequence" else codes[0]

    def _target(self, letters: list[str]):
        kinds = np.array([kind(letter) for letter in letters])
        spec = self._spec
        if isinstance(spec.target, Text):
            return "".join(letters).upper()
        if isinstance(spec.target, Numbers):
            rows = np.stack([kinds, kinds + 1, -kinds], axis=-1) / 3
            return rows[-1] if spec.output_mode == "once" else rows
        return int(kinds[-1]) if spec.output_mode == "once" else kinds

    def fingerprint(self) -> str:
        return hashlib.sha256(repr(self._options).encode()).hexdigest()

    def describe(self) -> str:
        return f"{self._count} made examples"


def kind(letter: str) -> int:
    return 0 if letter in "ae" else 2 if letter == "." else 1


class Exact(PredictionMetric):
    """The share of predictions that are correct."""

    quantities: ClassVar = {"share": Quantity("predictions that are right", "share", "more", "{} of them are right")}

    @classmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        return not isinstance(spec.target, Numbers)

    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        correct = [
            any(np.array_equal(prediction.predicted, target) for target in prediction.targets)
            for prediction in predictions
        ]
        return Score({"share": float(np.mean(correct))}, report=f"{sum(correct)} of {len(correct)}")
