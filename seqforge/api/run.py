"""A run, from Python: open, sample, predict, evaluate, inspect and resume it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from seqforge.api.display import summary_html, summary_line
from seqforge.api.inspect import Inspection, SymbolProbability, inspect_text, layer_states, symbol_probabilities
from seqforge.checkpoints.checkpoints import Checkpoints
from seqforge.data import SplitName
from seqforge.evaluation.examples import ExampleScore
from seqforge.evaluation.likelihood import LikelihoodScore
from seqforge.events import Report
from seqforge.experiment import Experiment, merge_tables
from seqforge.generation import Prediction, sample_texts, stream_text
from seqforge.interfaces import ExampleSpec, Sampler, Value, Vocabulary
from seqforge.model import Precision, SequenceModel
from seqforge.registry import Component, Registry
from seqforge.runs.directory import RunDirectory
from seqforge.runs.metrics_log import read_metrics, table_of_losses
from seqforge.tasks import Task, TrainedModel, task_of


@dataclass(frozen=True, slots=True)
class Run:
    """A run directory with its experiment.

    `print(run)` is one line. In a notebook, a run shows its loss curve and its last sample.

    The methods take a checkpoint ("best", "latest", a step, or "initial" for the weights before the first step), the
    device to compute on, and `report`, a function that is called now and then with the progress.

    Attributes:
        directory: The run directory.
        experiment: The experiment.
        new_backends: Whether a resumed run chooses its backends again, as `--set training.backend=auto` asks for.
    """

    directory: RunDirectory
    experiment: Experiment
    new_backends: bool = False

    @classmethod
    def open(
        cls,
        path: str | Path,
        overrides: Sequence[str] = (),
        registry: Registry | None = None,
        components: Sequence[type[Any]] = (),
    ) -> "Run":
        """Open a run directory.

        Args:
            path: The folder.
            overrides: Assignments such as `training.minutes=20`, to resume the run with other settings.
            registry: Registered components; by default those of the installed plugins.
            components: Classes of a session that the run uses, such as `[Leaky]`.

        Raises:
            RunError: If the folder is not a run directory.
            ExperimentError: If the experiment does not fit the installed plugins.
        """
        directory = RunDirectory.open(path)
        if components:
            registry = (registry or Registry.installed()).with_components(components)
        chosen = any(assignment.partition("=")[0].strip() == "training.backend" for assignment in overrides)
        return cls(directory, Experiment.load(directory.experiment, overrides, registry), chosen)

    def __repr__(self) -> str:
        steps = self.checkpoints.steps()
        return summary_line(str(self.path), steps[-1] if steps else 0, self.losses())

    def _repr_html_(self) -> str:
        samples = sorted(self.directory.samples.glob("step-*.txt"))
        sample = samples[-1].read_text(encoding="utf-8", errors="replace") if samples else None
        return summary_html(repr(self), self.losses(), sample)

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of the run."""
        return Checkpoints(self.directory.checkpoints)

    def metrics(self) -> list[dict[str, Any]]:
        """Return the records of the metrics log: logged steps, evaluations and samples."""
        return read_metrics(self.directory.metrics)

    def losses(self) -> list[dict[str, Any]]:
        """Return a table of losses, one row for each step that was logged or evaluated.

        Returns:
            Rows with the same columns, for `pandas.DataFrame` or matplotlib: `step`, `seconds`, `training_loss`,
            `validation_loss`, and for a language model `training_bits_per_character` and
            `validation_bits_per_character`. A value that is not known at a step is None.
        """
        return table_of_losses(self.metrics())

    def vocabulary(self) -> Vocabulary:
        """Return the vocabulary of the run."""
        return self._task.vocabulary(self.directory)

    def spec(self) -> ExampleSpec | None:
        """Return the shape of the examples that the run learned from; None for a language model."""
        return self._task.example_spec(self.directory)

    def model(
        self, checkpoint: str = "best", device: str = "auto", precision: Precision | None = None
    ) -> SequenceModel:
        """Load the model of the run, in evaluation mode.

        `precision` is that of matrix products, by default that of the experiment.
        """
        return self._task.load_model(TrainedModel(self.directory, checkpoint, device, precision))

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
        report: Report | None = None,
    ) -> list[str]:
        """Draw samples as one batch.

        Args:
            prompt: Text that each sample starts with; None for the start of a line.
            length: Number of symbols to draw for each sample.
            count: Number of samples.
            seed: Seed of the draws.
            samplers: Chain of samplers; by default that of the experiment.
            checkpoint: "best", "latest", a step, or "initial".
            device: Device to draw on.
            precision: Precision of matrix products, such as "int8"; by default that of the experiment.
            report: Function that is called now and then with the progress.

        Returns:
            The texts, each with its prompt.

        Raises:
            RunError: If the run learned from labelled examples.
        """
        loaded, chain = self._language_model(checkpoint, device, precision), self._chain(samplers)
        return sample_texts(*loaded, chain, prompt, count=count, length=length, seed=seed, report=report)

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
        """Return an iterator over the text of one sample, without the prompt, while it is drawn. See `sample`.

        Raises:
            RunError: If the run learned from labelled examples.
        """
        loaded = self._language_model(checkpoint, device, precision)
        return stream_text(*loaded, self._chain(samplers), prompt, length=length, seed=seed)

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
        """Return a prediction for each of some new examples.

        Args:
            inputs: Input of each example: a text, or an array of numbers, `[size]` or `[steps, size]`.
            beam: Width of the beam search if sequences are decoded; by default that of the experiment.
            length: Maximum number of symbols to decode; by default that of the experiment.
            samplers: Chain of samplers to draw sequences with, instead of the beam search.
            seed: Seed of the draws.
            checkpoint: "best", "latest", a step, or "initial".
            device: Device to predict on.

        Raises:
            RunError: If the run is a language model.
            DataError: If an input does not fit the example spec of the run.
        """
        chain = [sampler.build() for sampler in samplers]
        decoding = self._task.decoding(beam=beam, length=length, samplers=chain, seed=seed)
        return self._task.predict(TrainedModel(self.directory, checkpoint, device), inputs, decoding)

    def evaluate(
        self,
        split: SplitName = "validation",
        *,
        checkpoint: str = "best",
        device: str = "auto",
        report: Report | None = None,
    ) -> LikelihoodScore | ExampleScore:
        """Score the whole of a split.

        Returns:
            The likelihood for a language model; loss and metrics for labelled examples.

        Raises:
            DataError: If the split is empty, or the corpus is missing.
            RunError: If the run was trained on another corpus.
        """
        return self._task.evaluate(TrainedModel(self.directory, checkpoint, device), split, report or (lambda _: None))

    def score_samples(
        self, *, checkpoint: str = "best", device: str = "auto", seed: int = 0, report: Report | None = None
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Draw samples by the `[sampling]` settings, and score them and held-out text by the experiment's metrics.

        Returns:
            Values of the samples by `metric.value`, and their baseline; both empty without a metric of samples.

        Raises:
            DataError: If the corpus is missing.
        """
        trained = TrainedModel(self.directory, checkpoint, device)
        return self._task.score_samples(trained, seed, report or (lambda _: None))

    def inspect(self, text: str, checkpoint: str = "latest") -> Inspection:
        """Return the predictions on each step of a text, before and after one parameter update.

        The run itself is not changed.

        Raises:
            RunError: If the run learned from labelled examples.
            DataError: If the text is too short, or has a symbol that is not in the vocabulary.
        """
        return inspect_text(self.experiment, *self._language_model(checkpoint, "cpu"), text)

    def probabilities(
        self, text: str, prompt: str | None = None, *, checkpoint: str = "best", device: str = "auto"
    ) -> list[SymbolProbability]:
        """Return pairs of a symbol of a text and its probability, given the prompt and the symbols before it.

        A prompt of None is the start of a line.

        Raises:
            RunError: If the run learned from labelled examples.
            DataError: If the text is empty, or has a symbol that is not in the vocabulary.
        """
        return symbol_probabilities(*self._language_model(checkpoint, device), text, prompt)

    def states(self, text: str, *, checkpoint: str = "best", device: str = "auto") -> dict[str, Tensor]:
        """Return the state of every layer after each symbol of a text.

        Returns:
            Tensors `[time, …]` on the CPU by `layers.INDEX.FIELD`, such as `layers.0.hidden`, the lowest layer first.

        Raises:
            RunError: If the run learned from labelled examples.
            DataError: If the text is empty, or has a symbol that is not in the vocabulary.
        """
        return layer_states(*self._language_model(checkpoint, device), text)

    def resume(
        self,
        checkpoint: str = "latest",
        *,
        callbacks: Sequence[object] = (),
        progress: bool | None = None,
        **settings: Mapping[str, Any],
    ) -> "Run":
        """Resume the run with new settings, such as `run.resume(training={"steps": 4000})`.

        Args:
            checkpoint: "latest", "best" or a step; later checkpoints are deleted.
            callbacks: Objects with some of the methods of `Callback`; they receive the events of the run.
            progress: Whether to display the progress; by default, on a terminal and in a notebook only.
            settings: Tables of the experiment with the keys that change.

        Returns:
            The run with the new settings.

        Raises:
            ExperimentError: If a setting is wrong, or the state of the run depends on it.
            RunError: If the run has no such checkpoint, or is at its end.
        """
        from seqforge.api.launch import resume

        experiment = self.experiment
        table = merge_tables(experiment.table, settings)
        changed = Experiment.from_dict(table, self.path, experiment.registry, origin=self.directory.experiment)
        new_backends = "backend" in settings.get("training", {})
        return resume(Run(self.directory, changed, new_backends), checkpoint, callbacks=callbacks, progress=progress)

    @property
    def _task(self) -> Task:
        return task_of(self.experiment)

    def _language_model(
        self, checkpoint: str, device: str, precision: Precision | None = None
    ) -> tuple[SequenceModel, Vocabulary]:
        return self._task.language_model(TrainedModel(self.directory, checkpoint, device, precision))

    def _chain(self, samplers: Sequence[Component] | None) -> list[Sampler]:
        return [sampler.build() for sampler in (self.experiment.samplers if samplers is None else samplers)]
