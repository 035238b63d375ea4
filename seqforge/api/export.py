"""The export of a run for sharing: the weights of one checkpoint, with all that is needed to sample them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from seqforge.api.notebook import render
from seqforge.api.run import Run
from seqforge.data.encoding import VocabularyRecord
from seqforge.errors import RunError, did_you_mean
from seqforge.experiment.experiment import Experiment
from seqforge.faults import FILE_SUFFIX, SESSION
from seqforge.figures import describe_layers, format_duration
from seqforge.kinds.table import OBSERVER_KEYS
from seqforge.registry.hooks import CARD
from seqforge.registry.registry import Registry
from seqforge.runs.backends import BACKENDS
from seqforge.runs.checkpoint_files import export_weights, is_exported
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.directory import FILES, FOLDERS, MARKER, RunDirectory
from seqforge.runs.history import ENDED, HISTORY, read_history
from seqforge.runs.locate import locate
from seqforge.runs.metrics_log import number_of, to_lines
from seqforge.runs.summary import best_evaluation
from seqforge.runs.verification import step_of, verify_checkpoint
from seqforge.storage.files import read_bounded, reported_failures, write_atomically
from seqforge.storage.folders import create_folder, replace_folder
from seqforge.storage.paths import as_path

LOGGED_STEPS = 250
"""Largest number of training steps that an exported metrics log has, which is enough for a curve."""

LOCAL_KEYS = ("corpus", "command", "initial")
"""Keys of the history that may contain paths of the machine, or names of other files."""

StoredPrecision = Literal["bfloat16", "float32"]


def export(
    run: Run | str | Path,
    folder: str | Path,
    *,
    checkpoint: str | int = "best",
    precision: StoredPrecision = "bfloat16",
    replace: bool = False,
) -> Run:
    """Write a model for sharing: a run directory with the weights of one checkpoint, and without what training needs.

    The folder contains the weights as safetensors with a manifest of checksums, the experiment, the vocabulary, the
    evaluations, and a model card `README.md` to complete. It contains no text of the corpus, no optimizer state, and no
    path or command of this machine, except for paths in the experiment. The experiment has no components that
    only observe a run, and no metrics of a file or a session. The same run always gives the same files.

    Args:
        run: The run, the path of a run directory or of a checkpoint, or the name of a pretrained model.
        folder: Folder that is created.
        checkpoint: "best", "latest" or a step; that of the path if `run` is the path of a checkpoint.
        precision: Type of the stored weights. Weights in bfloat16 need half the space.
        replace: Whether to replace an exported model in the folder. Its `README.md` is kept.

    Returns:
        The exported model.

    Raises:
        RunError: If there is no such checkpoint or precision, if the checkpoint is damaged, if the folder exists
            already, or if it cannot be written.
    """
    if precision not in get_args(StoredPrecision):
        known = get_args(StoredPrecision)
        raise RunError(f"weights cannot be stored in {precision!r}", hint=did_you_mean(str(precision), known))
    target = as_path(folder, "folder")
    if target.name in ("", ".."):  # such as ".", which cannot be renamed
        target = target.resolve()
    run, checkpoint = open_checkpoint(run, checkpoint)
    source = run.checkpoints.find(checkpoint)
    _check_target(target, replace=replace)
    step = step_of(source)
    model = run.model(step, "cpu")
    records = list(_records(run, step))
    experiment = run.experiment.with_tables(_portable(run.experiment), run.path, run.directory.experiment)

    def fill(path: Path) -> None:
        directory = RunDirectory(path)
        directory.checkpoints.mkdir()
        for name in (BACKENDS, *verify_checkpoint(source).run):
            if (run.path / name).exists():
                write_atomically(path / name, read_bounded(run.path / name, VocabularyRecord.MAXIMUM_SIZE))
        directory.write_experiment(experiment)
        write_atomically(directory.metrics, to_lines(records))
        write_atomically(path / HISTORY, to_lines(_history(run, step)))
        parameters = export_weights(source, model, directory.checkpoints / source.name, getattr(torch, precision))
        card = target / CARD
        facts = list_facts(experiment, records, f"{parameters:,}, stored in {precision}")
        draft = render("card.md.jinja", name=target.name, facts=facts)
        write_atomically(path / CARD, read_bounded(card) if card.exists() else draft.encode())

    with reported_failures(f"exporting to {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        created = create_folder(target, fill, numbered=True)
        if replace and created != target:  # The model that is replaced has the name.
            created = replace_folder(created, target)
    return Run(RunDirectory(created), experiment)


def open_checkpoint(
    run: Run | str | Path, checkpoint: str | int, registry: Registry | None = None
) -> tuple[Run, str | int]:
    """Return a run, and its checkpoint: that of the path if `run` is the path of a checkpoint."""
    if isinstance(run, Run):
        return run, checkpoint
    registry = registry or Registry.installed()
    path, step = locate(run, registry)
    return Run.open(path, registry=registry), step or checkpoint


def _portable(experiment: Experiment) -> dict[str, Any]:
    """Return the tables of the experiment that an exported model has instead of its own."""
    # A model needs neither metrics nor observers. A file or a session that defines a metric is not on other machines.
    metrics = [
        dict(metric.table)
        for metric in experiment.metrics
        if not any(plugin == SESSION or plugin.endswith(FILE_SUFFIX) for plugin in metric.plugins)
    ]
    # The precision of the products depends on the machine, and "auto" is bfloat16 where the machine has it.
    training = {"precision": "auto"} if experiment.training.precision == "bfloat16" else {}
    return {**{key: [] for key in OBSERVER_KEYS}, "metrics": metrics, "training": training}


def _check_target(folder: Path, *, replace: bool) -> None:
    """Check that a folder does not exist, or that it is only an exported model and may be replaced."""
    if not os.path.lexists(folder):
        return
    hint = "Choose another folder."
    if (folder / MARKER).exists() and not folder.is_symlink():
        checkpoints = Checkpoints(RunDirectory.open(folder).checkpoints)
        steps = checkpoints.steps()
        # A run that has no checkpoint yet is not an exported model.
        if steps and all(is_exported(checkpoints.path(step)) for step in steps):
            others = sorted({path.name for path in folder.iterdir()} - {*FILES, *FOLDERS, CARD})
            if replace and others:
                raise RunError(
                    f"{folder}: it contains {others[0]}, which is not a part of an exported model",
                    hint="It would be deleted. Move it elsewhere, or choose another folder.",
                )
            if replace:
                return
            hint = f"To replace this model and keep its {CARD}: --replace, or replace=True in Python."
    raise RunError(f"{folder}: it exists already", hint=hint)


def _records(run: Run, last: int) -> Iterator[Mapping[str, Any]]:
    """Yield the evaluations of a run until a step, and some of its training steps."""
    records = [record for record in run.metrics() if record["step"] <= last]
    steps = [record["step"] for record in records if record["event"] == "step"]
    shown = {*steps[:: len(steps) // LOGGED_STEPS + 1], *steps[-1:]}
    for record in records:
        if record["event"] == "evaluation" or (record["event"] == "step" and record["step"] in shown):
            yield record


def _history(run: Run, step: int) -> Iterator[Mapping[str, Any]]:
    """Yield the history of a run without what concerns its machine. The history of an exported model has an end."""
    records = read_history(run.path)
    for record in records:
        yield {name: value for name, value in record.items() if name not in LOCAL_KEYS}
    if not records or records[-1]["event"] != ENDED:
        yield {"event": ENDED, "step": step, "reason": f"exported at step {step:,}", "complete": True}


def list_facts(experiment: Experiment, records: Sequence[Mapping[str, Any]], parameters: str) -> dict[str, str]:
    """Return the facts that a model card states about a model and its training, by their titles."""
    table, evaluation = experiment.table, [record for record in records if record["event"] == "evaluation"][-1:]
    best = best_evaluation(evaluation)
    seconds = max((number_of(record, "seconds") or 0.0 for record in records), default=0.0)
    return {
        "Model": describe_layers(table["model"]["cells"]),
        "Parameters": parameters,
        "Corpus": f"`{table['corpus']['use']}`",
        "Training": f"{max((record['step'] for record in records), default=0):,} steps, {format_duration(seconds)}",
        "Validation": f"{best.estimate()} {best.unit}" if best.unit else "not evaluated",
    }
