"""A report about one or several runs: one HTML file with its styles, scripts and data, which loads nothing."""

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

import seqforge
from seqforge.errors import SeqforgeError, printable
from seqforge.report.examples import collect_examples
from seqforge.report.facts import collect_curves, collect_facts
from seqforge.report.likelihood import collect_confidences, collect_memory
from seqforge.report.samples import SampleReader
from seqforge.report.units import collect_units
from seqforge.runs.comparison import compare_samples, differing_settings
from seqforge.runs.loaded_run import LoadedRun
from seqforge.runs.summary import summarize_run
from seqforge.storage.files import reported_failures, write_atomically
from seqforge.storage.paths import as_path

STYLES = ("uplot/uPlot.min.css", "page.css", "text.css")
SCRIPTS = (
    "uplot/uPlot.iife.min.js",
    "page.js",
    "text.js",
    "curves.js",
    "samples.js",
    "confidences.js",
    "units.js",
    "examples.js",
    "live.js",
)
"""Files of the page, in the order in which they run."""


@dataclass(frozen=True, slots=True)
class ReportPage:
    """A report as HTML. A notebook displays it."""

    html: str

    def save(self, path: str | Path) -> None:
        """Write the page to a file.

        Raises:
            RunError: If `path` is not a path, or the file cannot be written.
        """
        file = as_path(path, "path")
        with reported_failures(f"writing {file}", "Choose another file."):
            write_atomically(file, self.html.encode())

    def _repr_html_(self) -> str:
        # In a sandbox, the page cannot reach the notebook, whatever a model wrote.
        return (
            '<iframe title="seqforge report" sandbox="allow-scripts" width="100%" height="800" frameborder="0" '
            f'srcdoc="{html.escape(self.html)}"></iframe>'
        )


def render_page(
    runs: Sequence[Mapping[str, Any]],
    title: str,
    *,
    notes: Sequence[str] = (),
    comparison: Mapping[str, Sequence[Sequence[str]]] = {},
    live: bool = False,
) -> ReportPage:
    """Return the page.

    The content security policy allows only the scripts and styles of this page, by their digests. A live page may also
    read from the server that it came from. Text from runs is escaped by the template, or inserted by scripts as text.

    Each run has `facts` for the template, and `data` for the scripts. The notes say what is missing. The tables of a
    comparison, by their headings, have rows of a name and a cell for each run. A live page follows a run that is being
    trained.
    """
    environment = Environment(
        loader=PackageLoader("seqforge.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = printable
    styles, scripts = (dict(map(_load, names)) for names in (STYLES, SCRIPTS))
    policy = {
        "default-src": "'none'",
        "script-src": " ".join(scripts),
        "style-src": " ".join(styles),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        **({"connect-src": "'self'"} if live else {}),
    }
    content = environment.get_template("page.html").render(
        title=title,
        version=seqforge.__version__,
        policy="; ".join(f"{name} {value}" for name, value in policy.items()),
        styles=styles.values(),
        scripts=scripts.values(),
        runs=runs,
        data=[embed_json(run["data"]) for run in runs],
        notes=notes,
        comparison=comparison,
        live=live,
    )
    return ReportPage(content)


def embed_json(value: Any) -> Markup:
    """Return a value as JSON that can stand inside a script element: no character in it can end the element."""
    return htmlsafe_json_dumps(value, separators=(",", ":"))


def _load(name: str) -> tuple[str, Markup]:
    """Return the digest of a style sheet or a script in the content security policy, and its content."""
    text = (files("seqforge.report") / "static" / name).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'", Markup(text)  # noqa: S704 - a file of this package


MOST_SAMPLE_CHARACTERS = 400_000
"""Maximum number of characters of all samples on a page."""


def write_report(runs: Sequence[LoadedRun], text: str | None = None) -> ReportPage:
    """Return a report about runs: an HTML page of less than 5 MB.

    Parts that cannot be computed, for example because the corpus is missing, are left out, and the page states why. The
    curves of several runs are in the same charts. The text, by default held-out text, is colored by the confidence of
    language models.

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
    units = dict.fromkeys(one.best.unit for one in summaries if one.best.unit)
    figures = zip(("parameters", "steps", "training time"), *(summary.figures() for summary in summaries), strict=True)
    settings = differing_settings([summary.table for summary in summaries])
    best = [[f"best {unit}", *(str(one.best) if one.best.unit == unit else "–" for one in summaries)] for unit in units]
    return {
        "Results": [*best, *map(list, figures)],
        "Last samples, with the difference to the first run": [
            [name, *(str(value or "–") for value in found)] for name, found in compare_samples(summaries).items()
        ],
        "Settings that differ": [
            [key, *("–" if value is None else str(value) for value in values)] for key, values in settings.items()
        ],
    }


def collect_logged(run: LoadedRun, samples: SampleReader) -> dict[str, Any]:
    """Return the part of a run's data that needs no model, and can be read while the run trains."""
    meanings = samples.describe_values()
    return {
        "name": run.name,
        "curves": collect_curves(run.records),
        "meanings": meanings,
        "samples": samples.collect(meanings),
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
        "units": collect_units(run),
        "memory": collect_memory(run),
    }
