"""The metric `pronunciation`."""

from collections.abc import Sequence

from seqforge.interfaces import Classes, ExamplePrediction, ExampleSpec, PredictionMetric, Score
from seqforge_tasks.metrics.edits import edits


class Pronunciation(PredictionMetric):
    """The errors of phonemes and of words, each word against the nearest of its listed pronunciations.

    Yao and Zweig 2015, "Sequence-to-Sequence Neural Net Models for Grapheme-to-Phoneme Conversion".
    """

    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        """Count edits of phonemes.

        Args:
            spec: What the answers are made of.
            predictions: At least one; each is a word.

        Returns:
            The figures `word_error_rate`, the share of words of which a phoneme is wrong, missing or too much, and
            `phoneme_error_rate`, edits a phoneme of what was right.
        """
        del spec
        counted = [edits(prediction) for prediction in predictions]
        wrong = sum(one.distance > 0 for one in counted)
        phonemes = sum(one.length for one in counted)
        distance = sum(one.distance for one in counted)
        return Score({"word_error_rate": wrong / len(predictions), "phoneme_error_rate": distance / max(phonemes, 1)})

    @classmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        """Return whether the targets are new sequences of classes, which are the phonemes.

        Args:
            spec: Shape of the examples.
        """
        return isinstance(spec.target, Classes) and spec.output_mode == "sequence"
