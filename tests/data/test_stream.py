"""Pieces of a token file, read as one stream."""

import itertools
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqforge.data.batches import TokenStream
from seqforge.data.splits import Spans
from seqforge.data.token_file import TokenFile

Encode = Callable[..., TokenFile]

LENGTH = 60


@pytest.fixture(scope="session", params=["bytes", "characters"])
def token_file(request: pytest.FixtureRequest, encoded: Encode, made: ModuleType) -> TokenFile:
    """Return one document of bytes, or three documents of characters in integers of different widths."""
    if request.param == "bytes":
        return encoded({"one": "".join(map(chr, range(LENGTH)))})
    documents = {"one": range(1, 8), "two": range(0x3B0, 0x3C9), "three": range(0x1F500, 0x1F500 + LENGTH - 32)}
    return encoded(
        {name: "".join(map(chr, codes)) for name, codes in documents.items()}, made.VOCABULARIES[request.param]()
    )


_cuts = st.lists(st.integers(0, LENGTH), min_size=2, max_size=12, unique=True).map(sorted)


@st.composite
def _pieces(draw: st.DrawFn) -> Spans:
    """Draw pieces of the file in any order."""
    cuts = draw(_cuts)
    pieces = draw(st.permutations(list(itertools.pairwise(cuts))))
    chosen = pieces[: draw(st.integers(1, len(pieces)))]
    starts, stops = np.array(chosen, dtype=np.int64).T
    return Spans(starts, stops)


@given(spans=_pieces(), data=st.data())
@settings(deadline=None)
def test_a_stream_is_the_concatenation_of_its_pieces(token_file: TokenFile, spans: Spans, data: st.DataObject):
    tokens = token_file.map().read()
    pieces = [tokens[start:stop] for start, stop in zip(spans.starts, spans.stops, strict=True)]
    whole = np.concatenate(pieces)
    stream = TokenStream(token_file, spans)
    assert len(stream) == len(whole) == spans.length
    length = data.draw(st.integers(1, len(whole)))
    starts = data.draw(st.lists(st.integers(0, len(whole) - length), max_size=5))
    read = stream.read(starts, length)
    assert read.dtype == np.int64
    assert read.shape == (len(starts), length)
    for row, start in zip(read, starts, strict=True):
        assert np.array_equal(row, whole[start : start + length])
