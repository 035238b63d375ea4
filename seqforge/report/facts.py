"""The facts about a run in its report: model, corpus, command, machine and progress, and the curves of its log."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

import numpy as np

from seqforge.errors import RunError, quote_path
from seqforge.evaluation.baseline import BASELINE
from seqforge.evaluation.likelihood import Vector
from seqforge.faults import FILE_SUFFIX
from seqforge.figures import describe_layers
from seqforge.kinds.table import KINDS
from seqforge.runs.backends import read_backends
from seqforge.runs.history import STARTED
from seqforge.runs.loaded_run import LoadedRun
from seqforge.runs.metrics_log import number_of
from seqforge.runs.summary import RunSummary, summarize_run
from seqforge.storage.files import read_bounded, reported_failures

MOST_POINTS = 1500
"""Maximum number of points of a curve. Longer ones are averaged in groups of equal size."""

_CHARTS = {
    "bits_per_character": "Bits per character",
    "loss": "Loss",
    "gradient_norm": "Gradient norm",
    "learning_rate": "Learning rate",
}


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
    state: str
    reason: str
    figures: list[tuple[str, str]]
    table: list[tuple[str, str]]
    command: str | None
    reproduction: list[str]
    experiment: str


def collect_facts(run: LoadedRun) -> Facts:
    """Return the facts about a run."""
    experiment, directory, summary = run.experiment, run.directory, summarize_run(run.path)
    starts: list[Mapping[str, Any]] = [one for one in run.history if one["event"] == STARTED]
    start = starts[0] if starts else dict[str, Any]()
    moments = [f"{_format_time(str(one.get('time', '')))} at step {one['step']:,}" for one in starts[:10]]
    model = _describe_model(experiment.table)
    table = [
        ("Model", model),
        ("Corpus", str(start.get("corpus", experiment.corpus.name))),
        ("Splits", _describe_splits(start)),
        *(("Backend", line) for line in texts_of(start, "backends")),
        ("Initial weights", str(start.get("initial", ""))),
        *((name.capitalize(), _describe_component(experiment.table[name])) for name in KINDS if KINDS[name].has_state),
        ("Precision", _describe_precision(run)),
        ("Device", " · ".join(str(start[key]) for key in ("device", "gpu") if start.get(key))),
        ("Processor", str(start.get("processor", ""))),
        ("Versions", _describe_versions(start, experiment.plugins)),
        ("Started", ", ".join(moments)),
        ("Directory", str(directory.path.absolute())),
    ]
    with reported_failures(f"reading {directory.experiment}"):
        text = read_bounded(directory.experiment).decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if not line.startswith("# checksum:")]
    command = start.get("command")
    files = "".join(f" --plugin {name}" for name in experiment.plugins if name.endswith(FILE_SUFFIX))
    return Facts(
        name=run.name,
        lead=f"{model} · {summary.corpus}",
        state=summary.state,
        reason=summary.reason,
        figures=_figures(run, summary),
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
    optional = [kind.name for kind in KINDS.values() if kind.key == f"model.{kind.name}" and not kind.default]
    parts += [f"{name} {model[name]['use'].rpartition('/')[2]}" for name in optional if name in model]
    dropouts = ("dropout", "input_dropout", "embedding_dropout", "weight_drop")
    parts += [f"{name.replace('_', ' ')} {model[name]}" for name in dropouts if model.get(name)]
    return " · ".join(parts)


def _figures(run: LoadedRun, summary: RunSummary) -> list[tuple[str, str]]:
    figures = [(f"best {summary.best.unit}", summary.best.estimate())] if summary.best.unit else []
    evaluations = [record for record in run.records if record["event"] == "evaluation"]
    for name, value in evaluations[-1].items() if evaluations else ():
        if "." in name and isinstance(value, int | float) and len(figures) < 2:
            figures.append((name.replace(".", " ").replace("_", " "), f"{value:.3f}"))
    return [*figures, *zip(("parameters", "steps", "training time"), summary.figures(), strict=True)]


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
    unit = next(iter(texts_of(start, "units")), "tokens")
    return f"{f'{training:,.0f}' if training else 'endless'} training and {validation:,.0f} validation {unit}"


def texts_of(record: Mapping[str, Any], key: str) -> list[str]:
    """Return the items of a list in a record as texts, or an empty list if there is none."""
    value = record.get(key)
    return [str(part) for part in cast("list[object]", value)] if isinstance(value, list) else []


def _describe_versions(start: Mapping[str, Any], plugins: Mapping[str, str]) -> str:
    names = {"seqforge": "seqforge", "python": "Python", "torch": "torch"}
    versions = [f"{label} {start[name]}" for name, label in names.items() if name in start]
    return " · ".join(versions + [f"{name} {version}" for name, version in plugins.items() if name != "seqforge"])


def _format_time(text: str) -> str:
    try:
        return datetime.fromisoformat(text).strftime("%d %B %Y, %H:%M %Z")
    except ValueError:
        return text


def collect_curves(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the curves of the records of a metrics log, which are in the order of steps.

    Returns:
        One dictionary for each curve: the title of its `chart`, its `role` (training, validation, sample or baseline),
        and its points as lists of equal length: `step`, `seconds`, `characters` and `value`. Times and characters of
        evaluations and samples are interpolated.
    """
    steps, evaluations, samples = (
        [record for record in records if record["event"] == event] for event in ("step", "evaluation", "sample")
    )
    axes = _Axes(steps)
    curves: list[dict[str, Any]] = []
    for role, rows in (("training", steps), ("validation", evaluations)):
        for key, chart in _CHARTS.items():
            curves += axes.curve(chart, role, rows, key)
    curves += axes.speed([float(record["step"]) for record in (*evaluations, *samples)])
    for role, rows in (("validation", evaluations), ("sample", samples)):
        for key in dict.fromkeys(key for row in rows for key in row if "." in key):
            is_baseline = key.endswith(BASELINE)
            curves += axes.curve(key.removesuffix(BASELINE), "baseline" if is_baseline else role, rows, key)
    return curves


class _Axes:
    """The time and the characters read at each logged step."""

    def __init__(self, records: Sequence[Mapping[str, Any]]) -> None:
        self.steps = np.array([record["step"] for record in records], dtype=np.float64)
        self.seconds = np.array([number_of(record, "seconds") or 0.0 for record in records], dtype=np.float64)
        per_step = np.array([number_of(record, "characters") or 0.0 for record in records], dtype=np.float64)
        self.characters = np.cumsum(np.diff(self.steps, prepend=0.0) * per_step)

    def curve(self, chart: str, role: str, records: Sequence[Mapping[str, Any]], key: str) -> list[dict[str, Any]]:
        """Return the curve of a key, or nothing if no record has it."""
        values = [(float(record["step"]), number_of(record, key)) for record in records]
        points = [point for point in values if point[1] is not None]
        return self._tabulate(chart, role, np.array(points).reshape(-1, 2)) if points else []

    def speed(self, pauses: Sequence[float]) -> list[dict[str, Any]]:
        """Return the characters read per second between two logged steps.

        After a pause, the run was evaluated or sampled, which takes time too. The speed around pauses is left out,
        unless they are everywhere.
        """
        seconds, characters = np.diff(self.seconds), np.diff(self.characters)
        known = (seconds > 0) & (characters > 0)
        intervals = np.searchsorted(self.steps, pauses, side="right") - 1
        paused = np.isin(np.arange(len(known)), intervals)
        known = known & ~paused if (known & ~paused).any() else known
        points = np.stack([self.steps[1:][known], characters[known] / seconds[known]], axis=1)
        return self._tabulate("Speed", "training", points) if len(points) else []

    def _tabulate(self, chart: str, role: str, points: Vector) -> list[dict[str, Any]]:
        steps, values = points.T
        size = -(-len(steps) // MOST_POINTS)
        if size > 1:
            # The last, shorter group is included.
            groups = np.arange(0, len(steps), size)
            counts = np.diff(groups, append=len(steps))
            steps, values = (np.add.reduceat(column, groups) / counts for column in (steps, values))
        table = {"chart": chart, "role": role, "step": rounded(steps, 8), "value": rounded(values)}
        if len(self.steps):
            table["seconds"] = rounded(np.interp(steps, self.steps, self.seconds))
            table["characters"] = rounded(np.interp(steps, self.steps, self.characters), 8)
        return [table]


def rounded(values: Vector, digits: int = 5) -> list[float]:
    """Return numbers with so many digits, for a page."""
    return [float(f"{value:.{digits}g}") for value in values.tolist()]
