"""Measure the effect of the sampler `code-structure/balanced` on generated C, with samples from the same seeds.

The benchmark prints the error rates and the diversity of the samples with and without the sampler, and those of
held-out code, as a table in Markdown.

    python -m benchmarks.c_learning.balanced runs/linux-code-structure [--temperature 0.5]
"""

import argparse

from seqforge_code_structure.samplers.balanced import Balanced
from seqforge_essentials.metrics import Distinct
from seqforge_essentials.samplers import Temperature

from benchmarks.c_learning.plot import FEWEST
from benchmarks.c_learning.scores import ERRORS, Share, score_texts
from benchmarks.c_learning.texts import PROMPT, load_or_compute, read_run
from benchmarks.report import Table
from seqforge import Run
from seqforge.generation import sample_texts
from seqforge.interfaces import Sampler

WORDS = (2, 4)
"""Lengths of the word sequences of which the share of distinct ones is measured."""


def format_interval(share: Share) -> str:
    """Format a share in percent with its interval, or the counts if it has too few cases."""
    if share.total < FEWEST:
        return f"– ({share.wrong} of {share.total})"
    return f"{100 * share.value:.3g} % ({100 * share.low:.3g}–{100 * share.high:.3g})"


def main() -> None:
    """Draw the samples, score them, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run directory, trained on the source of Linux with a vocabulary of characters")
    parser.add_argument(
        "--count",
        type=int,
        default=100,
        help="number of samples with, and of samples without the sampler (default: 100)",
    )
    parser.add_argument("--length", type=int, default=4_000, help="characters of each sample (default: 4000)")
    parser.add_argument("--temperature", type=float, default=1.0, help="temperature of the samples (default: 1)")
    arguments = parser.parse_args()
    run = Run.open(arguments.run)
    count, length, temperature = arguments.count, arguments.length, arguments.temperature
    source = read_run(run)
    texts = {"real code": list(source.windows(length))}
    if not texts["real code"]:
        parser.error(
            f"no held-out file has {length:,} characters; choose a run on the source of Linux, or a smaller --length"
        )
    model = run.model("best", "cpu")
    plain: list[Sampler] = [Temperature(temperature)]
    for name, chain in (("without it", plain), ("with it", [Balanced(), *plain])):
        path = run.path / "learning" / f"{count}x{length}" / f"{name.replace(' ', '-')}-at-{temperature}.json"
        drawn = load_or_compute(
            path,
            lambda chain=chain: sample_texts(
                model, source.vocabulary, chain, PROMPT, count=count, length=length, seed=1
            ),
        )
        texts[name] = [text.removeprefix(PROMPT) for text in drawn]

    lexicon = source.lexicon()
    scores = {name: score_texts(column, lexicon) for name, column in texts.items()}
    rows = [[label, *(format_interval(column[name]) for column in scores.values())] for name, label in ERRORS.items()]
    rows.insert(0, ["functions found", *(f"{column['undefined'].total:,}" for column in scores.values())])
    rows.insert(0, ["complete units", *(f"{column['brackets'].total:,}" for column in scores.values())])
    distinct = [Distinct(WORDS).score(column[:count]).values for column in texts.values()]
    rows += [
        [f"distinct sequences of {words} words", *(f"{100 * each[f'distinct_{words}']:.3g} %" for each in distinct)]
        for words in WORDS
    ]
    print(f"{len(texts['real code']):,} windows and {count:,} samples of {length:,} characters", end="\n\n")
    print(Table("Shares", ["", *scores], rows).markdown())


if __name__ == "__main__":
    main()
