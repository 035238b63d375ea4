"""The metric `identifiers`."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from seqforge.interfaces import ExperimentPath, Finding, Metric, Score
from seqforge_code_structure.identifiers.analysis import findings, read_text
from seqforge_code_structure.identifiers.judgement import judge, shares
from seqforge_code_structure.identifiers.lexicon_file import read_lexicon

_OF_THE_LEXICON = ("undefined", "undefined_novel", "returns_undeclared")


class Identifiers(Metric):
    """What is wrong with names in the functions of C samples: undefined, unused, returned or jumped to in vain.

    A function is scored where its whole unit is there and parses. One parse serves all figures:

    - `parses`: share of complete top-level units without an error of syntax;
    - `functions`: complete functions; `coverage`: the share of them that parse, and so are scored;
    - shares of scored functions with at least one such fault: `unused` (a local variable that is never used),
      `missing_label` (a goto whose label is not set), and with a lexicon `undefined` (an undeclared name that the
      training text's functions always declare) and `returns_undeclared` (such a name in a return, or alone in a return
      any undeclared name that is not known as a global);
    - with a lexicon, `undefined_novel_excess`: the share with an undeclared name that the training text does not have,
      less that share in real code; and `control_…`, each figure of real functions that were held out.

    Args:
        lexicon: A file made by `seqforge c-lexicon` from the text that the model is trained on.

    Raises:
        DataError: Where the lexicon cannot be read.
    """

    def __init__(
        self,
        lexicon: Annotated[
            ExperimentPath | None,
            Field(
                description="The training text's names, made by `seqforge c-lexicon`; without it, none is undefined."
            ),
        ] = None,
    ) -> None:
        self._lexicon = read_lexicon(lexicon) if lexicon is not None else None

    def score(self, texts: Sequence[str]) -> Score:
        """Judge the complete units of texts, which may be cut at their ends.

        Args:
            texts: Samples of a model, each with its prompt.

        Returns:
            Shares from 0 to 1, 0 where there is nothing to share; the excess may be negative.
        """
        total: Counter[str] = Counter()
        found: list[Finding] = []
        for number, text in enumerate(texts):
            units = read_text(text, end_missing=True)
            counts, faults = judge(units, self._lexicon)
            total += counts
            found += findings(number, units, faults)
        figures = shares(total)
        values = {"functions": float(total["functions"])}
        if self._lexicon is None:
            return Score(
                values | {name: figures[name] for name in figures if name not in _OF_THE_LEXICON}, tuple(found)
            )
        control = {name: self._lexicon.control.get(name, 0.0) for name in figures}
        figures["undefined_novel_excess"] = figures.pop("undefined_novel") - control.pop("undefined_novel")
        return Score(values | figures | {f"control_{name}": control[name] for name in control}, tuple(found))
