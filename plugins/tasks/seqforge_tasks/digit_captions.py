"""The corpus `digit-captions`."""

from collections.abc import Iterator, Mapping
from typing import Any

from seqforge.interfaces import Example, ExampleSpec, LabelledCorpus, Numbers, Text
from seqforge_tasks.corpora.captions import SIZE, SLANT, THICKNESS, captions
from seqforge_tasks.corpora.handwriting import DESCRIPTION, SIDE, example_name, fingerprint, handwriting, standardized
from seqforge_tasks.corpora.measures import measure


class DigitCaptions(LabelledCorpus):
    """Handwritten digits, each with a caption in words that tells its size, thickness, digit and slant.

    What is told is measured, and so a function of the image. Where a measure is as good as on the bound between two
    words, both are right, and so are several captions.
    """

    @classmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        """Return the shape: all pixels as one vector as input, and a text as target."""
        return ExampleSpec(Numbers(SIDE * SIDE), "vector", Text(), "sequence")

    def examples(self) -> Iterator[Example]:
        """Yield every image, in the data set's order; see `LabelledCorpus.examples`."""
        images, labels = handwriting()
        for index, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
            first, *others = captions(label, measure(image))
            yield Example(example_name(index), standardized(image).reshape(-1), first, tuple(others))

    def fingerprint(self) -> str:
        """Digest the images and the grammar; see `LabelledCorpus.fingerprint`."""
        return fingerprint("digit-captions", repr((SIZE, THICKNESS, SLANT)))

    def describe(self) -> str:
        """Say what will be read; see `LabelledCorpus.describe`."""
        return f"{DESCRIPTION}, with captions of what is measured"
