"""Check the built site: pages, anchors of the reference, links, and addresses of other servers."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from website import DOCS, ROOT
from website.contents import pages, purpose

LOADING = {"link": "href", "script": "src", "img": "src", "source": "src", "iframe": "src", "video": "src"}
"""Attributes that make a browser load a file when it opens a page."""
LOADING_LINKS = {"stylesheet", "icon", "preload", "preconnect", "manifest", "modulepreload"}


class Page(HTMLParser):
    """The text of a page, its anchors, its links and the files that it loads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.text = html
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record what a tag defines, links to, or loads."""
        values = {name: value or "" for name, value in attrs}
        self.anchors.update(values[name] for name in ("id", "name") if values.get(name))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        name = LOADING.get(tag)
        if name in values and (tag != "link" or LOADING_LINKS & set(values.get("rel", "").split())):
            self.loaded.append(values[name])


def check_site(site: Path) -> tuple[list[str], str]:
    """Return the problems of a built site, and a summary."""
    found = {page.relative_to(site).as_posix(): Page(page.read_text("utf-8")) for page in site.rglob("*.html")}
    problems = [*_missing_pages(found), *_missing_names(found), *_purposes()]
    for name, page in found.items():
        if name != "404.html":
            problems += _broken_links(site, name, page, found)
        problems += _broken_edit_links(name, page)
        if str(ROOT) in page.text:
            problems.append(f"{name} contains the path of the checkout, {ROOT}")
        problems += [f"{name} loads {address}" for address in page.loaded if re.match(r"(https?:)?//", address)]
    anchors = sum(len(page.anchors) for page in found.values())
    links = sum(len(page.links) for page in found.values())
    return problems, f"{len(found)} pages, {anchors} anchors, {links} links, {len(problems)} problems"


def _address(name: str) -> str:
    """Return the path of the HTML of a page of `docs/`."""
    return f"{name.removesuffix('.md')}.html"


def _missing_pages(found: dict[str, Page]) -> Iterator[str]:
    expected = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    listed = {name for _, _, name in pages()}
    yield from (f"{name} is not in the navigation of mkdocs.yml" for name in sorted(expected - listed))
    yield from (f"{name} was not built" for name in sorted(listed) if _address(name) not in found)


def _missing_names(found: dict[str, Page]) -> Iterator[str]:
    """Yield the names of the Python reference that have no anchor, because a page of names can vanish silently."""
    for source in DOCS.glob("reference/*.md"):
        name = source.relative_to(DOCS).as_posix()
        anchors: set[str] = found[_address(name)].anchors if _address(name) in found else set()
        for described in re.findall(r"^::: (\S+)$", source.read_text("utf-8"), re.MULTILINE):
            if described not in anchors:
                yield f"{name} does not describe {described}"


def _purposes() -> Iterator[str]:
    for _, _, name in pages():
        if not re.match(r"This page |seqforge ", purpose(DOCS / name)):
            yield f"{name} does not begin with its purpose (`This page …`), but with: {purpose(DOCS / name)[:60]}"


def _broken_edit_links(name: str, page: Page) -> Iterator[str]:
    """Yield the links that edit a file that the repository does not have. Without an address of it, there are none."""
    for link in page.links:
        _, found, path = link.partition("/edit/main/")
        if found and not (ROOT / path).is_file():
            yield f"{name} has a link that edits {path}, which does not exist"


def _broken_links(site: Path, name: str, page: Page, found: dict[str, Page]) -> Iterator[str]:
    for link in page.links:
        parts = urlsplit(urljoin(f"http://site/{name}", link))
        if parts.netloc != "site":
            continue
        path = unquote(parts.path).lstrip("/")
        target = f"{path}index.html" if path == "" or path.endswith("/") else path
        if not (site / target).is_file():
            yield f"{name} links to {link}, which does not exist"
        elif parts.fragment and target in found and unquote(parts.fragment) not in found[target].anchors:
            yield f"{name} links to {link}, which has no such anchor"
