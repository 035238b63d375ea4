"""Rates of errors in the texts of any program or model, for `seqforge c-structure --rates`."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import typer

from seqforge.cli.terminal import Column, print_table
from seqforge.evaluation.intervals import Interval, estimate_difference
from seqforge.evaluation.metrics import add_sizes, average_scores, find_intervals
from seqforge.figures import describe_count
from seqforge.kinds import Metric, Score
from seqforge_code_structure.compiler_metrics import CompilesDeclared
from seqforge_code_structure.findings import find_samples
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.metrics import Brackets, Identifiers, Indentation, Terminators
from seqforge_code_structure.sources import read_text


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


@cache
def _build_metrics() -> dict[str, Metric]:
    """Build the metrics of a process. What compilers accept is first, since other authors report it."""
    return {
        "compiles-declared": CompilesDeclared(),
        "identifiers": Identifiers(),
        "brackets": Brackets(),
        "terminators": Terminators(),
        "indentation": Indentation(),
    }


def score_file(file: str, lexicon: Lexicon) -> list[dict[str, Score]]:
    """Return the scores of each text of a file.

    Raises:
        DataError: If it cannot be read.
    """
    metrics = _build_metrics()
    identifiers = metrics["identifiers"]
    assert isinstance(identifiers, Identifiers)  # noqa: S101
    identifiers.lexicon = lexicon
    text = read_text(file)
    texts = [text[start:stop] for start, stop in find_samples(text)]
    return [{name: metric.score([each]) for name, metric in metrics.items()} for each in texts]


def find_rates(texts: Sequence[Mapping[str, Score]]) -> Rates:
    """Return the rates in texts, from their scores by each metric."""
    rates: Rates = {}
    for name, metric in _build_metrics().items():
        scores = [scored[name] for scored in texts]
        values, sizes = average_scores(scores), add_sizes(scores)
        intervals = find_intervals(scores, metric.quantities)
        rates |= {
            f"{name}.{key}": Rate(values.get(key), intervals.get(key), sizes[key], quantity.title, quantity.unit)
            for key, quantity in metric.quantities.items()
            if key in sizes
        }
    return rates


def _subtract(rate: Rate, reference: Rate) -> Rate | None:
    """Return the excess of a rate over that of a reference, or None if one has no cases."""
    value, interval = estimate_difference(rate.value, rate.interval, reference.value, reference.interval)
    return None if value is None else rate._replace(value=value, interval=interval)


def print_rates(rates: Rates, texts: int, reference: Rates | None, reference_texts: int, *, as_json: bool) -> None:
    """Print the rates of texts, and if there is a reference, its rates and the excess over these."""
    excess = {key: _subtract(rate, reference[key]) for key, rate in rates.items()} if reference else {}
    if as_json:
        record: dict[str, Any] = {"texts": texts, "rates": _to_record(rates)}
        if reference:
            record |= {"reference": {"texts": reference_texts, "rates": _to_record(reference)}}
            record |= {"excess": _to_record(excess)}
        typer.echo(json.dumps(record))
        return
    columns = [Column("of the"), Column("rate"), Column("cases", is_number=True)]
    columns += [Column("reference"), Column("excess")] if reference else []
    rows: list[list[str]] = []
    for key, rate in rates.items():
        row = [rate.title, _format(rate), f"{rate.cases:,.0f}"]
        if reference:
            row += [_format(reference[key]), _format(excess[key], sign="+")]
        rows.append(row)
    print_table(columns, rows)
    compared = f", reference: {describe_count(reference_texts, 'text')}" if reference else ""
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
