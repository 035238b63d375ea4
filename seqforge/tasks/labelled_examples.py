"""The task of labelled examples: predict a class, numbers, labels of steps, or a new sequence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seqforge.checkpoints.training_state import TrainingState, initial_state
from seqforge.data import (
    EXAMPLE_SPEC,
    BucketedBatches,
    LabelledDataset,
    SplitName,
    as_text,
    decode_target,
    prepare_examples,
    read_batch,
    read_example_spec,
)
from seqforge.errors import RunError
from seqforge.evaluation.examples import ExampleScore, ExampleScoring, example_loss, right_targets, score_examples
from seqforge.evaluation.metrics import build_metrics
from seqforge.events import Report, TaskTerms
from seqforge.experiment import Experiment
from seqforge.generation import Decoding, Prediction, TargetVocabulary, predict, predict_examples
from seqforge.hardware.devices import choose_device
from seqforge.interfaces import ExampleSpec, Progress, Value, Vocabulary
from seqforge.model import SequenceModel, Workload
from seqforge.runs.directory import RunDirectory
from seqforge.tasks.task import Task, TrainedModel
from seqforge.training.step import optimizer_step
from seqforge.training.task import TaskSample, TaskStep
from seqforge.training.trainer import run_limits

_SHOWN_LENGTH = 200
"""Maximum number of characters of a prediction that are shown during training."""


TERMS = TaskTerms("examples", "steps", "predictions", "predict {run} EXAMPLE")


@dataclass(frozen=True, slots=True)
class LabelledExamplesTask(Task):
    """A model that reads whole examples and predicts their targets."""

    @property
    def terms(self) -> TaskTerms:
        """Words for what the task counts and shows."""
        return TERMS

    def prepare_training(self, device: torch.device, report: Report) -> "LabelledExamplesTraining":
        """Prepare the examples, the loss and the metrics for training, and check them."""
        experiment, training = self.experiment, self.experiment.training
        dataset = prepare_examples(experiment, report)
        has_end = experiment.topology.output_mode == "sequence"
        batches = BucketedBatches(
            dataset.file,
            dataset.splits["training"],
            training.batch_size,
            training.batch_tokens,
            experiment.identity.seed,
            experiment.data.shuffle,
            TargetVocabulary(dataset.file.spec, dataset.vocabulary).end if has_end else None,
        )
        return LabelledExamplesTraining(
            experiment, dataset, device, self._scoring(device, experiment.evaluation.tokens), batches
        )

    def evaluate(self, trained: TrainedModel, split: SplitName, report: Report) -> ExampleScore:
        """Score the whole of a split by the loss and the metrics."""
        dataset = prepare_examples(self.experiment, report)
        trained.check_corpus(dataset.file.digest)
        examples = dataset.splits[split]
        if not len(examples):
            raise self.empty_split(split)
        scoring = self._scoring(choose_device(trained.device), None)
        return score_examples(self.load_model(trained), dataset, examples, scoring, report)

    def score_samples(
        self, trained: TrainedModel, seed: int, report: Report
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Return nothing: the metrics of labelled examples score predictions, in `evaluate`."""
        del trained, seed, report
        return {}, {}

    def language_model(self, trained: TrainedModel) -> tuple[SequenceModel, Vocabulary]:
        """Raise, since the model does not predict the next symbol of a text."""
        raise RunError(
            f"{trained.path}: this run learned from labelled examples; it is not a language model, and predicts no "
            "next symbol to sample or to inspect",
            hint=f"To predict examples: seqforge predict {trained.path} EXAMPLE",
        )

    def predict(self, trained: TrainedModel, inputs: Sequence[Value], decoding: Decoding) -> list[Prediction]:
        """Predict the targets of new examples."""
        training, directory = self.experiment.training, trained.directory
        bounds = training.batch_size, training.batch_tokens
        model, vocabulary = self.load_model(trained), self.vocabulary(directory)
        return predict(model, self.example_spec(directory), vocabulary, inputs, decoding, *bounds)

    def example_spec(self, directory: RunDirectory) -> ExampleSpec:
        """Return the shape of the examples that a run learned from."""
        return read_example_spec(directory.spec)

    def _scoring(self, device: torch.device, limit: int | None) -> ExampleScoring:
        training = self.experiment.training
        return ExampleScoring(
            self.experiment.loss.build().to(device),
            build_metrics(self.experiment),
            self.decoding(),
            training.batch_size,
            training.batch_tokens,
            limit,
        )


@dataclass(frozen=True, slots=True)
class LabelledExamplesTraining:
    """Labelled examples that are prepared for training.

    Attributes:
        experiment: The experiment.
        dataset: Encoded examples with their vocabulary and splits.
        device: Device to train on.
        scoring: How held-out examples are scored; its loss is also the training loss.
        batches: Batches of the training split.
    """

    experiment: Experiment
    dataset: LabelledDataset
    device: torch.device
    scoring: ExampleScoring
    batches: BucketedBatches

    @property
    def terms(self) -> TaskTerms:
        """Words for what the task counts and shows."""
        return TERMS

    @property
    def description(self) -> str:
        """Description of the corpus."""
        return self.dataset.description

    @property
    def digest(self) -> str:
        """Digest of the examples."""
        return self.dataset.file.digest

    @property
    def vocabulary(self) -> Vocabulary:
        """Vocabulary of the encoded corpus."""
        return self.dataset.vocabulary

    @property
    def files(self) -> list[Path]:
        """The state of the vocabulary, and the example spec."""
        return [self.dataset.file.vocabulary, self.dataset.file.folder / EXAMPLE_SPEC]

    @property
    def training_size(self) -> int:
        """Number of examples in the training split."""
        return len(self.dataset.splits["training"])

    @property
    def validation_size(self) -> int:
        """Number of examples in the validation split."""
        return len(self.dataset.splits["validation"])

    @property
    def steps_per_epoch(self) -> float:
        """Number of optimizer steps in one pass over the training split."""
        return self.batches.batches_per_epoch / self.experiment.training.accumulation

    @property
    def workload(self) -> Workload:
        """Shape of the first batch, and length of the run."""
        training = self.experiment.training
        steps, rows = self.batches.batch(0).inputs.shape[:2]
        return Workload(steps, rows, *run_limits(training, self.steps_per_epoch))

    def new_state(self) -> TrainingState:
        """Return the state before the first step."""
        return initial_state(self.experiment, self.dataset.vocabulary.size, self.device, self.dataset.file.spec)

    def step(self, state: TrainingState, progress: Progress) -> TaskStep:
        """Take one optimizer step."""
        training, spec = self.experiment.training, self.dataset.file.spec
        first = state.step * training.accumulation
        batches = [self.batches.batch(first + index) for index in range(training.accumulation)]
        # Every target of the step has the same weight, whatever the sizes of the batches.
        counted = max(sum(batch.counted for batch in batches), 1)
        sampled = training.scheduled_sampling * progress.fraction

        def losses() -> Iterator[Tensor]:
            for loaded in batches:
                batch = loaded.to(self.device)
                encoded = state.model.encode(batch.inputs, batch.lengths)
                value = example_loss(state.model, spec, encoded, batch, self.scoring.loss, sampled)
                yield value * (batch.counted / counted)

        factor = state.schedule.factor(progress)
        result = optimizer_step(state, losses(), factor, training.gradient_clip_norm, training.gradient_clip_value)
        return TaskStep(result, None, float(sum(int(batch.lengths.sum()) for batch in batches)))

    def evaluate(self, model: SequenceModel, report: Report | None = None) -> ExampleScore | None:
        """Score as much of the validation split as `evaluation.tokens` allows; return None if the split is empty."""
        examples = self.dataset.splits["validation"]
        return score_examples(model, self.dataset, examples, self.scoring, report) if len(examples) else None

    def sample(self, model: SequenceModel, step: int, report: Report | None = None) -> TaskSample | None:
        """Predict a few examples of the validation split, the same at every step; return None if the split is empty."""
        del step, report
        examples = self.dataset.splits["validation"]
        if not len(examples):
            return None
        generator = np.random.default_rng(self.experiment.identity.seed)
        chosen = generator.permutation(examples)[: self.experiment.sampling.count]
        file, vocabulary = self.dataset.file, self.dataset.vocabulary
        batch = read_batch(file, chosen).to(self.device)
        model.eval()
        with torch.inference_mode():
            encoded = model.encode(batch.inputs, batch.lengths)
            symbols = TargetVocabulary(file.spec, vocabulary)
            predictions = predict_examples(model, file.spec, symbols, encoded, self.scoring.decoding)
        lines: list[str] = []
        for index, prediction in zip(chosen.tolist(), predictions, strict=True):
            predicted = as_text(file.spec, decode_target(file.spec, vocabulary, prediction.values))
            right = " or ".join(as_text(file.spec, target) for target in right_targets(self.dataset, index))
            lines.append(f"{file.names[index]}: {_short(predicted)} (right: {_short(right)})")
        return TaskSample(["\n".join(lines) + "\n"], {}, {})


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "…"
