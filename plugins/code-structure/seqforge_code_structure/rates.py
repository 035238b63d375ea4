"""Rates of errors in the texts of any program or model, for `seqforge c-structure --rates`."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import typer

from seqforge.cli.terminal import Column, print_table
from seqforge.evaluation.intervals import Interval, estimate_difference
from seqforge.evaluation.metrics import add_sizes, average_scores, find_intervals
from seqforge.figures import describe_count
from seqforge.kinds import Metric, Score
from seqforge_code_structure.findings import find_samples
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.lexicon_file import read_lexicon, read_linux_lexicon
from seqforge_code_structure.metrics import Brackets, CompilesDeclared, Identifiers, Indentation, Terminators
from seqforge_code_structure.sources import find_files, map_files, read_text


class Rate(NamedTuple):
    """The rate of an error.

    Attributes:
        value: The rate, or None if there are no cases.
        interval: Its 95% interval, or None for few texts.
        cases: Number of cases.
        title: What it is a rate of.
        unit: Its unit: "share" or "per 1,000".
    """

    value: float | None
    interval: Interval | None
    cases: float
    title: str
    unit: str


Rates = dict[str, Rate]
"""Rates by `metric.value`."""


_METRICS: dict[str, type[Metric]] = {
    "compiles-declared": CompilesDeclared,
    "identifiers": Identifiers,
    "brackets": Brackets,
    "terminators": Terminators,
    "indentation": Indentation,
}
"""The metrics. What compilers accept is first, since other authors report it."""


@cache
def _build_metrics(lexicon: Lexicon) -> dict[str, Metric]:
    """Build the metrics of a process."""
    identifiers = Identifiers()
    identifiers.lexicon = lexicon
    return {name: metric() for name, metric in _METRICS.items()} | {"identifiers": identifiers}


def _score_file(file: str, lexicon: Lexicon) -> list[dict[str, Score]]:
    """Return the scores of each text of a file.

    Raises:
        DataError: If it cannot be read.
    """
    text, metrics = read_text(file), _build_metrics(lexicon)
    texts = [text[start:stop] for start, stop in find_samples(text)]
    return [{name: metric.score([each]) for name, metric in metrics.items()} for each in texts]


def _measure(paths: Sequence[str], lexicon: Lexicon) -> tuple[int, Rates]:
    """Return the number of texts in files and folders, and the rates in these texts."""
    scores_of_files = map_files(lambda file: _score_file(file, lexicon), find_files(paths), fewest=2)
    texts = [scored for scores in scores_of_files for scored in scores]
    rates: Rates = {}
    for name, metric in _METRICS.items():
        scores = [scored[name] for scored in texts]
        values, sizes = average_scores(scores), add_sizes(scores)
        intervals = find_intervals(scores, metric.quantities)
        rates |= {
            f"{name}.{key}": Rate(values.get(key), intervals.get(key), sizes[key], quantity.title, quantity.unit)
            for key, quantity in metric.quantities.items()
            if key in sizes
        }
    return len(texts), rates


def _subtract(rate: Rate, reference: Rate) -> Rate | None:
    """Return the excess of a rate over that of a reference, or None if one has no cases."""
    value, interval = estimate_difference(rate.value, rate.interval, reference.value, reference.interval)
    return None if value is None else rate._replace(value=value, interval=interval)


def show_rates(files: Sequence[str], reference: Sequence[str], lexicon: Path | None, *, as_json: bool) -> None:
    """Print the rates of errors in files, and if there is a reference, its rates and the excess over these."""
    names = read_lexicon(lexicon) if lexicon else read_linux_lexicon()
    texts, rates = _measure(files, names)
    others, expected = _measure(reference, names) if reference else (0, Rates())
    excess = {key: _subtract(rate, expected[key]) for key, rate in rates.items()} if reference else {}
    if as_json:
        record: dict[str, Any] = {"texts": texts, "rates": _to_record(rates)}
        if reference:
            record |= {"reference": {"texts": others, "rates": _to_record(expected)}, "excess": _to_record(excess)}
        typer.echo(json.dumps(record))
        return
    columns = [Column("of the"), Column("rate"), Column("cases", is_number=True)]
    columns += [Column("reference"), Column("excess")] if reference else []
    rows: list[list[str]] = []
    for key, rate in rates.items():
        row = [rate.title, _format(rate), f"{rate.cases:,.0f}"]
        if reference:
            row += [_format(expected[key]), _format(excess[key], sign="+")]
        rows.append(row)
    print_table(columns, rows)
    compared = f", reference: {describe_count(others, 'text')}" if reference else ""
    typer.echo(f"{describe_count(texts, 'text')}{compared}; 95% intervals in parentheses", err=True)


def _to_record(rates: Mapping[str, Rate | None]) -> dict[str, Any]:
    return {key: rate._asdict() if rate else None for key, rate in rates.items()}


def _format(rate: Rate | None, sign: str = "") -> str:
    """Return a rate in percent, with its interval."""
    if rate is None or rate.value is None:
        return "no cases"
    scale = 100 if rate.unit == "share" else 0.1
    low, high = rate.interval or (0, 0)
    interval = f" ({scale * low:{sign}.2f} to {scale * high:{sign}.2f})" if rate.interval else ""
    return f"{scale * rate.value:{sign}.2f}%{interval}"
