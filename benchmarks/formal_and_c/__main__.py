"""Compare the scores of cells in the tasks dyck-4 and nested-names with the errors in the C that they write.

The first folder is that of a study by `seqforge formal`. The second one has a run on C for each of its cells, with the
name of the cell. The command draws samples, and prints the measurements and the rank correlations in Markdown.

    seqforge formal --task dyck-4 --task nested-names --seeds 2
    seqforge run experiments/linux-recurrences.toml --set experiment.name=gru --set model.cells.0.use=gru
    python -m benchmarks.formal_and_c runs/formal runs --samples samples --plot formal-and-c.svg
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.c_learning.__main__ import format_percent, measure_bits
from benchmarks.c_learning.scores import Share
from benchmarks.c_learning.texts import load_or_compute, read_run, sample_run
from benchmarks.formal_and_c.correlation import Correlation, correlate_ranks
from benchmarks.formal_and_c.measures import measure_brackets, measure_names, read_study
from benchmarks.formal_and_c.scatter import Scatter, draw_scatters
from benchmarks.report import Table
from seqforge import Run

BRACKETS, NAMES = "dyck-4", "nested-names"
"""The tasks that may predict errors of brackets and of names."""

BITS = "bits per held-out character"

FEWEST_CELLS = 5
"""Smallest number of cells whose ranks are compared."""

Rates = dict[str, dict[str, Share]]
"""Error rates by label and cell."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, and draw the plots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="folder of a study by seqforge formal")
    parser.add_argument("runs", type=Path, help="folder of runs on C, named as the cells")
    parser.add_argument("--samples", type=Path, required=True, help="folder of the samples, which a second call reads")
    parser.add_argument("--count", type=int, default=100, help="number of samples of each run (default: 100)")
    parser.add_argument("--length", type=int, default=3_000, help="characters of each sample (default: 3000)")
    parser.add_argument("--limit", type=int, default=256, help="upper limit of a range of lengths (default: 256)")
    parser.add_argument("--plot", type=Path, help="SVG file to write the scatter plots to")
    options = parser.parse_args(arguments)
    study = read_study(options.study)
    cells = [
        cell
        for cell, accuracies in study.items()
        if (options.runs / cell).is_dir() and {(BRACKETS, options.limit), (NAMES, options.limit)} <= accuracies.keys()
    ]
    if len(cells) < FEWEST_CELLS:
        parser.error(f"{len(cells)} cells have both tasks and a run; ranks need {FEWEST_CELLS}")
    scores = {task: {cell: study[cell][task, options.limit] for cell in cells} for task in (BRACKETS, NAMES)}
    bits, errors = measure_runs(cells, options)
    print(format_measurements(scores, bits, errors).markdown(), end="\n\n")
    print(format_correlations(scores, bits, errors).markdown())
    if options.plot:
        options.plot.write_text(draw(scores, errors), encoding="utf-8")


def measure_runs(cells: Sequence[str], options: argparse.Namespace) -> tuple[dict[str, float], dict[str, Rates]]:
    """Return the bits per held-out character of each cell, and the error rates of its samples by task."""
    bits: dict[str, float] = {}
    errors: dict[str, Rates] = {BRACKETS: {}, NAMES: {}}
    lexicon = read_run(Run.open(options.runs / cells[0])).lexicon()
    for cell in cells:
        run = Run.open(options.runs / cell)
        step, folder = run.checkpoints.steps()[-1], options.samples / cell
        bits[cell] = load_or_compute(folder / "bits.json", lambda run=run, step=step: measure_bits(run, step))
        texts = load_or_compute(
            folder / f"{options.count}x{options.length}.json",
            lambda run=run, step=step: sample_run(run, step, options.count, options.length),
        )
        for task, shares in ((BRACKETS, measure_brackets(texts)), (NAMES, measure_names(texts, lexicon))):
            for label, share in shares.items():
                errors[task].setdefault(label, {})[cell] = share
    return bits, errors


def format_measurements(
    scores: Mapping[str, Mapping[str, float]], bits: Mapping[str, float], errors: Mapping[str, Rates]
) -> Table:
    """Return the table with a row for each cell."""
    shares = {label: rates for each in errors.values() for label, rates in each.items()}
    rows = [
        [
            f"`{cell}`",
            f"{bits[cell]:.3f}",
            *(f"{accuracies[cell]:.2f}" for accuracies in scores.values()),
            *(format_percent(rates[cell]) for rates in shares.values()),
        ]
        for cell in bits
    ]
    return Table("Formal tasks and C", ["", BITS, *scores, *shares], rows)


def format_correlations(
    scores: Mapping[str, Mapping[str, float]], bits: Mapping[str, float], errors: Mapping[str, Rates]
) -> Table:
    """Return the table of the rank correlations of each error with the accuracy of its task, and with the loss."""
    rows = [
        [label, f"`{task}`", *(str(_correlate(other, rates)) for other in (scores[task], bits))]
        for task, each in errors.items()
        for label, rates in each.items()
    ]
    return Table("Rank correlations", ["", "task", "with the accuracy of the task", f"with the {BITS}"], rows)


def draw(scores: Mapping[str, Mapping[str, float]], errors: Mapping[str, Rates]) -> str:
    """Return a scatter plot for each task, of the last error of it, in SVG."""
    plots: list[Scatter] = []
    for task, each in errors.items():
        label, rates = list(each.items())[-1]
        correlation = _correlate(scores[task], rates)
        points = {cell: (score, rates[cell].value) for cell, score in scores[task].items()}
        plots.append(Scatter(label.capitalize(), f"rank correlation {correlation}", f"accuracy in {task}", points))
    return draw_scatters("Errors in C against the accuracy in formal tasks, for each cell", plots)


def _correlate(values: Mapping[str, float], rates: Mapping[str, Share]) -> Correlation:
    return correlate_ranks(list(values.values()), [rates[cell].value for cell in values])


if __name__ == "__main__":
    main()
