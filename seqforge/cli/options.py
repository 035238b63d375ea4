"""Arguments and options that several commands share."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqforge.cli.terminal import print_error
from seqforge.errors import ExperimentError
from seqforge.faults import FILE_SUFFIX
from seqforge.registry import Registry, with_plugin_file

if TYPE_CHECKING:
    from seqforge.api import Run
    from seqforge.experiment import Experiment


def _load_plugin_files(context: typer.Context, paths: list[Path]) -> list[Path]:
    for path in paths:
        context.obj = with_plugin_file(context.obj, path)
    return paths


PluginFiles = Annotated[
    list[Path],
    typer.Option(
        "--plugin",
        metavar="FILE.py",
        callback=_load_plugin_files,
        help="Python file whose classes are components, such as my_cell.py. Repeatable.",
    ),
]
"""Adds the components of the files to the registry in `context.obj`, before the command starts."""

RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Run directory, such as runs/first-run, one of its checkpoints, or a model, such as linux-small.",
    ),
]
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="Run directory, such as runs/first-run.")]
Set = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the experiment. Repeatable. Example: --set model.cells.0.hidden_size=256.",
    ),
]
SetOfRun = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the run's experiment. Repeatable. Example: --set sampler.0.temperature=0.5.",
    ),
]
CorpusName = Annotated[
    str | None,
    typer.Option("--corpus", metavar="NAME", help="Corpus, such as linux-source. Default: the experiment's."),
]
CellName = Annotated[
    str | None,
    typer.Option(
        "--cell", metavar="NAME", help="Cell of every layer, such as gru. Default: the experiment's, or lstm."
    ),
]
LossName = Annotated[
    str | None,
    typer.Option("--loss", metavar="NAME", help="Loss, such as ctc. Default: the experiment's, or cross-entropy."),
]
OptimizerName = Annotated[
    str | None,
    typer.Option("--optimizer", metavar="NAME", help="Optimizer, such as sgd. Default: the experiment's, or adam."),
]
BackendName = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="NAME",
        help="Backend that runs the cells, such as native. Default: the experiment's, or auto for the fastest.",
    ),
]
Samplers = Annotated[
    list[str],
    typer.Option(
        "--sampler",
        metavar="NAME",
        help="Sampler, such as top-p. Repeat the option for a chain. Default: the experiment's samplers.",
    ),
]
CheckpointName = Annotated[
    str,
    typer.Option(
        "--checkpoint",
        metavar="CHECKPOINT",
        help="best, latest, a step such as 500, or initial for the weights before the first step.",
    ),
]
Device = Annotated[
    str, typer.Option("--device", help="Device, such as cpu, cuda or cuda:1; auto is a GPU if there is one.")
]


def with_backend(assignments: list[str], backend: str | None) -> list[str]:
    """Return assignments to keys of an experiment, with that of `--backend` last."""
    return assignments if backend is None else [*assignments, f"training.backend={backend}"]


def compose_experiment(
    path: Path | None, components: Mapping[str, Any], assignments: list[str], registry: Registry
) -> "Experiment":
    """Return the experiment of a file and of the options of a command.

    Args:
        path: Experiment file, or None if the options define the experiment.
        components: Names of the components that replace those of the file, by kind; None or empty for no other.
        assignments: Assignments to keys of the experiment.
        registry: Registered components.

    Raises:
        ExperimentError: If there is neither a file nor a corpus, or if the experiment cannot be run.
    """
    from seqforge.experiment import Experiment, override, read_table, replace_components

    table = read_table(path) if path is not None else {}
    table = override(replace_components(table, registry, **components), assignments)
    if path is None and "corpus" not in table:
        raise ExperimentError(
            "no experiment file is named, and no corpus",
            hint="Name a file, such as experiments/first-run.toml, or a corpus with --corpus: "
            f"{', '.join(registry.names('corpus'))}.",
        )
    folder = path.parent if path is not None else Path.cwd()
    return Experiment.from_dict(table, folder, registry, origin=path or "the command line")


def open_run(
    name: str, registry: Registry, checkpoint: str, *, overrides: list[str], samplers: list[str]
) -> "tuple[Run, str]":
    """Open a run that the user names.

    Args:
        name: Path of a run directory or of a checkpoint, or name of a pretrained model.
        registry: Registered components.
        checkpoint: Name of the checkpoint, if `name` is not that of a checkpoint.
        overrides: Assignments to keys of the experiment.
        samplers: Chain of samplers; empty for that of the experiment.

    Returns:
        The run, and the name of the checkpoint.
    """
    from seqforge.api import Run
    from seqforge.experiment import Experiment, override, replace_components
    from seqforge.runs import RunDirectory, locate
    from seqforge.runs.resume import sets_backend

    path, step = locate(name, registry)
    directory = RunDirectory.open(path)
    table = override(replace_components(directory.read_experiment(), registry, sampler=samplers), overrides)
    experiment = Experiment.from_dict(table, path, registry, origin=directory.experiment)
    _warn_of_other_versions(table.get("plugins", {}), experiment.plugins)
    return Run(directory, experiment, sets_backend(overrides)), step or checkpoint


def _warn_of_other_versions(recorded: Mapping[str, str], installed: Mapping[str, str]) -> None:
    changes = [
        f"{name} {recorded[name]}, now {version}"
        for name, version in installed.items()
        if recorded.get(name, version) != version and not name.endswith(FILE_SUFFIX)
    ]
    for name, version in installed.items():
        if name.endswith(FILE_SUFFIX) and recorded.get(name, version) != version:
            print_error(
                f"the file {name} has changed since this run was started ({recorded[name]}, now {version})",
                hint="The run may not continue as it would have, and its results may differ.",
                kind="warning",
            )
    if changes:
        print_error(
            f"this run was created with other versions: {'; '.join(changes)}",
            hint="Its results may differ with the installed versions.",
            kind="warning",
        )
