"""The export of a run in a format of another program, such as ONNX."""

import os
from pathlib import Path

from seqforge.api.export import list_facts, open_checkpoint
from seqforge.api.run import Run
from seqforge.errors import RunError
from seqforge.evaluation.exported import ExportCheck, check_exported, trained_model
from seqforge.faults import blame_components, blame_plugin, component_fault, owner_of
from seqforge.kinds import Exporter
from seqforge.storage.files import reported_failures
from seqforge.storage.folders import create_folder
from seqforge.storage.paths import as_path


@blame_components()
def export_format(
    run: Run | str | Path, folder: str | Path, exporter: str, *, checkpoint: str | int = "best"
) -> ExportCheck:
    """Write a language model in a format of another program, which then has to compute what the run computes.

    The program scores 1,000 symbols that the run draws, and generates the 1,000 most probable ones. If its bits per
    character differ from those of the run in the first four digits, or a symbol differs, nothing is written.

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
        RunError: If there is no such checkpoint, if the run was trained on labelled examples, if the folder exists
            already, or if it cannot be written.
    """
    run, checkpoint = open_checkpoint(run, checkpoint)
    registry, target = run.experiment.registry, as_path(folder, "folder")
    writer: Exporter = registry.load(registry.find("exporter", exporter))()
    if run.experiment.labelled:
        raise RunError(
            f"{run.path}: the model was trained on labelled examples, and the format {exporter} is for language models",
            hint="`seqforge export` without --format writes any model.",
        )
    if os.path.lexists(target):
        raise RunError(f"{target}: it exists already", hint="Choose another folder.")
    loaded = run.load(checkpoint, "cpu", "float32")
    model, vocabulary = loaded.language_model()
    step = int(run.checkpoints.find(checkpoint).name.removeprefix("step-"))
    records = [record for record in loaded.records if record["step"] <= step]
    facts = list_facts(run.experiment, records, f"{sum(weight.numel() for weight in model.parameters()):,}")
    tables = {key: run.experiment.table[key] for key in ("model", "vocabulary", "data")}
    checks: list[ExportCheck] = []

    def fill(path: Path) -> None:
        writer.write(trained_model(loaded.name, model, vocabulary, tables=tables, facts=facts), path)
        with blame_plugin(*owner_of(writer), type(writer), "what it has exported cannot be read"):
            checks.append(check_exported(model, vocabulary, writer, path))
        if writer.exact and (fault := checks[0].fault()):
            raise component_fault(writer, f"{fault}; nothing was written")

    with reported_failures(f"exporting to {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        create_folder(target, fill)
    return checks[0]
