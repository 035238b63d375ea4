"""Paired timing: sides take turns in each round, so that anything that slows the machine slows all of them.

A side is one implementation that is measured. Each side is a process of its own, so its threads, allocator, caches and
peak memory do not depend on the other sides. One process works at a time, and the others wait for a line on stdin.
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
    """One implementation that is measured.

    Attributes:
        name: Name in a table.
        target: `module:function`. The function takes an iterator of clocks and times one round with each.
        options: Further arguments of the function, as JSON values.
        work: Amount of work of a round in the unit of the table, such as characters.
    """

    name: str
    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    work: float = 1.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """Times and memory of one side.

    Attributes:
        side: The side that was measured.
        seconds: Time of each round.
        peak: Peak resident memory in bytes.
    """

    side: Side
    seconds: Sequence[float]
    peak: int

    @property
    def median(self) -> float:
        """Median time of a round in seconds."""
        return statistics.median(self.seconds)

    @property
    def rate(self) -> float:
        """Work per second in the median round."""
        return self.side.work / self.median

    def times_as_long(self, other: "Measurement") -> float:
        """Return the median ratio of this side's time to the other's in the same round."""
        return statistics.median(own / theirs for own, theirs in zip(self.seconds, other.seconds, strict=True))

    def times_as_fast(self, other: "Measurement") -> float:
        """Return the median ratio of this side's rate to the other's in the same round."""
        work = self.side.work / other.side.work
        return work * statistics.median(theirs / own for own, theirs in zip(self.seconds, other.seconds, strict=True))


def alternate(sides: Sequence[Side], rounds: int, environment: Mapping[str, str]) -> list[Measurement]:
    """Measure sides in alternating rounds, after one warm-up round of each.

    Args:
        sides: Sides to measure. A side that needs something that is not installed is skipped, with a line on stderr.
        rounds: Number of counted rounds.
        environment: Environment variables of every side, in addition to those of this process.

    Returns:
        A measurement of each side that was not skipped, in order.
    """
    with ExitStack() as stack:
        workers: list[_Worker] = []
        for side in sides:
            worker = stack.enter_context(_Worker(side, environment))
            skipped = worker.answer().get("skipped")
            if skipped is None:
                workers.append(worker)
            else:
                _note(f"{side.name}: skipped, because {skipped}")
        for number in range(rounds + 1):
            for worker in workers:
                worker.round()
            _note(f"round {number} of {rounds}" if number else "warmed up")
        return [Measurement(worker.side, worker.seconds[1:], worker.peak) for worker in workers]


class _Worker:
    """The process of a side, which runs `benchmarks.worker`."""

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
            raise SystemExit(f"{self.side.name}: the process ended; its output is above")
        return json.loads(line)


def _note(message: str) -> None:
    print(f"  {message}", file=sys.stderr)
