"""A run, from Python: open it, sample it, evaluate it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqforge.data import Report, SplitName, evaluation_batches, prepare, read_vocabulary
from seqforge.errors import DataError
from seqforge.experiment import Experiment
from seqforge.generation import sample_texts, stream_text
from seqforge.interfaces import Sampler, Vocabulary
from seqforge.model import Precision, SequenceModel, build_model
from seqforge.registry import Component, Registry
from seqforge.training.checkpoint import Checkpoints
from seqforge.training.checkpoint_files import check_corpus, load_model
from seqforge.training.devices import choose_device
from seqforge.training.evaluation import LikelihoodScore, score_likelihood
from seqforge.training.metrics_log import read_metrics
from seqforge.training.run_directory import RunDirectory
from seqforge.training.samples import build_metrics, score_texts


@dataclass(frozen=True, slots=True)
class Run:
    """A run directory, opened.

    Attributes:
        directory: Its files.
        experiment: What was run.
    """

    directory: RunDirectory
    experiment: Experiment

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
        return cls(directory, Experiment.load(directory.experiment, overrides, registry))

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
        model = build_model(self.experiment, self.vocabulary().size)
        if checkpoint != "initial":
            load_model(self.checkpoints.find(checkpoint), model)
        model.precision = precision or model.precision
        return model.to(target).eval()

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
        """
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
        """
        model = self.model(checkpoint, device, precision)
        return stream_text(model, self.vocabulary(), self._chain(samplers), prompt, length=length, seed=seed)

    def evaluate(
        self,
        split: SplitName = "validation",
        *,
        checkpoint: str = "best",
        device: str = "auto",
        report: Report | None = None,
    ) -> LikelihoodScore:
        """Score the whole of a split.

        Args:
            split: Which one.
            checkpoint: Which one.
            device: Where to score it.
            report: Is told how far encoding the corpus has come, where that has to be done again.

        Raises:
            DataError: Where the split is empty, or the corpus is gone.
            RunError: Where the corpus is no longer the one that the run was trained on.
        """
        dataset = prepare(self.experiment, report or (lambda _: None))
        trained = "latest" if checkpoint == "initial" else checkpoint
        check_corpus(self.checkpoints.find(trained), dataset.token_file.digest)
        spans = dataset.splits[split]
        if spans.length < 2:
            raise DataError(f"the {split} split is empty", hint=_why_empty(self.experiment, split))
        training = self.experiment.training
        batches = evaluation_batches(dataset.token_file, spans, training.batch_size, training.sequence_length)
        return score_likelihood(self.model(checkpoint, device), batches, dataset.characters_per_token(split))

    def score_samples(self, *, checkpoint: str = "best", device: str = "auto", seed: int = 0) -> dict[str, float]:
        """Draw samples as `[sampling]` says, and judge them by the experiment's metrics.

        Args:
            checkpoint: Which one.
            device: Where to draw them.
            seed: Decides the draws.

        Returns:
            Figures by `metric.value`; none where the experiment names no metric.
        """
        metrics = build_metrics(self.experiment)
        if not metrics:
            return {}
        sampling = self.experiment.sampling
        texts = self.sample(
            sampling.prompt,
            length=sampling.length,
            count=sampling.count,
            seed=seed,
            checkpoint=checkpoint,
            device=device,
        )
        return score_texts(metrics, texts)

    def _chain(self, samplers: Sequence[Component] | None) -> list[Sampler]:
        return [sampler.build() for sampler in (self.experiment.samplers if samplers is None else samplers)]


def _why_empty(experiment: Experiment, split: SplitName) -> str:
    part = {"training": 1.0, "validation": experiment.data.validation_fraction, "test": experiment.data.test_fraction}
    if split == "training" or part[split] > 0:
        return f"The corpus is too small to be split by {experiment.data.split} as [data] says."
    return f"The experiment sets data.{split}_fraction to 0."
