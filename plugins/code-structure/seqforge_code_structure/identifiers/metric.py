"""How many of a model's functions use, return, leave or jump to names as they should not."""

from collections import Counter
from collections.abc import Iterator, Sequence

from seqforge.errors import DataError
from seqforge.interfaces import Finding, FittedMetric, Score
from seqforge_code_structure.brackets import begins_inside
from seqforge_code_structure.identifiers.analysis import findings_of, read_text
from seqforge_code_structure.identifiers.building import build_lexicon
from seqforge_code_structure.identifiers.judgement import KINDS, judge, shares
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.lexicon_file import decode_lexicon, encode_lexicon


class Identifiers(FittedMetric):
    """What is wrong with names in the functions of C samples: undefined, unused, returned or jumped to in vain.

    It learns from the training text which names functions declare, and which they take for granted. A function is
    scored where its whole unit is there and parses. One parse serves all figures:

    - `parses`: share of complete top-level units without an error of syntax;
    - `functions`: complete functions; `coverage`: the share of them that parse, and so are scored;
    - shares of scored functions with at least one such fault: `unused` (a local variable that is never used),
      `missing_label` (a goto whose label is not set), `undefined` (an undeclared name that the training text's
      functions always declare), `undefined_novel` (an undeclared name that the training text does not have; real code
      has some, so that only its excess over the control tells anything) and `returns_undeclared` (an undefined name in
      a return, or alone in a return any undeclared name that is not known as a global).
    """

    def __init__(self) -> None:
        self._lexicon = Lexicon(0, {})

    def fit(self, documents: Iterator[str]) -> None:
        """Count in how many files each name is declared, and in how many it is not.

        Args:
            documents: The training text.
        """
        self._lexicon = build_lexicon(documents)

    def state(self) -> bytes:
        """Give the counts, as `seqforge c-lexicon` writes them."""
        return encode_lexicon(self._lexicon)

    def restore(self, state: bytes) -> None:
        """Take up the counts.

        Args:
            state: As `state` gave it.

        Raises:
            DataError: Where it is no lexicon of this version.
        """
        try:
            self._lexicon = decode_lexicon(state)
        except ValueError as error:
            raise DataError("not a lexicon of C of this version") from error

    def score(self, texts: Sequence[str]) -> Score:
        """Judge the complete units of texts, which may be cut at both ends.

        Args:
            texts: Samples of a model, each with its prompt.

        Returns:
            Shares from 0 to 1, 0 where there is nothing to share.
        """
        total: Counter[str] = Counter()
        found: list[Finding] = []
        for number, text in enumerate(texts):
            units = read_text(text, beginning_missing=begins_inside(text), end_missing=True)
            counts, faults = judge(units, self._lexicon)
            total += counts
            found += findings_of(number, units, faults)
        weights = {"parses": total["units"], "coverage": total["functions"], **dict.fromkeys(KINDS, total["scored"])}
        values = {"functions": float(total["functions"]), **shares(total)}
        return Score(values, tuple(found), weights)
