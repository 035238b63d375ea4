"""A report about one or several runs, as one HTML page."""

from collections.abc import Sequence
from typing import Any

from seqforge.errors import SeqforgeError
from seqforge.figures import format_count, format_duration
from seqforge.report.curves import collect_curves
from seqforge.report.examples import collect_examples
from seqforge.report.facts import collect_facts
from seqforge.report.likelihood import collect_confidences, collect_memory, collect_update
from seqforge.report.page import ReportPage, render_page
from seqforge.report.samples import SampleReader
from seqforge.report.units import collect_units
from seqforge.runs.comparison import differing_settings
from seqforge.runs.loaded_run import LoadedRun
from seqforge.runs.summary import summarize_run

MOST_SAMPLE_CHARACTERS = 400_000
"""Maximum number of characters of all samples on a page."""


def write_report(runs: Sequence[LoadedRun], text: str | None = None) -> ReportPage:
    """Return a report about runs: an HTML page of less than 5 MB.

    Parts that cannot be computed, for example because the corpus is missing, are left out, and the page states why.

    Args:
        runs: The runs. The curves of several are drawn in the same charts.
        text: Text that is colored by the confidence of language models; None for held-out text.

    Raises:
        RunError: If a run cannot be read.
        DataError: If `text` is empty, or has a symbol that is not in the vocabulary of a run.
    """
    contents: list[dict[str, Any]] = []
    notes: list[str] = []
    for run in runs:
        data = collect_logged(run, SampleReader(run, MOST_SAMPLE_CHARACTERS // len(runs)))
        data |= _examine(run, text)
        contents.append({"facts": collect_facts(run), "data": data})
        prefix = f"{run.name}: " if len(runs) > 1 else ""
        notes += [f"{prefix}{note}" for note in run.notes]
    title = " and ".join(run.name for run in runs) if len(runs) < 4 else f"{len(runs)} runs"
    return render_page(contents, title, notes=notes, comparison=_compare(runs))


def _compare(runs: Sequence[LoadedRun]) -> dict[str, list[list[str]]]:
    """Return the results of several runs, and the settings in which they differ, as rows with a cell for each run."""
    if len(runs) < 2:
        return {}
    summaries = [summarize_run(run.directory.path) for run in runs]
    units = dict.fromkeys(summary.unit for summary in summaries if summary.unit)
    settings = differing_settings([summary.table for summary in summaries])
    best = [
        [f"best {unit}", *(f"{one.best:.4f}" if one.best and one.unit == unit else "–" for one in summaries)]
        for unit in units
    ]
    return {
        "Results": [
            *best,
            ["parameters", *(format_count(summary.parameters) for summary in summaries)],
            ["steps", *(f"{summary.steps:,}" for summary in summaries)],
            ["training time", *(format_duration(summary.seconds) for summary in summaries)],
        ],
        "Settings that differ": [
            [key, *("–" if value is None else str(value) for value in values)] for key, values in settings.items()
        ],
    }


def collect_logged(run: LoadedRun, samples: SampleReader) -> dict[str, Any]:
    """Return the part of a run's data that needs no model, and can be read while the run trains."""
    return {
        "name": run.name,
        "curves": collect_curves(run.records),
        "samples": samples.collect(),
    }


def _examine(run: LoadedRun, text: str | None) -> dict[str, Any]:
    """Return the part of a run's data that needs its model."""
    if run.experiment.labelled:
        if text is not None:
            run.notes.append("The run was trained on labelled examples, so the text has no confidence.")
        return {"examples": collect_examples(run)}
    try:
        _ = run.model
    except SeqforgeError as error:
        run.notes.append(f"The model is not available, so the report shows less: {error.message}.")
        return {}
    return {
        "confidences": collect_confidences(run, text),
        "update": collect_update(run),
        "units": collect_units(run),
        "memory": collect_memory(run),
    }
