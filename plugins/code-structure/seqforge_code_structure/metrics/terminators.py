"""How many of a model's comments, strings and character literals have an end."""

from collections import Counter
from collections.abc import Sequence

from seqforge.interfaces import Finding, Metric, Score
from seqforge_code_structure.metrics.findings import findings
from seqforge_code_structure.share import share
from seqforge_code_structure.terminators import terminators


class Terminators(Metric):
    """Comments, strings and character literals of C that are not ended, and `*/` that ends nothing.

    See `seqforge_code_structure.terminators`.
    """

    def score(self, texts: Sequence[str]) -> Score:
        """Judge each text by itself, and add up; what a text's end cuts off need not be ended.

        Args:
            texts: Samples of a model, each with its prompt.

        Returns:
            `unterminated_comments`, `unterminated_strings` and `unterminated_characters`, each a share of all such;
            and `stray_comment_ends`, a share of all `*/`.
        """
        total: Counter[str] = Counter()
        wrong: Counter[str] = Counter()
        places: list[Finding] = []
        for number, text in enumerate(texts):
            found = terminators(text, end_missing=True)
            total.update(found.total)
            wrong.update(found.wrong)
            places += findings(number, found.faults)
        names = ("comments", "strings", "characters")
        values = {f"unterminated_{name}": share(wrong[name], total[name]) for name in names}
        weights = {f"unterminated_{name}": total[name] for name in names}
        strays = wrong["comment_ends"]
        ends = weights["stray_comment_ends"] = strays + total["comments"] - wrong["comments"]
        values["stray_comment_ends"] = share(strays, ends)
        return Score(values, tuple(places), weights)
