"""The campaign of damage: every flipped bit of the files of a run and of the cache is reported, or changes nothing."""

import contextlib
import io
import random
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from seqforge import Experiment, Run, SeqforgeError, train
from seqforge.data.example_file import EXAMPLES, ExampleFile
from seqforge.data.token_file import TokenFile
from seqforge.distribution.world import ALONE
from seqforge.events import no_report
from seqforge.registry.registry import Registry
from seqforge.runs.backends import read_backends
from seqforge.runs.checkpoint_files import load_training
from seqforge.runs.history import read_history
from seqforge.runs.metrics_log import SAMPLE, find_samples
from seqforge.storage.cache import read_entry
from seqforge.storage.records import MANIFEST
from seqforge.tasks import task_of
from tests.campaigns.experiments import EXPERIMENTS, install_corpus
from tests.campaigns.table import print_table

OUTCOMES = ["detected", "harmless", "silent", "traceback"]
"""A message, no difference, a difference without a message, and an error that is not one of seqforge."""


def run_flips(folder: Path, bits: int, large_bits: int, seed: int) -> int:
    """Run the campaign, print its table, and return the exit status."""
    install_corpus(folder)
    registry, generator = Registry.installed(), random.Random(seed)
    counts: dict[str, Counter[str]] = {}
    for name, text in EXPERIMENTS.items():
        source = folder / f"{name}.toml"
        source.write_text(text)
        run = train(Experiment.load(source, registry=registry), folder / "runs", progress=False)
        reader = _Reader(run, registry)
        files = sorted(path for path in [*run.path.rglob("*"), *reader.entry.iterdir()] if path.suffix in _READ)
        reader.read_whole(files)
        large = [path for path in files if path.suffix in (".bin", ".safetensors")]
        flips = [
            (path, bit)
            for path in files
            if path not in large
            for bit in _choose(8 * path.stat().st_size, bits, generator)
        ]
        for suffix in (".bin", ".safetensors"):
            chosen = [path for path in large if path.suffix == suffix]
            sizes = [8 * path.stat().st_size for path in chosen]
            for path, size in zip(chosen, sizes, strict=True):
                share = max(1, round(large_bits / len(EXPERIMENTS) * size / sum(sizes)))
                flips += [(path, bit) for bit in _choose(size, share, generator)]
        for path, bit in flips:
            outcome = reader.outcome(path, bit)
            name = "samples" if path.suffix == ".txt" else path.name
            name = name if path.is_relative_to(run.path) else f"{path.name} (cache)"
            counts.setdefault(name, Counter())[outcome] += 1
            if outcome in OUTCOMES[2:]:
                print(f"{outcome}: bit {bit} of {path.relative_to(folder)}", flush=True)
    columns = ["bits", *OUTCOMES]
    rows = [
        [name, f"{sum(count.values()):,}", *(f"{count[outcome]:,}" for outcome in OUTCOMES)]
        for name, count in counts.items()
    ]
    total = sum(counts.values(), Counter())
    rows.append(["all", f"{sum(total.values()):,}", *(f"{total[outcome]:,}" for outcome in OUTCOMES)])
    print_table(["file", *columns], rows)
    return int(total["silent"] + total["traceback"] > 0)


def _choose(size: int, bits: int, generator: random.Random) -> Iterator[int]:
    return iter(range(size) if not bits or bits >= size else sorted(generator.sample(range(size), bits)))


_READ = (".json", ".toml", ".jsonl", ".txt", ".bin", ".safetensors")


class _Reader:
    """Reads every part of a run and of its encoded corpus, as sampling and resuming do."""

    def __init__(self, run: Run, registry: Registry) -> None:
        self._path, self._registry = run.path, registry
        task = task_of(run.experiment).prepare_training(run.experiment, torch.device("cpu"), no_report, ALONE)
        self._digest, self._state = task.digest, task.new_state()
        self.entry = task.files[0].parent
        self._run = run
        self._expected: dict[Path, dict[str, Any]] = {}

    def read_whole(self, paths: Iterable[Path]) -> None:
        """Read the run before it is damaged."""
        self._expected = {path: self._read(path) for path in paths}

    def outcome(self, path: Path, bit: int) -> str:
        """Flip a bit, read the run, and restore the file."""
        content = path.read_bytes()
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        printed = io.StringIO()
        try:
            with contextlib.redirect_stderr(printed), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                values = self._read(path)
        except SeqforgeError:
            return "detected"
        except Exception as error:  # noqa: BLE001 - this is what the campaign looks for
            print(f"{type(error).__name__}: {error}")
            return "traceback"
        finally:
            path.write_bytes(content)
        if printed.getvalue():
            return "detected"
        return "harmless" if values == self._expected[path] else "silent"

    def _read(self, path: Path) -> dict[str, Any]:
        """Read all that a file has an effect on. What takes long and depends on other files alone is left out."""
        if path.parent == self.entry:
            return self._read_entry()
        if path.name == "metrics.jsonl":
            return {"log": self._run.metrics()}
        if path.name == "history.jsonl":
            return {"history": read_history(self._path)}
        if path.suffix == ".txt":
            samples = [record for record in self._run.metrics() if record["event"] == SAMPLE]
            return {"samples": [find_samples(path.parent, record) for record in samples]}
        run = self._run
        if path.name in ("experiment.toml", "run.json"):
            run = Run.open(self._path, registry=self._registry)
        checkpoint = path.parent if path.parent.parent == run.directory.checkpoints else run.checkpoints.find("latest")
        state = self._state
        load_training(checkpoint, state, run.experiment, self._digest)
        loaded = run.load("best", device="cpu")
        return {
            "experiment": run.experiment.table,
            "vocabulary": loaded.vocabulary.state(),
            "spec": loaded.example_spec,
            "backends": read_backends(run.path),
            "log": run.metrics(),
            "best": run.checkpoints.best(),
            "model": {name: tensor.numpy().tobytes() for name, tensor in loaded.model.state_dict().items()},
            "training": {name: tensor.numpy().tobytes() for name, tensor in state.model.state_dict().items()},
            "progress": (state.step, state.seconds, state.best_loss, state.stale_evaluations, state.schedule.state()),
            "optimizer": repr(state.optimizer.state_dict()),
        }

    def _read_entry(self) -> dict[str, Any]:
        """Read the encoded corpus. What is damaged is encoded again, with a message."""
        open_entry = ExampleFile.open if (self.entry / EXAMPLES).exists() else TokenFile.open
        read_entry(self.entry, open_entry)
        return {path.name: path.read_bytes() for path in self.entry.iterdir() if path.name != MANIFEST}
