"""A Markdown extension that keeps options such as `--set` in inline code whole, since browsers break after a hyphen."""

import re
from typing import Any

from markdown import Markdown
from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor

_INLINE_CODE = re.compile(r"(?<!<pre>)(?<!</span>)<code>([^<\n]*)</code>")
"""Inline code. A block of code is in `<pre>`, after an empty `<span>` if it is highlighted."""
_OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*")


class _OptionsPostprocessor(Postprocessor):
    def run(self, text: str) -> str:
        return _INLINE_CODE.sub(lambda code: _OPTION.sub(r'<span class="seqforge-option">\g<0></span>', code[0]), text)


class OptionsExtension(Extension):
    """Mark the options in inline code."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - the name in the interface of Markdown
        """Register the postprocessor."""
        md.postprocessors.register(_OptionsPostprocessor(md), "options", -101)


def makeExtension(**options: Any) -> OptionsExtension:  # noqa: N802 - the name that Markdown looks for
    """Return the extension."""
    return OptionsExtension(**options)
