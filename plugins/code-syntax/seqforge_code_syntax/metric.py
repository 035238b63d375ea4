"""The metric `code-syntax`."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from seqforge.kinds import Finding, FittedMetric, Quantity, Score
from seqforge_code_syntax.languages import LanguageName, read_language
from seqforge_code_syntax.tokens import Error, read_tokens
from seqforge_code_syntax.tree import check_indentation, find_local_names, find_syntax_errors, parse, read_names

LONGEST_TEXT = 200_000
"""Number of characters of a text that are checked."""

MOST_ERRORS = 1_000
"""Largest number of errors of each kind that are listed for one text. All further ones are only counted."""


_NAMES = "names.json"


class CodeSyntax(FittedMetric):
    """Errors of generated code: brackets, literals, indentation, syntax, and names that nothing declares.

    Brackets are also the tags of XML and the environments of LaTeX. Texts may be cut at both ends. A name is undefined
    if no scope around it declares it, and functions of the training text always declare it.
    """

    exact_text: ClassVar[bool] = True
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "brackets": Quantity(
            "brackets, tags or environments without a match", "share", "less", "{} of the brackets have no match"
        ),
        "unclosed": Quantity(
            "comments and strings that do not end", "share", "less", "{} of the comments and strings do not end"
        ),
        "syntax": Quantity("lines with a syntax error", "share", "less", "{} of the lines have a syntax error"),
        "indentation": Quantity(
            "lines that are indented as their blocks require", "share", "more", "{} of the lines are indented right"
        ),
        "undefined": Quantity(
            "functions that use an undefined name", "share", "less", "{} of the functions use an undefined name"
        ),
    }

    def __init__(self, language: Annotated[LanguageName, Field(description="Language of the text.")]) -> None:
        self._language = read_language(language)
        self._local_names = frozenset[str]()

    def fit(self, documents: Iterator[str], folder: Path) -> None:
        """Write the names that functions of the training text always declare."""
        found = frozenset[str]()
        if (parser := self._language.parser) and (names := self._language.names):
            sources = (parse(text[:LONGEST_TEXT], parser) for text in documents)
            found = find_local_names(read_names(source, names) for source in sources)
        (folder / _NAMES).write_text(json.dumps(sorted(found)))

    def restore(self, folder: Path) -> None:
        """Read the names."""
        self._local_names = frozenset(json.loads((folder / _NAMES).read_text()))

    def score(self, texts: Sequence[str]) -> Score:
        """Check each text by itself. The values that a language does not have count no cases."""
        cases, counted = Counter[str](), Counter[str]()
        findings: list[Finding] = []
        for number, text in enumerate(texts):
            for value, size, wrong, errors in self._check(text[:LONGEST_TEXT]):
                cases[value] += size
                counted[value] += size - wrong if value == "indentation" else wrong
                findings += [Finding(number, *error) for error in errors[:MOST_ERRORS]]
        values = {key: counted[key] / cases[key] if cases[key] else 0.0 for key in self.quantities}
        return Score(values, tuple(findings), {key: float(cases[key]) for key in self.quantities})

    def _check(self, text: str) -> Iterator[tuple[str, int, int, list[Error]]]:
        """Yield values of a text: the number of cases, how many of them are wrong, and the errors."""
        language = self._language
        tokens = read_tokens(text, language)
        yield "brackets", tokens.brackets, len(tokens.wrong), tokens.wrong
        yield "unclosed", tokens.literals, len(tokens.unclosed), tokens.unclosed
        if language.parser is None:
            return
        source = parse(text[: tokens.stop], language.parser, tokens.start)
        errors = find_syntax_errors(source)
        lines = {text.count("\n", 0, error.start) for error in errors}
        yield "syntax", text.count("\n", source.start) + 1, len(lines), errors
        if language.blocks is not None:
            checked, wrong = check_indentation(source, language.blocks)
            yield "indentation", checked, len(wrong), wrong
        for uses in read_names(source, language.names).functions if language.names is not None else ():
            undefined = [
                Error(start, start + len(name), f"undefined name {name!r}")
                for name, start in uses
                if name in self._local_names
            ]
            yield "undefined", 1, bool(undefined), undefined
