"""The training loop."""

import time
from collections.abc import Callable
from contextlib import closing, suppress

from seqforge.distribution.replica import Replica
from seqforge.distribution.world import FailedElsewhereError
from seqforge.errors import (
    DataError,
    ExperimentError,
    NonFiniteError,
    PluginError,
    RunError,
    SeqforgeError,
    is_out_of_memory,
    warn,
)
from seqforge.evaluation.likelihood import bits_per_character
from seqforge.events import RunFinished, RunStarted, StepFinished, WorkProgressed
from seqforge.faults import find_fault, in_parameter_update
from seqforge.hardware import read_random_state, restore_random_state
from seqforge.interrupts import STOP_SIGNALS, Interrupted, InterruptGuard
from seqforge.kinds import Progress
from seqforge.kinds.schedule import learning_rate_factor
from seqforge.model.sequence_model import SequenceModel
from seqforge.runs.directory import RunDirectory
from seqforge.runs.training_state import TrainingState, average_weights, averaged_model, split_optimizer_state
from seqforge.tasks import task_of
from seqforge.tasks.task import TrainingTask
from seqforge.training.endings import (
    Intervals,
    advise_longer_training,
    advise_resuming,
    describe_divergence,
    find_end,
    measure_progress,
)
from seqforge.training.record import RunRecord
from seqforge.training.step import StepResult, train_step


class Trainer:
    """Trains a model, and logs, evaluates, samples and saves it at the intervals of the experiment.

    Every random number depends on the seed and the step, or on a generator whose state is in the checkpoint. A run
    that is interrupted and resumed is therefore bit-identical to a run without interruption.

    Several processes run the same loop, each on its part of every batch. They stop at the same step, because all of
    them know the same losses, the training time of the first process, and the signals that any of them received.

    Args:
        state: Training state, new or loaded from a checkpoint.
        notify: Function that passes an event to plugins and callbacks.
        interrupt: Guard that notes a request to stop.
        backends: One line about the backend of each cell.
        initial: Origin of the initial weights of a fine-tuned run, or None.
    """

    def __init__(
        self,
        task: TrainingTask,
        state: TrainingState,
        directory: RunDirectory,
        notify: Callable[[object], None],
        interrupt: InterruptGuard,
        backends: tuple[str, ...],
        initial: str | None = None,
    ) -> None:
        self._experiment = task.experiment
        self._task = task
        self._directory = directory
        self._state = state
        self._notify = notify
        self._interrupt = interrupt
        self._backends = backends
        self._initial = initial
        self._world = task.world
        self._record = RunRecord(directory, task.world, task.digest, task.experiment.training.keep_checkpoints)
        self._started = 0.0
        self._signal: int | None = None
        # Count from the step before: the process may have been killed after the checkpoint and before the sample.
        self._intervals = Intervals(task.experiment, self._progress(max(state.step - 1, 0)), state.seconds)
        loss = (self._record.find("evaluation", state.step) or {}).get("loss")
        # The loss of the last evaluated step, by its number, and the number of the last sampled step.
        self._evaluated = {state.step: loss} if isinstance(loss, float) else dict[int, float]()
        self._sampled = state.step if self._record.find("sample", state.step) is not None else None

    def require_steps_left(self) -> None:
        """Check that there are steps left to take, or that the end of the run was interrupted.

        Raises:
            RunError: If the run is at its end.
        """
        reason, state = self._end(), self._state
        if reason is None or (state.step == self._record.checkpoints.steps()[-1] and self._is_unfinished()):
            return
        hint = advise_longer_training(self._experiment.training, self._progress(), state.seconds)
        raise RunError(f"{self._directory.path}: the run has already {reason}", hint=hint)

    def _is_unfinished(self) -> bool:
        """Return whether work is left at the end of the run, because a process was killed there."""
        step, keep = self._state.step, self._experiment.training.keep_checkpoints
        checkpoints = self._record.checkpoints
        is_evaluated = step in self._evaluated and checkpoints.loss(step) is not None
        must_evaluate = self._task.has_validation and not is_evaluated
        must_sample = self._task.has_samples and self._sampled != step
        return must_evaluate or must_sample or bool(checkpoints.superfluous(keep))

    def train(self) -> None:
        """Train until the run ends or is interrupted. In both cases the last step is saved.

        Raises:
            KeyboardInterrupt: If the run was interrupted, after the checkpoint is written.
            RunError: If a number is not finite, or a file cannot be written.
        """
        self._start()
        try:
            with closing(Replica(self._state.model, self._world)) as replica:
                reason = self._loop(replica)
        except BaseException as error:
            ended = self._explain(error)
            kind = "interrupted" if isinstance(error, KeyboardInterrupt) else type(error).__name__
            reason = ended.message if isinstance(ended, SeqforgeError) else str(ended)
            self._notify_finished(reason or kind, complete=False)
            if ended is error:
                raise
            raise ended from error
        self._notify_finished(reason or "interrupted", complete=reason is not None)
        if reason is None and self._signal is not None:
            resume = f"seqforge.Run.open({str(self._directory.path)!r}).resume()"
            saved = f"the checkpoint of step {self._state.step:,} is saved"
            raise Interrupted(self._signal, f"; {saved}. To continue: {resume}")

    def _loop(self, replica: Replica[SequenceModel]) -> str | None:
        """Take steps until the end of the run. Return why the run ended, or None if it was interrupted."""
        state = self._state
        self._started = time.monotonic() - state.seconds
        if "sampling" in self._intervals.find_due(self._progress(), state.seconds) and self._sampled != state.step:
            self._sample()
        self._synchronize(0.0)
        while (reason := self._end()) is None and self._signal is None:
            result, characters = self._step(replica)
            if state.step == 1:
                split_optimizer_state(state.optimizer)  # raises an error now, not at the first checkpoint
            self._log_step(result, characters, self._synchronize(result.loss))
            # Another synchronization costs a message, except in a single process.
            if self._work_at_intervals() or self._world.size == 1:
                self._synchronize(0.0)
        # Save before the last evaluation, so that a run that is extended continues as if it had not ended here.
        self._save()
        if reason is not None:
            self._finish()
        return reason

    def _start(self) -> None:
        task, state = self._task, self._state
        self._record.truncate(state.step)
        event = RunStarted(
            name=self._experiment.identity.name,
            directory=self._directory.path,
            experiment=self._experiment.table,
            corpus=task.description,
            parameters=sum(parameter.numel() for parameter in state.model.parameters()),
            training_size=task.training_size,
            validation_size=task.validation_size,
            step=state.step,
            resumed=state.step > 0,
            units=task_of(self._experiment).units,
            backends=self._backends,
            initial=self._initial,
        )
        self._record.write_start(event, state.device)
        self._notify(event)

    def _end(self) -> str | None:
        """Return why the run is at its end, or None if it is not."""
        return find_end(self._experiment.training, self._progress(), self._state.stale_evaluations)

    def _progress(self, step: int | None = None) -> Progress:
        """Return the progress of the run at a step, by default the current one."""
        step = self._state.step if step is None else step
        return measure_progress(self._experiment.training, step, self._task.steps_per_epoch, self._state.seconds)

    def _synchronize(self, loss: float) -> float:
        """Synchronize the training time and a signal to stop with the other processes.

        Return the mean of their losses of the last step.
        """
        world, received = self._world, self._interrupt.received
        seconds = time.monotonic() - self._started if world.is_first else 0.0
        flags = [float(number == received) for number in STOP_SIGNALS]
        # One small message for each step: its latency would otherwise be paid several times.
        loss, self._state.seconds, *flags = world.sum([loss / world.size, seconds, *flags])
        self._signal = next((number for number, flag in zip(STOP_SIGNALS, flags, strict=True) if flag), None)
        return loss

    def _step(self, replica: Replica[SequenceModel]) -> tuple[StepResult, float]:
        """Take one optimizer step, and return its values and the number of characters that all processes read."""
        state, training = self._state, self._experiment.training
        random = read_random_state(state.device)
        self._world.seed_step(self._experiment.identity.seed, state.step)
        try:
            progress = self._progress()
            factor = learning_rate_factor(state.schedule, progress)
            batches = self._task.read_step(state, progress)
            clipping = training.gradient_clip_norm, training.gradient_clip_value
            result = train_step(state, batches.losses, factor, *clipping, replica)
            average_weights(state, training)
            return result, batches.characters
        except (Exception, SystemExit):
            # The state may be saved. A resumed run then repeats this step with the same random numbers.
            restore_random_state(random, state.device)
            raise

    def _explain(self, error: BaseException) -> BaseException:
        """Return what ended the run, with hints: the fault of a plugin, a number that is not finite, or the error."""
        if isinstance(error, NonFiniteError):
            return describe_divergence(error, self._experiment, self._record.checkpoints, self._state.step)
        if isinstance(error, RuntimeError) and "does not have a deterministic implementation" in str(error):
            reason = str(error).partition(",")[0]
            return ExperimentError(f"training.deterministic: {reason}", hint="Leave it out, or train on the CPU.")
        fault = find_fault(error)
        if fault is not None:
            self._save_after(fault, in_update=in_parameter_update(error))
        return fault or error

    def _save_after(self, fault: PluginError, *, in_update: bool) -> None:
        """Save the last finished step after a fault of a plugin, and add to its hint how to resume.

        With `in_update`, only some parameters may have changed, so that this state cannot be saved. Neither can
        that of several processes, because the others may be within a step.
        """
        try:
            if self._state.step and not in_update and self._world.size == 1:
                self._save()
        except Exception as error:  # noqa: BLE001 - it must not hide the fault
            cause = find_fault(error) or error
            reason = cause.message if isinstance(cause, SeqforgeError) else f"{type(cause).__name__}: {cause}"
            if reason != fault.message:
                warn(f"step {self._state.step:,} cannot be saved: {reason}")
        with suppress(RunError):
            advice = advise_resuming(self._directory, self._experiment.registry)
            fault.hint = "\n".join(filter(None, [fault.hint, advice])) or None

    def _notify_finished(self, reason: str, *, complete: bool) -> None:
        state = self._state
        event = RunFinished(self._directory.path, state.step, reason, complete, state.seconds)
        self._record.write_end(event)
        self._notify(event)

    def _log_step(self, result: StepResult, characters: float, loss: float) -> None:
        state, progress, per_target = self._state, self._progress(), self._task.characters_per_target
        event = StepFinished(
            step=state.step,
            epoch=progress.epoch,
            fraction=progress.fraction,
            loss=loss,
            bits_per_character=None if per_target is None else bits_per_character(loss, per_target),
            gradient_norm=result.gradient_norm,
            learning_rate=result.learning_rate,
            characters=characters,
            seconds=state.seconds,
        )
        if state.step % self._experiment.training.log_interval == 0:
            self._record.write_step(event)
        self._notify(event)

    def _work_at_intervals(self) -> bool:
        """Evaluate, save and sample if it is due, and return whether any of it was."""
        due = self._intervals.find_due(self._progress(), self._state.seconds)
        best = "evaluation" in due and self._evaluate()
        # Save before sampling: an error of a sampler or a metric must not lose steps.
        if best or "checkpoint" in due:
            self._save()
        if "sampling" in due:
            self._sample()
        return bool(due)

    def _finish(self) -> None:
        """Evaluate, save the loss and sample at the end of a run, unless the last step did so.

        Every part is skipped if it was done before a process was killed at this point.
        """
        step = self._state.step
        if step not in self._evaluated:
            self._evaluate()
        self._save()  # adds the loss to the checkpoint of this step
        if self._sampled != step:
            self._sample()

    def _evaluate(self) -> bool:
        """Score the validation split if there is one, and return whether the loss is the lowest so far."""
        state = self._state
        if not self._task.has_validation:
            return False
        self._notify(WorkProgressed("evaluating"))
        with averaged_model(state):
            score = self._task.evaluate(state.model, report=self._notify)
        best = score.loss < state.best_loss
        state.best_loss = min(score.loss, state.best_loss)
        state.stale_evaluations = 0 if best else state.stale_evaluations + 1
        state.schedule.observe(score.loss)
        event = score.event(state.step, best=best)
        self._record.write_evaluation(event, state.seconds)
        self._evaluated = {state.step: score.loss}
        self._notify(event)
        return best

    def _sample(self) -> None:
        state = self._state
        self._sampled = state.step
        if not self._task.has_samples:
            return
        try:
            self._notify(WorkProgressed("sampling"))
            with averaged_model(state):
                sample = self._task.sample(state.model, state.step, report=self._notify)
        except (RunError, DataError):
            raise
        except FailedElsewhereError:  # The other process prints the warning.
            return
        except (Exception, SystemExit) as error:
            if is_out_of_memory(error):
                raise
            # Training does not depend on samples: a faulty sampler must not end hours of training.
            fault = find_fault(error)
            warn(f"no sample of step {state.step:,}: {fault.message if fault else f'{type(error).__name__}: {error}'}")
            return
        self._record.write_sample(state.step, sample)
        self._notify(sample.event(state.step))

    def _save(self) -> None:
        """Save the state, and the loss if the step was evaluated."""
        self._notify(WorkProgressed("saving"))
        self._record.save(self._state, self._evaluated.get(self._state.step))
