"""Compare the speed of an exported program in C with the generation kernels of `native`: one stream, on one core.

Exports a model in the formats `c` and `c-int8`, compiles them, and measures the processor time that each takes for a
number of symbols, without that of its start. In every round, all take turns. Prints the symbols per second of the
median round, and the median of the ratios to each kernel in the same round.

    taskset -c 1 python -m benchmarks.c_program linux-small [--symbols 4000] [--rounds 9]
"""

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median

import torch

import seqforge as sf
from benchmarks.machine import processor
from seqforge.generation.generator import encode_prompt, generate
from seqforge.model.precision import Precision

FORMATS = ("c", "c-int8")
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "int8")


def time_program(folder: Path, length: int) -> float:
    """Return the processor seconds in which a program writes a number of symbols."""
    command = [folder / "a.out", "\n", str(length), "1"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


def kernel_timer(run: sf.Run, precision: Precision) -> Callable[[int], float]:
    """Return a function that returns the processor seconds in which a kernel draws a number of symbols."""
    model, vocabulary = run.load("best", "cpu", precision).language_model()
    if model.generation_kernel([], int8=precision == "int8") is None:
        raise SystemExit(f"no generation kernel runs this model in {precision}; see `seqforge doctor`")
    prompt = encode_prompt(vocabulary, None)

    def draw(length: int) -> float:
        started = time.process_time()
        for _ in generate(model, vocabulary, [], prompt, count=1, length=length, seed=0):
            pass
        return time.process_time() - started

    return draw


def main() -> None:
    """Measure, and print a line for each program and each kernel."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "run", help="run directory of an LSTM, GRU or RNN over characters, or a model such as linux-small"
    )
    parser.add_argument("--symbols", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    run = sf.Run.open(arguments.run)
    with tempfile.TemporaryDirectory() as place:
        timers: dict[str, Callable[[int], float]] = {}
        for name in FORMATS:
            folder = Path(place) / name
            print(sf.export_format(run, folder, name).line())
            subprocess.run(["cc", "-O3", "-march=native", "model.c", "-lm"], cwd=folder, check=True)
            timers[name] = partial(time_program, folder)
        timers |= {f"native, {precision}": kernel_timer(run, precision) for precision in PRECISIONS}
        seconds = measure(timers, arguments.symbols, arguments.rounds)
    print(f"{processor()}; median of {arguments.rounds} rounds of {arguments.symbols:,} symbols")
    for name, times in seconds.items():
        ratios = (
            f"{median(b / a for a, b in zip(times, seconds[kernel], strict=True)):.2f} × {kernel}"
            for kernel in list(seconds)[len(FORMATS) :]
        )
        print(f"{name:<16} {arguments.symbols / median(times):>7,.0f} symbols per second: {'; '.join(ratios)}")


def measure(timers: Mapping[str, Callable[[int], float]], symbols: int, rounds: int) -> dict[str, list[float]]:
    """Return the processor seconds of each in every round for a number of symbols, without the start."""
    seconds: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(rounds):
        for name, timer in timers.items():
            seconds[name].append(timer(1 + symbols) - timer(1))
    return seconds


if __name__ == "__main__":
    main()
