"""The training loop."""

import time
from collections.abc import Sequence
from dataclasses import asdict

from seqforge.checkpoints.checkpoints import Checkpoints
from seqforge.checkpoints.training_state import TrainingState
from seqforge.errors import NonFiniteError, RunError, SeqforgeError, is_out_of_memory, warn
from seqforge.evaluation.baseline import with_baselines
from seqforge.experiment import Experiment
from seqforge.interfaces import (
    Progress,
    RunFinished,
    RunStarted,
    Sampled,
    StepFinished,
)
from seqforge.model import CellBackend
from seqforge.runs.backends import describe_backend
from seqforge.runs.directory import RunDirectory
from seqforge.runs.metrics_log import MetricsLog
from seqforge.training.interrupts import InterruptGuard
from seqforge.training.observers import Observers
from seqforge.training.progress import progress_of, reached
from seqforge.training.task import TaskStep, TrainingTask


class Trainer:
    """Takes a training state through its steps, and evaluates, samples, logs and saves at their intervals.

    All that is random is a function of the seed and the step, or is in the checkpoint, so that a run that is
    interrupted and resumed ends with the bits of one never stopped.

    Args:
        experiment: What is trained, and how long.
        task: What it is trained on, evaluated on, and lets the model write.
        directory: Where it is written.
        state: New, or loaded from a checkpoint.
        observers: Who is told.
        backends: Backend of each cell, for those who watch.
    """

    def __init__(
        self,
        experiment: Experiment,
        task: TrainingTask,
        directory: RunDirectory,
        state: TrainingState,
        observers: Observers,
        backends: Sequence[CellBackend] = (),
    ) -> None:
        self._experiment = experiment
        self._task = task
        self._directory = directory
        self._state = state
        self._observers = observers
        self._backends = backends
        self._log = MetricsLog(directory.metrics)
        self._checkpoints = Checkpoints(directory.checkpoints)

    def refuse_at_end(self) -> None:
        """Refuse to go on with a run that is at its end.

        Raises:
            RunError: Where it is.
        """
        reason = self._end()
        if reason is not None:
            state, training = self._state, self._experiment.training
            keys = reached(training, self._progress(), state.seconds) or ["training.patience"]
            now = ", ".join(f"{key} = {getattr(training, key.removeprefix('training.'))}" for key in keys)
            raise RunError(
                f"{self._directory.path}: the run has already {reason}",
                hint=f"It is at {now}. Set more: {' '.join(f'--set {key}=…' for key in keys)}",
            )

    def train(self) -> None:
        """Train until the run's end, or until it is interrupted; the last checkpoint is written in either case.

        Raises:
            KeyboardInterrupt: Where it was interrupted, once the checkpoint is written.
            RunError: Where a number is no longer finite, or a file cannot be written.
        """
        self._start()
        try:
            reason = self._loop()
        except BaseException as error:
            self._tell_finished(str(error) or "interrupted", complete=False)
            raise
        self._tell_finished(reason or "interrupted", complete=reason is not None)
        if reason is None:
            raise KeyboardInterrupt

    def _loop(self) -> str | None:
        """Go through the steps.

        Returns:
            Why the run is at its end, or None where it was interrupted.
        """
        state = self._state
        reason = None
        started = time.monotonic() - state.seconds
        with InterruptGuard() as interrupt:
            while (reason := self._end()) is None and not interrupt.requested:
                result = self._step()
                state.seconds = time.monotonic() - started
                self._tell_step(result)
                self._at_intervals()
                state.seconds = time.monotonic() - started
            # Before the last evaluation: a run that is made longer goes on as if it had never stopped here.
            self._save()
            if reason is not None:
                self._finish()
        return reason

    def _start(self) -> None:
        task, state = self._task, self._state
        started = RunStarted(
            name=self._experiment.identity.name,
            directory=self._directory.path,
            experiment=self._experiment.table,
            corpus=task.description,
            parameters=sum(parameter.numel() for parameter in state.model.parameters()),
            training_tokens=task.training_size,
            validation_tokens=task.validation_size,
            step=state.step,
            resumed=state.step > 0,
            labelled=task.labelled,
            backends=tuple(map(describe_backend, self._backends)),
        )
        self._log.truncate(state.step)
        self._observers.notify("seqforge_run_started", started)

    def _end(self) -> str | None:
        """Say why the run is at its end, or None while it is not."""
        training, state = self._experiment.training, self._state
        if self._progress().fraction >= 1:
            return "reached the end that [training] sets"
        if training.patience is not None and state.stale_evaluations >= training.patience:
            return f"stopped early: {state.stale_evaluations} evaluations without a new best"
        return None

    def _progress(self) -> Progress:
        state = self._state
        return progress_of(self._experiment.training, state.step, self._task.steps_per_epoch, state.seconds)

    def _step(self) -> TaskStep:
        try:
            return self._task.step(self._state, self._progress())
        except NonFiniteError as error:
            raise self._diverged(error) from error

    def _diverged(self, error: NonFiniteError) -> NonFiniteError:
        """Name the checkpoint to go back to: not the one of these very parameters."""
        state = self._state
        good = [step for step in self._checkpoints.steps() if step < state.step]
        if good:
            path = self._checkpoints.path(good[-1])
            hint = (
                f"The last good checkpoint is {path}. Go on from it with a lower rate or clipped gradients:\n"
                f"seqforge run --resume {path} --set optimizer.learning_rate=… --set training.gradient_clip_norm=1.0"
            )
        else:
            hint = (
                "No checkpoint is earlier. Try a lower optimizer.learning_rate, or training.gradient_clip_norm = 1.0."
            )
        return NonFiniteError(f"step {state.step + 1}: {error.message}", hint=hint)

    def _tell_finished(self, reason: str, *, complete: bool) -> None:
        state = self._state
        event = RunFinished(self._directory.path, state.step, reason, complete, state.seconds)
        self._observers.notify("seqforge_run_finished", event)

    def _tell_step(self, taken: TaskStep) -> None:
        state, result, progress = self._state, taken.result, self._progress()
        event = StepFinished(
            step=state.step,
            epoch=progress.epoch,
            fraction=progress.fraction,
            loss=result.loss,
            bits_per_character=taken.bits_per_character,
            gradient_norm=result.gradient_norm,
            learning_rate=result.learning_rate,
            characters=taken.characters,
            seconds=state.seconds,
        )
        if state.step % self._experiment.training.log_interval == 0:
            self._log.append("step", state.step, asdict(event))
        self._observers.notify("seqforge_step_finished", event)

    def _at_intervals(self) -> None:
        experiment, step = self._experiment, self._state.step
        best = step % experiment.evaluation.interval == 0 and self._evaluate()
        # Before the sample: what a sampler or a metric gets wrong must not cost steps.
        if best or step % experiment.training.checkpoint_interval == 0:
            self._save(best=best)
        if step % experiment.sampling.interval == 0:
            self._sample()

    def _finish(self) -> None:
        """Evaluate and sample at the end, where the last step has not just done so."""
        experiment, step = self._experiment, self._state.step
        if step % experiment.evaluation.interval and self._evaluate():
            self._save(best=True)
        if step % experiment.sampling.interval:
            self._sample()

    def _evaluate(self) -> bool:
        """Score the validation split.

        Returns:
            Whether it is the best so far.
        """
        state = self._state
        try:
            score = self._task.evaluate(state.model)
        except NonFiniteError as error:
            raise self._diverged(error) from error
        if score is None:
            return False
        best = score.loss < state.best_loss
        state.best_loss = min(score.loss, state.best_loss)
        state.stale_evaluations = 0 if best else state.stale_evaluations + 1
        state.schedule.observe(score.loss)
        event = score.event(state.step, best=best)
        figures = asdict(event)
        figures |= figures.pop("scores")
        self._log.append("evaluation", state.step, figures | {"seconds": state.seconds})
        self._observers.notify("seqforge_evaluated", event)
        return best

    def _sample(self) -> None:
        state = self._state
        try:
            shown = self._task.sample(state.model, state.step)
        except SeqforgeError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise
            # A sample is for looking at: what a sampler does wrong must not cost a night's training.
            warn(f"no sample of step {state.step:,}: {type(error).__name__}: {error}")
            return
        if shown is None:
            return
        self._directory.write_samples(state.step, shown.texts)
        self._log.append("sample", state.step, with_baselines(shown.scores, shown.baseline))
        event = Sampled(state.step, tuple(shown.texts), shown.scores, shown.baseline)
        self._observers.notify("seqforge_sampled", event)

    def _save(self, *, best: bool = False) -> None:
        keep = self._experiment.training.keep_checkpoints
        try:
            self._checkpoints.save(self._state, self._task.digest, best=best, keep=keep)
        except NonFiniteError as error:
            raise self._diverged(error) from error
