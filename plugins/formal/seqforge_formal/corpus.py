"""The corpus `formal-task`: examples of one task, drawn without end for training, and longer ones to test."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from seqforge.data.splits import SplitName
from seqforge.errors import did_you_mean
from seqforge.kinds import Draw, Example, ExampleSpec, LabelledCorpus, Value
from seqforge_formal.answers import check_ascending
from seqforge_formal.tasks import TASKS


def _check_task(name: str) -> str:
    if name not in TASKS:
        raise ValueError(f"there is no task {name!r}. {did_you_mean(name, TASKS)}")
    return name


class FormalTask(LabelledCorpus):
    """Examples of a task whose solution is known: state tracking, counting, nesting or recall.

    Training examples are drawn without end. The validation and the test split also have longer ones.
    """

    def __init__(
        self,
        task: Annotated[str, AfterValidator(_check_task), Field(description="Task, such as parity.")],
        lengths: Annotated[
            tuple[Annotated[int, Field(ge=4)], ...],
            Field(
                min_length=2,
                description="Length of the longest training example, then the limits of the ranges "
                "of longer examples, ascending.",
            ),
            AfterValidator(check_ascending),
        ] = (40, 64, 128, 256, 500, 1000),
        count: Annotated[int, Field(ge=1, description="Number of examples of each range of lengths in a split.")] = 100,
    ) -> None:
        self._name, self._task = task, TASKS[task]
        self._limits, self._count = (2, *lengths), count

    @classmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        """Return the shape of the examples of the task."""
        return TASKS[options["task"]].spec

    def training_stream(self) -> Draw:
        """Return a function that draws an example of at most the first of `lengths`."""
        return lambda generator: self._draw(generator, *self._limits[:2])

    def examples(self) -> Iterator[Example]:
        """Yield the validation split and the test split, each from the shortest examples to the longest ones."""
        splits: tuple[SplitName, ...] = ("validation", "test")
        for split in splits:
            for shorter, longest in pairwise(self._limits):
                generator = np.random.default_rng([longest, len(split)])
                for number in range(self._count):
                    drawn = self._draw(generator, shorter, longest)
                    yield Example(f"{split}-{longest}-{number}", *drawn, split=split)

    def fingerprint(self) -> str:
        """Return an empty text, since the options determine the examples."""
        return ""

    def describe(self) -> str:
        """Return the task, the lengths and the paper."""
        _, longest, *_, last = self._limits
        return f"{self._name} of 3 to {longest} steps, tested to {last} steps ({self._task.paper})"

    def _draw(self, generator: np.random.Generator, shorter: int, longest: int) -> tuple[Value, Value]:
        return self._task.generate(generator, int(generator.integers(shorter + 1, longest + 1)))
