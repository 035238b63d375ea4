"""How many of a model's functions and tables have their brackets right."""

from collections.abc import Sequence

from seqforge.interfaces import Metric, Score
from seqforge_code_structure.brackets import begins_inside
from seqforge_code_structure.metrics.findings import findings
from seqforge_code_structure.share import share
from seqforge_code_structure.units import Unit, split


class Brackets(Metric):
    """Brackets of C, judged by top-level units, under two assignments of the preprocessor's conditions.

    Texts may begin and end in the middle: a first part without its beginning and a last part without its end are
    judged as far as they go, and the last is counted apart. See `seqforge_code_structure.units`.
    """

    def score(self, texts: Sequence[str]) -> Score:
        """Judge each text by itself, and add up.

        Args:
            texts: Samples of a model, each with its prompt.

        Returns:
            `balanced`, the share of complete units whose brackets are right, of the `units` that have any;
            `errors_per_1000`, faults for 1,000 brackets outside of cut ends; `tails_balanced`, the share of cut ends
            with brackets that are right as far as they go; `too_deep`, units that nest too deep to be analysed.
        """
        judged = [
            (number, unit)
            for number, text in enumerate(texts)
            for unit in split(text, beginning_missing=begins_inside(text), end_missing=True)
            if unit.brackets
        ]
        complete = [unit for _, unit in judged if unit.kind == "complete"]
        tails = [unit for _, unit in judged if unit.kind == "tail"]
        analysed = [unit for _, unit in judged if unit.kind != "tail" and not unit.too_deep]
        errors, brackets = sum(unit.fault_count for unit in analysed), sum(unit.brackets for unit in analysed)
        values = {
            "balanced": share(sum(map(_right, complete)), len(complete)),
            "units": float(len(complete)),
            "errors_per_1000": 1000 * share(errors, brackets),
            "tails_balanced": share(sum(map(_right, tails)), len(tails)),
            "too_deep": float(sum(unit.too_deep for _, unit in judged)),
        }
        places = tuple(finding for number, unit in judged for finding in findings(number, unit.faults))
        weights = {"balanced": len(complete), "errors_per_1000": brackets, "tails_balanced": len(tails)}
        return Score(values, places, weights)


def _right(unit: Unit) -> bool:
    return not unit.fault_count and not unit.too_deep
