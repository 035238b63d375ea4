"""Tables and a chart of the results, with intervals over the seeds."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.compare_cells.models import FORMS, Model
from benchmarks.compare_cells.results import CHOICE_SEED, Result, Table
from benchmarks.report import Table as MarkdownTable

TITLES = {"shakespeare": "Tiny Shakespeare", "c": "C"}

QUANTILES = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""97.5% quantiles of Student's t distribution, by the number of values."""

CHART_WIDTH = 0.8
"""Largest loss in the chart, in bits above the lowest one. A higher loss is written at the edge."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The results of one model in one table.

    Attributes:
        mean: Mean loss in bits per character.
        half: Half the width of the interval of the mean (Student's t, 95%); infinite with one result.
        results: The results, one for each seed.
    """

    mean: float
    half: float
    results: Sequence[Result]

    def __str__(self) -> str:
        half = f" ± {self.half:.3f}" if math.isfinite(self.half) else ""
        return f"{self.mean:.3f}{half}" if math.isfinite(self.mean) else "diverged"


def summarize(results: Sequence[Result], table: Table) -> dict[Model, Summary]:
    """Return the mean and the interval of each model that has a reported result in a table."""
    of_model: dict[Model, list[Result]] = {}
    for result in results:
        if result.trial.table == table and result.trial.seed != CHOICE_SEED:
            of_model.setdefault(result.trial.model, []).append(result)
    return {model: _summarize(own) for model, own in of_model.items()}


def _summarize(results: Sequence[Result]) -> Summary:
    bits = [result.bits_per_character for result in results]
    if len(bits) == 1 or not all(map(math.isfinite, bits)):
        return Summary(statistics.fmean(bits), math.inf, results)
    half = QUANTILES[len(bits)] * statistics.stdev(bits) / math.sqrt(len(bits))
    return Summary(statistics.fmean(bits), half, results)


def new_table(results: Sequence[Result], table: Table, text: str) -> MarkdownTable:
    """Return a table of one text: a row for each cell, the lowest loss of its two forms first."""
    found = {model: summary for model, summary in summarize(results, table).items() if model.text == text}
    names = ["size", "rate", *(["steps"] if table == "time" else []), "bits"]
    rows: list[list[str]] = []
    for cell in sorted({model.cell for model in found}, key=lambda cell: _lowest(found, text, cell)):
        row = [f"`{cell}`"]
        for form in FORMS:
            summary = found.get(Model(text, cell, form))
            row += ["–"] * len(names) if summary is None else [_columns(summary)[name] for name in names]
        rows.append(row)
    columns = ["cell", *(f"{form}: {name}" for form in FORMS for name in names)]
    equal = "characters" if table == "characters" else "CPU time"
    return MarkdownTable(f"{TITLES[text]}, equal {equal}", columns, rows)


def _columns(summary: Summary) -> dict[str, str]:
    first = summary.results[0]
    rate = f"{first.trial.learning_rate:g}"
    return {"size": str(first.hidden_size), "rate": rate, "steps": f"{first.steps:,}", "bits": str(summary)}


def _lowest(found: dict[Model, Summary], text: str, cell: str) -> float:
    return min(found[model].mean for form in FORMS if (model := Model(text, cell, form)) in found)


def draw(results: Sequence[Result], picture: Path) -> None:
    """Draw the loss of each cell for equal characters, with its interval, bare and in a block."""
    mpl.rcParams.update({"svg.hashsalt": "seqforge", "svg.fonttype": "none", "font.family": "sans-serif"})
    found = summarize(results, "characters")
    texts = [text for text in TITLES if any(model.text == text for model in found)]
    figure = Figure(figsize=(4.6 * len(texts), 6.4), layout="constrained")
    for place, text in enumerate(texts):
        axes = figure.add_subplot(1, len(texts), place + 1)
        cells = {model.cell for model in found if model.text == text}
        cells = sorted(cells, key=lambda cell: _lowest(found, text, cell), reverse=True)
        edge = _lowest(found, text, cells[-1]) + CHART_WIDTH
        for form, marker in zip(FORMS, "os", strict=True):
            models = {height: Model(text, cell, form) for height, cell in enumerate(cells)}
            own = {height: found[model] for height, model in models.items() if model in found}
            heights = [height for height, summary in own.items() if summary.mean <= edge]
            summaries = [own[height] for height in heights]
            for height in own.keys() - heights:
                axes.text(edge, height, f"{form}: {own[height].mean:.1f} →", ha="right", va="center", fontsize="small")
            axes.errorbar(
                [summary.mean for summary in summaries],
                heights,
                xerr=[summary.half if math.isfinite(summary.half) else 0 for summary in summaries],
                fmt=marker,
                markersize=4,
                capsize=2,
                label=form,
            )
        axes.set_yticks(range(len(cells)), cells)
        axes.set(title=TITLES[text], xlabel="held-out bits per character", xlim=(None, edge + 0.02))
        axes.grid(alpha=0.3)
    figure.axes[0].legend(frameon=False)
    figure.savefig(picture, metadata={"Date": None})
