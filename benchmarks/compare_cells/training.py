"""Train one model of the comparison, and measure the CPU time of its training steps."""

import json
import math
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import seqforge as sf
from benchmarks.compare_cells.models import Experiments, Model
from benchmarks.compare_cells.results import Result, Trial
from seqforge.errors import NonFiniteError
from seqforge.events import RunStarted, StepFinished

BACKENDS = ("native", "eager")
"""Backends that run every cell. The results of both are equal up to rounding, so that only the time differs."""

ROUNDS, STEPS_MEASURED, STEPS_SKIPPED = 3, 40, 5

StepTimes = Mapping[tuple[Model, str], Sequence[float]]
"""CPU seconds of a training step of each model on each backend, in each round of measurements."""


class Observer(sf.Callback):
    """The number of parameters of a run, and the CPU time of each of its training steps."""

    def __init__(self) -> None:
        self.parameters = 0
        self.seconds: list[float] = []
        self._last = 0.0

    def on_run_started(self, event: RunStarted) -> None:
        """Record the size of the model."""
        self.parameters, self._last = event.parameters, time.process_time()

    def on_step_finished(self, event: StepFinished) -> None:
        """Record the time since the last step."""
        now = time.process_time()
        self.seconds.append(now - self._last)
        self._last = now


def train(experiments: Experiments, trial: Trial, steps: int, backend: str) -> Result:
    """Train one model, and score the held-out text. A training that diverges has an infinite loss."""
    model, observer, started = trial.model, Observer(), time.process_time()
    experiment = experiments.new(
        model, seed=trial.seed, learning_rate=trial.learning_rate, steps=steps, backend=backend
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = sf.train(experiment, output=folder, callbacks=[observer], progress=False)
            evaluations = [record for record in run.metrics() if record["event"] == "evaluation"]
            bits = evaluations[-1]["bits_per_character"]
        except NonFiniteError:
            bits = math.inf
    seconds = round(time.process_time() - started, 1)
    return Result(trial, steps, experiments.size_of(model), observer.parameters, round(bits, 5), seconds)


def measure_step(experiments: Experiments, model: Model, backend: str) -> float:
    """Return the median CPU time of a training step in seconds, without the first steps."""
    observer = Observer()
    experiment = experiments.new(model, seed=0, learning_rate=0.001, steps=STEPS_MEASURED, backend=backend)
    with tempfile.TemporaryDirectory() as folder:
        sf.train(experiment, output=folder, callbacks=[observer], progress=False)
    return statistics.median(observer.seconds[STEPS_SKIPPED:])


def read_times(file: Path) -> StepTimes:
    """Return the step times in a file; none if it does not exist."""
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    times: dict[tuple[Model, str], list[float]] = {}
    for line in lines:
        values = json.loads(line)
        model = Model(values["text"], values["cell"], values["form"])
        times.setdefault((model, values["backend"]), []).append(values["seconds"])
    return times


def fastest(times: StepTimes, model: Model) -> tuple[str, float]:
    """Return the backend on which a step of a model is the fastest, and its time in seconds: that of the best round."""
    seconds = {backend: min(times[model, backend]) for backend in BACKENDS}
    backend = min(seconds, key=lambda name: seconds[name])
    return backend, seconds[backend]
