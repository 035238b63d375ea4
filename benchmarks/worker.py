"""The process of one program, which `benchmarks.paired` starts.

It prepares the program, then runs one round for each line on stdin. It prints a line of JSON on stdout when the program
is ready, and a line with the time and the peak memory after each round.
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
    """Context manager that measures the time of its body in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._started = 0.0

    def __enter__(self) -> "Clock":
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._started


def rounds(commands: TextIO, answers: TextIO) -> Iterator[Clock]:
    """Yield a clock at the start of each round.

    Args:
        commands: Stream with one line for each round.
        answers: Stream that receives a line when the program is ready, and one after each round.
    """
    _send(answers, {"ready": True})
    for _ in commands:
        clock = Clock()
        yield clock
        _send(answers, {"seconds": clock.seconds, "peak": peak_memory()})


def peak_memory() -> int:
    """Return the peak resident memory in bytes so far, of this process or of its largest child."""
    # `ru_maxrss` of this process would include the memory of the parent, from which it was forked.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    own = int(status.partition("VmHWM:")[2].split()[0])
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) << 10


def _send(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def main() -> None:
    """Run the program given by two arguments: `module:function`, and its options as JSON."""
    target, options = sys.argv[1], json.loads(sys.argv[2])
    # Output of libraries goes to stderr, so that stdout contains only answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    module, _, function = target.partition(":")
    try:
        run = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        _send(answers, {"skipped": f"{error.name} is not installed"})
        return
    from seqforge.errors import PluginError

    try:
        run(rounds(sys.stdin, answers), **options)
    except PluginError as error:
        _send(answers, {"skipped": error.message})


if __name__ == "__main__":
    main()
