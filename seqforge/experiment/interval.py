"""Intervals of the work while training: a number of steps, a time, or a part of the run."""

import re
from contextlib import suppress
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from seqforge.registry import format_value

_SECONDS = {"s": 1, "min": 60, "h": 3600}
_TEXT = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(s|min|h|%)")


@lru_cache
def parse_interval(text: str) -> tuple[float, str]:
    """Return a time in seconds with the unit "s", or a part of the run in percent with the unit "%".

    Raises:
        ValueError: If the text is no interval.
    """
    match = _TEXT.fullmatch(text)
    if match is None or float(match[1]) == 0:
        raise ValueError(f"{text!r} is no interval")
    return (float(match[1]), "%") if match[2] == "%" else (float(match[1]) * _SECONDS[match[2]], "s")


def _check(interval: Any) -> Any:
    if isinstance(interval, str):
        with suppress(ValueError):
            parse_interval(interval)
            return interval
    elif isinstance(interval, int) and not isinstance(interval, bool) and 0 < interval <= 10**12:
        return interval
    raise ValueError(
        f"must be a number of steps above 0, a time or a part of the run, not {format_value(interval)}. "
        'Write 500, "20s", "5min", "1h" or "10%".'
    )


Interval = Annotated[
    int | str,
    BeforeValidator(_check),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "exclusiveMinimum": 0, "maximum": 10**12},
                {"type": "string", "pattern": f"^{_TEXT.pattern}$"},
            ]
        }
    ),
]
"""Number of steps, a time such as "20s", "5min" or "1h", or a part of the run such as "10%"."""
