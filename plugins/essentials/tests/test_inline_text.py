"""The corpus `inline`."""

import pytest
from seqforge_essentials.corpora import InlineText

import seqforge as sf
from seqforge.errors import ExperimentError


def test_the_text_is_one_document():
    corpus = InlineText("Grüße\r\n")
    (document,) = corpus.documents()
    assert (document.name, document.content) == ("inline", "Grüße\r\n".encode())
    assert corpus.describe() == "9 bytes of text in the experiment"


def test_an_empty_text_is_an_error():
    with pytest.raises(ExperimentError, match=r"corpus\.text: should have at least 1"):
        sf.Experiment(corpus=sf.use("inline", text=""))
