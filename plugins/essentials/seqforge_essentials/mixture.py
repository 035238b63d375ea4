"""The corpus `mixture`: several corpora, from which training reads in proportion to weights."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from seqforge.kinds import Corpus, Document


class Mixture(Corpus):
    """Several corpora with weights. A weight of 0.3 beside one of 0.7 is a share of 30% of the tokens in training.

    The vocabulary, the validation split and the test split are those of all texts. An evaluation states the loss of
    each corpus as well. The name of a document begins with that of its corpus.

    Raises:
        ValueError: If there are not as many weights and names as corpora, or names are equal or have slashes.
    """

    def __init__(
        self,
        corpora: Annotated[list[Corpus], Field(min_length=2, description="Corpora of text.")],
        weights: Annotated[
            list[Annotated[float, Field(gt=0)]] | None,
            Field(description="Weight of each corpus in training; by default, all are equal."),
        ] = None,
        names: Annotated[
            list[str] | None, Field(description="Name of each corpus in logs; by default, its number.")
        ] = None,
    ) -> None:
        self._names = [str(number) for number in range(1, len(corpora) + 1)] if names is None else names
        self._weights = [1.0] * len(corpora) if weights is None else weights
        self._corpora = corpora
        if len(self._weights) != len(corpora) or len(self._names) != len(corpora):
            raise ValueError(f"there are {len(corpora)} corpora, which need as many weights and names")
        if len({*self._names}) < len(corpora) or any(not name or "/" in name for name in self._names):
            raise ValueError("the names must differ, and have no slash")
        if any(corpus.weights() for corpus in corpora):
            raise ValueError("a corpus of a mixture has weights of its own; list all corpora in one mixture")

    def weights(self) -> Mapping[str, float]:
        """Return the weight of each corpus, by its name."""
        return dict(zip(self._names, self._weights, strict=True))

    def documents(self) -> Iterator[Document]:
        """Yield the documents of every corpus."""
        for name, corpus in zip(self._names, self._corpora, strict=True):
            for document in corpus.documents():
                yield Document(f"{name}/{document.name}", document.content)

    def fingerprint(self) -> str:
        """Return the fingerprints of the corpora."""
        return " ".join(corpus.fingerprint() for corpus in self._corpora)

    def describe(self) -> str:
        """Return the descriptions of the corpora in one line."""
        parts = zip(self._names, self._corpora, strict=True)
        return "; ".join(f"{name}: {' '.join(corpus.describe().split())}" for name, corpus in parts)
