"""`sf.compare`: runs as rows of a table, with bootstrap intervals on request."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqforge.api.run import Run
from seqforge.data.splits import SplitName
from seqforge.errors import RunError
from seqforge.evaluation.intervals import BlockLosses
from seqforge.events import Report, no_report
from seqforge.registry.problems import format_value
from seqforge.registry.registry import Registry
from seqforge.runs.comparison import summarize_all, tabulate_runs
from seqforge.runs.locate import find_run
from seqforge.tasks import task_of


class ComparisonTable(list[dict[str, Any]]):
    """A table with a row for each run. It is a list of dictionaries with the same keys, as pandas takes it.

    A notebook displays it as HTML, and `print` as text.
    """

    def __str__(self) -> str:
        rows = [[*self[0]], *([_format(value) for value in row.values()] for row in self)] if self else []
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in (self[0] if self else ()))
        rows = ("".join(f"<td>{html.escape(_format(value))}</td>" for value in row.values()) for row in self)
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _format(value: Any) -> str:
    return "–" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def compare(
    runs: Sequence[Run | str | Path],
    *,
    intervals: bool = False,
    split: SplitName = "validation",
    device: str = "auto",
    report: Report = no_report,
) -> ComparisonTable:
    """Compare runs: the settings in which they differ, their sizes, and their best validation values.

    Args:
        runs: Runs, paths of run directories or of folders that contain some, or names of pretrained models.
        intervals: Whether to evaluate the best checkpoint of each run on a whole split, for bootstrap intervals.
        split: Split for the intervals.
        device: Device that evaluates the runs.
        report: Function that receives the progress of the evaluations.

    Returns:
        Rows with the columns `run`, `state`, every setting in which the experiments differ by its key, `parameters`,
        `steps`, `seconds`, and the lowest value in the log, `validation_bits_per_character` and
        `validation_bits_per_byte`, or `validation_loss`, with its bootstrap interval as `best_low` and `best_high`.
        With intervals also `SPLIT_mean`, `low` and `high`, and `difference`, `difference_low` and `difference_high` to
        the first run. A value that is unknown is None.

    Raises:
        RunError: If there are fewer than two runs, or if one cannot be read.
        DataError: If a split is empty, or a corpus is missing.
    """
    if isinstance(runs, str) or not isinstance(runs, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise RunError(
            f"compare() takes a list of runs, not {format_value(runs)}",
            hint='For example: compare(["runs/first-run", "runs/second-run"]).',
        )
    opened, registry = {run.path: run for run in runs if isinstance(run, Run)}, Registry.installed()
    summaries = summarize_all([run.path if isinstance(run, Run) else find_run(run, registry) for run in runs])
    table = ComparisonTable(tabulate_runs(summaries))
    if intervals:
        evaluated = [opened.get(run.path) or Run.open(run.path, registry=registry) for run in summaries]
        for row, values in zip(table, evaluate_runs(evaluated, split, device, report), strict=True):
            row.update(values)
    return table


def evaluate_runs(runs: Sequence[Run], split: SplitName, device: str, report: Report) -> list[dict[str, float | None]]:
    """Score a split by the best checkpoint of each run.

    Returns:
        The mean of each run and its difference to the first run, both with their bootstrap intervals.
    """
    losses = [task_of(run.experiment).block_losses(run.load(device=device, report=report), split) for run in runs]
    return [_interval_values(one, losses[0] if index else None, split) for index, one in enumerate(losses)]


def _interval_values(one: BlockLosses, first: BlockLosses | None, split: SplitName) -> dict[str, float | None]:
    interval = one.interval()
    paired = first.difference(one) if first is not None else None
    same_unit = first is not None and first.unit == one.unit
    return {
        f"{split}_mean": one.mean,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "difference": one.mean - first.mean if first is not None and same_unit else None,
        "difference_low": paired.low if paired else None,
        "difference_high": paired.high if paired else None,
    }
