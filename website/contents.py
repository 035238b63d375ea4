"""Additions to the built site: `llms.txt`, and the Markdown of every page."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml

from website import DOCS, ROOT


class _Loader(yaml.SafeLoader):
    """Load `mkdocs.yml` without the tags that only zensical knows."""


def _ignore_tag(loader: Any, suffix: str, node: Any) -> None:
    """Read a value with a tag as None."""


_Loader.add_multi_constructor("!", _ignore_tag)


def settings() -> dict[str, Any]:
    """Return the settings in `mkdocs.yml`."""
    return cast("dict[str, Any]", yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loader=_Loader))


def pages() -> Iterator[tuple[str, str, str]]:
    """Yield the chapter, the title and the path in `docs/` of every page of the navigation, in order."""
    for entry in settings()["nav"]:
        for chapter, content in entry.items():
            yield from _pages(chapter, [{chapter: content}] if isinstance(content, str) else content)


def _pages(chapter: str, entries: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for entry in entries:
        for title, content in entry.items():
            if isinstance(content, str):
                yield chapter, title, content
            else:
                yield from _pages(chapter, content)


def purpose(page: Path) -> str:
    """Return the first sentence of a page, without its links."""
    text = re.sub(r"\A---\n.*?\n---\n", "", page.read_text("utf-8"), flags=re.DOTALL)
    paragraph = next(block for block in text.strip().split("\n\n") if not block.strip().startswith(("#", "<", "![")))
    sentence = re.split(r"(?<=[.:])\s", " ".join(paragraph.split()))[0].rstrip(":")
    return re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", sentence)


def write_contents(site: Path) -> None:
    """Write `llms.txt`, and copy the Markdown of every page into the site."""
    project = settings()
    lines = [f"# {project['site_name']}", "", f"> {project['site_description']}"]
    chapter = ""
    for part, title, name in pages():
        if part != chapter:
            lines += ["", f"## {part}", ""]
            chapter = part
        lines.append(f"- [{title}]({name}): {purpose(DOCS / name)}")
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(DOCS / name, site / name)
    (site / "llms.txt").write_text("\n".join(lines) + "\n", "utf-8")
