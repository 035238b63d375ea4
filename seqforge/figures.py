"""Figures of a run as people read them: counts, durations, and the layers of its model."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, cast


def describe_count(number: int, noun: str) -> str:
    """Return a number with a noun, such as "1 file" or "1,318 files"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def describe_size(size: int) -> str:
    """Return a number of bytes with a unit, such as "582 bytes", "44.4 kB" or "152.0 MB"."""
    if size < 1_000:
        return describe_count(size, "byte")
    return f"{size / 1e3:.1f} kB" if size < 100_000 else f"{size / 1e6:,.1f} MB"


def describe_amount(number: int, noun: str, size: int) -> str:
    """Return a number with a noun, and its size in bytes, such as "1,318 documents, 152.0 MB"."""
    return f"{describe_count(number, noun)}, {describe_size(size)}"


def format_figure(value: float) -> str:
    """Format a measured number with three digits, such as 0.0123 or 12.3, and 1,000 and more without an exponent."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"


def format_estimate(value: float | None, interval: Sequence[float] | None = None, sign: str = "") -> str:
    """Format a value with its interval, such as 2.4392 [2.4140, 2.4653]; "–" if it is unknown.

    With the sign "+", each number has its sign.
    """
    if value is None:
        return "–"
    return f"{value:{sign}.4f}" + (f" [{interval[0]:{sign}.4f}, {interval[1]:{sign}.4f}]" if interval else "")


def format_milliseconds(seconds: float) -> str:
    """Format a time in milliseconds, such as 10.6 ms."""
    return f"{format_figure(1000 * seconds)} ms"


def format_count(number: int | None) -> str:
    """Format a number of parameters with three digits, such as 1.25M; "–" if it is unknown."""
    if number is None:
        return "–"
    for size, suffix in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= 0.9995 * size:  # what rounds to it
            return f"{format_figure(number / size)}{suffix}"
    return str(number)


def format_duration(seconds: float) -> str:
    """Format a duration, such as 0:42 for 42 seconds or 2:05:10."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def describe_layers(cells: Sequence[Mapping[str, Any]]) -> str:
    """Describe the tables of the layers in an experiment, such as "2×lstm 320, gru 64" or "6×block(rg-lru 256)"."""
    runs = [(len([*equal]), layer) for layer, equal in groupby(map(_describe_cell, cells))]
    return ", ".join(f"{count}×{layer}" if count > 1 else layer for count, layer in runs)


def _describe_cell(cell: Mapping[str, Any]) -> str:
    name, inner = cell["use"].rpartition("/")[2], cell.get("cell")
    if isinstance(inner, Mapping) and "use" in inner:
        return f"{name}({_describe_cell(cast('Mapping[str, Any]', inner))})"
    return f"{name} {cell.get('hidden_size', '')}".strip()


def format_per_byte(per_character: float | None, per_byte: float | None) -> str:
    """Return the bits per byte in brackets, after the bits per character; empty if they are equal, as for ASCII."""
    if per_character is None or per_byte is None or f"{per_character:.4f}" == f"{per_byte:.4f}":
        return ""
    return f" ({per_byte:.4f} per byte)"
