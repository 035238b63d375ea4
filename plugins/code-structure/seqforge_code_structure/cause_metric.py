"""The metric `name-causes`: why names in functions are undefined."""

from collections import Counter
from collections.abc import Iterator, Sequence

from seqforge.kinds import Finding, Score
from seqforge_code_structure.identifiers.causes import CAUSES, explain_names
from seqforge_code_structure.identifiers.lexicon_building import build_lexicon
from seqforge_code_structure.identifiers.reading import read_units
from seqforge_code_structure.metrics import Identifiers
from seqforge_code_structure.spelling import normalize_spelling
from seqforge_code_structure.units import split_excerpt


class NameCauses(Identifiers):
    """Shares of functions with an undefined name of each cause.

    Fitting counts names as `identifiers` does. A name without a declaration is undefined if functions of the training
    text always declare it, or if the training text does not contain it. Each value is the share of functions with such
    a name whose cause is

    - `declared_later`: the function declares it after its use;
    - `other_block`: the function declares it in a block that does not contain the use;
    - `other_function`: another function of the text declares it;
    - `misspelled`: it differs from a name in scope in one character;
    - `unexplained`: none of these;
    - `unknown_macro`: it is in capital letters, and neither the text nor the training text contains such a name;
    - `unknown_function`: it is called, and neither contains such a function;
    - `wrong_arguments`: the text defines the called function with another number of parameters.
    """

    def fit(self, documents: Iterator[str]) -> None:
        """Count names as `identifiers` does, and keep the names of functions that are only called."""
        self.lexicon = build_lexicon(documents, with_functions=True)

    def score(self, texts: Sequence[str]) -> Score:
        """Compute the values that the class describes, and `functions`, the number of functions."""
        counts: Counter[str] = Counter()
        findings: list[Finding] = []
        functions = 0
        for number, text in enumerate(map(normalize_spelling, texts)):
            units = read_units(text, split_excerpt(text))
            functions += sum(len(unit.functions) for unit in units)
            explained = explain_names(text, units, self.lexicon)
            counts.update(cause for cause, _ in {(found.cause, found.function) for found in explained})
            findings += [Finding(number, found.start, found.stop, found.message) for found in explained]
        values = {cause: counts[cause] / functions if functions else 0.0 for cause in CAUSES}
        weights = dict.fromkeys(CAUSES, float(functions))
        return Score({"functions": float(functions), **values}, tuple(findings), weights)
