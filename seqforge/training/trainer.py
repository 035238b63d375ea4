"""The training loop."""

import time
from dataclasses import asdict

from seqforge.data import Dataset, TrainingBatches, evaluation_batches
from seqforge.errors import RunError
from seqforge.experiment import Experiment
from seqforge.generation import sample_texts
from seqforge.interfaces import (
    Evaluated,
    Loss,
    Metric,
    Progress,
    RunFinished,
    RunStarted,
    Sampled,
    Sampler,
    StepFinished,
)
from seqforge.training.checkpoint import Checkpoints
from seqforge.training.evaluation import LikelihoodScore, bits_per_character, score_likelihood
from seqforge.training.interrupts import InterruptGuard
from seqforge.training.limits import progress_of
from seqforge.training.metrics_log import MetricsLog
from seqforge.training.observers import Observers
from seqforge.training.run_directory import RunDirectory
from seqforge.training.samples import score_texts, write_samples
from seqforge.training.state import TrainingState
from seqforge.training.step import NonFiniteError, StepResult, train_step

SAMPLE_SEED_STRIDE = 1_000_003
"""Keeps the seeds of samples at different steps apart."""


def training_batches(experiment: Experiment, dataset: Dataset) -> TrainingBatches:
    """Cut the training split into batches as an experiment wants them.

    Args:
        experiment: Gives sizes, seed and order.
        dataset: Gives the split.

    Raises:
        DataError: Where the split is shorter than one batch.
    """
    training = experiment.training
    return TrainingBatches(
        dataset.token_file,
        dataset.splits["training"],
        lanes=training.batch_size * training.accumulation,
        sequence_length=training.sequence_length,
        seed=experiment.identity.seed,
        shuffle=experiment.data.shuffle,
    )


class Trainer:
    """Takes a training state through its steps, and evaluates, samples, logs and saves at their intervals.

    All that is random is a function of the seed and the step, or is in the checkpoint, so that a run that is
    interrupted and resumed ends with the bits of one never stopped.

    Args:
        experiment: What is trained, and how long.
        dataset: What it is trained on and evaluated on.
        batches: Its training split in batches.
        directory: Where it is written.
        state: New, or loaded from a checkpoint.
        observers: Who is told.
    """

    def __init__(
        self,
        experiment: Experiment,
        dataset: Dataset,
        batches: TrainingBatches,
        directory: RunDirectory,
        state: TrainingState,
        observers: Observers,
    ) -> None:
        self._experiment = experiment
        self._dataset = dataset
        self._batches = batches
        self._characters_per_token = dataset.characters_per_token("training")
        self._directory = directory
        self._state = state
        self._observers = observers
        self._log = MetricsLog(directory.metrics)
        self._checkpoints = Checkpoints(directory.checkpoints)
        self._loss: Loss = experiment.loss.build()
        self._samplers: list[Sampler] = [sampler.build() for sampler in experiment.samplers]
        self._metrics: dict[str, Metric] = {metric.registration.name: metric.build() for metric in experiment.metrics}

    def train(self) -> RunFinished:
        """Train until the run's end, or until it is interrupted; the last checkpoint is written in either case.

        Returns:
            How it ended.

        Raises:
            RunError: Where the loss is no longer finite, or a file cannot be written.
        """
        state = self._state
        self._start()
        started = time.monotonic() - state.seconds
        with InterruptGuard() as interrupt:
            while (reason := self._end()) is None and not interrupt.requested:
                progress = self._progress()
                result = self._step(progress)
                state.seconds = time.monotonic() - started
                self._tell_step(result)
                self._at_intervals()
                state.seconds = time.monotonic() - started
            # Before the last evaluation: a run that is made longer goes on as if it had never stopped here.
            self._save()
            if reason is not None:
                self._finish()
        finished = RunFinished(
            self._directory.path, state.step, reason or "interrupted", reason is not None, state.seconds
        )
        self._observers.notify("seqforge_run_finished", finished)
        return finished

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
        return progress_of(self._experiment.training, state.step, self._batches.steps_per_epoch, state.seconds)

    def _step(self, progress: Progress) -> StepResult:
        training, state = self._experiment.training, self._state
        batches = self._batches.batch(state.step).divided(training.accumulation)
        factor = state.schedule.factor(progress)
        try:
            return train_step(
                state, batches, self._loss, factor, training.gradient_clip_norm, training.gradient_clip_value
            )
        except NonFiniteError as error:
            steps = self._checkpoints.steps()
            good = (
                f"The last good checkpoint is {self._checkpoints.path(steps[-1])}." if steps else "There is none yet."
            )
            raise RunError(
                f"step {state.step + 1}: {error}",
                hint=f"{good} Try a lower optimizer.learning_rate, or training.gradient_clip_norm = 1.0.",
            ) from error

    def _tell_step(self, result: StepResult) -> None:
        training, state = self._experiment.training, self._state
        ratio = self._characters_per_token
        progress = self._progress()
        event = StepFinished(
            step=state.step,
            epoch=progress.epoch,
            fraction=progress.fraction,
            loss=result.loss,
            bits_per_character=bits_per_character(result.loss, ratio) if self._loss.in_nats else None,
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
        if step % experiment.sampling.interval == 0:
            self._sample()
        if best or step % experiment.training.checkpoint_interval == 0:
            self._save(best=best)

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
        score = self._score()
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
            self._samplers,
            sampling.prompt,
            count=sampling.count,
            length=sampling.length,
            seed=self._experiment.identity.seed + state.step * SAMPLE_SEED_STRIDE,
        )
        scores = score_texts(self._metrics, texts)
        write_samples(self._directory.samples, state.step, texts)
        self._log.append("sample", state.step, scores)
        self._observers.notify("seqforge_sampled", Sampled(state.step, tuple(texts), scores))

    def _save(self, *, best: bool = False) -> None:
        keep = self._experiment.training.keep_checkpoints
        self._checkpoints.save(self._state, self._dataset.token_file.digest, best=best, keep=keep)
