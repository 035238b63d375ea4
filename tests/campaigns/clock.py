"""The campaign of clocks: runs while whose training the clock jumps, forwards or backwards, by hours or years.

The program `faketime` changes the time of day of a process. The clock that measures durations is monotonic and does not
jump, as on a real machine.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from seqforge.runs.metrics_log import read_metrics
from tests.campaigns.experiments import STREAM
from tests.campaigns.table import print_table

JUMPS = ["+1h", "-1h", "+10y", "-10y"]
SECONDS = 4
"""Length of a run that ends by its time."""

FAULTS = ["status or message", "tensors", "times", "length", "cache"]
"""Another status than 0 or a traceback; other tensors; times in the log that decrease or exceed the duration of the
process; a run that ends too early or too late; a corpus that is encoded again."""

_EXPERIMENT = (
    STREAM
    + """
log_interval = 1
checkpoint_interval = 100
keep_checkpoints = 1
backend = "eager"
device = "cpu"
[evaluation]
interval = 100
[sampling]
interval = 100
length = 10
"""
)

_COMMAND = [sys.executable, "-c", "from seqforge.cli import main; main()"]


def run_clock(folder: Path) -> int:
    """Run the campaign, print its table, and return the exit status."""
    library = next(Path("/usr/lib").rglob("libfaketime.so.1"), None)
    if library is None:
        raise SystemExit("this campaign needs the program faketime: apt-get install faketime")
    by_steps = _EXPERIMENT.replace("[training]", "[training]\nsteps = 300")
    by_time = _EXPERIMENT.replace("[training]", f"[training]\nminutes = {SECONDS / 60}")
    expected = _Trial(folder / "expected", by_steps, library).train("", "")
    rows: list[list[str]] = []
    for jump in JUMPS:
        trial = _Trial(folder / "steps", by_steps, library).train("", jump)
        rows.append(["while 300 steps are taken", jump, *_count(trial, expected)])
        trial = _Trial(folder / "resumed", by_steps, library).train("", "", "training.steps=150").resume(jump)
        rows.append(["before it is resumed", jump, *_count(trial, expected)])
        trial = _Trial(folder / "time", by_time, library).train("", jump)
        rows.append([f"while it trains for {SECONDS} seconds", jump, *_count(trial, None)])
    print_table(["run", "jump", *FAULTS], rows)
    return int(any(figure != "0" for row in rows for figure in row[2:]))


class _Trial:
    """A run in a folder of its own, whose clock jumps."""

    def __init__(self, folder: Path, text: str, library: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "clock.toml").write_text(text)
        self.folder, self.run = folder, folder / "runs" / "clock"
        self.status, self.output, self.seconds = 0, "", 0.0
        self._clock = folder / "time.txt"
        self._environment = {
            **os.environ,
            "SEQFORGE_CACHE": str(folder / "cache"),
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def train(self, before: str, after: str, *settings: str) -> "_Trial":
        """Start the run with one clock, and change it while it trains."""
        self._start(["run", "clock.toml", *(part for value in settings for part in ("--set", value))], before, after)
        return self

    def resume(self, clock: str) -> "_Trial":
        """Resume the run until its end with another clock."""
        self._start(["run", "--resume", str(self.run), "--set", "training.steps=300"], clock, clock)
        return self

    def records(self) -> list[dict[str, Any]]:
        return read_metrics(self.run / "metrics.jsonl")

    def tensors(self) -> dict[str, bytes]:
        paths = sorted((self.run / "checkpoints" / "step-00000300").glob("*.safetensors"))
        return {path.name: path.read_bytes() for path in paths}

    def _start(self, arguments: list[str], before: str, after: str) -> None:
        self._clock.write_text(before or "+0")
        started = time.monotonic()
        with (self.folder / "output.txt").open("ab") as output:
            process = subprocess.Popen(
                [*_COMMAND, *arguments], cwd=self.folder, env=self._environment, stdout=output, stderr=output
            )
            size = self._log_size()
            while process.poll() is None and self._log_size() < size + 5000:
                time.sleep(0.01)
            self._clock.write_text(after or "+0")
            self.status |= process.wait()
        self.seconds += time.monotonic() - started
        self.output = (self.folder / "output.txt").read_text(errors="replace")

    def _log_size(self) -> int:
        log = self.run / "metrics.jsonl"
        return log.stat().st_size if log.exists() else 0


def _count(trial: _Trial, expected: _Trial | None) -> list[str]:
    times = [record["seconds"] for record in trial.records() if "seconds" in record]
    is_bad_length = expected is None and not SECONDS <= times[-1] <= SECONDS + 2
    faults = [
        trial.status != 0 or "Traceback" in trial.output,
        expected is not None and trial.tensors() != expected.tensors(),
        times != sorted(times) or times[-1] > trial.seconds,
        is_bad_length,
        trial.output.count("making it again") > 0 or len(list(trial.folder.glob("cache/tokens/*"))) != 1,
    ]
    return [str(int(fault)) for fault in faults]
