"""The export of a run in a format of another program, such as ONNX."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from seqforge.api.export import list_facts, open_checkpoint
from seqforge.api.run import Run
from seqforge.data.padded_batches import evaluation_examples
from seqforge.errors import RunError
from seqforge.evaluation.exported import (
    ExportCheck,
    check_exported,
    check_predictor,
    trained_model,
    trained_predictor,
)
from seqforge.faults import blame_components, blame_plugin, component_fault, owner_of
from seqforge.kinds import Exporter, PredictorExporter
from seqforge.runs.loaded_run import LoadedRun
from seqforge.runs.verification import step_of
from seqforge.storage.files import reported_failures
from seqforge.storage.folders import create_folder
from seqforge.storage.paths import as_path


@blame_components()
def export_format(
    run: Run | str | Path, folder: str | Path, exporter: str, *, checkpoint: str | int = "best"
) -> ExportCheck:
    """Write a model in a format of another program, which then has to compute what the run computes.

    The program scores 1,000 symbols that the run draws, and generates 1,000, each time the most probable one. If its
    bits per character differ from those of the run in the first four digits, or a symbol differs, nothing is written.
    With labelled examples, it predicts those of the validation split, and the logits or numbers have to be the same.

    Args:
        run: The run, the path of a run directory or of a checkpoint, or the name of a pretrained model.
        folder: Folder that is created.
        exporter: Name of the exporter, such as "onnx".
        checkpoint: "best", "latest" or a step; that of the path if `run` is the path of a checkpoint.

    Returns:
        The comparison with the run.

    Raises:
        PluginError: If there is no such format, if it cannot represent the model, if its libraries are not installed,
            or if the program computes something else.
        RunError: If there is no such checkpoint, if the format is for language models and the run is not, if the folder
            exists already, or if it cannot be written.
        DataError: If the corpus of labelled examples is missing.
    """
    run, checkpoint = open_checkpoint(run, checkpoint)
    registry, target = run.experiment.registry, as_path(folder, "folder")
    writer: Exporter = registry.load(registry.find("exporter", exporter))()
    loaded = run.load(checkpoint, "cpu", "float32")
    if not run.experiment.labelled:
        step = step_of(run.checkpoints.find(checkpoint))
        write = partial(_write_language_model, loaded, step, writer)
    elif isinstance(writer, PredictorExporter):
        write = partial(_write_predictor, loaded, writer)
    else:
        raise RunError(
            f"{run.path}: the model was trained on labelled examples, and the format {exporter} is for language models",
            hint="The format onnx is for both. `seqforge export` without --format writes any model for seqforge.",
        )
    if os.path.lexists(target):
        raise RunError(f"{target}: it exists already", hint="Choose another folder.")
    checks: list[ExportCheck] = []

    def fill(path: Path) -> None:
        check = write(path)
        with blame_plugin(*owner_of(writer), type(writer), "what it has exported cannot be read"):
            checks.append(check())
        if writer.exact and (fault := checks[0].fault):
            raise component_fault(writer, f"{fault}; nothing was written")

    with reported_failures(f"exporting to {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        create_folder(target, fill)
    return checks[0]


def _write_language_model(run: LoadedRun, step: int, writer: Exporter, folder: Path) -> Callable[[], ExportCheck]:
    """Write a language model, and return its comparison with the run, on text that the run draws."""
    model, vocabulary = run.language_model()
    records = [record for record in run.records if record["step"] <= step]
    facts = list_facts(run.experiment, records, f"{sum(weight.numel() for weight in model.parameters()):,}")
    tables = {key: run.experiment.table[key] for key in ("model", "vocabulary", "data")}
    writer.write(trained_model(run.name, model, vocabulary, tables=tables, facts=facts), folder)
    return partial(check_exported, model, vocabulary, writer, folder)


def _write_predictor(run: LoadedRun, writer: PredictorExporter, folder: Path) -> Callable[[], ExportCheck]:
    """Write a model of labelled examples, and return its comparison with the run, on held-out examples."""
    dataset, settings = run.labelled_dataset, run.experiment
    model = trained_predictor(run.name, run.model, run.vocabulary, run.require_examples())
    writer.write_predictor(model, folder)
    examples = next(filter(len, (dataset.splits[name] for name in ("validation", "test", "training"))))
    limits = settings.training.batch_size, settings.training.batch_tokens, None, 5_000  # steps
    batches = (batch for _, batch in evaluation_examples(dataset.file, examples, *limits))
    return partial(check_predictor, model, batches, writer, folder, settings.prediction.length)
