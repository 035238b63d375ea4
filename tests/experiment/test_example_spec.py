"""An ExampleSpec checks its arguments at run time."""

from typing import Any

import pytest

from seqforge.kinds import Classes, ExampleSpec, Numbers, Text


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((Text, "sequence", Text(), "sequence"), "input is .*Text.*; it must be one of Text"),
        ((Classes(("a",)), "vector", Text(), "sequence"), "input is Classes"),
        ((Text(), "sequence", "text", "sequence"), "target is 'text'; it must be one of Text"),
        ((Text(), "all", Text(), "sequence"), "input_kind is 'all'; it must be one of vector, sequence"),
        (
            (Text(), "sequence", Classes(("a",)), "one"),
            "output_mode is 'one'; it must be one of once, every",
        ),
        ((Numbers("3"), "vector", Classes(("a",)), "once"), "the size '3' is not an integer"),  # pyright: ignore
        ((Text(), "sequence", Classes("ab"), "once"), "the names of the classes are a str, not a tuple"),  # pyright: ignore
    ],
)
def test_an_argument_of_the_wrong_type_or_value_is_an_error(parts: tuple[Any, ...], message: str):
    with pytest.raises(ValueError, match=message):
        ExampleSpec(*parts)
