"""The results of a sweep: a table of its trials, and a page of one file with the table and Optuna's plots."""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import optuna
import optuna.visualization as plots
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

from seqforge.figures import format_duration, format_per_byte
from seqforge.runs.summary import RunSummary, summarize_run
from seqforge.storage.files import reported_failures, write_atomically
from seqforge_sweeps.study import ERROR, RUN, STORAGE_ERRORS, UNIT, known_values, name_run, planned

PAGE, TEMPLATE = "study.html", "page.html.jinja"

LINES = "#e5e3de"
"""Color of the grid."""

TITLES: dict[str, Callable[[optuna.Study], Any]] = {
    "Value of each trial": plots.plot_optimization_history,
    "Value while training": plots.plot_intermediate_values,
    "Parameters and value": plots.plot_parallel_coordinate,
    "Value for each parameter": plots.plot_slice,
}

BROAD = ("Parameters and value", "Value for each parameter")
"""Plots that need more width than a phone has, and are scrolled there."""

_WORDS = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


def word_of(state: TrialState) -> str:
    """Return the state of a trial in a word: finished, pruned, failed, running or waiting."""
    return _WORDS.get(state, state.name.lower())


def describe_value(value: Any) -> str:
    """Return a value as the table shows it: numbers with four digits, and "–" for None."""
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def name_trial(row: Mapping[str, Any]) -> str:
    """Return the number of a trial, and its run directory if that has the number of the trial that was interrupted."""
    number, folder = row["trial"], Path(row["run"] or "").name
    return f"{number} in {folder}" if folder and folder != name_run(number) else str(number)


def describe_trial(trial: FrozenTrial, study: optuna.Study) -> str:
    """Return a line about a trial that has ended: its values, and its result or why it has none."""
    values = ", ".join(f"{key.rpartition('.')[2]} {describe_value(value)}" for key, value in trial.params.items())
    if trial.state != TrialState.COMPLETE:
        return f"trial {trial.number}: {values}: {word_of(trial.state)}: {trial.user_attrs[ERROR]}"
    best = ", the best so far" if study.best_trial.number == trial.number else ""
    return f"trial {trial.number}: {values}: {trial.value:.4f} {trial.user_attrs[UNIT]}{best}"


def format_row(row: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    """Return the cells of a row of `tabulate_trials`, with the parameters of some keys."""
    return [
        name_trial(row),
        *(describe_value(row["parameters"].get(key)) for key in keys),
        "–" if row["value"] is None else f"{row['value']:.4f}{format_per_byte(row['value'], row['bits_per_byte'])}",
        "–" if row["steps"] is None else f"{row['steps']:,}",
        "–" if row["seconds"] is None else format_duration(row["seconds"]),
        row["state"],
    ]


def tabulate_trials(study: optuna.Study) -> list[dict[str, Any]]:
    """Return a row for each trial: the finished ones by their value, and then the others by their number.

    Returns:
        Rows with `trial` (its number), `state`, `value` and its `unit`, `bits_per_byte`, `parameters` by key, `run`
        (the run directory), `steps`, `seconds`, and `reason`, why it was pruned or has failed. What is unknown is None.
    """
    rows = [_row(trial) for trial in planned(study)]
    return sorted(rows, key=lambda row: (row["value"] if row["state"] == "finished" else math.inf, row["trial"]))


def _row(trial: FrozenTrial) -> dict[str, Any]:
    path = trial.user_attrs.get(RUN)
    summary: RunSummary | None = summarize_run(Path(path)) if path is not None and Path(path).exists() else None
    reported = min(trial.intermediate_values.values(), default=None)
    return {
        "trial": trial.number,
        "state": word_of(trial.state),
        "value": trial.value if trial.state == TrialState.COMPLETE else reported,
        "unit": summary.best.unit if summary else trial.user_attrs.get(UNIT, ""),
        "bits_per_byte": summary.best.per_byte if summary else None,
        "parameters": known_values(trial),
        "run": path,
        "steps": summary.steps if summary else None,
        "seconds": summary.seconds if summary else None,
        "reason": trial.user_attrs.get(ERROR, ""),
    }


def count_trials(study: optuna.Study) -> str:
    """Return the numbers of trials; empty if the storage cannot be used, about which the trial's reporter warns."""
    try:
        trials = planned(study)
    except (*STORAGE_ERRORS, OSError):
        return ""
    done = sum(trial.state.is_finished() for trial in trials)
    running = sum(trial.state == TrialState.RUNNING for trial in trials)
    others = f", {running} running" if running > 1 else ""
    return f"{done} of {len(trials)} trials done{others}"


def write_page(study: optuna.Study, rows: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """Write the page of a study, and return its path. Plots that need more trials than there are, are left out.

    Raises:
        RunError: If the page cannot be written.
    """
    keys = list(dict.fromkeys(key for row in rows for key in row["parameters"]))
    states = [row["state"] for row in rows]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("seqforge_sweeps", ""), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template(TEMPLATE).render(
        name=study.study_name,
        rows=rows,
        keys=keys,
        counts=", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)),
        unit="/".join(sorted({row["unit"] for row in rows if row["unit"]})),
        figures=list(_figures(study)),
        shown=describe_value,
        per_byte=format_per_byte,
        broad=BROAD,
    )
    path = folder / PAGE
    with reported_failures(f"writing {path}"):
        write_atomically(path, page.encode("utf-8", "replace"))
    return path


def _figures(study: optuna.Study) -> Iterator[tuple[str, str]]:
    """Yield the title and the HTML of each plot. The first one contains the plotting library, for all of them."""
    makers = dict(TITLES)
    finished = [trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]
    if not finished:
        return
    if len(finished) > 1 and len({trial.value for trial in finished}) > 1:
        evaluator = PedAnovaImportanceEvaluator()
        makers["Importance of each parameter"] = partial(plots.plot_param_importances, evaluator=evaluator)
    contains_library = False
    for title, plot in makers.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            figure = plot(study)
        if not figure.data:
            continue
        figure.update_layout(title=None, margin={"t": 40, "b": 60, "l": 60, "r": 30}, height=360)
        figure.update_layout(legend={"orientation": "h", "y": 1.15})
        figure.update_layout(paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font_color="#1c2026")
        figure.update_xaxes(gridcolor=LINES, zerolinecolor=LINES).update_yaxes(gridcolor=LINES, zerolinecolor=LINES)
        if plot in (plots.plot_optimization_history, plots.plot_intermediate_values):
            figure.update_layout(yaxis_title="value")
        if plot is plots.plot_intermediate_values:
            figure.update_layout(xaxis_title="progress of the training in thousandths")
        yield (
            title,
            figure.to_html(
                full_html=False,
                default_width="100%",
                include_plotlyjs=not contains_library,
                config={"displaylogo": False, "responsive": True},
            ),
        )
        contains_library = True
