"""Compare error rates in samples of a run's checkpoints with those of held-out code and of two n-gram models.

The samples are stored in the run directory, so that a second call does not draw them again. The benchmark prints two
tables in Markdown, and plots the rates.

    python -m benchmarks.c_learning runs/linux-code-structure --plot docs/images/what-it-learns.svg
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from seqforge_essentials.memorization import Memorization

from benchmarks.c_learning.ngram import fit
from benchmarks.c_learning.plot import FEWEST, plot
from benchmarks.c_learning.scores import ERRORS, Share, score_texts
from benchmarks.c_learning.texts import load_or_compute, read_run, sample_ngram, sample_run
from benchmarks.report import Table
from seqforge import Run, evaluation

ORDERS = (10, 20)
SHORTEST_COPY = 50
"""Smallest number of consecutive characters from the training text that counts as a copy."""


def select_doubling_steps(steps: Sequence[int]) -> list[int]:
    """Return the last checkpoint, the last one of at most half as many steps, and so on, in ascending order."""
    chosen = [steps[-1]]
    while earlier := [step for step in steps if 2 * step <= chosen[-1]]:
        chosen.append(earlier[-1])
    return chosen[::-1]


def format_percent(share: Share) -> str:
    """Format a share in percent, or as a dash if it has too few cases."""
    return f"{100 * share.value:.3g} %" if share.total >= FEWEST else "–"


def format_ratio(share: Share, real: Share) -> str:
    """Format the ratio of an error rate to that of real code, or a lower bound of it if real code has no such error."""
    if min(share.total, real.total) < FEWEST:
        return "–"
    # If n cases have no error, the error rate is below 3/n with a confidence of 95%.
    least = "" if real.wrong or not share.wrong else "> "
    ratio = share.value * real.total / (real.wrong or 3)
    return f"{least}{ratio:,.0f}" if ratio >= 10 else f"{least}{ratio:.2g}"


def format_tables(
    scores: Mapping[str, Mapping[str, Share]], copied: Mapping[str, float], losses: Mapping[str, float]
) -> str:
    """Format two tables in Markdown: error rates, and their ratios to those of real code.

    Args:
        scores: Error rates by name, for each column. Real code is the first.
        copied: Share of copied characters, for each column.
        losses: Bits per held-out character, for each column of a checkpoint.
    """
    real = next(iter(scores.values()))
    rows = [
        ["bits per held-out character", *(f"{losses[name]:.3f}" if name in losses else "" for name in scores)],
        [f"in copies of at least {SHORTEST_COPY} characters", *(f"{100 * share:.3g} %" for share in copied.values())],
        ["functions found", *(f"{column['undefined'].total:,}" for column in scores.values())],
    ]
    rows += [[label, *(format_percent(column[name]) for column in scores.values())] for name, label in ERRORS.items()]
    ratios = [
        [label, *(format_ratio(column[name], real[name]) for column in list(scores.values())[1:])]
        for name, label in ERRORS.items()
    ]
    return "\n\n".join(
        [
            Table("Shares", ["", *scores], rows).markdown(),
            Table("Ratios to real code", ["", *list(scores)[1:]], ratios).markdown(),
        ]
    )


def measure_bits(run: Run, step: int) -> float:
    """Return the bits per held-out character of a checkpoint."""
    score = run.evaluate(checkpoint=str(step))
    assert isinstance(score, evaluation.LikelihoodScore)
    return score.bits_per_character


def measure_copies(documents: Sequence[str], texts: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return the share of characters in matches with documents that have at least `SHORTEST_COPY` characters.

    Args:
        documents: Documents of the training text.
        texts: Texts of each column.
    """
    metric = Memorization(SHORTEST_COPY)
    with TemporaryDirectory() as folder:
        metric.write_index(iter(documents), Path(folder))
        metric.open_index(Path(folder))
        return {
            name: scores.values["memorization.copied"]
            for name, column in texts.items()
            for scores in [evaluation.score_texts({"memorization": metric}, [[text] for text in column])]
        }


def main() -> None:
    """Draw the samples, score them, and print and plot the error rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run directory, trained on the source of Linux with a vocabulary of characters")
    parser.add_argument(
        "--steps", type=int, nargs="+", help="steps of the checkpoints (default: the last, half of it, and so on)"
    )
    parser.add_argument("--count", type=int, default=100, help="number of samples of each checkpoint (default: 100)")
    parser.add_argument("--length", type=int, default=4_000, help="characters of each sample (default: 4000)")
    parser.add_argument("--temperature", type=float, default=1.0, help="temperature of the samples (default: 1)")
    parser.add_argument("--plot", type=Path, help="SVG file to write the plot to")
    arguments = parser.parse_args()

    run = Run.open(arguments.run, [f"sampler.0.temperature={arguments.temperature}"])
    folder = run.path / "learning" / f"{arguments.count}x{arguments.length}"
    count, length = arguments.count, arguments.length
    source = read_run(run)
    texts = {"real code": list(source.windows(length))}
    losses: dict[str, float] = {}
    steps = arguments.steps or select_doubling_steps(run.checkpoints.steps())
    for step in steps:
        name = f"step {step:,}"
        path = folder / f"step-{step:08d}-at-{arguments.temperature}.json"
        texts[name] = load_or_compute(path, lambda step=step: sample_run(run, step, count, length))
        loss = folder.parent / f"step-{step:08d}-loss.json"
        losses[name] = load_or_compute(loss, lambda step=step: measure_bits(run, step))
    for order in ORDERS:
        path = folder / f"ngram-{order}.json"
        texts[f"{order}-gram"] = load_or_compute(
            path, lambda order=order: sample_ngram(fit(source.training, order), source, count, length)
        )

    lexicon = source.lexicon()
    scores = {name: score_texts(column, lexicon) for name, column in texts.items()}
    copied = measure_copies(source.training_documents, texts)
    print(f"{len(texts['real code']):,} windows and {count:,} samples of {length:,} characters", end="\n\n")
    print(format_tables(scores, copied, losses))
    if arguments.plot:
        checkpoints = {step: scores[f"step {step:,}"] for step in steps}
        baselines = {name: scores[name] for name in (*(f"{order}-gram" for order in ORDERS), "real code")}
        arguments.plot.write_text(plot(checkpoints, baselines), encoding="utf-8")


if __name__ == "__main__":
    main()
