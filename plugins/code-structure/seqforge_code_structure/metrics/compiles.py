"""How many of a model's functions a compiler accepts."""

from collections.abc import Sequence

from seqforge.interfaces import Metric, Score
from seqforge_code_structure.brackets import begins_inside
from seqforge_code_structure.compiler import compiles, find_compiler
from seqforge_code_structure.share import share
from seqforge_code_structure.units import split

MOST_UNITS = 200
"""Units of all texts that are compiled: the first ones."""


class Compiles(Metric):
    """The share of complete top-level units that gcc accepts, each by itself and without its directives.

    Few units of real code do, since types and macros are declared elsewhere: the figure means something beside its
    control only. Nothing is run or included. Each takes some hundredths of a second.

    Raises:
        PluginError: Where there is no gcc.
    """

    def __init__(self) -> None:
        self._compiler = find_compiler()

    def score(self, texts: Sequence[str]) -> Score:
        """Compile the complete units of texts, which may be cut at both ends.

        Args:
            texts: Samples of a model, each with its prompt.

        Returns:
            `accepted`, a share of the `units`: those with a bracket, the first `MOST_UNITS` of them.
        """
        units = [
            text[unit.start : unit.stop]
            for text in texts
            for unit in split(text, beginning_missing=begins_inside(text), end_missing=True)
            if unit.kind == "complete" and unit.brackets
        ][:MOST_UNITS]
        accepted = sum(compiles(unit, self._compiler) for unit in units)
        values = {"accepted": share(accepted, len(units)), "units": float(len(units))}
        return Score(values, weights={"accepted": len(units)})
