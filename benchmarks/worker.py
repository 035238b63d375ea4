"""The process of one side: sets itself up, then does a round whenever it is told to, and says what it took.

Started by `benchmarks.paired`; takes a line for each round on stdin, and gives a line of JSON for each on stdout.
"""

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO


class Clock:
    """Measures what happens inside its `with`; preparations and tidying stay outside."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._started = 0.0

    def __enter__(self) -> "Clock":
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._started


def rounds(commands: TextIO, answers: TextIO) -> Iterator[Clock]:
    """Give a clock for each round, when it is to begin.

    Args:
        commands: A line begins a round; its end is the end.
        answers: Takes a line when the side is ready, and one after each round.
    """
    _say(answers, {"ready": True})
    for _ in commands:
        clock = Clock()
        yield clock
        _say(answers, {"seconds": clock.seconds, "peak": peak_memory()})


def peak_memory() -> int:
    """Measure the most memory, in bytes, that was resident so far: of this process, or of a larger one that it ran."""
    # Not `ru_maxrss` of this process, which counts what its parent had before it became this program.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    own = int(status.partition("VmHWM:")[2].split()[0])
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) << 10


def _say(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def main() -> None:
    """Run the side that the arguments name: `module:function`, and its options as JSON."""
    target, options = sys.argv[1], json.loads(sys.argv[2])
    # Whatever a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    module, _, function = target.partition(":")
    try:
        side = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        _say(answers, {"skipped": f"{error.name} is not installed"})
        return
    from seqforge.errors import PluginError

    try:
        side(rounds(sys.stdin, answers), **options)
    except PluginError as error:
        _say(answers, {"skipped": error.message})


if __name__ == "__main__":
    main()
