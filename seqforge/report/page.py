"""The page: one HTML file that contains its styles, scripts and data, and loads nothing."""

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import seqforge
from seqforge.errors import printable
from seqforge.storage.files import reported_failures, write_atomically
from seqforge.storage.paths import as_path

STYLES = ("uplot/uPlot.min.css", "page.css", "text.css")
SCRIPTS = (
    "uplot/uPlot.iife.min.js",
    "page.js",
    "text.js",
    "curves.js",
    "samples.js",
    "confidences.js",
    "units.js",
    "examples.js",
    "live.js",
)
"""Files of the page, in the order in which they run."""


class Part(NamedTuple):
    """A style sheet or a script of the page, with its digest in the content security policy."""

    content: Markup
    digest: str


@dataclass(frozen=True, slots=True)
class ReportPage:
    """A report as HTML. A notebook displays it.

    Attributes:
        html: The page.
    """

    html: str

    def save(self, path: str | Path) -> None:
        """Write the page to a file.

        Raises:
            RunError: If `path` is not a path, or the file cannot be written.
        """
        file = as_path(path, "path")
        with reported_failures(f"writing {file}", "Choose another file."):
            write_atomically(file, self.html.encode())

    def _repr_html_(self) -> str:
        # In a sandbox, the page cannot reach the notebook, whatever a model wrote.
        return (
            '<iframe title="seqforge report" sandbox="allow-scripts" width="100%" height="800" frameborder="0" '
            f'srcdoc="{html.escape(self.html)}"></iframe>'
        )


def render_page(
    runs: Sequence[Mapping[str, Any]],
    title: str,
    *,
    notes: Sequence[str] = (),
    comparison: Mapping[str, Sequence[Sequence[str]]] = {},
    live: bool = False,
) -> ReportPage:
    """Return the page.

    The content security policy allows only the scripts and styles of this page, by their digests. A live page may also
    read from the server that it came from. Text from runs is escaped by the template, or inserted by scripts as text.

    Args:
        runs: One dictionary for each run: `facts` for the template, and `data` for the scripts.
        title: Title of the page.
        notes: Remarks about what is missing.
        comparison: Tables that compare several runs, by their headings: rows of a name, and a cell for each run.
        live: Whether the page follows a run that is being trained.
    """
    environment = Environment(
        loader=PackageLoader("seqforge.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = printable
    styles, scripts = [_load(name) for name in STYLES], [_load(name) for name in SCRIPTS]
    policy = {
        "default-src": "'none'",
        "script-src": " ".join(part.digest for part in scripts),
        "style-src": " ".join(part.digest for part in styles),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        **({"connect-src": "'self'"} if live else {}),
    }
    content = environment.get_template("page.html").render(
        title=title,
        version=seqforge.__version__,
        policy="; ".join(f"{name} {value}" for name, value in policy.items()),
        styles=styles,
        scripts=scripts,
        runs=runs,
        data=[embed_json(run["data"]) for run in runs],
        notes=notes,
        comparison=comparison,
        live=live,
    )
    return ReportPage(content)


def embed_json(value: Any) -> Markup:
    """Return a value as JSON that can stand inside a script element: no character in it can end the element."""
    text = json.dumps(value, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - the text contains no markup


def _load(name: str) -> Part:
    text = (files("seqforge.report") / "static" / name).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Part(Markup(text), f"'sha256-{digest}'")  # noqa: S704 - a file of this package
