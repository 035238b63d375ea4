"""The campaign of killed workers: torchrun restarts them, and the run ends with the bits of one without kills."""

import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from torch.distributed.run import main

from tests.campaigns.experiments import STREAM
from tests.campaigns.kills import content_of
from tests.campaigns.table import print_table

KILLS_OF_A_LAUNCH = 5
"""Kills before a launch is left alone until its end."""

HANG_SECONDS = 300
"""Time after which a launch counts as hanging, from its last kill."""

EXPERIMENT = f"""
{STREAM}
steps = 150
log_interval = 1
checkpoint_interval = 10
backend = "eager"
device = "cpu"
[evaluation]
interval = 40
[sampling]
interval = 30
length = 10
"""
FAULTS = ["hangs", "statuses", "lost steps", "tensors", "log", "samples", "best"]


@dataclass
class Launch:
    """A launch of two processes by torchrun, which is killed from outside.

    Attributes:
        folder: Folder that receives the run.
        output: File with what the processes print.
    """

    folder: Path
    output: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        (self.folder / "stream.toml").write_text(EXPERIMENT)
        self.output = self.folder / "output.txt"
        # A fork, which imports torch no second time; the processes that it starts are fresh.
        self._process = get_context("fork").Process(target=_launch, args=(self.folder, self.output))
        self._process.start()

    def await_workers(self) -> list[int]:
        """Return the process identifiers of both workers when both run, or none if the launch ends before."""
        end = time.monotonic() + HANG_SECONDS
        while len(workers := self._workers()) < 2:
            if self._process.exitcode is not None or time.monotonic() > end:
                return []
            time.sleep(0.05)
        return workers

    def kill_worker(self, seconds: float, generator: random.Random) -> bool:
        """Kill a random worker some seconds after both run; return False if the launch ends before."""
        workers = self.await_workers()
        if not workers:
            return False
        time.sleep(seconds)
        victim = generator.choice(workers)
        if victim not in self._workers():
            return False
        os.kill(victim, signal.SIGKILL)
        while victim in self._workers() and self._process.exitcode is None:
            time.sleep(0.05)
        return True

    def wait(self) -> int | None:
        """Return the exit status, or None if the launch hangs."""
        self._process.join(HANG_SECONDS)
        if self._process.exitcode is None:
            self._process.kill()
            return None
        return self._process.exitcode

    def _workers(self) -> list[int]:
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        children = [int(child) for file in threads if file.exists() for child in file.read_text().split()]
        return [child for child in children if not _is_zombie(child)]


def _launch(folder: Path, output: Path) -> None:
    os.chdir(folder)
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    main(["--nproc-per-node", "2", "--max-restarts", "100", "-m", "seqforge", "run", "stream.toml"])


def run_workers(folder: Path, trials: int, seed: int) -> int:
    """Run the campaign, print its table, and return the exit status.

    Args:
        folder: Temporary folder.
        trials: Number of kills.
        seed: Seed of the moments and of the killed workers.
    """
    generator, started = random.Random(seed), time.monotonic()
    reference = Launch(folder / "reference")
    reference.await_workers()
    running = time.monotonic()
    if reference.wait() != 0:
        raise RuntimeError(reference.output.read_text())
    duration = time.monotonic() - running
    expected = content_of(reference.folder / "runs/stream")
    counts: Counter[str] = Counter()
    number = 0
    while counts["kills"] < trials:
        number += 1
        launch = Launch(folder / str(number))
        begun: list[int] = []
        for _ in range(min(KILLS_OF_A_LAUNCH, trials - counts["kills"])):
            if not launch.kill_worker(generator.uniform(0, duration), generator):
                break
            counts["kills"] += 1
            begun.append(_latest_step(launch.folder))
        status = launch.wait()
        counts["launches"] += 1
        counts["hangs"] += status is None
        counts["statuses"] += status not in (0, None)
        output = launch.output.read_text()
        resumed = [int(step.replace(",", "")) for step in re.findall(r"Resuming at step ([\d,]+)", output)]
        counts["resumed"] += len(resumed)
        counts["lost steps"] += sum(max(begun, default=0) > step for step in resumed[-1:])
        runs = [run for run in (launch.folder / "runs").iterdir() if (run / "experiment.toml").exists()]
        content = content_of(runs[-1])
        for part, value in expected.items():
            counts[part] += content[part] != value
        print(f"launch {number}: {counts['kills']} kills so far", file=sys.stderr, flush=True)
        if any(counts[fault] for fault in FAULTS):
            print(f"launch {number}: {dict(counts)}\n{output}", flush=True)
            break
        shutil.rmtree(launch.folder)
    columns = ["kills", "launches", "resumed", *FAULTS]
    print_table(columns, [[str(counts[column]) for column in columns]])
    print(f"{counts['kills']} kills in {time.monotonic() - started:.0f} s")
    return int(any(counts[fault] for fault in FAULTS))


def _latest_step(folder: Path) -> int:
    steps = [int(path.name.removeprefix("step-")) for path in folder.glob("runs/*/checkpoints/step-*")]
    return max(steps, default=0)


def _is_zombie(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
