"""Compare error rates in samples of models with those of held-out code and of two n-gram models.

With one run, there is a column for each of its checkpoints; with several, one for the last checkpoint of each. The
samples are stored in the folder `--samples`, so that a second call does not draw them again. The benchmark prints a
table in Markdown for each temperature, and draws a chart of the first one.

    python -m benchmarks.c_learning runs/linux-small --temperature 0.8 --samples learning --plot learning.svg
    python -m benchmarks.c_learning runs/c-lstm runs/c-mlstm --temperature 0.8 --samples cells --real linux-7.3.tar.xz
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from seqforge_essentials.memorization import Memorization

from benchmarks.c_learning.chart import Chart, Line
from benchmarks.c_learning.ngram import fit
from benchmarks.c_learning.scores import ERRORS, FEWEST, Share, score_texts
from benchmarks.c_learning.texts import load_or_compute, read_run, sample_ngram, sample_run
from benchmarks.report import Table
from seqforge import Run
from seqforge.evaluation import metrics
from seqforge.evaluation.likelihood import LikelihoodScore

ORDERS = (10, 20)
SHORTEST_COPY = 50
"""Smallest number of consecutive characters from the training text that counts as a copy."""

LINES = {
    "strings": ("strings not closed", "purple"),
    "comments": ("comments not closed", "teal"),
    "indentation": ("lines indented wrongly", "green"),
    "bracket": ("brackets wrong", "blue"),
    "undefined-name": ("functions: undefined name", "red"),
    "unused-variable": ("functions: unused variable", "orange"),
}
"""Name and color of each error rate of the chart. In real code, each of them is below 1%."""


def select_doubling_steps(steps: Sequence[int]) -> list[int]:
    """Return the first checkpoint, the first one of at least twice as many steps, and so on, and the last one.

    The last one replaces the one before it if it has less than half as many steps again: a chart cannot show both.

    Args:
        steps: Steps of the checkpoints, ascending.
    """
    last = steps[-1]
    chosen = [steps[0]]
    while later := [step for step in steps if step >= 2 * chosen[-1]]:
        chosen.append(later[0])
    return [*(step for step in chosen if 1.5 * step <= last), last]


def format_percent(share: Share) -> str:
    """Format a share in percent, or as a dash if it has too few cases."""
    return f"{100 * share.value:.3g} %" if share.total >= FEWEST else "–"


def format_table(
    title: str,
    scores: Mapping[str, Mapping[str, Share]],
    copies: Mapping[str, Mapping[str, float]],
    losses: Mapping[str, float],
) -> str:
    """Format the error rates as a table in Markdown.

    Args:
        title: Heading of the table.
        scores: Error rates by name, for each column.
        copies: Values of the metric `memorization`, for each column.
        losses: Bits per held-out character, for each column of a checkpoint.
    """
    shares = (column["memorization.copied"] for column in copies.values())
    rows = [
        ["bits per held-out character", *(f"{losses[name]:.3f}" if name in losses else "" for name in scores)],
        ["functions found", *(f"{column['undefined-name'].total:,}" for column in scores.values())],
        *([label, *(format_percent(column[name]) for column in scores.values())] for name, label in ERRORS.items()),
        [f"in copies of at least {SHORTEST_COPY} characters", *(f"{100 * share:.3g} %" for share in shares)],
        [
            "longest copy, mean in characters",
            *(f"{column['memorization.mean_longest']:,.0f}" for column in copies.values()),
        ],
    ]
    return Table(title, ["", *scores], rows).markdown()


def draw_chart(temperature: float, read: Mapping[float, Mapping[str, Share]], real: Mapping[str, Share]) -> str:
    """Draw the error rates against the number of characters that the model has read, as SVG.

    Args:
        temperature: Temperature of the samples.
        read: Error rates by name, for each number of millions of characters.
        real: Error rates of real code by name.
    """
    lines: list[Line] = []
    for name, (label, color) in LINES.items():
        points = {millions: shares[name].value for millions, shares in read.items() if shares[name].total >= FEWEST}
        if points:
            lines.append(Line(f"{label} {100 * points[max(points)]:.2g} %", color, points))
    highest = max(real[name].value for name in LINES)
    return Chart(
        f"Errors in the C that the model writes, at temperature {temperature:g}",
        "millions of characters read in training",
        {millions: f"{millions:.1f}" if millions < 10 else f"{millions:.0f}" for millions in read},
        lines,
        ground=(highest, f"real code: at most {100 * highest:.1g} %"),
    ).draw()


def measure_bits(run: Run, step: int) -> float:
    """Return the bits per held-out character of a checkpoint."""
    score = run.evaluate(checkpoint=str(step))
    assert isinstance(score, LikelihoodScore)
    return score.bits_per_character


def measure_copies(documents: Sequence[str], texts: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """Return the values of the metric `memorization` with matches of at least `SHORTEST_COPY` characters.

    Args:
        documents: Documents of the training text.
        texts: Texts of each column.
    """
    metric = Memorization(SHORTEST_COPY)
    with TemporaryDirectory() as folder:
        metric.fit(iter(documents), Path(folder))
        metric.restore(Path(folder))
        return {
            name: dict(metrics.score_texts({"memorization": metric}, [[text] for text in column]).values)
            for name, column in texts.items()
        }


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "runs", nargs="+", help="runs on the same source of Linux, the first with a vocabulary of characters"
    )
    parser.add_argument(
        "--steps", type=int, nargs="+", help="steps of one run (default: the first, twice as many, and so on)"
    )
    parser.add_argument("--count", type=int, default=100, help="number of samples of each checkpoint (default: 100)")
    parser.add_argument("--length", type=int, default=4_000, help="characters of each sample (default: 4000)")
    parser.add_argument("--temperature", type=float, action="append", help="temperature; repeatable (default: 1)")
    parser.add_argument(
        "--samples", type=Path, help="folder of this run's samples, which a second call reads (default: none is kept)"
    )
    parser.add_argument(
        "--real",
        type=Path,
        help="source of another version of Linux, whose new files are the real code (default: held-out files)",
    )
    parser.add_argument("--plot", type=Path, help="SVG file to write the chart of one run to")
    arguments = parser.parse_args()
    if len(arguments.runs) > 1 and (arguments.steps or arguments.plot):
        parser.error("--steps and --plot are for one run")
    with TemporaryDirectory() as temporary:
        measure(arguments, arguments.samples or Path(temporary))


def list_columns(runs: Sequence[str], steps: Sequence[int] | None) -> dict[str, tuple[Run, int]]:
    """Return the run and the step of each column, by its title."""
    opened = [Run.open(run) for run in runs]
    if len(opened) > 1:
        return {run.path.name: (run, run.checkpoints.steps()[-1]) for run in opened}
    chosen = steps or select_doubling_steps(opened[0].checkpoints.steps())
    return {f"step {step:,}": (opened[0], step) for step in chosen}


def measure(arguments: argparse.Namespace, samples: Path) -> None:
    """Draw the samples that are not in a folder, score all, and print and draw the error rates.

    Args:
        arguments: Arguments of the command line.
        samples: Folder of the samples and losses.
    """
    count, length = arguments.count, arguments.length
    source = read_run(Run.open(arguments.runs[0]), arguments.real)
    folder = samples / f"{count}x{length}"
    columns = list_columns(arguments.runs, arguments.steps)
    losses: dict[str, float] = {}
    for name, (run, step) in columns.items():
        path = samples / f"{run.path.name}-step-{step:08d}-loss.json"
        losses[name] = load_or_compute(path, lambda run=run, step=step: measure_bits(run, step))
    texts = {"real code": list(source.windows(length))}
    for order in ORDERS:
        path = folder / f"ngram-{order}.json"
        texts[f"{order}-gram"] = load_or_compute(
            path, lambda order=order: sample_ngram(fit(source.training, order), source, count, length)
        )
    temperatures: list[float] = arguments.temperature or [1.0]
    for temperature in temperatures:
        for name, (run, step) in columns.items():
            path = folder / f"{run.path.name}-step-{step:08d}-at-{temperature}.json"
            sampled = Run.open(run.path, [f"sampler.0.temperature={temperature}"])
            texts[f"{name} at {temperature}"] = load_or_compute(
                path, lambda run=sampled, step=step: sample_run(run, step, count, length)
            )
    lexicon = source.lexicon()
    scores = {name: score_texts(column, lexicon) for name, column in texts.items()}
    copies = measure_copies(source.training_documents, texts)

    print(f"{len(texts['real code']):,} windows and {count:,} samples of {length:,} characters", end="\n\n")
    for temperature in temperatures:
        shown = ["real code", *(f"{name} at {temperature}" for name in columns), *(f"{n}-gram" for n in ORDERS)]
        titles = {column: column.removesuffix(f" at {temperature}") for column in shown}
        table = format_table(
            f"Temperature {temperature:g}",
            {title: scores[column] for column, title in titles.items()},
            {title: copies[column] for column, title in titles.items()},
            losses,
        )
        print(table, end="\n\n")
    if arguments.plot:
        training = next(run for run, _ in columns.values()).experiment.training
        size = training.batch_size * training.sequence_length / 1e6
        read = {step * size: scores[f"{name} at {temperatures[0]}"] for name, (_, step) in columns.items()}
        arguments.plot.write_text(draw_chart(temperatures[0], read, scores["real code"]), encoding="utf-8")


if __name__ == "__main__":
    main()
