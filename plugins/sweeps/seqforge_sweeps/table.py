"""The trials of a sweep as rows of a table, the best first."""

import math
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from seqforge.runs.summary import RunSummary, summarize_run
from seqforge_sweeps.study import ERROR, RUN, UNIT, known_values, name_run, planned

_WORDS = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


def word_of(state: TrialState) -> str:
    """Return the state of a trial in a word: finished, pruned, failed, running or waiting."""
    return _WORDS.get(state, state.name.lower())


def describe_value(value: Any) -> str:
    """Return a value as the table shows it: numbers with four digits, and "–" for None."""
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def name_trial(row: dict[str, Any]) -> str:
    """Return the number of a trial, and its run directory if that has the number of the trial that was interrupted."""
    number, folder = row["trial"], Path(row["run"] or "").name
    return f"{number} in {folder}" if folder and folder != name_run(number) else str(number)


def tabulate_trials(study: optuna.Study) -> list[dict[str, Any]]:
    """Return a row for each trial: the finished ones by their value, and then the others by their number.

    Returns:
        Rows with `trial` (its number), `state`, `value` and its `unit`, `parameters` by key, `run` (the run directory),
        `steps`, `seconds`, and `reason`, why it was pruned or has failed. What is unknown is None.
    """
    rows = [_row(trial) for trial in planned(study)]
    return sorted(rows, key=lambda row: (_rank(row), row["trial"]))


def _rank(row: dict[str, Any]) -> float:
    return row["value"] if row["state"] == "finished" else math.inf


def _row(trial: FrozenTrial) -> dict[str, Any]:
    path = trial.user_attrs.get(RUN)
    summary: RunSummary | None = summarize_run(Path(path)) if path is not None and Path(path).exists() else None
    reported = min(trial.intermediate_values.values(), default=None)
    return {
        "trial": trial.number,
        "state": word_of(trial.state),
        "value": trial.value if trial.state == TrialState.COMPLETE else reported,
        "unit": summary.unit if summary else trial.user_attrs.get(UNIT, ""),
        "parameters": known_values(trial),
        "run": path,
        "steps": summary.steps if summary else None,
        "seconds": summary.seconds if summary else None,
        "reason": trial.user_attrs.get(ERROR, ""),
    }
