"""How many of a model's lines are indented as deep as their braces are."""

from collections.abc import Sequence

from seqforge.interfaces import Metric, Score
from seqforge_code_structure.indentation import indentation
from seqforge_code_structure.metrics.findings import findings
from seqforge_code_structure.share import share


class Indentation(Metric):
    """Agreement of indentation with braces, over the lines that begin a statement inside braces.

    See `seqforge_code_structure.indentation`.
    """

    def score(self, texts: Sequence[str]) -> Score:
        """Judge each text by itself, its unit of indentation included, and add up.

        Args:
            texts: Samples of a model, each with its prompt.

        Returns:
            `agreement`, a share of the `lines` that were judged.
        """
        judged = [indentation(text) for text in texts]
        lines = sum(each.lines for each in judged)
        values = {"agreement": share(sum(each.agreeing for each in judged), lines), "lines": float(lines)}
        places = [finding for number, each in enumerate(judged) for finding in findings(number, each.faults)]
        return Score(values, tuple(places), {"agreement": lines})
