"""The page about the command line, from the commands of typer."""

import itertools
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import typer
from typer.main import get_command

from seqforge.cli.app import build_app
from seqforge.registry.registry import Registry

PAGE = "reference/commands.md"


def command_pages() -> dict[str, str]:
    """Return the page about all commands, by its path in `docs/`."""
    return {PAGE: "\n".join(_page())}


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command, such as `seqforge plugins list`, with its typer command, except hidden ones."""
    yield from _commands("seqforge", get_command(build_app(Registry.installed())))


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    children: dict[str, Any] = getattr(command, "commands", {})
    for child, subcommand in children.items():
        yield from _commands(f"{name} {child}", subcommand)
    if not children and not command.hidden:
        yield name, command


def options(name: str, command: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the anchor, the spelling and the meaning of each argument and option of a command."""
    context = typer.Context(command, info_name=name)
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in parameter.opts:
            spelling, meaning = record
            anchor = f"{name.replace(' ', '-')}-{parameter.opts[-1].lower().lstrip('-')}"
            yield anchor, _spelling(spelling), _meaning(meaning)


def _page() -> Iterator[str]:
    yield "---\ngenerated: website/commands.py\n---\n\n# Command line\n"
    yield "This page lists every command of `seqforge`, with its arguments and options."
    yield "`seqforge COMMAND --help` prints the same on a terminal."
    yield "`seqforge --install-completion` lets your shell complete commands and options with the key Tab.\n"
    yield "| command | what it does |\n|---|---|"
    listed = list(commands())
    for name, command in listed:
        anchor = name.replace(" ", "-")
        purpose = _sentences(str(command.help).partition("\n\n")[0])
        yield f"| [`{name.removeprefix('seqforge ')}`](#{anchor}) | {purpose} |"
    yield ""
    for name, command in listed:
        yield from _section(name, command)


def _section(name: str, command: Any) -> Iterator[str]:
    context = typer.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"## `{name}` {{ #{name.replace(' ', '-')} }}\n"
    description, _, examples = str(command.help).partition("[bold]Example")
    yield from _description(description.strip().split("\n\n"))
    yield f"```text\n{name} {usage}\n```\n"
    yield "| argument or option | meaning |\n|---|---|"
    for anchor, spelling, meaning in options(name, command):
        yield f"| `{spelling}`{{ #{anchor} }} | {_cell(meaning)} |"
    yield ""
    lines = [text.strip() for text in examples.split("\n\n") if text.startswith(" ")]
    if lines:
        yield "```console"
        yield from (f"$ {line}" for line in lines)
        yield "```\n"


def _description(paragraphs: list[str]) -> Iterator[str]:
    """Yield the paragraphs of a help. Consecutive indented ones are a block of code, such as a sweep file."""
    for is_code, group in itertools.groupby(paragraphs, lambda text: text.startswith(" ")):
        if is_code:
            content = textwrap.dedent("\n\n".join(group)).replace("\\[", "[")
            yield f"```toml\n{content}\n```\n"
        else:
            yield from (f"{_sentences(text)}\n" for text in group)


def _sentences(text: str) -> str:
    """Return a paragraph without markup of the terminal, and with its options marked as code."""
    parts = re.sub(r"\[/?[a-z]+\]", "", " ".join(text.split("\n"))).split("`")
    parts[::2] = [re.sub(r"(?<![\w-])(--[a-z][\w-]*( [\w.]+=\w+(\.\w+)*)?)", r"`\1`", part) for part in parts[::2]]
    return "`".join(parts)


def _spelling(text: str) -> str:
    """Return an argument, or an option with a word for its value."""
    text = re.sub(r"<(int|float)( range)?>", "NUMBER", text)
    return re.sub(r" <(path|list\[\w+\])>$", "", text).replace("<str>", "TEXT").replace("|", " | ")


def _meaning(text: str) -> str:
    """Return the description of an option, with its default in parentheses and without its bounds."""
    text = re.sub(r"(; )?[^\s;\[]+<=x(<=[^;\]]+)?|(; )?x>=[^;\]]+", "", text)
    return _sentences(re.sub(r"\s*\[([^\]]*)\]$", lambda match: f" ({match[1]})" if match[1].strip() else "", text))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
