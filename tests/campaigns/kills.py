"""The campaign of kills: runs that are killed and resumed end with the bits of runs that were not killed.

An export that is killed and repeated has the same files.
"""

import itertools
import json
import random
import shutil
import signal
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.campaigns.experiments import EXPERIMENTS, install_corpus
from tests.campaigns.processes import Ended, Kill, run_command
from tests.campaigns.table import print_table

COMPARED = ["tensors", "log", "samples", "best"]
"""Parts of a run that are compared with those of a run without a kill."""

FAULTS = [*COMPARED, "temporary files", "in the cache", "incomplete runs", "messages"]
"""What must not happen: differences, temporary files in a run or in the cache after the next start, run directories
that cannot be resumed, tracebacks, wrong statuses."""

_MAXIMUM_STARTS = 8


def run_kills(folder: Path, trials: int, seconds: float, seed: int) -> int:
    """Run the campaign, print its table, and return the exit status."""
    install_corpus(folder)
    import_everything(folder / "imports")
    references: dict[str, Reference | Export] = {
        name: Reference(name, text, folder / "references" / name) for name, text in EXPERIMENTS.items()
    }
    references["export"] = Export(
        folder / "references" / "blocks" / "runs" / "blocks", folder / "references" / "export"
    )
    counts: dict[tuple[str, str], Counter[str]] = {}
    generator, started, number = random.Random(seed), time.monotonic(), 0
    for name, kind, kill in itertools.islice(_plan(references, generator), trials):
        if time.monotonic() - started > seconds:
            break
        number += 1
        trial = folder / "trials" / str(number)
        found = references[name].attempt(trial, kill, generator)
        counts.setdefault((name, kind), Counter()).update(found)
        if any(found[fault] for fault in FAULTS):
            print(f"trial {number} of {name}, {kind}, {kill}: {dict(found)}", flush=True)
        shutil.rmtree(trial)
    columns = ["trials", "ended by it", "resumed", "started again", *FAULTS]
    rows = [[name, kind, *(str(count[column]) for column in columns)] for (name, kind), count in sorted(counts.items())]
    total = sum(counts.values(), Counter())
    rows.append(["all", "", *(str(total[column]) for column in columns)])
    print_table(["run", "killed", *columns], rows)
    print(f"{number} trials in {time.monotonic() - started:.0f} s")
    return int(any(total[fault] for fault in FAULTS))


def import_everything(folder: Path) -> None:
    """Train each run here, so that its processes start with everything imported."""
    import seqforge.cli  # noqa: F401
    from seqforge import Experiment, train

    for name, text in EXPERIMENTS.items():
        train(Experiment.from_dict(tomllib.loads(text)), folder / name, progress=False)
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("a process with threads cannot be forked")


def _plan(references: "dict[str, Reference | Export]", generator: random.Random) -> Iterator[tuple[str, str, Kill]]:
    """Yield kills of each run in turn, without end. Each begins with another kind, so that few trials contain all."""
    plans = [_plan_kills(reference.whole, generator) for reference in references.values()]
    for skipped, plan in enumerate(plans):
        for _ in range(skipped):
            next(plan)
    while True:
        for name, plan in zip(references, plans, strict=True):
            yield name, *next(plan)


def _plan_kills(whole: Ended, generator: random.Random) -> Iterator[tuple[str, Kill]]:
    """Yield kills without end. Those before operations visit all of them, in random order, and start again."""
    operations: list[int] = []
    while True:
        if not operations:
            operations = list(range(1, whole.operations + 1))
            generator.shuffle(operations)
        yield "before an operation on files", Kill(operations.pop())
        yield "at a random moment", Kill(0, (signal.SIGKILL,), (generator.uniform(0, whole.seconds),))
        yield "before an operation on files", Kill(generator.randrange(1, whole.operations + 1))
        if generator.random() < 0.5:
            yield "by SIGTERM", Kill(0, (signal.SIGTERM,), (generator.uniform(0, whole.seconds),))
        else:
            moments = generator.uniform(0, whole.seconds), generator.uniform(0, 0.1)
            yield "by two Ctrl-C", Kill(0, (signal.SIGINT, signal.SIGINT), moments)


class Reference:
    """A run that was not killed."""

    def __init__(self, name: str, text: str, folder: Path) -> None:
        self.name, self._text = name, text
        self.whole = self.start(folder, None, None)
        if self.whole.status:
            raise RuntimeError(self.whole.output)
        self._content = content_of(folder / "runs" / name)

    def attempt(self, folder: Path, kill: Kill, generator: random.Random) -> Counter[str]:
        """Start a run, kill it, resume it until its end, and count the faults."""
        found = Counter({"trials": 1})
        ended = self.start(folder, None, kill)
        found["ended by it"] += ended.status != 0
        if _is_wrong(ended, kill):
            found["messages"] += 1
            print(f"status {ended.status}: {ended.output}")
        # A second Ctrl-C ends the process at once: like a kill, it may leave files until the next start.
        if kill.signals == (signal.SIGTERM,):
            found["temporary files"] += bool(temporary_files(folder / "runs"))
            found["in the cache"] += bool(temporary_files(folder / "cache"))
        while ended.status and found["resumed"] + found["started again"] < _MAXIMUM_STARTS:
            run = resumable(folder)
            found["resumed" if run else "started again"] += 1
            # A resumed run may be killed again.
            again = Kill(generator.randrange(1, 60)) if generator.random() < 0.25 else None
            ended = self.start(folder, run, again)
            if ended.status == 1 and "has already reached the end" in ended.output:
                break
            if ended.status not in (0, -signal.SIGKILL):
                found["messages"] += 1
                print(f"status {ended.status}: {ended.output}")
        run = resumable(folder)
        if run is None or "Traceback" in ended.output:
            found["messages"] += 1
            print(ended.output)
            return found
        found["temporary files"] += bool(temporary_files(run))
        found["in the cache"] += bool(temporary_files(folder / "cache"))
        found["incomplete runs"] += len(list((folder / "runs").iterdir())) > 1
        found.update(self.differences(run))
        return found

    def differences(self, run: Path) -> Counter[str]:
        """Return in which parts a run differs from this one."""
        content = content_of(run)
        return Counter({part: int(content[part] != expected) for part, expected in self._content.items()})

    def start(self, folder: Path, run: Path | None, kill: Kill | None) -> Ended:
        """Start the run in a folder, or resume a run, and kill the process."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.toml").write_text(self._text)
        arguments = ["run", f"{self.name}.toml"] if run is None else ["run", "--resume", str(run)]
        return run_command(arguments, folder.resolve(), kill)


class Export:
    """An export of a run that was not killed."""

    def __init__(self, run: Path, folder: Path) -> None:
        self._arguments = ["export", str(run.resolve()), "model"]
        self.whole = self._start(folder, None)
        if self.whole.status:
            raise RuntimeError(self.whole.output)
        self._content = _bytes_of(folder / "model")

    def attempt(self, folder: Path, kill: Kill, generator: random.Random) -> Counter[str]:
        """Start an export, kill it, repeat it unless it is complete, and count the faults."""
        found = Counter({"trials": 1})
        ended = self._start(folder, kill)
        found["ended by it"] += ended.status != 0
        found["messages"] += _is_wrong(ended, kill)
        while not (folder / "model").exists() and found["started again"] < _MAXIMUM_STARTS:
            found["started again"] += 1
            again = Kill(generator.randrange(1, self.whole.operations + 1)) if generator.random() < 0.25 else Kill()
            found["messages"] += _is_wrong(self._start(folder, again), again)
        found["temporary files"] += bool(temporary_files(folder))
        found["tensors"] += _bytes_of(folder / "model") != self._content
        return found

    def _start(self, folder: Path, kill: Kill | None) -> Ended:
        folder.mkdir(parents=True, exist_ok=True)
        return run_command(self._arguments, folder.resolve(), kill)


def _bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _is_wrong(ended: Ended, kill: Kill) -> bool:
    """Return whether a process that was killed ended with a traceback, in silence, or with another status."""
    if not kill.signals or signal.SIGKILL in kill.signals:
        return ended.status not in (0, -signal.SIGKILL)
    expected = {0, 128 + kill.signals[0], 128 + kill.signals[-1]}
    # Before the command installs its handlers, a signal has its default effect.
    killed_early = ended.status == -kill.signals[0] or (ended.status == 130 and not ended.output)
    return not killed_early and (ended.status not in expected or "Traceback" in ended.output)


def resumable(folder: Path) -> Path | None:
    """Return the run directory, or None if the run was killed before it was created."""
    runs = [path for path in (folder / "runs").glob("*") if not path.name.startswith(".")]
    return runs[0] if runs else None


def temporary_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.tmp") if path.exists()]


def content_of(run: Path) -> dict[str, Any]:
    """Return what must not differ: tensors, records without times, samples, and the best checkpoint."""
    from seqforge.runs.checkpoints import Checkpoints
    from seqforge.runs.metrics_log import read_metrics

    checkpoints = Checkpoints(run / "checkpoints")
    records = [
        {key: value for key, value in record.items() if key != "seconds"}
        for record in read_metrics(run / "metrics.jsonl")
    ]
    progress = {
        step: json.loads((checkpoints.path(step) / "progress.json").read_text()) for step in checkpoints.steps()
    }
    for values in progress.values():
        del values["seconds"], values["checksum"]
    tensors = {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("*.safetensors"))}
    return {
        "tensors": (checkpoints.steps(), tensors, progress),
        "log": records,
        "samples": {path.name: path.read_bytes() for path in sorted((run / "samples").iterdir())},
        "best": checkpoints.best(),
    }
