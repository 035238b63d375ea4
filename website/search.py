"""The search of the site: which entries it has, and which are found first.

The search sorts the entries with a query by the field of the match (title, then path, then text), and those with a
match in the title by its place there. Therefore hidden words before a title decide the order: those of `search_terms`
in the front matter of a page are found like words of its title, and filling words move the titles of the reference
behind those of the instructions.
"""

import html
import json
import re
from pathlib import Path
from typing import Any

import yaml

from website import DOCS
from website.commands import commands, options

FILLING = {"get-started/": 0, "how-to/": 0, "tutorials/": 10, "explanation/": 10, "reference/": 20, "results/": 30}
"""Number of words that are put before the titles of the pages in a folder."""
FROM_CODE = re.compile(r"reference/(seqforge|interfaces|errors|commands|options/.*)\.html")
"""Pages that are written from the code, which come after the others of the reference."""
ONLY_THE_PAGE = ("results/benchmarks.html",)
"""Appendices, whose sections are not found."""

FROM_A_DISK = """
const source = {source};
window.Worker = class extends Worker {
  constructor() {
    super(URL.createObjectURL(new Blob([source], {type: "text/javascript"})));
  }
};
"""
"""Starts the search from its source, because a browser refuses to load a worker from a disk."""


def arrange_search(site: Path) -> None:
    """Write the entries of the search: without appendices and test methods, with options, in the order of their use.

    `search.js` is what the pages load instead of `search.json` if they are opened from a disk.
    """
    file = site / "search.json"
    index = json.loads(file.read_text("utf-8"))
    entries = [entry for entry in index["items"] if _is_found(entry["location"])]
    index["items"] = [_with_hidden_words(entry) for entry in entries + _options_of_commands()]
    file.write_text(json.dumps(index), "utf-8")
    (worker,) = (site / "assets/javascripts/workers").glob("search.*.js")
    source = json.dumps(worker.read_text("utf-8"))
    (site / "search.js").write_text(
        f"var __index = {json.dumps(index)};\n{FROM_A_DISK.replace('{source}', source)}", "utf-8"
    )


def _is_found(location: str) -> bool:
    page, _, anchor = location.partition("#")
    return not anchor or not (page in ONLY_THE_PAGE or ".test_" in anchor)


def _with_hidden_words(entry: dict[str, Any]) -> dict[str, Any]:
    page, _, anchor = entry["location"].partition("#")
    filling = next((count for folder, count in FILLING.items() if page.startswith(folder)), 0)
    words = [*([] if anchor else _search_terms(page)), *["·"] * (filling + 10 * bool(FROM_CODE.fullmatch(page)))]
    if not words:
        return entry
    return {**entry, "title": f'<span style="display: none">{html.escape(" ".join(words))} </span>{entry["title"]}'}


def _search_terms(page: str) -> list[str]:
    """Return the words in `search_terms` of the front matter of a page."""
    source = DOCS / f"{page.removesuffix('.html') or 'index'}.md"
    text = source.read_text("utf-8")
    if not text.startswith("---\n"):
        return []
    return str(yaml.safe_load(text.split("---\n")[1]).get("search_terms", "")).split()


def _options_of_commands() -> list[dict[str, Any]]:
    """Return an entry for each option of a command. The search by itself has only entries for headings."""
    return [
        {
            "location": f"reference/commands.html#{anchor}",
            "level": 3,
            "title": f"<code>{html.escape(spelling)}</code> of <code>{name}</code>",
            "text": f"<p>{html.escape(meaning)}</p>",
            "path": ["Reference", "Command line"],
            "tags": [],
        }
        for name, command in commands()
        for anchor, spelling, meaning in options(name, command)
    ]
