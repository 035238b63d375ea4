"""Measure what the samplers `c-samplers/balanced` and `c-samplers/scoped` do to generated C.

The benchmark draws samples without and with each sampler from the same seed. It prints the error rates, the copied
share and the diversity of the samples beside those of held-out code, their likelihood under the model at temperature 1,
and the time on one core. Tables are in Markdown.

    python -m benchmarks.c_learning.samplers linux-small [--temperature 0.8] [--count 200] [--length 500]
"""

import argparse
import math
import re
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from seqforge_c_samplers.checked import Balanced, Scoped
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.lexicon_file import encode_lexicon
from seqforge_essentials.metrics import Distinct
from seqforge_essentials.samplers import Temperature

from benchmarks.c_learning.__main__ import SHORTEST_COPY, measure_copies
from benchmarks.c_learning.scores import ERRORS, FEWEST, Share, score_texts
from benchmarks.c_learning.texts import PROMPT, RunText, read_run
from benchmarks.report import Table
from seqforge import Run
from seqforge.generation.generator import sample_texts
from seqforge.kinds import Sampler, Vocabulary
from seqforge.model.sequence_model import SequenceModel

WORDS = (2, 4)
"""Lengths of the word sequences of which the share of distinct ones is measured."""

DEEP = 5
"""Number of calls inside each other that hardly occurs in real code."""

BLANK = "\n\n\n"


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
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    run = Run.open(arguments.run)
    count, length = arguments.count, arguments.length
    source = read_run(run)
    windows = list(source.windows(length))[: 2 * count]
    if not windows:
        parser.error(
            f"no held-out file has {length:,} characters; choose a run on the source of Linux, or a smaller --length"
        )
    model, lexicon = run.model("best", "cpu"), source.lexicon()
    sample_texts(model, source.vocabulary, [Temperature(1.0)], PROMPT, count=1, length=1, seed=1)  # prepares the kernel
    print(f"{len(windows):,} windows and {count:,} samples of {length:,} characters", end="\n\n")
    with TemporaryDirectory() as folder:
        path = Path(folder, "training.lexicon")
        path.write_bytes(encode_lexicon(lexicon))
        samplers: dict[str, Sampler | None] = {"no sampler": None, "balanced": Balanced(), "scoped": Scoped(path)}
    for temperature in arguments.temperature or [1.0]:
        texts = {"real code": windows}
        seconds: dict[str, float] = {}
        for name, sampler in samplers.items():
            chain = [*([sampler] if sampler else []), Temperature(temperature)]
            start = time.process_time()
            drawn = sample_texts(model, source.vocabulary, chain, PROMPT, count=count, length=length, seed=1)
            seconds[name] = time.process_time() - start
            texts[name] = [text.removeprefix(PROMPT) for text in drawn]
        bits = {name: measure_bits(model, source.vocabulary, column) for name, column in texts.items()}
        rows = describe(texts, bits, seconds, source, lexicon)
        print(Table(f"Temperature {temperature:g}", [f"temperature {temperature:g}", *texts], rows).markdown())
        print(flush=True)


def describe(
    texts: dict[str, list[str]], bits: dict[str, float], seconds: dict[str, float], source: RunText, lexicon: Lexicon
) -> list[list[str]]:
    """Return the rows of the table of one temperature."""
    scores = {name: score_texts(column, lexicon) for name, column in texts.items()}
    rows = [
        ["complete units", *(f"{column['brackets'].total:,}" for column in scores.values())],
        ["functions found", *(f"{column['undefined-name'].total:,}" for column in scores.values())],
        *([label, *(format_interval(column[name]) for column in scores.values())] for name, label in ERRORS.items()),
        [f"texts with calls {DEEP} deep", *(f"{sum(map(nests_deep, column))}" for column in texts.values())],
        [
            "texts with two blank lines in a row",
            *(f"{sum(BLANK in text for text in column)}" for column in texts.values()),
        ],
    ]
    copies = measure_copies(source.training_documents, texts).values()
    shares = [f"{100 * values['memorization.copied']:.3g} %" for values in copies]
    rows.append([f"in copies of at least {SHORTEST_COPY} characters", *shares])
    fewest = min(map(len, texts.values()))
    distinct = [Distinct(WORDS).score(column[:fewest]).values for column in texts.values()]
    rows += [
        [f"distinct sequences of {words} words", *(f"{100 * each[f'distinct_{words}']:.3g} %" for each in distinct)]
        for words in WORDS
    ]
    rows.append(["mean length", *(f"{sum(map(len, column)) / len(column):,.0f}" for column in texts.values())])
    rows.append(["bits per character under the model", *(f"{bits[name]:.3f}" for name in texts)])
    rows.append(["seconds of CPU time", "", *(f"{number:.1f}" for number in seconds.values())])
    return rows


def measure_bits(model: SequenceModel, vocabulary: Vocabulary, texts: list[str]) -> float:
    """Return the mean number of bits per character of texts after the prompt."""
    bits, characters = 0.0, 0
    for text in texts:
        tokens = torch.as_tensor(vocabulary.encode((PROMPT + text).encode()).astype("int64"))
        with torch.inference_mode():
            logits, _ = model(tokens[:-1].unsqueeze(1), model.initial_states(1))
        likelihoods = logits[:, 0].float().log_softmax(-1).gather(1, tokens[1:].unsqueeze(1))
        bits -= float(likelihoods[-len(text) :].sum()) / math.log(2) if text else 0.0
        characters += len(text)
    return bits / characters


def nests_deep(text: str) -> bool:
    """Return whether calls nest at least `DEEP` deep."""
    opened: list[bool] = []
    for match in re.finditer(r"(\w*)\s*([()])", re.sub(r'/\*.*?\*/|"[^"\n]*"', "", text, flags=re.DOTALL)):
        if match[2] == "(":
            opened.append(match[1] not in ("", "if", "for", "while", "switch", "return", "sizeof"))
        elif opened:
            opened.pop()
        if sum(opened) >= DEEP:
            return True
    return False


if __name__ == "__main__":
    main()
