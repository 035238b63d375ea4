"""The metrics `brackets`, `terminators`, `indentation`, `identifiers` and `compiles-declared`.

Each scores samples that may be cut at both ends, and reports the positions of the errors that it counts.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

from seqforge.errors import PluginError, warn
from seqforge.kinds import Finding, FittedMetric, Metric, Quantity, Score
from seqforge_code_structure.compiler import find_compiler
from seqforge_code_structure.declarations.inference import Acceptance, accept_unit
from seqforge_code_structure.defects import RULES, Defect
from seqforge_code_structure.findings import report_names
from seqforge_code_structure.identifiers.checks import check_names, count_cases
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.lexicon_building import build_lexicon, count_names
from seqforge_code_structure.identifiers.lexicon_file import encode_lexicon, read_lexicon
from seqforge_code_structure.identifiers.reading import read_excerpt
from seqforge_code_structure.indentation import analyze_indentation
from seqforge_code_structure.terminators import analyze_terminators
from seqforge_code_structure.units import split_excerpt

_RULE_OF_VALUE = {
    "undefined": "undefined-name",
    "undefined_novel": "novel-name",
    "returns_undeclared": "undefined-return",
    "unused": "unused-variable",
    "missing_label": "undefined-label",
    "redeclared": "redeclared-name",
}
"""For each value of `identifiers` that is a share of functions with an error, the rule of the error."""


_LEXICON = "c.lexicon"
"""File of the cache with the lexicon of the training text, in the format of `seqforge c-lexicon`."""


def _detail(
    title: str,
    sentence: str,
    unit: Literal["share", "number"] = "share",
    better: Literal["less", "more", "neither"] = "less",
) -> Quantity:
    return Quantity(title, unit, better, sentence, is_detail=True)


def _function_error(error: str, *, is_detail: bool = False) -> Quantity:
    return Quantity(f"functions that {error}", "share", "less", f"{{}} of the functions {error}", is_detail)


class Brackets(Metric):
    """Bracket errors in top-level units.

    Texts may begin and end inside a unit. A unit that is cut at either end is checked as far as possible. One that is
    cut at its end counts among the tails only. See `seqforge_code_structure.units`.
    """

    exact_text: ClassVar[bool] = True
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "errors_per_1000": Quantity(
            "brackets that are wrong", "per 1,000", "less", "{} of the brackets do not match another one"
        ),
        "balanced": _detail(
            "functions and other units whose brackets all match",
            "{} of the complete units have only brackets that match",
            better="more",
        ),
        "tails_balanced": _detail(
            "units cut by the end of a sample without a bracket error",
            "{} of the units that are cut at their end have no bracket error",
            better="more",
        ),
        "units": _detail(
            "complete functions and other units with brackets", "the texts have {} complete units", "number", "neither"
        ),
    }

    def score(self, texts: Sequence[str]) -> Score:
        """Check each text by itself. `units` is the number of complete units with brackets."""
        numbered = [
            (number, unit) for number, text in enumerate(texts) for unit in split_excerpt(text) if unit.brackets
        ]
        complete = [unit.balanced for _, unit in numbered if unit.kind == "complete"]
        tails = [unit.balanced for _, unit in numbered if unit.kind == "tail"]
        analyzed = [unit for _, unit in numbered if unit.kind != "tail"]
        errors, brackets = sum(unit.defect_count for unit in analyzed), sum(unit.brackets for unit in analyzed)
        shares = {
            "balanced": (sum(complete), len(complete)),
            "errors_per_1000": (1000 * errors, brackets),
            "tails_balanced": (sum(tails), len(tails)),
        }
        findings = [finding for number, unit in numbered for finding in _convert(number, unit.defects)]
        return _score(shares, findings, units=len(complete))


class Terminators(Metric):
    """Comments, strings and character literals of C that are not closed, and `*/` that closes no comment."""

    exact_text: ClassVar[bool] = True
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "unterminated_comments": Quantity("comments that do not end", "share", "less", "{} of the comments do not end"),
        "unterminated_strings": Quantity("strings that do not end", "share", "less", "{} of the strings do not end"),
        "unterminated_characters": _detail(
            "character literals that do not end", "{} of the character literals do not end"
        ),
        "stray_comment_ends": _detail("*/ that ends no comment", "{} of the */ end no comment"),
    }

    def score(self, texts: Sequence[str]) -> Score:
        """Check each text by itself. Tokens that are cut by the end of a text count as closed."""
        total: Counter[str] = Counter()
        wrong: Counter[str] = Counter()
        findings: list[Finding] = []
        for number, text in enumerate(texts):
            analysis = analyze_terminators(text, end_missing=True)
            total.update(analysis.total)
            wrong.update(analysis.wrong)
            findings += _convert(number, analysis.defects)
        shares = {f"unterminated_{rule}s": (wrong[rule], total[rule]) for rule in ("comment", "string", "character")}
        strays = wrong["comment-end"]
        shares["stray_comment_ends"] = strays, strays + total["comment"] - wrong["comment"]
        return _score(shares, findings)


class Indentation(Metric):
    """Share of the lines that begin a statement inside braces whose indentation matches these braces."""

    exact_text: ClassVar[bool] = True
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "agreement": Quantity(
            "lines that are indented as their brackets require",
            "share",
            "more",
            "{} of the lines are indented as their brackets require",
        ),
        "lines": _detail(
            "lines whose indentation is checked", "the indentation of {} lines is checked", "number", "neither"
        ),
    }

    def score(self, texts: Sequence[str]) -> Score:
        """Check each text by itself, with its own unit of indentation. `lines` is the number of checked lines."""
        analyses = [analyze_indentation(text, read_excerpt(text)) for text in texts]
        lines = sum(analysis.lines for analysis in analyses)
        agreeing = sum(analysis.agreeing for analysis in analyses)
        findings = [
            finding for number, analysis in enumerate(analyses) for finding in _convert(number, analysis.defects)
        ]
        return _score({"agreement": (agreeing, lines)}, findings, lines=lines)


class Identifiers(FittedMetric):
    """Share of functions with name errors: undefined names, unused variables, and jumps to undefined labels.

    Fitting counts the names that functions of the training text declare, and those that they use without declaring
    them. Functions in units with syntax errors, and in a unit that the end of the text cuts, are scored as far as they
    parse. A name is undefined if nothing declares it and functions of the training text always do. Real code has
    functions with an undeclared name that the training text does not contain (`undefined_novel`), so only the excess
    over the baseline is an error of the model.
    """

    exact_text: ClassVar[bool] = True
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "undefined": _function_error("use an undefined name"),
        "unused": _function_error("declare a variable and never use it"),
        "returns_undeclared": _function_error("return what does not exist"),
        "undefined_novel": _function_error("use a name that no training text has", is_detail=True),
        "redeclared": _function_error("declare a name twice"),
        "missing_label": _function_error("jump to a label that they do not have", is_detail=True),
        "parses": _detail("units without a syntax error", "{} of the units have no syntax error", better="more"),
        "found": _detail(
            "complete functions that are checked", "{} of the complete functions are checked", better="more"
        ),
        "coverage": _detail("characters of code that parse", "{} of the characters of code parse", better="more"),
        "functions": _detail("functions, also with other errors", "the texts have {} functions", "number", "neither"),
    }

    def __init__(self) -> None:
        self.lexicon = Lexicon(0, b"")

    def fit(self, documents: Iterator[str], folder: Path) -> None:
        """Write the lexicon of the training text."""
        (folder / _LEXICON).write_bytes(encode_lexicon(build_lexicon(map(count_names, documents))))

    def restore(self, folder: Path) -> None:
        """Read the lexicon."""
        self.lexicon = read_lexicon(folder / _LEXICON)

    def score(self, texts: Sequence[str]) -> Score:
        """Check each text by itself. `functions` is the number of functions."""
        total: Counter[str] = Counter()
        findings: list[Finding] = []
        for number, text in enumerate(texts):
            units = read_excerpt(text)
            counts, defects = check_names(units, self.lexicon)
            total += counts
            findings += _convert(number, report_names(units, defects))
        shares = {
            "parses": (total["parsed"], total["units"]),
            "found": (total["scored"], total["functions"]),
            "coverage": (total["characters"] - total["unread"], total["characters"]),
            **{value: (total[rule], count_cases(total, rule)) for value, rule in _RULE_OF_VALUE.items()},
        }
        return _score(shares, findings, functions=total["functions"] + total["cut"])


def _convert(text: int, defects: Iterable[Defect]) -> list[Finding]:
    """Convert the errors of one text, whose index is `text`, to findings, except those of rules that are off."""
    return [
        Finding(text, found.start, found.stop, found.message, rule.severity)
        for found in defects
        if (rule := RULES[found.rule]).default
    ]


def _score(shares: Mapping[str, tuple[int, int]], findings: Iterable[Finding], **numbers: int) -> Score:
    """Return the score of shares, each a part and its whole, and of numbers. A share of zero cases is 0."""
    values = {name: part / whole if whole else 0.0 for name, (part, whole) in shares.items()}
    weights = {name: float(whole) for name, (_, whole) in shares.items()}
    return Score(values | {name: float(number) for name, number in numbers.items()}, tuple(findings), weights)


MOST_UNITS = 200
"""Largest number of units, in all texts together, that are compiled. All further ones are ignored."""

_compile = lru_cache(maxsize=4096)(accept_unit)
"""Compilation with a cache, since the engine scores a text in its group and alone."""


class CompilesDeclared(Metric):
    """Share of complete top-level units that gcc accepts after the names that they lack are declared.

    Types, functions, global variables, constants, structures and their members are declared from their use, for each
    unit separately. What remains are errors of syntax, and uses of a name that no declaration fits. Nothing is executed
    and no file is read. Each unit takes a few hundredths of a second. Without gcc, a warning is printed, and no unit is
    compiled.
    """

    exact_text: ClassVar[bool] = True
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "accepted": Quantity(
            "units that gcc accepts", "share", "more", "gcc accepts {} of the units, once what they lack is declared"
        ),
        "units": Quantity("units that are compiled", "number", "neither", "gcc compiles {} units", is_detail=True),
    }

    def __init__(self) -> None:
        self._compiler: Path | None = None
        try:
            self._compiler = find_compiler()
        except PluginError as error:
            warn(f"{error.message}; so no unit is compiled")

    def score(self, texts: Sequence[str]) -> Score:
        """Compile the complete units of texts that may be cut at both ends.

        Returns:
            `units`, the number of compiled units, which are the first `MOST_UNITS` with a bracket; and `accepted`, the
            share of these that gcc accepts.
        """
        if self._compiler is None:
            return _score({"accepted": (0, 0)}, [], units=0)
        units = [
            (number, unit.start, text[unit.start : unit.stop])
            for number, text in enumerate(texts)
            for unit in split_excerpt(text)
            if unit.kind == "complete" and unit.brackets
        ][:MOST_UNITS]
        findings: list[Finding] = []
        for number, start, content in units:
            found: Acceptance = _compile(content, self._compiler)
            if not found.accepted:
                place = start + min(found.start, len(content) - 1)
                findings.append(Finding(number, place, place + 1, found.error))
        return _score({"accepted": (len(units) - len(findings), len(units))}, findings, units=len(units))
