"""The corpus `digits`."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from seqforge.interfaces import Classes, Example, ExampleSpec, LabelledCorpus, Numbers
from seqforge_tasks.corpora.handwriting import (
    DESCRIPTION,
    NAMES,
    SIDE,
    example_name,
    fingerprint,
    handwriting,
    standardized,
)


class Digits(LabelledCorpus):
    """Handwritten digits, each labelled by what it shows. A pixel is read as (ink - 0.3) / 0.375, with ink from 0 to 1.

    Args:
        read: "pixels" for one vector of 64 numbers, "rows" for the image's eight rows from top to bottom.
    """

    def __init__(
        self,
        read: Annotated[
            Literal["pixels", "rows"],
            Field(description="All 64 pixels as one vector, or the 8 rows of 8 one by one, from top to bottom."),
        ] = "pixels",
    ) -> None:
        self._read = read

    @classmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        """Return the shape: one vector or a sequence of rows as input, and one of ten classes as target."""
        digit = Classes(NAMES)
        if options["read"] == "pixels":
            return ExampleSpec(Numbers(SIDE * SIDE), "vector", digit, "once")
        return ExampleSpec(Numbers(SIDE), "sequence", digit, "once")

    def examples(self) -> Iterator[Example]:
        """Yield every image, in the data set's order; see `LabelledCorpus.examples`."""
        images, labels = handwriting()
        shape = -1 if self._read == "pixels" else (SIDE, SIDE)
        for index, (image, label) in enumerate(zip(standardized(images), labels.tolist(), strict=True)):
            yield Example(example_name(index), image.reshape(shape), label)

    def fingerprint(self) -> str:
        """Digest the images and what is read; see `LabelledCorpus.fingerprint`."""
        return fingerprint("digits", self._read)

    def describe(self) -> str:
        """Say what will be read; see `LabelledCorpus.describe`."""
        return DESCRIPTION
