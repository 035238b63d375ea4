"""Pages that list every component of the installed first-party plugins with all its options."""

import inspect
from collections.abc import Iterator, Mapping

from seqforge.cli.plugins import describe_options
from seqforge.kinds import Quantity
from seqforge.kinds.table import KINDS, Kind
from seqforge.registry.hooks import Registration
from seqforge.registry.options import options_of
from seqforge.registry.registry import Registry
from website import ROOT

FOLDER = "reference/options"


def component_pages() -> dict[str, str]:
    """Return the page of each kind, by its path in `docs/`."""
    registry = Registry.installed()
    return {f"{FOLDER}/{kind.plural}.md": "\n".join(_page(registry, kind)) for kind in KINDS.values()}


def first_party(registry: Registry, kind: str) -> list[Registration]:
    """Return the components of a kind whose plugins are in this repository, by name."""
    plugins = {folder.name for folder in (ROOT / "plugins").iterdir() if (folder / "pyproject.toml").exists()}
    found = [entry for entry in registry.registrations(kind) if entry.plugin in plugins]
    return sorted(found, key=lambda entry: (entry.name, entry.plugin))


def _page(registry: Registry, kind: Kind) -> Iterator[str]:
    yield f"---\ngenerated: website/components.py\n---\n\n# {kind.plural.capitalize()}"
    yield f"\nThis page lists every {kind.name} that comes with seqforge, and all its options. {_selects(kind)}\n"
    for entry in first_party(registry, kind.name):
        yield from _section(registry, entry)


def _selects(kind: Kind) -> str:
    if kind.key is None:
        return (
            f"`training.{kind.name}` or the key `{kind.name}` of a cell selects one by its name; `auto` is the fastest."
        )
    return (
        f'In an experiment file, a table `{kind.table}` selects one with `use = "NAME"`; '
        "its options are keys of the same table."
    )


def _section(registry: Registry, entry: Registration) -> Iterator[str]:
    component = registry.load(entry)
    paragraphs = (inspect.getdoc(component) or "").split("\n\n")
    yield f"## `{entry.name}`\n"
    yield " ".join(paragraphs[0].split("\n")) + "\n"
    origin = f"Plugin `{entry.plugin}`, class `{component.__module__}.{component.__qualname__}`."
    if entry.preset_of:
        origin += f" A preset: {entry.preset_of}."
    yield f"{origin}\n"
    yield from _values(getattr(component, "quantities", {}))
    rows = list(describe_options(options_of(registry, entry), dict(entry.options)))
    if not rows:
        yield "It has no options.\n"
        return
    yield '<div class="seqforge-options" markdown="1">\n\n| option | type | default | meaning |\n|---|---|---|---|'
    for name, kind, default, description in rows:
        shown = default if default in ("required", "absent") else f"`{default}`"
        yield f"| `{name}` | {_cell(kind)} | {_cell(shown)} | {_cell(description)} |"
    yield "\n</div>\n"


def _values(quantities: Mapping[str, Quantity]) -> Iterator[str]:
    """Yield a table of the values of a metric, with what each means and when it is better."""
    if quantities:
        yield "| value | meaning | unit | better |\n|---|---|---|---|"
        for name, value in quantities.items():
            yield f"| `{name}` | {_cell(value.title)} | {value.unit} | {value.better} |"
        yield ""


def _cell(text: str) -> str:
    """Return a text for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
