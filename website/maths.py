"""A Markdown extension that writes formulas as MathML, which browsers display without scripts and fonts of a server."""

import html
import re
from typing import Any

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
"""A formula as `pymdownx.arithmatex` leaves it: in a span if it is part of a sentence, else in a div."""


def to_mathml(text: str) -> str:
    """Return HTML in which each formula is MathML."""
    return _FORMULA.sub(_formula, text)


def _formula(match: re.Match[str]) -> str:
    display = "inline" if match[1] == "span" else "block"
    # latex2mathml writes the lines of `aligned` one after another, and those of `split` as a table.
    formula = html.unescape(match[2]).replace("{aligned}", "{split}")
    return f'<{match[1]} class="arithmatex">{convert(formula, display=display)}</{match[1]}>'


class _MathMLPostprocessor(Postprocessor):
    def run(self, text: str) -> str:
        return to_mathml(text)


class MathMLExtension(Extension):
    """Convert the formulas of `pymdownx.arithmatex` after all other steps."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - the name in the interface of Markdown
        """Register the last postprocessor."""
        md.postprocessors.register(_MathMLPostprocessor(md), "mathml", -100)


def makeExtension(**options: Any) -> MathMLExtension:  # noqa: N802 - the name that Markdown looks for
    """Return the extension."""
    return MathMLExtension(**options)
