"""A run, from Python: open it, sample it, let it predict, evaluate it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqforge.api.predict import Prediction, predict
from seqforge.checkpoints.checkpoints import Checkpoints
from seqforge.checkpoints.files import check_corpus, load_model
from seqforge.data import (
    Report,
    SplitName,
    evaluation_batches,
    prepare,
    prepare_examples,
    read_example_spec,
    read_vocabulary,
)
from seqforge.errors import DataError, RunError
from seqforge.evaluation.baseline import score_baseline
from seqforge.evaluation.examples import ExampleScore, score_examples
from seqforge.evaluation.likelihood import LikelihoodScore, score_likelihood
from seqforge.evaluation.samples import build_metrics, score_texts
from seqforge.experiment import Experiment
from seqforge.generation import sample_texts, stream_text
from seqforge.hardware.devices import choose_device
from seqforge.interfaces import ExampleSpec, Sampler, Value, Vocabulary
from seqforge.model import Precision, SequenceModel, build_model, use_recorded_backends
from seqforge.registry import Component, Registry
from seqforge.runs.backends import read_backends
from seqforge.runs.directory import RunDirectory
from seqforge.runs.metrics_log import read_metrics
from seqforge.tasks.labelled_examples import decoding, example_scoring


@dataclass(frozen=True, slots=True)
class Run:
    """A run directory, opened.

    Attributes:
        directory: Its files.
        experiment: What was run.
        new_backends: Whether a resumed run chooses its backends again, as `--set training.backend=auto` asks for.
    """

    directory: RunDirectory
    experiment: Experiment
    new_backends: bool = False

    @classmethod
    def open(cls, path: str | Path, overrides: Sequence[str] = (), registry: Registry | None = None) -> "Run":
        """Open a run directory.

        Args:
            path: The folder.
            overrides: Assignments such as `training.minutes=20`, to go on with other settings.
            registry: The components; by default those installed.

        Raises:
            RunError: Where it is no run directory.
            ExperimentError: Where its experiment does not fit the plugins that are installed now.
        """
        directory = RunDirectory.open(path)
        chosen = any(assignment.partition("=")[0].strip() == "training.backend" for assignment in overrides)
        return cls(directory, Experiment.load(directory.experiment, overrides, registry), chosen)

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @property
    def checkpoints(self) -> Checkpoints:
        """The run's checkpoints."""
        return Checkpoints(self.directory.checkpoints)

    def metrics(self) -> list[dict[str, Any]]:
        """Read the figures of every logged step, evaluation and sample."""
        return read_metrics(self.directory.metrics)

    def vocabulary(self) -> Vocabulary:
        """Read the run's vocabulary."""
        vocabulary: Vocabulary = self.experiment.vocabulary.build()
        read_vocabulary(vocabulary, self.directory.vocabulary)
        return vocabulary

    def spec(self) -> ExampleSpec | None:
        """Read what the run's examples are made of; None of a language model."""
        return read_example_spec(self.directory.spec) if self.experiment.labelled else None

    def model(
        self, checkpoint: str = "best", device: str = "auto", precision: Precision | None = None
    ) -> SequenceModel:
        """Load the run's model, wherever it was trained.

        Args:
            checkpoint: "best", "latest", a step, or "initial" for the weights before the first step.
            device: Where to put it.
            precision: Of its products; by default the experiment's.
        """
        target = choose_device(device)
        model = build_model(self.experiment, self.vocabulary().size, self.spec())
        if checkpoint != "initial":
            load_model(self.checkpoints.find(checkpoint), model)
        model.precision = precision or model.precision
        model = model.to(target).eval()
        use_recorded_backends(model, self.experiment.registry, read_backends(self.path))
        return model

    def sample(
        self,
        prompt: str | None = None,
        *,
        length: int = 1000,
        count: int = 1,
        seed: int = 0,
        samplers: Sequence[Component] | None = None,
        checkpoint: str = "best",
        device: str = "auto",
        precision: Precision | None = None,
    ) -> list[str]:
        """Draw samples, as one batch.

        Args:
            prompt: What each starts with; None for a line's start.
            length: Symbols to draw for each.
            count: How many.
            seed: Decides the draws.
            samplers: The chain; by default the experiment's.
            checkpoint: Which one.
            device: Where to draw them.
            precision: Of the products, such as "int8" or "float32"; by default the experiment's.

        Returns:
            The texts, each with its prompt.

        Raises:
            RunError: Where the run learnt from labelled examples.
        """
        self._refuse_examples()
        model = self.model(checkpoint, device, precision)
        chain = self._chain(samplers)
        return sample_texts(model, self.vocabulary(), chain, prompt, count=count, length=length, seed=seed)

    def stream(
        self,
        prompt: str | None = None,
        *,
        length: int = 1000,
        seed: int = 0,
        samplers: Sequence[Component] | None = None,
        checkpoint: str = "best",
        device: str = "auto",
        precision: Precision | None = None,
    ) -> Iterator[str]:
        """Draw one sample, and give its text, without the prompt, as it comes.

        Args:
            prompt: What it starts with; None for a line's start.
            length: Symbols to draw.
            seed: Decides the draws.
            samplers: The chain; by default the experiment's.
            checkpoint: Which one.
            device: Where to draw it.
            precision: Of the products, such as "int8" or "float32"; by default the experiment's.

        Raises:
            RunError: Where the run learnt from labelled examples.
        """
        self._refuse_examples()
        model = self.model(checkpoint, device, precision)
        return stream_text(model, self.vocabulary(), self._chain(samplers), prompt, length=length, seed=seed)

    def predict(
        self,
        inputs: Sequence[Value],
        *,
        beam: int | None = None,
        length: int | None = None,
        samplers: Sequence[Component] = (),
        seed: int = 0,
        checkpoint: str = "best",
        device: str = "auto",
    ) -> list[Prediction]:
        """Answer examples.

        Args:
            inputs: What is read for each: a text, or an array of numbers, `[size]` or `[steps, size]`.
            beam: Width of the beam search where sequences are written; by default the experiment's.
            length: Symbols to write at most; by default the experiment's.
            samplers: A chain to draw sequences by in the place of the search.
            seed: Decides the draws.
            checkpoint: Which one.
            device: Where to answer them.

        Returns:
            An answer for each.

        Raises:
            RunError: Where the run is a language model.
            DataError: Where an input is not of the run's form.
        """
        spec = self.spec()
        if spec is None:
            raise RunError(
                f"{self.path}: a language model, which predicts nothing of an example",
                hint=f"To let it write: seqforge sample {self.path}",
            )
        default = decoding(self.experiment)
        chosen = replace(
            default,
            beam=beam or default.beam,
            length=length or default.length,
            samplers=[sampler.build() for sampler in samplers],
            seed=seed,
        )
        training = self.experiment.training
        model = self.model(checkpoint, device)
        bounds = training.batch_size, training.batch_tokens
        return predict(model, spec, self.vocabulary(), inputs, chosen, *bounds)

    def evaluate(
        self,
        split: SplitName = "validation",
        *,
        checkpoint: str = "best",
        device: str = "auto",
        report: Report | None = None,
    ) -> LikelihoodScore | ExampleScore:
        """Score the whole of a split.

        Args:
            split: Which one.
            checkpoint: Which one.
            device: Where to score it.
            report: Is told how far encoding the corpus has come, where that has to be done again.

        Returns:
            Of a language model, how well it predicts; of labelled examples, the loss and what the metrics say.

        Raises:
            DataError: Where the split is empty, or the corpus is gone.
            RunError: Where the corpus is no longer the one that the run was trained on.
        """
        report = report or (lambda _: None)
        if self.experiment.labelled:
            return self._score_examples(split, checkpoint, device, report)
        dataset = prepare(self.experiment, report)
        self._check_corpus(checkpoint, dataset.token_file.digest)
        spans = dataset.splits[split]
        if spans.length < 2:
            raise DataError(f"the {split} split is empty", hint=_why_empty(self.experiment, split))
        training = self.experiment.training
        batches = evaluation_batches(dataset.token_file, spans, training.batch_size, training.sequence_length)
        return score_likelihood(self.model(checkpoint, device), batches, dataset.characters_per_token(split))

    def _score_examples(self, split: SplitName, checkpoint: str, device: str, report: Report) -> ExampleScore:
        dataset = prepare_examples(self.experiment, report)
        self._check_corpus(checkpoint, dataset.file.digest)
        examples = dataset.splits[split]
        if not len(examples):
            raise DataError(f"the {split} split is empty", hint=_why_empty(self.experiment, split))
        how = example_scoring(self.experiment, choose_device(device), limited=False)
        return score_examples(self.model(checkpoint, device), dataset, examples, how)

    def _check_corpus(self, checkpoint: str, digest: str) -> None:
        trained = "latest" if checkpoint == "initial" else checkpoint
        check_corpus(self.checkpoints.find(trained), digest)

    def _refuse_examples(self) -> None:
        if self.experiment.labelled:
            raise RunError(
                f"{self.path}: learnt from labelled examples, and is no language model to draw samples from",
                hint=f"To let it answer: seqforge predict {self.path} EXAMPLE",
            )

    def score_samples(
        self, *, checkpoint: str = "best", device: str = "auto", seed: int = 0, report: Report | None = None
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Draw samples as `[sampling]` says, and judge them and held-out text by the experiment's metrics.

        Args:
            checkpoint: Which one.
            device: Where to draw them.
            seed: Decides the draws.
            report: Is told how far encoding the corpus has come, where that has to be done again.

        Returns:
            Figures of the samples by `metric.value`, and the same of held-out text, cut as the samples are; none where
            the experiment names no metric, or learns from labelled examples, whose metrics judge predictions.

        Raises:
            DataError: Where the corpus is gone.
        """
        if not self.experiment.metrics or self.experiment.labelled:
            return {}, {}
        dataset = prepare(self.experiment, report or (lambda _: None))
        metrics = build_metrics(self.experiment, dataset)
        sampling = self.experiment.sampling
        texts = self.sample(
            sampling.prompt,
            length=sampling.length,
            count=sampling.count,
            seed=seed,
            checkpoint=checkpoint,
            device=device,
        )
        return score_texts(metrics, [texts]), score_baseline(metrics, self.experiment, dataset)

    def _chain(self, samplers: Sequence[Component] | None) -> list[Sampler]:
        return [sampler.build() for sampler in (self.experiment.samplers if samplers is None else samplers)]


def _why_empty(experiment: Experiment, split: SplitName) -> str:
    part = {"training": 1.0, "validation": experiment.data.validation_fraction, "test": experiment.data.test_fraction}
    if split == "training" or part[split] > 0:
        return f"The corpus is too small to be split by {experiment.data.split} as [data] says."
    return f"The experiment sets data.{split}_fraction to 0."
