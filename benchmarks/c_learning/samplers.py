"""Measure what the samplers `c-samplers/balanced` and `c-samplers/scoped` do to generated C.

The benchmark draws samples without and with each sampler from the same seed. It prints the error rates, the copied
share and the diversity of the samples beside those of held-out code, and what the samplers cost: the probability that
they reject, and the likelihood of the samples under the model without a sampler. Tables are in Markdown.

With `--reference`, it also draws the body of one function many times, and keeps the bodies without the model's errors:
rejection sampling. These follow the distribution of the model on the condition that the body has no error.

    python -m benchmarks.c_learning.samplers runs/linux-small [--temperature 0.5] [--reference]
"""

import argparse
import math
from pathlib import Path
from tempfile import TemporaryDirectory

from seqforge_c_samplers.balanced import Balanced
from seqforge_c_samplers.scoped import Scoped
from seqforge_code_structure.identifiers.checks import check_names
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.lexicon_file import encode_lexicon
from seqforge_code_structure.identifiers.reading import read_units
from seqforge_code_structure.units import split_units
from seqforge_essentials.metrics import Distinct
from seqforge_essentials.samplers import Temperature

from benchmarks.c_learning.__main__ import SHORTEST_COPY, measure_copies
from benchmarks.c_learning.constrained import Recorded
from benchmarks.c_learning.scores import ERRORS, FEWEST, Share, score_texts
from benchmarks.c_learning.texts import PROMPT, RunText, read_run
from benchmarks.report import Table
from seqforge import Run
from seqforge.generation import sample_texts
from seqforge.kinds import Sampler
from seqforge.model import SequenceModel

WORDS = (2, 4)
"""Lengths of the word sequences of which the share of distinct ones is measured."""

HEAD = "static int read_block(struct inode *inode, struct page *page, int count)\n{\n"
"""Head of the function whose body is drawn for the reference."""


def format_interval(share: Share) -> str:
    """Format a share in percent with its interval, or the counts if it has too few cases."""
    if share.total < FEWEST:
        return f"– ({share.wrong} of {share.total})"
    return f"{100 * share.value:.3g} % ({100 * share.low:.3g}–{100 * share.high:.3g})"


def main() -> None:
    """Draw the samples, score them, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run directory, trained on the source of Linux with a vocabulary of characters")
    parser.add_argument("--count", type=int, default=100, help="number of samples with each sampler (default: 100)")
    parser.add_argument("--length", type=int, default=4_000, help="characters of each sample (default: 4000)")
    parser.add_argument("--temperature", type=float, action="append", help="temperature; repeatable (default: 1)")
    parser.add_argument("--reference", action="store_true", help="compare with rejection sampling")
    arguments = parser.parse_args()
    run = Run.open(arguments.run)
    count, length = arguments.count, arguments.length
    source = read_run(run)
    windows = list(source.windows(length))[: 2 * count]
    if not windows:
        parser.error(
            f"no held-out file has {length:,} characters; choose a run on the source of Linux, or a smaller --length"
        )
    model, lexicon = run.model("best", "cpu"), source.lexicon()
    print(f"{len(windows):,} windows and {count:,} samples of {length:,} characters", end="\n\n")
    with TemporaryDirectory() as folder:
        path = Path(folder, "training.lexicon")
        path.write_bytes(encode_lexicon(lexicon))
        samplers: dict[str, Sampler | None] = {"no sampler": None, "balanced": Balanced(), "scoped": Scoped(path)}
    for temperature in arguments.temperature or [1.0]:
        texts = {"real code": windows}
        recorded: dict[str, Recorded] = {}
        for name, sampler in samplers.items():
            recorded[name] = Recorded(sampler, temperature)
            chain = [recorded[name], Temperature(temperature)]
            drawn = sample_texts(model, source.vocabulary, chain, PROMPT, count=count, length=length, seed=1)
            texts[name] = [text.removeprefix(PROMPT) for text in drawn]
        rows = describe(texts, recorded, source, lexicon)
        print(Table(f"Temperature {temperature:g}", [f"temperature {temperature:g}", *texts], rows).markdown())
        print(flush=True)
        if arguments.reference:
            compare_with_rejection(model, source, lexicon, samplers["scoped"], temperature, count)


def describe(
    texts: dict[str, list[str]], recorded: dict[str, Recorded], source: RunText, lexicon: Lexicon
) -> list[list[str]]:
    """Return the rows of the table of one temperature."""
    scores = {name: score_texts(column, lexicon) for name, column in texts.items()}
    rows = [
        ["complete units", *(f"{column['brackets'].total:,}" for column in scores.values())],
        ["functions found", *(f"{column['undefined-name'].total:,}" for column in scores.values())],
        *([label, *(format_interval(column[name]) for column in scores.values())] for name, label in ERRORS.items()),
    ]
    # Samples of `scoped` end with line breaks.
    written = {name: [text.rstrip() for text in column] for name, column in texts.items()}
    copies = measure_copies(source.training_documents, written).values()
    shares = [f"{100 * values['memorization.copied']:.3g} %" for values in copies]
    rows.append([f"in copies of at least {SHORTEST_COPY} characters", *shares])
    fewest = min(map(len, texts.values()))
    distinct = [Distinct(WORDS).score(column[:fewest]).values for column in texts.values()]
    rows += [
        [f"distinct sequences of {words} words", *(f"{100 * each[f'distinct_{words}']:.3g} %" for each in distinct)]
        for words in WORDS
    ]
    rejected = [f"{100 * each.rejected_share:.3g} %" for each in recorded.values()]
    rows.append(["probability rejected per character", "", *rejected])
    bits = [f"{each.bits_per_character:.3f}" for each in recorded.values()]
    rows.append(["bits per character under the model", "", *bits])
    return rows


def compare_with_rejection(
    model: SequenceModel,
    source: RunText,
    lexicon: Lexicon,
    scoped: Sampler | None,
    temperature: float,
    count: int,
    length: int = 400,
) -> None:
    """Draw the body of one function without and with `scoped`, and print the likelihoods of the bodies."""
    rows: list[list[str]] = []
    for name, constraint, batches in (("no sampler", None, 10), ("scoped", scoped, 1)):
        bodies: list[tuple[float, int, bool]] = []
        for seed in range(batches):
            recorded = Recorded(constraint, temperature)
            chain = [recorded, Temperature(temperature)]
            prompt = PROMPT + HEAD
            drawn = sample_texts(model, source.vocabulary, chain, prompt, count=count, length=length, seed=seed)
            for index, text in enumerate(drawn):
                stop = text.find("\n}", len(prompt)) + 2 - len(prompt)
                if stop > 0:
                    bits = -float(sum(step[index] for step in recorded.likelihoods[:stop])) / math.log(2)
                    bodies.append((bits, stop, is_correct(HEAD + text[len(prompt) :][:stop] + "\n", lexicon)))
        correct = [body for body in bodies if body[2]]
        for label, kept in ((name, bodies), (f"{name}, correct", correct)):
            size = sum(body[1] for body in kept)
            share = sum(body[0] for body in kept) / size if size else float("nan")
            length_mean = size / len(kept) if kept else float("nan")
            rows.append([label, f"{len(kept):,} of {batches * count:,}", f"{length_mean:.0f}", f"{share:.3f}"])
    heads = ["bodies that end", "number", "mean length", "bits per character under the model"]
    print(Table("Reference", heads, rows).markdown())
    print(flush=True)


def is_correct(text: str, lexicon: Lexicon) -> bool:
    """Return whether a function parses and has no wrong bracket, undefined name or missing label."""
    units = list(split_units(text))
    read = read_units(text, units)
    _, defects = check_names(read, lexicon)
    return (
        all(unit.balanced for unit in units)
        and all(unit.parses for unit in read)
        and not any(defect.rule not in ("unused-variable", "novel-name") for defect in defects)
    )


if __name__ == "__main__":
    main()
