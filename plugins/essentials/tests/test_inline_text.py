"""Text in the experiment itself."""

import pytest
from seqforge_essentials.corpora import InlineText


def test_it_is_one_document():
    corpus = InlineText("Grüße\r\n")
    (document,) = corpus.documents()
    assert (document.name, document.content) == ("inline", "Grüße\r\n".encode())
    assert corpus.describe() == "9 bytes of text in the experiment"


def test_the_fingerprint_tells_texts_apart():
    assert InlineText("a").fingerprint() == InlineText("a").fingerprint() != InlineText("b").fingerprint()


def test_no_text_is_refused():
    with pytest.raises(ValueError, match="empty"):
        InlineText("")
