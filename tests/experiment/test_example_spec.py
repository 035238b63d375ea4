"""What a form's words and types may be, where no type checker was asked."""

from typing import Any

import pytest

from seqforge.interfaces import Classes, Form, Numbers, Text


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((Text, "sequence", Text(), "sequence"), "reads is .*Text.*, and must be one of Text"),
        ((Classes(("a",)), "vector", Text(), "sequence"), "reads is Classes"),
        ((Text(), "sequence", "text", "sequence"), "writes is 'text', and must be one of Text"),
        ((Text(), "all", Text(), "sequence"), "read is 'all', and must be one of vector, sequence"),
        (
            (Text(), "sequence", Classes(("a",)), "one"),
            "written is 'one', and must be one of once, every",
        ),
        ((Numbers("3"), "vector", Classes(("a",)), "once"), "the size '3' is no whole number"),  # pyright: ignore
        ((Text(), "sequence", Classes("ab"), "once"), "the names of the classes are a str, not a tuple"),  # pyright: ignore
    ],
)
def test_other_words_are_refused(parts: tuple[Any, ...], said: str):
    with pytest.raises(ValueError, match=said):
        Form(*parts)
