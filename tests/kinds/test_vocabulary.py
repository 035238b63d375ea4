"""The contract of vocabularies that a class statement checks."""

import pytest

from seqforge.kinds import Vocabulary


def test_a_size_that_is_a_method_is_an_error() -> None:
    with pytest.raises(TypeError, match="`size` of Wrong is a method: write @property above it"):
        type("Wrong", (Vocabulary,), {"size": lambda self: 3})
