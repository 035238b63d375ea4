"""Runs in Python: open, sample, predict, evaluate, inspect and resume them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from seqforge.api.notebook import summary_html, summary_line
from seqforge.api.start_training import train_further
from seqforge.data.splits import SplitName
from seqforge.distribution.world import join_world
from seqforge.evaluation.metrics import TextScores
from seqforge.events import Report, no_report
from seqforge.experiment.experiment import Experiment
from seqforge.experiment.tables import override
from seqforge.faults import blame_components, blame_iteration
from seqforge.generation.generator import sample_texts, stream_text
from seqforge.generation.predictions import Prediction
from seqforge.kinds import Sampler, Value, Vocabulary
from seqforge.model.precision import Precision
from seqforge.model.sequence_model import SequenceModel
from seqforge.registry.component import Choice
from seqforge.registry.registry import Registry
from seqforge.report.inspection import Inspection, SymbolProbability, inspect_text, layer_states, symbol_probabilities
from seqforge.report.report import ReportPage, write_report
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.directory import RunDirectory
from seqforge.runs.loaded_run import LoadedRun
from seqforge.runs.locate import find_run
from seqforge.runs.metrics_log import tabulate_losses
from seqforge.runs.resume import sets_backend
from seqforge.tasks import task_of
from seqforge.tasks.labelled_examples import decoding_options, load_predictor
from seqforge.tasks.language_model import score_samples
from seqforge.tasks.task import SplitScore
from seqforge.training.dynamic_evaluation import evaluate_dynamically


@dataclass(frozen=True, slots=True)
class Run:
    """A run directory with its experiment.

    `print(run)` prints one line. A notebook displays the loss curve and the last sample of a run.

    Several methods take the arguments `checkpoint` ("best", "latest", a step, or "initial" for the weights before the
    first step), `device` ("auto", "cpu", "cuda:1" and so on) and `report`, a function that receives the progress.

    Attributes:
        directory: The run directory.
        experiment: The experiment.
        new_backends: Whether `resume` chooses the backends of the cells again, instead of the recorded backends.
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
            path: The run directory, or the name of a pretrained model as text, such as "linux-small".
            overrides: Assignments such as `training.minutes=20`, to resume the run with other settings.
            registry: Registered components; by default, those of the installed plugins.
            components: Classes that the run uses and that were defined in a Python session, such as `[Leaky]`.

        Raises:
            RunError: If it is neither, or both, or if its experiment is damaged.
            ExperimentError: If a component of the run is not installed, or a setting is wrong.
        """
        registry = (registry or Registry.installed()).with_components(components)
        directory = RunDirectory.open(find_run(path, registry))
        table = override(directory.read_experiment(), overrides)
        experiment = Experiment.from_dict(table, directory.path, registry, origin=directory.experiment)
        return cls(directory, experiment, sets_backend(overrides))

    def __repr__(self) -> str:
        return summary_line(self.directory)

    def _repr_html_(self) -> str:
        return summary_html(self.directory)

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
        return self.load().records

    def losses(self) -> list[dict[str, Any]]:
        """Return a table of losses, one row for each step that was logged or evaluated.

        Returns:
            Rows with the same columns, for `pandas.DataFrame` or matplotlib: `step`, `seconds`, `training_loss`,
            `validation_loss`, and for a language model `training_bits_per_character` and
            `validation_bits_per_character`. A value that is not known at a step is None.
        """
        return tabulate_losses(self.metrics())

    def load(
        self,
        checkpoint: str | int = "best",
        device: str = "auto",
        precision: Precision | None = None,
        report: Report = no_report,
    ) -> LoadedRun:
        """Return the run with the model of a checkpoint, each part of which is loaded when it is first used."""
        self.directory.check_exists()
        return LoadedRun(self.directory, self.experiment, checkpoint, device, precision, report)

    @blame_components()
    def vocabulary(self) -> Vocabulary:
        """Return the vocabulary of the run."""
        return self.load().vocabulary

    @blame_components()
    def model(
        self, checkpoint: str | int = "best", device: str = "auto", precision: Precision | None = None
    ) -> SequenceModel:
        """Load the model of the run, in evaluation mode, by default with the products in the experiment's precision."""
        return self.load(checkpoint, device, precision).model

    @blame_components()
    def sample(
        self,
        prompt: str | None = None,
        *,
        length: int = 1000,
        count: int = 1,
        seed: int = 0,
        samplers: Sequence[Choice] | None = None,
        checkpoint: str | int = "best",
        device: str = "auto",
        precision: Precision | None = None,
        report: Report = no_report,
    ) -> list[str]:
        """Draw samples as one batch.

        Args:
            prompt: Text that each sample starts with. By default, a sample starts at the beginning of a line.
            length: Number of symbols to draw for each sample.
            count: Number of samples.
            seed: Seed of the draws.
            samplers: Chain of samplers, each a name, a class or `use(…)`; by default, that of the experiment.
            checkpoint: "best", "latest", a step, or "initial".
            device: Device that computes the samples.
            precision: Precision of matrix products, such as "int8"; by default, that of the experiment.
            report: Function that receives the progress.

        Returns:
            The texts, each with its prompt.

        Raises:
            RunError: If the run was trained on labelled examples.
        """
        model = self.load(checkpoint, device, precision).language_model()
        return sample_texts(*model, self._chain(samplers), prompt, count=count, length=length, seed=seed, report=report)

    @blame_components()
    def stream(
        self,
        prompt: str | None = None,
        *,
        length: int = 1000,
        seed: int = 0,
        samplers: Sequence[Choice] | None = None,
        checkpoint: str | int = "best",
        device: str = "auto",
        precision: Precision | None = None,
    ) -> Iterator[str]:
        """Return an iterator over the text of one sample, while it is drawn, without the prompt.

        The arguments and errors are those of `sample`.
        """
        model = self.load(checkpoint, device, precision).language_model()
        return blame_iteration(stream_text(*model, self._chain(samplers), prompt, length=length, seed=seed))

    @blame_components()
    def predict(
        self,
        inputs: Sequence[Value],
        *,
        beam: int | None = None,
        length: int | None = None,
        checkpoint: str | int = "best",
        device: str = "auto",
        report: Report = no_report,
    ) -> list[Prediction]:
        """Return a prediction for each input.

        Args:
            inputs: Inputs of new examples: texts, or arrays of numbers, `[size]` or `[steps, size]`.
            beam: Width of the beam search if sequences are decoded; by default, that of the experiment.
            length: Maximum number of symbols to decode; by default, that of the experiment.
            checkpoint: "best", "latest", a step, or "initial".
            device: Device that computes the predictions.
            report: Function that receives the progress.

        Raises:
            RunError: If the run is a language model.
            DataError: If an input does not fit the example spec of the run.
        """
        decoding = decoding_options(self.experiment, beam=beam, length=length)
        return load_predictor(self.load(checkpoint, device), decoding)(inputs, report)

    @blame_components()
    def evaluate(
        self,
        split: SplitName = "validation",
        *,
        dynamic: float | None = None,
        checkpoint: str | int = "best",
        device: str = "auto",
        report: Report = no_report,
    ) -> SplitScore:
        """Score a whole split; with a learning rate `dynamic`, learn from each sequence after it was scored.

        Returns:
            The likelihood for a language model; the loss and the metrics for labelled examples.

        Raises:
            DataError: If there is no such split, if it is empty, or if the corpus is missing.
            RunError: If the run was trained on another corpus, or if it cannot be evaluated dynamically.
        """
        run, task = self.load(checkpoint, device, report=report), task_of(self.experiment)
        return task.evaluate(run, split) if dynamic is None else evaluate_dynamically(run, split, dynamic)

    @blame_components()
    def score_samples(
        self, *, checkpoint: str | int = "best", device: str = "auto", seed: int = 0, report: Report = no_report
    ) -> tuple[TextScores, TextScores]:
        """Draw samples as `[sampling]` configures, and score them and held-out text by the metrics of the experiment.

        Returns:
            Scores of the samples, and of held-out text of the same length; empty if there is no metric of samples.

        Raises:
            DataError: If the corpus is missing.
        """
        scores, baseline = score_samples(self.load(checkpoint, device, report=report), [self.experiment.samplers], seed)
        return scores[0], baseline

    @blame_components()
    def report(
        self,
        text: str | None = None,
        *,
        checkpoint: str | int = "best",
        device: str = "auto",
        report: Report = no_report,
    ) -> ReportPage:
        """Return a report about the run as an HTML page, which a notebook displays.

        `text` is colored by the model's confidence; by default, it is held-out text.

        Raises:
            DataError: If the text is empty, or has a symbol that is not in the vocabulary.
        """
        return write_report([self.load(checkpoint, device, report=report)], text)

    @blame_components()
    def inspect(self, text: str, checkpoint: str | int = "best") -> Inspection:
        """Return the predictions on each step of a text, before and after one parameter update of a copy of the model.

        Raises:
            RunError: If the run was trained on labelled examples.
            DataError: If the text is too short, or has a symbol that is not in the vocabulary.
        """
        return inspect_text(self.experiment, *self.load(checkpoint, "cpu").language_model(), text)

    @blame_components()
    def probabilities(
        self, text: str, prompt: str | None = None, *, checkpoint: str | int = "best", device: str = "auto"
    ) -> list[SymbolProbability]:
        """Return each symbol of a text with its probability, given the prompt and the symbols before it.

        If the prompt is None, the text starts at the beginning of a line.

        Raises:
            RunError: If the run was trained on labelled examples.
            DataError: If the text is empty, or has a symbol that is not in the vocabulary.
        """
        return symbol_probabilities(*self.load(checkpoint, device).language_model(), text, prompt)

    @blame_components()
    def states(self, text: str, *, checkpoint: str | int = "best", device: str = "auto") -> dict[str, Tensor]:
        """Return the state of every layer after each symbol of a text.

        Returns:
            Tensors `[time, …]` on the CPU by `layers.INDEX.FIELD`, such as `layers.0.hidden`. Layer 0 reads the input.

        Raises:
            RunError: If the run was trained on labelled examples.
            DataError: If the text is empty, or has a symbol that is not in the vocabulary.
        """
        return layer_states(*self.load(checkpoint, device).language_model(), text)

    @blame_components()
    def resume(
        self,
        checkpoint: str | int = "latest",
        *,
        callbacks: Sequence[object] = (),
        progress: bool | None = None,
        **settings: Mapping[str, Any],
    ) -> "Run":
        """Resume the run, and return it with its new settings.

        With its own settings, on the same machine and with the same number of threads, a run that is limited in steps
        or epochs is bit-identical to one without interruption.

        Args:
            checkpoint: "latest", "best" or a step. Later checkpoints are deleted. A run without any starts again.
            callbacks: Objects with some of the methods of `Callback`, which receive the events of the run.
            progress: Whether to display the progress; by default, only on a terminal and in a notebook.
            settings: Tables of the experiment with the keys that change, such as `training={"steps": 4000}`.

        Raises:
            KeyboardInterrupt: If the run is interrupted, after its checkpoint is written.
            ExperimentError: If a setting is wrong, or if the state of the run depends on it, or as in `train`.
            DataError: If the corpus is missing.
            RunError: If there is no such checkpoint, if it does not fit, if the run is at its end, or as in `train`.
        """
        experiment = self.experiment.with_tables(settings, self.path)
        new = self.new_backends or "backend" in settings.get("training", {})
        with join_world() as world:
            train_further(self.directory, experiment, checkpoint, new, callbacks, progress, world)
        return Run(self.directory, experiment)

    def _chain(self, samplers: Sequence[Choice] | None) -> list[Sampler]:
        chosen = self.experiment if samplers is None else self.experiment.with_tables({"sampler": samplers}, self.path)
        return [sampler.build() for sampler in chosen.samplers]
