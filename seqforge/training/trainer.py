"""The training loop."""

import time
from dataclasses import asdict

from seqforge.data import Dataset, evaluation_batches
from seqforge.errors import RunError
from seqforge.experiment import Experiment
from seqforge.generation import sample_texts
from seqforge.interfaces import (
    Evaluated,
    Progress,
    RunFinished,
    RunStarted,
    Sampled,
    StepFinished,
)
from seqforge.training.checkpoint import Checkpoints
from seqforge.training.control import beside
from seqforge.training.evaluation import LikelihoodScore, bits_per_character, score_likelihood
from seqforge.training.interrupts import InterruptGuard
from seqforge.training.limits import progress_of
from seqforge.training.metrics_log import MetricsLog
from seqforge.training.observers import Observers
from seqforge.training.parts import Parts
from seqforge.training.run_directory import RunDirectory
from seqforge.training.samples import score_texts, write_samples
from seqforge.training.state import TrainingState
from seqforge.training.step import NonFiniteError, StepResult, train_step

SAMPLE_SEED_STRIDE = 1_000_003
"""Keeps the seeds of samples at different steps apart."""


class Trainer:
    """Takes a training state through its steps, and evaluates, samples, logs and saves at their intervals.

    All that is random is a function of the seed and the step, or is in the checkpoint, so that a run that is
    interrupted and resumed ends with the bits of one never stopped.

    Args:
        experiment: What is trained, and how long.
        dataset: What it is trained on and evaluated on.
        parts: Loss, samplers, metrics and batches.
        directory: Where it is written.
        state: New, or loaded from a checkpoint.
        observers: Who is told.
    """

    def __init__(
        self,
        experiment: Experiment,
        dataset: Dataset,
        parts: Parts,
        directory: RunDirectory,
        state: TrainingState,
        observers: Observers,
    ) -> None:
        self._experiment = experiment
        self._dataset = dataset
        self._parts = parts
        self._characters_per_token = dataset.characters_per_token("training")
        self._directory = directory
        self._state = state
        self._observers = observers
        self._log = MetricsLog(directory.metrics)
        self._checkpoints = Checkpoints(directory.checkpoints)

    def train(self) -> None:
        """Train until the run's end, or until it is interrupted; the last checkpoint is written in either case.

        Raises:
            KeyboardInterrupt: Where it was interrupted, once the checkpoint is written.
            RunError: Where the run is already at its end, a number is no longer finite, or a file cannot be written.
        """
        reason = self._end()
        if reason is not None:
            raise RunError(
                f"{self._directory.path}: the run has already {reason}",
                hint="Make it longer: --set training.steps=…, training.epochs=… or training.minutes=…",
            )
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
        splits, state = self._dataset.splits, self._state
        started = RunStarted(
            name=self._experiment.identity.name,
            directory=self._directory.path,
            experiment=self._experiment.table,
            corpus=self._dataset.description,
            parameters=sum(parameter.numel() for parameter in state.model.parameters()),
            training_tokens=splits["training"].length,
            validation_tokens=splits["validation"].length,
            step=state.step,
            resumed=state.step > 0,
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
        return progress_of(self._experiment.training, state.step, self._parts.batches.steps_per_epoch, state.seconds)

    def _step(self) -> StepResult:
        training, state = self._experiment.training, self._state
        batches = self._parts.batches.batch(state.step).divided(training.accumulation)
        factor = state.schedule.factor(self._progress())
        try:
            return train_step(
                state, batches, self._parts.loss, factor, training.gradient_clip_norm, training.gradient_clip_value
            )
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

    def _tell_step(self, result: StepResult) -> None:
        training, state = self._experiment.training, self._state
        ratio = self._characters_per_token
        progress = self._progress()
        event = StepFinished(
            step=state.step,
            epoch=progress.epoch,
            fraction=progress.fraction,
            loss=result.loss,
            bits_per_character=bits_per_character(result.loss, ratio) if self._parts.loss.in_nats else None,
            gradient_norm=result.gradient_norm,
            learning_rate=result.learning_rate,
            characters=training.batch_size * training.accumulation * training.sequence_length * ratio,
            seconds=state.seconds,
        )
        if state.step % training.log_interval == 0:
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
            score = self._score()
        except NonFiniteError as error:
            raise self._diverged(error) from error
        if score is None:
            return False
        best = score.loss < state.best_loss
        state.best_loss = min(score.loss, state.best_loss)
        state.stale_evaluations = 0 if best else state.stale_evaluations + 1
        state.schedule.observe(score.loss)
        event = Evaluated(state.step, score.loss, score.bits_per_character, score.perplexity, best)
        self._log.append("evaluation", state.step, asdict(event) | {"seconds": state.seconds})
        self._observers.notify("seqforge_evaluated", event)
        return best

    def _score(self) -> LikelihoodScore | None:
        spans, training = self._dataset.splits["validation"], self._experiment.training
        if spans.length < 2:
            return None
        batches = evaluation_batches(
            self._dataset.token_file,
            spans,
            training.batch_size,
            training.sequence_length,
            limit=self._experiment.evaluation.tokens,
        )
        return score_likelihood(self._state.model, batches, self._dataset.characters_per_token("validation"))

    def _sample(self) -> None:
        sampling, state = self._experiment.sampling, self._state
        texts = sample_texts(
            state.model,
            self._dataset.vocabulary,
            self._parts.samplers,
            sampling.prompt,
            count=sampling.count,
            length=sampling.length,
            seed=self._experiment.identity.seed + state.step * SAMPLE_SEED_STRIDE,
        )
        scores, control = score_texts(self._parts.metrics, [texts]), self._parts.control
        write_samples(self._directory.samples, state.step, texts)
        self._log.append("sample", state.step, beside(scores, control))
        self._observers.notify("seqforge_sampled", Sampled(state.step, tuple(texts), scores, control))

    def _save(self, *, best: bool = False) -> None:
        keep = self._experiment.training.keep_checkpoints
        try:
            self._checkpoints.save(self._state, self._dataset.token_file.digest, best=best, keep=keep)
        except NonFiniteError as error:
            raise self._diverged(error) from error
