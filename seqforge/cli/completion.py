"""Values of arguments and options that the shell proposes with the key Tab."""

from collections.abc import Callable, Iterable
from pathlib import Path

from seqforge.registry import Registry

Complete = Callable[[str], list[str]]


def complete_run(incomplete: str) -> list[str]:
    """Return the run directories in and below the folder of the path that is being typed, and the models of plugins."""
    from seqforge.runs.directory import MARKER

    folder = Path(incomplete).parent if not incomplete.endswith("/") else Path(incomplete)
    models = [model.name for model in Registry.installed().models if model.name.startswith(incomplete)]
    found = list[Path]()
    for path in sorted(folder.glob("*/")):
        if str(path).startswith(incomplete):
            is_run = (path / MARKER).is_file()
            found += [path] if is_run else [run.parent for run in sorted(path.glob(f"*/{MARKER}"))]
    return [*map(str, found), *models]


def complete_component(kind: str) -> Complete:
    """Return the function that completes the short names of the components of a kind."""
    return lambda incomplete: _starting_with(incomplete, Registry.installed().names(kind))


def complete_checkpoint(incomplete: str) -> list[str]:
    """Return the names that every run has for some of its checkpoints."""
    return _starting_with(incomplete, ["best", "latest", "initial"])


def complete_key(incomplete: str) -> list[str]:
    """Return the keys of an experiment, and after a point those of its table."""
    from seqforge.experiment.experiment import Experiment

    keys = list[str]()
    for name, field in Experiment.model_fields.items():
        table = field.alias or name
        keys += [f"{table}.{key}" for key in getattr(field.annotation, "model_fields", {})]
    return _starting_with(incomplete, keys)


def _starting_with(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
