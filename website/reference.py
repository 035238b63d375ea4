"""The prose of the reference pages in the checkout: signatures and docstrings, written between marks from the code.

A page has a line `<!-- seqforge.kinds.Cell -->` for each name. Its description follows, up to the next mark or chapter.
`python -m website.reference` writes the descriptions; a test compares them with the code.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any

import griffe

from website import DOCS

PAGES = ("interfaces.md", "errors.md")
MARK = re.compile(r"<!-- ([\w.]+) -->\n.*?(?=\n<!-- [\w.]+ -->\n|\n## |\Z)", re.DOTALL)
_SHOWN = ("__init__", "__call__")


def reference_pages() -> dict[str, str]:
    """Return each page with the descriptions of the names that it marks, by its path in `docs/`."""
    package = griffe.load("seqforge", resolve_aliases=True)
    texts = {f"reference/{page}": (DOCS / "reference" / page).read_text("utf-8") for page in PAGES}
    return {page: MARK.sub(lambda mark: _block(package, mark[1]), text).rstrip() + "\n" for page, text in texts.items()}


def _block(package: Any, name: str) -> str:
    lines = [f"<!-- {name} -->", "", f"### `{name.rpartition('.')[2]}` {{ #{name} }}", ""]
    return "\n".join([*lines, *_describe(_find(package, name))]).rstrip() + "\n"


def _find(package: Any, name: str) -> Any:
    """Return the object of a name, also of one that a module imports with a star."""
    module, _, member = name.removeprefix("seqforge.").rpartition(".")
    parent = package[module] if module else package
    if member not in parent.members and module == "kinds":
        parent = package["kinds.interfaces"]
    found = parent[member]
    return found.final_target if found.is_alias else found


def _describe(one: Any) -> Iterator[str]:
    """Yield the lines about a module, a class, a function or a definition."""
    if not one.is_module:
        yield from ("```python", _signature(one), "```", "")
    yield from _docstring(one)
    for member in one.members.values() if one.is_module or one.is_class else ():
        is_public = not member.name.startswith(("_", "test_")) or member.name in _SHOWN
        if member.is_alias or not is_public or not member.docstring:
            continue
        if one.is_module:
            yield from (f"#### `{member.name}` {{ #{member.path} }}", "")
        if one.is_module or member.is_function:
            yield from _describe(member)


def _signature(one: Any) -> str:
    """Return the signature of a function, the head of a class, or a definition, as the code has it."""
    source = ast.parse(_dedent(one.source)).body[0]
    if isinstance(source, ast.FunctionDef):
        returns = f" -> {ast.unparse(source.returns)}" if source.returns else ""
        parts = re.split(r", (?=\*{0,2}\w+(?:: |$|=)|\*, |/, )", ast.unparse(source.args))
        decorators = "".join(f"@{ast.unparse(each)}\n" for each in source.decorator_list)
        return decorators + _call(f"def {source.name}", parts, returns)
    if isinstance(source, ast.ClassDef):
        parts = [ast.unparse(each) for each in (*source.bases, *source.keywords)]
        if "NamedTuple" in parts or any("dataclass" in ast.unparse(each) for each in source.decorator_list):
            parts = [ast.unparse(each) for each in source.body if isinstance(each, ast.AnnAssign)]
        return _call(f"class {source.name}", parts) if parts else f"class {source.name}"
    return _dedent(one.source)


def _call(name: str, parts: list[str], returns: str = "") -> str:
    """Return a signature in one line, or in one line for each part if it is long."""
    line = f"{name}({', '.join(parts)}){returns}"
    return line if len(line) <= 110 else f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){returns}"


def _dedent(source: str) -> str:
    first = len(source) - len(source.lstrip())
    return "\n".join(line[first:] for line in source.splitlines())


def _docstring(one: Any) -> Iterator[str]:
    """Yield the paragraphs of a docstring in Google style as Markdown."""
    options = {"warnings": False, "returns_multiple_items": False, "returns_named_value": False}
    for section in one.docstring.parse("google", **options) if one.docstring else ():
        title = section.kind.value
        if title == "text":
            yield from (section.value, "")
            continue
        yield from (f"*{title.capitalize()}:*", "")
        for item in section.value:
            name = item.annotation if title == "raises" else getattr(item, "name", "")
            text = " ".join(item.description.split())
            yield f"- `{name}`: {text}" if name else f"- {text}"
        yield ""


def main() -> None:
    """Write the pages."""
    for name, content in reference_pages().items():
        (DOCS / name).write_text(content, "utf-8")


if __name__ == "__main__":
    main()
