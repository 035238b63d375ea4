"""The vocabulary of bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.vocabularies import Bytes


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_go_through_as_their_own_values(content: bytes):
    tokens = Bytes().encode(content)
    assert tokens.dtype == np.uint8
    assert tokens.tolist() == list(content)
    assert Bytes().decode(tokens.tolist()) == content
    assert Bytes().decode(iter(content)) == content


def test_nothing_is_learned():
    vocabulary = Bytes()
    assert vocabulary.size == 256
    assert not vocabulary.learns
    vocabulary.restore(vocabulary.state())
    with pytest.raises(ValueError, match="must be empty"):
        vocabulary.restore({"characters": "abc"})
