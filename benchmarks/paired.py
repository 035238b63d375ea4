"""Paired timing: sides take turns, round after round, so that whatever slows the machine slows all of them.

Every side is a process of its own. So one side's threads, allocator and caches do not depend on which others are
measured, and the peak of its memory is its own. Only one of them works at a time; the others wait for a line.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Side:
    """One thing to measure.

    Attributes:
        name: As a table shows it.
        target: `module:function`; the function takes an iterator of clocks, and times one round by each.
        options: Further arguments, as JSON can hold them.
        work: What a round does, in the table's unit, such as characters.
    """

    name: str
    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    work: float = 1.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the rounds of one side took.

    Attributes:
        side: The side.
        seconds: Of each round.
        peak: The most memory that was resident, in bytes.
    """

    side: Side
    seconds: Sequence[float]
    peak: int

    @property
    def median(self) -> float:
        """The median round, in seconds."""
        return statistics.median(self.seconds)

    @property
    def rate(self) -> float:
        """Work per second in the median round."""
        return self.side.work / self.median

    def times_as_long(self, other: "Measurement") -> float:
        """Give the median, over the rounds, of this side's time by the other's in the same round."""
        return statistics.median(own / theirs for own, theirs in zip(self.seconds, other.seconds, strict=True))

    def times_as_fast(self, other: "Measurement") -> float:
        """Give the median, over the rounds, of this side's rate by the other's in the same round."""
        work = self.side.work / other.side.work
        return work * statistics.median(theirs / own for own, theirs in zip(self.seconds, other.seconds, strict=True))


def alternate(sides: Sequence[Side], rounds: int, environment: Mapping[str, str]) -> list[Measurement]:
    """Measure sides in rounds that alternate, after one round of each that does not count.

    Args:
        sides: What is measured; what needs something that is not installed is left out, with a word on stderr.
        rounds: How many count.
        environment: Of every side, beside this process's own.

    Returns:
        A measurement for each side that could be measured, in order.
    """
    with ExitStack() as stack:
        workers: list[_Worker] = []
        for side in sides:
            worker = stack.enter_context(_Worker(side, environment))
            skipped = worker.answer().get("skipped")
            if skipped is None:
                workers.append(worker)
            else:
                _note(f"{side.name}: left out, since {skipped}")
        for number in range(rounds + 1):
            for worker in workers:
                worker.round()
            _note(f"round {number} of {rounds}" if number else "warmed up")
        return [Measurement(worker.side, worker.seconds[1:], worker.peak) for worker in workers]


class _Worker:
    """The process of a side, which `benchmarks.worker` is the other end of."""

    def __init__(self, side: Side, environment: Mapping[str, str]) -> None:
        self.side = side
        self.seconds: list[float] = []
        self.peak = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", side.target, json.dumps(dict(side.options))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
            text=True,
        )

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._process.terminate()
        self._process.communicate()

    def round(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = self.answer()
        self.seconds.append(answer["seconds"])
        self.peak = answer["peak"]

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.side.name}: the process ended; what it said stands above")
        return json.loads(line)


def _note(message: str) -> None:
    print(f"  {message}", file=sys.stderr)
