"""A report about one or several runs, as one HTML page."""

from collections.abc import Callable, Sequence
from typing import Any

from seqforge.errors import SeqforgeError
from seqforge.report.curves import collect_curves
from seqforge.report.examples import collect_examples
from seqforge.report.facts import collect_facts
from seqforge.report.likelihood import collect_confidences, collect_memory, collect_update
from seqforge.report.page import ReportPage, render_page
from seqforge.report.samples import SampleReader
from seqforge.report.units import collect_units
from seqforge.runs.loaded_run import LoadedRun

MOST_SAMPLE_CHARACTERS = 400_000
"""Maximum number of characters of all samples on a page."""


def write_report(subjects: Sequence[LoadedRun], text: str | None = None) -> ReportPage:
    """Return a report about runs: an HTML page of less than 5 MB.

    Parts that cannot be computed, for example because the corpus is missing, are left out, and the page states why.

    Args:
        subjects: The runs. The curves of several are drawn in the same charts.
        text: Text that is colored by the confidence of language models; None for held-out text.

    Raises:
        RunError: If a run cannot be read.
        DataError: If `text` is empty, or has a symbol that is not in the vocabulary of a run.
    """
    runs: list[dict[str, Any]] = []
    notes: list[str] = []
    for subject in subjects:
        data = collect_logged(subject, SampleReader(subject, MOST_SAMPLE_CHARACTERS // len(subjects)))
        data |= _examine(subject, text)
        runs.append({"facts": collect_facts(subject), "data": data})
        prefix = f"{subject.name}: " if len(subjects) > 1 else ""
        notes += [f"{prefix}{note}" for note in subject.notes]
    title = " and ".join(subject.name for subject in subjects) if len(subjects) < 4 else f"{len(subjects)} runs"
    return render_page(runs, title, notes=notes)


def collect_logged(subject: LoadedRun, samples: SampleReader) -> dict[str, Any]:
    """Return the part of a run's data that needs no model, and can be read while the run trains."""
    return {
        "name": subject.name,
        "curves": collect_curves(subject.records),
        "samples": samples.collect(),
    }


def _examine(subject: LoadedRun, text: str | None) -> dict[str, Any]:
    """Return the part of a run's data that needs its model."""
    if subject.experiment.labelled:
        if text is not None:
            subject.notes.append("The run was trained on labelled examples, so the text has no confidence.")
        return {"examples": collect_examples(subject)}
    parts: dict[str, Callable[[], Any]] = {
        "confidences": lambda: collect_confidences(subject, text),
        "update": lambda: collect_update(subject),
        "units": lambda: collect_units(subject),
        "memory": lambda: collect_memory(subject),
    }
    try:
        _ = subject.model
    except SeqforgeError as error:
        subject.notes.append(f"The model is not available, so the report shows less: {error.message}.")
        return {}
    return {name: collect() for name, collect in parts.items()}
