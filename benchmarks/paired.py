"""Paired timing: programs take turns in each round, so that anything that slows the machine slows all of them.

Each program runs in a process of its own, so its threads, allocator, caches and peak memory do not depend on the other
programs. One process works at a time, and the others wait for a line on stdin.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

PAUSE_SECONDS = 0.05
"""Time between two rounds. OpenMP threads wait actively for several milliseconds after their last work, and would slow
the next program. In a round of size S, that was 5 to 10% of the time."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program to measure.

    Attributes:
        name: Name in a table.
        target: `module:function`. The function receives an iterator of clocks and times one round with each.
        options: Further arguments of the function, as JSON values.
        work: Work in one round, in the unit of the table, such as characters.
    """

    name: str
    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    work: float = 1.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """Times and memory of one program.

    Attributes:
        program: The measured program.
        seconds: Time of each round.
        peak: Peak resident memory in bytes.
    """

    program: Program
    seconds: Sequence[float]
    peak: int

    @property
    def median(self) -> float:
        """Median time of a round in seconds."""
        return statistics.median(self.seconds)

    @property
    def rate(self) -> float:
        """Work per second in the median round."""
        return self.program.work / self.median

    def times_as_long(self, other: "Measurement") -> float:
        """Return the median ratio of this program's time to the other's in the same round."""
        return statistics.median(own / others for own, others in zip(self.seconds, other.seconds, strict=True))

    def times_as_fast(self, other: "Measurement") -> float:
        """Return the median ratio of this program's rate to the other's in the same round."""
        work = self.program.work / other.program.work
        return work * statistics.median(others / own for own, others in zip(self.seconds, other.seconds, strict=True))


def alternate(programs: Sequence[Program], rounds: int, environment: Mapping[str, str]) -> list[Measurement]:
    """Measure programs in alternating rounds, after one round of each that is not counted.

    Args:
        programs: Programs to measure. Those that cannot run here are skipped, with the reason on stderr.
        rounds: Number of rounds to count.
        environment: Environment variables of every program, in addition to those of this process.

    Returns:
        A measurement of each program that was not skipped, in the same order.
    """
    with ExitStack() as stack:
        workers: list[_Worker] = []
        for program in programs:
            worker = stack.enter_context(_Worker(program, environment))
            reason = worker.answer().get("skipped")
            if reason is None:
                workers.append(worker)
            else:
                _print_progress(f"{program.name}: skipped, because {reason}")
        for number in range(rounds + 1):
            for worker in workers:
                time.sleep(PAUSE_SECONDS)
                worker.round()
            _print_progress(f"round {number} of {rounds}" if number else "warm-up round done")
        return [Measurement(worker.program, worker.seconds[1:], worker.peak) for worker in workers]


class _Worker:
    """The process of a program. It runs `benchmarks.worker`."""

    def __init__(self, program: Program, environment: Mapping[str, str]) -> None:
        self.program = program
        self.seconds: list[float] = []
        self.peak = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", program.target, json.dumps(dict(program.options))],
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
            raise SystemExit(f"{self.program.name}: the process ended unexpectedly; see its output above")
        return json.loads(line)


def _print_progress(message: str) -> None:
    print(f"  {message}", file=sys.stderr)
