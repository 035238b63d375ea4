"""The vocabulary `bytes`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.vocabularies import Bytes


@settings(deadline=None)
@given(st.binary())
def test_token_ids_are_the_byte_values(content: bytes):
    tokens = Bytes().encode(content)
    assert tokens.dtype == np.uint8
    assert tokens.tolist() == list(content)
    assert Bytes().decode(tokens.tolist()) == content
    assert Bytes().decode(iter(content)) == content


def test_the_vocabulary_does_not_learn_and_has_no_state():
    vocabulary = Bytes()
    assert vocabulary.size == 256
    assert not vocabulary.learns
    vocabulary.restore(vocabulary.state())
    with pytest.raises(ValueError, match="must be empty"):
        vocabulary.restore({"characters": "abc"})
