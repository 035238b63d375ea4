"""Samples of a run at several moments of training, scored beside held-out code and two n-gram models.

Draws the samples, which are kept in the run's folder, so that a second call only scores them again; prints two tables
in Markdown, and draws a picture.

    python -m benchmarks.c_learning runs/linux-code-structure --plot docs/images/what-it-learns.svg
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.c_learning.copied import Copies
from benchmarks.c_learning.ngram import fit
from benchmarks.c_learning.plot import FEWEST, plot
from benchmarks.c_learning.scores import FAULTS, Share, shares
from benchmarks.c_learning.texts import kept, read, written, written_by
from benchmarks.report import Table
from seqforge import Run

ORDERS = (10, 20)
STRETCH = 50
"""Characters that count as copied where they stand in the training text one after the other."""


def doubling(steps: Sequence[int]) -> list[int]:
    """Take of the steps that have a checkpoint the last, the last of the first half, and so on."""
    chosen = [steps[-1]]
    while earlier := [step for step in steps if 2 * step <= chosen[-1]]:
        chosen.append(earlier[-1])
    return chosen[::-1]


def percent(share: Share) -> str:
    """Write a share of enough cases."""
    return f"{100 * share.value:.3g} %" if share.total >= FEWEST else "–"


def times(share: Share, real: Share) -> str:
    """Write how often a fault is met for once in real code; at least, where real code has none of so many."""
    if min(share.total, real.total) < FEWEST:
        return "–"
    # Of n cases without a fault, the share of faults is below 3/n, with a confidence of 95%.
    least = "" if real.wrong or not share.wrong else "> "
    ratio = share.value * real.total / (real.wrong or 3)
    return f"{least}{ratio:,.0f}" if ratio >= 10 else f"{least}{ratio:.2g}"


def tables(scores: Mapping[str, Mapping[str, Share]], copied: Mapping[str, float], losses: Mapping[str, float]) -> str:
    """Write the figures in Markdown.

    Args:
        scores: By column, the real code's first, the shares by name.
        copied: By column, the part that is copied.
        losses: By column, bits for each held-out character.
    """
    real = next(iter(scores.values()))
    rows = [
        ["bits for a held-out character", *(f"{losses[name]:.3f}" if name in losses else "" for name in scores)],
        [f"in copies of {STRETCH} characters or more", *(f"{100 * part:.3g} %" for part in copied.values())],
        ["functions that parse", *(f"{column['undefined'].total:,}" for column in scores.values())],
    ]
    rows += [[label, *(percent(column[name]) for column in scores.values())] for name, label in FAULTS.items()]
    ratios = [
        [label, *(times(column[name], real[name]) for column in list(scores.values())[1:])]
        for name, label in FAULTS.items()
    ]
    return "\n\n".join(
        [
            Table("Shares", ["", *scores], rows).markdown(),
            Table("Times as often as in real code", ["", *list(scores)[1:]], ratios).markdown(),
        ]
    )


def main() -> None:
    """Draw, score, print and plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a run on the source of Linux with a vocabulary of characters")
    parser.add_argument("--steps", type=int, nargs="+", help="moments; by default the last, half of that, and so on")
    parser.add_argument("--count", type=int, default=100, help="samples of each")
    parser.add_argument("--length", type=int, default=4_000, help="characters of each")
    parser.add_argument("--temperature", type=float, default=1.0, help="of the run's samples")
    parser.add_argument("--plot", type=Path, help="where the picture goes")
    arguments = parser.parse_args()

    run = Run.open(arguments.run, [f"sampler.0.temperature={arguments.temperature}"])
    folder = run.path / "learning" / f"{arguments.count}x{arguments.length}"
    count, length = arguments.count, arguments.length
    source = read(run)
    texts = {"real code": list(source.windows(length))}
    losses: dict[str, float] = {}
    steps = arguments.steps or doubling(run.checkpoints.steps())
    for step in steps:
        name = f"step {step:,}"
        path = folder / f"step-{step:08d}-at-{arguments.temperature}.json"
        texts[name] = kept(path, lambda step=step: written(run, step, count, length))
        loss = folder.parent / f"step-{step:08d}-loss.json"
        losses[name] = kept(loss, lambda step=step: run.evaluate(checkpoint=str(step)).bits_per_character)
    for order in ORDERS:
        path = folder / f"ngram-{order}.json"
        texts[f"{order}-gram"] = kept(
            path, lambda order=order: written_by(fit(source.training, order), source, count, length)
        )

    lexicon = source.lexicon()
    scores = {name: shares(column, lexicon) for name, column in texts.items()}
    copies = Copies(source.training, STRETCH)
    copied = {name: copies.share(np.array([source.encode(text) for text in column])) for name, column in texts.items()}
    print(f"{len(texts['real code']):,} windows and {count:,} samples of {length:,} characters", end="\n\n")
    print(tables(scores, copied, losses))
    if arguments.plot:
        moments = {step: scores[f"step {step:,}"] for step in steps}
        with_baselines = {name: scores[name] for name in (*(f"{order}-gram" for order in ORDERS), "real code")}
        arguments.plot.write_text(plot(moments, with_baselines), encoding="utf-8")


if __name__ == "__main__":
    main()
