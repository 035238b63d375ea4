"""The facts about a run in its report: model, corpus, command, machine and progress."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, cast

from seqforge.errors import RunError, quote_path
from seqforge.faults import FILE_SUFFIX
from seqforge.figures import describe_layers, format_count, format_duration
from seqforge.runs.backends import read_backends
from seqforge.runs.history import STARTED, RunState, read_state
from seqforge.runs.loaded_run import LoadedRun
from seqforge.runs.metrics_log import number_of
from seqforge.runs.summary import best_evaluation
from seqforge.storage.files import read_bounded, reported_failures


class Facts(NamedTuple):
    """The facts about a run.

    Attributes:
        name: Name of the run directory.
        lead: The model and the corpus in one line.
        state: "running", "finished", "interrupted" or "failed".
        reason: Why the run ended; empty if it runs.
        figures: The most important figures, as label and value.
        table: All other facts, as label and value.
        command: Command that started the run; None if it is not recorded.
        reproduction: Commands that repeat the run.
        experiment: The resolved experiment in TOML.
    """

    name: str
    lead: str
    state: RunState
    reason: str
    figures: list[tuple[str, str]]
    table: list[tuple[str, str]]
    command: str | None
    reproduction: list[str]
    experiment: str


def collect_facts(run: LoadedRun) -> Facts:
    """Return the facts about a run."""
    experiment, directory = run.experiment, run.directory
    start: Mapping[str, Any] = next((one for one in run.history if one["event"] == STARTED), dict[str, Any]())
    state, reason = read_state(directory.path)
    table = [
        ("Model", _describe_model(experiment.table)),
        ("Corpus", str(start.get("corpus", experiment.corpus.name))),
        ("Splits", _describe_splits(start)),
        *(("Backend", line) for line in _list(start, "backends")),
        ("Initial weights", str(start.get("initial", ""))),
        ("Optimizer", _describe_component(experiment.table.get("optimizer", {}))),
        ("Schedule", _describe_component(experiment.table.get("schedule", {}))),
        ("Precision", _describe_precision(run)),
        ("Device", " · ".join(str(start[key]) for key in ("device", "gpu") if start.get(key))),
        ("Processor", str(start.get("processor", ""))),
        ("Versions", _describe_versions(start, experiment.plugins)),
        ("Started", _describe_starts(run)),
        ("Directory", str(directory.path.absolute())),
    ]
    with reported_failures(f"reading {directory.experiment}"):
        text = read_bounded(directory.experiment).decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if not line.startswith("# checksum:")]
    command = start.get("command")
    files = "".join(f" --plugin {name}" for name in experiment.plugins if name.endswith(FILE_SUFFIX))
    return Facts(
        name=run.name,
        lead=f"{_describe_model(experiment.table)} · {experiment.corpus.registration.name}",
        state=state,
        reason=reason,
        figures=_figures(run, start),
        table=[(label, value) for label, value in table if value],
        command=command if isinstance(command, str) else None,
        reproduction=[
            f"seqforge run {quote_path(directory.experiment)}{files}",
            f"seqforge evaluate {quote_path(directory.path)}{files}",
        ],
        experiment="\n".join(lines),
    )


def _describe_model(table: Mapping[str, Any]) -> str:
    """Describe a model in a few words, such as "2×lstm 320 · dropout 0.1"."""
    model = table["model"]
    parts = [describe_layers(model["cells"])]
    if model.get("bidirectional"):
        parts.append("bidirectional")
    if model.get("embedding_size"):
        parts.append(f"embedding {model['embedding_size']}")
    if model.get("attention"):
        parts.append(f"attention {model['attention']['use'].rpartition('/')[2]}")
    if model.get("dropout"):
        parts.append(f"dropout {model['dropout']}")
    return " · ".join(parts)


def _figures(run: LoadedRun, start: Mapping[str, Any]) -> list[tuple[str, str]]:
    evaluations = [record for record in run.records if record["event"] == "evaluation"]
    figures: list[tuple[str, str]] = []
    best, unit, interval = best_evaluation(run.records)
    if best is not None:
        spread = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
        figures.append((f"best {'validation loss' if unit == 'loss' else unit}{spread}", f"{best:.3f}"))
    for name, value in evaluations[-1].items() if evaluations else ():
        if "." in name and isinstance(value, int | float) and len(figures) < 2:
            figures.append((name.replace(".", " ").replace("_", " "), f"{value:.3f}"))
    if isinstance(start.get("parameters"), int):
        figures.append(("parameters", format_count(start["parameters"])))
    last = max(run.records, key=lambda record: record["step"], default=None)
    if last is not None:
        figures.append(("steps", f"{last['step']:,}"))
    seconds = [number for record in run.records if (number := number_of(record, "seconds")) is not None]
    if seconds:
        figures.append(("training time", format_duration(seconds[-1])))
    return figures


def _describe_component(table: Mapping[str, Any]) -> str:
    options = ", ".join(f"{key} {value}" for key, value in table.items() if key != "use")
    return f"{str(table.get('use', '')).rpartition('/')[2]}{f' ({options})' if options else ''}"


def _describe_precision(run: LoadedRun) -> str:
    """Return the precision in which the run was trained, which an experiment may leave open."""
    try:
        return read_backends(run.directory.path).precision
    except RunError:
        return str(run.experiment.training.precision)


def _describe_splits(start: Mapping[str, Any]) -> str:
    training, validation = number_of(start, "training_size"), number_of(start, "validation_size")
    if training is None or validation is None:
        return ""
    unit = next(iter(_list(start, "units")), "tokens")
    return f"{training:,.0f} training and {validation:,.0f} validation {unit}"


def _list(record: Mapping[str, Any], key: str) -> list[str]:
    value = record.get(key)
    return [str(part) for part in cast("list[object]", value)] if isinstance(value, list) else []


def _describe_versions(start: Mapping[str, Any], plugins: Mapping[str, str]) -> str:
    names = {"seqforge": "seqforge", "python": "Python", "torch": "torch"}
    versions = [f"{label} {start[name]}" for name, label in names.items() if name in start]
    return " · ".join(versions + [f"{name} {version}" for name, version in plugins.items() if name != "seqforge"])


def _describe_starts(run: LoadedRun) -> str:
    starts = [one for one in run.history if one["event"] == STARTED]
    return ", ".join(f"{_format_time(str(one.get('time', '')))} at step {one['step']:,}" for one in starts[:10])


def _format_time(text: str) -> str:
    try:
        return datetime.fromisoformat(text).strftime("%d %B %Y, %H:%M %Z")
    except ValueError:
        return text
