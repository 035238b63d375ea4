"""Text written in the experiment itself."""

import hashlib
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from seqforge.interfaces import Corpus, Document


class InlineText(Corpus):
    """One document, whose text stands in the experiment file.

    Args:
        text: The text, at least one character.

    Raises:
        ValueError: Where the text is empty.
    """

    def __init__(self, text: Annotated[str, Field(min_length=1, description="The text itself.")]) -> None:
        if not text:
            raise ValueError("the text is empty")
        self._content = text.encode("utf-8")

    def documents(self) -> Iterator[Document]:
        """Yield the one document, named `inline`."""
        yield Document("inline", self._content)

    def fingerprint(self) -> str:
        """Digest the text."""
        return hashlib.blake2b(self._content, digest_size=16).hexdigest()

    def describe(self) -> str:
        """Say how much text the experiment holds."""
        return f"{len(self._content):,} bytes of text in the experiment"
