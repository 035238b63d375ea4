"""The table of tasks."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from seqforge.kinds import Classes, ExampleSpec, Numbers, Text
from seqforge_formal import nesting, recall, state_tracking
from seqforge_formal.answers import NO_ANSWER, Generate

DELETANG = "Delétang et al. 2022, arXiv 2207.02098"
MERRILL = "Merrill, Petty and Sabharwal 2024, arXiv 2404.08819"
GERS = "Gers and Schmidhuber 2001, LSTM recurrent networks learn simple context-free languages"
HEWITT = "Hewitt et al. 2020, arXiv 2010.07515"


@dataclass(frozen=True, slots=True)
class Task:
    """A task.

    Attributes:
        generate: Function that draws an example of a length.
        spec: Shape of the examples.
        chance: Accuracy on long inputs of the best guess that does not read them.
        paper: Paper that the task is from.
        by_prefix: Whether an answer depends on all steps read so far, and is scored by their number. Otherwise an
            example is scored by its length.
        layers: Layers of a study's model. With two, an RNN and an LSTM learn to count where they should track a state.
    """

    generate: Generate
    spec: ExampleSpec
    chance: float
    paper: str
    by_prefix: bool = False
    layers: int = 2


def _every_step(*names: str) -> ExampleSpec:
    return ExampleSpec(Text(), "sequence", Classes(names), "every step")


def _once(*names: str) -> ExampleSpec:
    return ExampleSpec(Text(), "sequence", Classes(names), "once")


def _tracking(generate: Generate, *names: str, paper: str = DELETANG) -> Task:
    return Task(generate, _every_step(*names), 1 / len(names), paper, by_prefix=True, layers=1)


def _word_problem(group: str, order: int) -> Task:
    return _tracking(state_tracking.word_problem(group), *map(str, range(order)), paper=MERRILL)


def _dyck(kinds: int, chance: float) -> Task:
    spec = _every_step(NO_ANSWER, "none", *nesting.CLOSING[:kinds])
    return Task(nesting.dyck(kinds), spec, chance, HEWITT, True)


def _memory(generate: Generate, symbols: str, paper: str = DELETANG) -> Task:
    return Task(generate, _every_step(NO_ANSWER, *symbols), 1 / len(symbols), paper)


_YES = _once("no", "yes")
_ADDING = ExampleSpec(Numbers(2), "sequence", Numbers(1), "once")

TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "parity": _tracking(state_tracking.parity, "even", "odd"),
        "even-pairs": _tracking(state_tracking.even_pairs, "no", "yes"),
        "cycle": _tracking(state_tracking.cycle, *"01234"),
        "modular-arithmetic": _tracking(state_tracking.modular_arithmetic, *"01234"),
        "word-problem-s3": _word_problem("s3", 6),
        "word-problem-z60": _word_problem("z60", 60),
        "word-problem-a5": _word_problem("a5", 60),
        "word-problem-s5": _word_problem("s5", 120),
        "counters-ab": Task(nesting.counters("ab"), _YES, 1 / 2, GERS),
        "counters-abc": Task(nesting.counters("abc"), _YES, 1 / 2, GERS),
        "counters-shuffle": Task(nesting.shuffle, _YES, 1 / 2, "Suzgun et al. 2019, arXiv 1906.03648"),
        "dyck-2": _dyck(2, 0.46),
        "dyck-4": _dyck(4, 0.23),
        "nested-names": Task(
            nesting.nested_names, _every_step(NO_ANSWER, "no", "yes"), 1 / 2, "the scopes of C and Python", True
        ),
        "modular-arithmetic-brackets": Task(nesting.arithmetic_in_brackets, _once(*"01234"), 1 / 3, DELETANG),
        "copy": _memory(recall.copy, recall.LETTERS),
        "reverse": _memory(recall.reverse, recall.LETTERS),
        "selective-copy": _memory(recall.selective_copy, recall.LETTERS, "Gu and Dao 2023, arXiv 2312.00752"),
        "bucket-sort": _memory(recall.bucket_sort, recall.DIGITS),
        "missing-duplicate": Task(recall.missing_duplicate, _once("0", "1"), 1 / 2, DELETANG),
        "mqar": _memory(recall.associative_recall, recall.VALUES, "Arora et al. 2023, arXiv 2312.04927"),
        "adding": Task(recall.adding, _ADDING, 0.08, "Hochreiter and Schmidhuber 1997, Long short-term memory"),
    }
)
"""The tasks by name: state tracking, counting and nesting, and recall."""
