"""The run that a user names: a run directory, a checkpoint, or a model of a plugin or of the Hugging Face Hub."""

from os import PathLike
from pathlib import Path

from seqforge.errors import RunError, nearest
from seqforge.registry.problems import format_value
from seqforge.registry.registry import Registry
from seqforge.runs.directory import MARKER, suggest_runs
from seqforge.runs.hub import PREFIX, download_model


def find_run(run: str | Path, registry: Registry) -> Path:
    """Return the path of a run: of a model if the text is the name of one, and otherwise the path itself.

    A `Path`, and a text such as "./linux-small", is never a name.

    Raises:
        RunError: If the text names a model, and a run directory too; or if it names neither.
        PluginError: If more than one plugin offers a model of this name.
    """
    if not isinstance(run, str | PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise RunError(
            f"a run is named by the path of its directory or the name of a model, not by {format_value(run)}",
            hint='For example: "runs/first-run".',
        )
    path = Path(run)
    if not isinstance(run, str):
        return path
    if run.startswith(PREFIX):
        return download_model(run)
    model = registry.find_model(run)
    if model is None:
        if not path.exists():
            _check_spelling(run, registry)
        return path
    if (path / MARKER).exists():
        other = model.qualified_name if run == model.name else model.folder
        raise RunError(
            f"{run!r} is a run directory here, and also a model of the plugin {model.plugin!r}",
            hint=f"For the run directory: ./{run}. For the model: {other}.",
        )
    return model.folder


def locate(run: str | Path, registry: Registry) -> tuple[Path, str | None]:
    """Return the run directory that a user names, and the step if a checkpoint of it is named, or None.

    The arguments and errors are those of `find_run`.
    """
    path = find_run(run, registry)
    absolute = path.absolute()
    if absolute.parent.name == "checkpoints" and absolute.name.startswith("step-"):
        directory = path.parent.parent if len(path.parts) > 2 else absolute.parent.parent
        return directory, absolute.name.removeprefix("step-").lstrip("0") or "0"
    return path, None


def _check_spelling(run: str, registry: Registry) -> None:
    """Raise an error if a text may be a mistyped name of a model. Other texts are paths."""
    owner, slash, _ = run.partition("/")
    known = [model.qualified_name if slash else model.name for model in registry.models]
    if not known or (slash and owner not in {model.plugin for model in registry.models}):
        return
    match = nearest(run, known)
    hint = f"Did you mean {match!r}?" if match else f"{suggest_runs(Path(run))} Models: {', '.join(known)}."
    raise RunError(f"{run}: no such run directory or model", hint=hint)
