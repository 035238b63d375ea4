"""Arguments and options that several commands share, and the values that the shell proposes for them."""

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from seqforge.cli.terminal import print_error
from seqforge.errors import ExperimentError
from seqforge.kinds.table import KINDS
from seqforge.registry import with_plugin_file
from seqforge.registry.registry import Registry

if TYPE_CHECKING:
    from seqforge.api.run import Run
    from seqforge.experiment.experiment import Experiment


def complete_run(incomplete: str) -> list[str]:
    """Return the run directories in and below the folder of the path that is being typed, and the models of plugins.

    Of the values of this function and of those below, typer proposes the ones that begin with the typed text.
    """
    from seqforge.runs.directory import MARKER

    folder = Path(incomplete).parent if not incomplete.endswith("/") else Path(incomplete)
    found = list[Path]()
    for path in sorted(folder.glob("*/")):
        if str(path).startswith(incomplete):
            is_run = (path / MARKER).is_file()
            found += [path] if is_run else [run.parent for run in sorted(path.glob(f"*/{MARKER}"))]
    return [*map(str, found), *(model.name for model in Registry.installed().models)]


def complete_component(kind: str) -> Callable[[], list[str]]:
    """Return the function that completes the short names of the components of a kind."""
    return lambda: Registry.installed().names(kind)


def complete_key() -> list[str]:
    """Return the dotted keys of the settings of an experiment, such as `training.steps`."""
    from seqforge.experiment.experiment import Experiment

    fields = Experiment.model_fields.items()
    tables = {field.alias or name: getattr(field.annotation, "model_fields", {}) for name, field in fields}
    return [f"{table}.{key}" for table, keys in tables.items() for key in keys]


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


def _run(meaning: str) -> Any:
    """Return the argument that names runs."""
    return typer.Argument(metavar="RUN", help=meaning, autocompletion=complete_run)


RunName = Annotated[
    str,
    _run(
        "Run directory, such as runs/first-run, one of its checkpoints, or a model, such as linux-small or "
        "hf://user/model."
    ),
]
RunNames = Annotated[list[str], _run("Run directories, such as runs/first-run, or models, such as linux-small.")]
RunFolder = Annotated[str, _run("Run directory, such as runs/first-run.")]


def _set(owner: str, example: str) -> Any:
    """Return the option that overrides keys of an experiment."""
    return typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help=f"Override a key of the {owner}. Repeatable. Example: --set {example}.",
        autocompletion=complete_key,
    )


Set = Annotated[list[str], _set("experiment", "model.cells.0.hidden_size=256")]
SetOfRun = Annotated[list[str], _set("run's experiment", "sampler.0.temperature=0.5")]


def _component(name: str, meaning: str, default: str = "") -> Any:
    """Return the option that replaces a component of an experiment."""
    return typer.Option(
        f"--{name}",
        metavar="NAME",
        help=f"{meaning}. Default: the experiment's{default}.",
        autocompletion=complete_component(name),
    )


Samplers = Annotated[
    list[str], _component("sampler", "Sampler, such as top-p. Repeat the option for a chain", " samplers")
]


def _checkpoint(names: list[str], meaning: str) -> Any:
    return typer.Option("--checkpoint", metavar="CHECKPOINT", help=meaning, autocompletion=lambda: names)


CheckpointName = Annotated[
    str,
    _checkpoint(
        ["best", "latest", "initial"],
        "best, latest, a step such as 500, or initial for the weights before the first step.",
    ),
]
SavedCheckpoint = Annotated[str, _checkpoint(["best", "latest"], "best, latest, or a step such as 500.")]
Device = Annotated[
    str, typer.Option("--device", help="Device, such as cpu, cuda or cuda:1; auto is a GPU if there is one.")
]


def _setting(name: str, meaning: str, *names: str) -> Any:
    """Return the option that sets a key of an experiment."""
    return typer.Option(f"--{name}", *names, metavar="NUMBER", help=f"{meaning}. Default: the experiment's.")


LIMITS = ("steps", "epochs", "minutes")
"""Keys of `[training]` that end a run. An option for one replaces all that the file has."""

COMPONENTS = ("corpus", "cell", "loss", "optimizer", "sampler")
"""Options that replace components of an experiment, by the names of their parameters."""


def _declare_experiment_options(
    corpus: Annotated[str | None, _component("corpus", "Corpus, such as linux-source")] = None,
    cell: Annotated[str | None, _component("cell", "Cell of every layer, such as gru", ", or lstm")] = None,
    loss: Annotated[str | None, _component("loss", "Loss, such as ctc", ", or cross-entropy")] = None,
    optimizer: Annotated[str | None, _component("optimizer", "Optimizer, such as sgd", ", or adam")] = None,
    backend: Annotated[
        str | None,
        _component("backend", "Backend that runs the cells, such as native", ", or auto for the fastest"),
    ] = None,
    sampler: Samplers = [],
    steps: Annotated[int | None, _setting("steps", "Number of optimizer steps, instead of other limits")] = None,
    minutes: Annotated[float | None, _setting("minutes", "Minutes of training, instead of other limits")] = None,
    learning_rate: Annotated[float | None, _setting("learning-rate", "Learning rate of the optimizer", "--lr")] = None,
    hidden_size: Annotated[int | None, _setting("hidden-size", "Number of units of every cell")] = None,
    layers: Annotated[int | None, _setting("layers", "Number of layers, all with the first cell")] = None,
    assignments: Set = [],
    plugin: PluginFiles = [],
) -> None:
    """Declare the options from which `compose_experiment` composes an experiment."""


def with_experiment_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `_declare_experiment_options` to a command, which finds their values in its context."""
    own = inspect.signature(command).parameters
    added = inspect.signature(_declare_experiment_options).parameters

    @functools.wraps(command)
    def call(**values: Any) -> None:
        command(**{name: value for name, value in values.items() if name in own})

    vars(call)["__signature__"] = inspect.Signature([*own.values(), *added.values()])
    return call


def compose_experiment(context: typer.Context, path: Path | None) -> "Experiment":
    """Return the experiment of a file and of the options of a command: of `COMPONENTS`, `--backend` and `--set`.

    Without a file, the options define the experiment.

    Raises:
        ExperimentError: If there is neither a file nor a corpus, or if the experiment cannot be run.
    """
    from seqforge.experiment.tables import override, read_table, replace_components

    registry: Registry = context.obj
    table = {} if path is None else read_table(path) if is_experiment(path) else _text_table(path)
    if (initial := context.params.get("initial")) is not None:
        table = _tables_of(initial, registry) | table
    table = replace_components(table, registry, **{kind: context.params[kind] for kind in COMPONENTS})
    table = override(_with_settings(table, context.params), _assignments(context))
    if path is None and "corpus" not in table:
        raise ExperimentError(
            "no experiment file is named, and no corpus",
            hint="Name a text, an experiment file such as experiments/first-run.toml, or a corpus with --corpus: "
            f"{', '.join(registry.names('corpus'))}.",
        )
    from seqforge.experiment.experiment import Experiment  # imports torch, which is not needed for the errors above

    folder = path.parent if path is not None and is_experiment(path) else Path.cwd()
    return Experiment.from_dict(table, folder, registry, origin=path or "the command line")


def _tables_of(name: str, registry: Registry) -> dict[str, Any]:
    """Return `[model]` and `[vocabulary]` of a run, from whose weights a new run starts.

    A vocabulary with the option `file` is that of the run, with all its symbols. Others learn theirs from the new text.
    """
    from seqforge.api.export import open_checkpoint

    run, _ = open_checkpoint(name, "best", registry)
    vocabulary = dict(run.experiment.vocabulary.table)
    if "file" in run.experiment.vocabulary.options:
        vocabulary["file"] = str(run.path.absolute() / "vocabulary.json")
    return {"model": run.experiment.table["model"], "vocabulary": vocabulary}


def is_experiment(path: Path) -> bool:
    """Return whether a path is that of an experiment file, and not of a text file or a folder to train on."""
    from seqforge.experiment.tables import is_experiment_file

    if path.is_dir():  # A folder of experiments or of a run is a mistake, which `read_table` explains.
        return any(map(is_experiment_file, path.glob("*.toml")))
    return path.suffix == ".toml" or not path.is_file()


_FORMATS = {"jsonl": "json-lines", "ndjson": "json-lines", "csv": "csv", "parquet": "parquet"}
"""The corpus of a file, by its suffix before that of its compression; other files are texts."""


def _text_table(path: Path) -> dict[str, Any]:
    """Return the tables of an experiment that trains on a text, on a table, or on all text files of a folder."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.resolve().stem).strip("-._") or "text"
    files = [str(path / "**") if path.is_dir() else str(path)]
    suffix = re.sub(r"\.(gz|bz2|xz|zst)$", "", path.name.lower()).rpartition(".")[2]
    return {"experiment": {"name": name[:100]}, "corpus": {"use": _FORMATS.get(suffix, "text"), "files": files}}


def _with_settings(table: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables with the values of `--steps`, `--minutes`, `--learning-rate`, `--hidden-size`, `--layers`.

    A table of another type is left as it is, since the check of the experiment reports it.
    """
    table = dict(table)
    limits = {key: given[key] for key in LIMITS if given.get(key) is not None}
    if limits and isinstance(training := table.get("training", {}), dict):
        others = {key: value for key, value in cast("dict[str, Any]", training).items() if key not in LIMITS}
        table["training"] = others | limits
    if given.get("learning_rate") is not None:
        optimizer = table.get("optimizer", KINDS["optimizer"].default)
        table["optimizer"] = _with_options(optimizer, {"learning_rate": given["learning_rate"]})
    names = {"hidden_size": "hidden_size", "layers": "repeat"}
    options = {key: given[name] for name, key in names.items() if given.get(name) is not None}
    if options and isinstance(model := table.get("model", {}), dict):
        cells = cast("dict[str, Any]", model).get("cells", [KINDS["cell"].default])
        if isinstance(cells, list):
            changed = [_with_options(cell, options) for cell in cast("list[Any]", cells)]
            table["model"] = {**model, "cells": changed[:1] if "repeat" in options else changed}
    return table


def _with_options(component: Any, options: Mapping[str, Any]) -> Any:
    """Return the table of a component with options. What is neither a name nor a table is left as it is."""
    table = {"use": component} if isinstance(component, str) else component
    return {**cast("dict[str, Any]", table), **options} if isinstance(table, dict) else table


def _assignments(context: typer.Context) -> list[str]:
    """Return the assignments of `--set` to keys of an experiment, with that of `--backend` last."""
    backend = context.params.get("backend")
    return [*context.params.get("assignments", ()), *([f"training.backend={backend}"] if backend else [])]


def open_run(context: typer.Context, name: str, checkpoint: str = "best") -> "tuple[Run, str]":
    """Open a run that the user names, with the settings and samplers of the command's options.

    The name is the path of a run directory or of a checkpoint, or that of a pretrained model.

    Returns:
        The run, and the name of the checkpoint: that of the path if it is one.
    """
    from seqforge.api.run import Run
    from seqforge.experiment.experiment import Experiment
    from seqforge.experiment.tables import override, replace_components
    from seqforge.runs.directory import RunDirectory
    from seqforge.runs.locate import locate
    from seqforge.runs.resume import sets_backend

    registry, overrides = context.obj, _assignments(context)
    path, step = locate(name, registry)
    directory = RunDirectory.open(path)
    samplers = context.params.get("sampler", ())
    table = replace_components(directory.read_experiment(), registry, sampler=samplers)
    table = override(_with_settings(table, context.params), overrides)
    experiment = Experiment.from_dict(table, path, registry, origin=directory.experiment)
    _warn_of_other_versions(table.get("plugins", {}), experiment.plugins)
    return Run(directory, experiment, sets_backend(overrides)), step or checkpoint


def _warn_of_other_versions(recorded: Mapping[str, str], installed: Mapping[str, str]) -> None:
    changed = [
        f"{name} {recorded[name]}, now {version}"
        for name, version in installed.items()
        if recorded.get(name, version) != version
    ]
    if changed:
        print_error(
            f"this run was created with other versions: {'; '.join(changed)}",
            hint="It may not continue as it would have, and its results may differ.",
            kind="warning",
        )
