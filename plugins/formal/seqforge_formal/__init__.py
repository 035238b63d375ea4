"""Tasks that show what a recurrence can compute. Importing this module imports neither torch nor numpy."""

from typing import TYPE_CHECKING

from seqforge.registry import hookimpl

if TYPE_CHECKING:
    import typer

SEQFORGE_API = 1

COMPONENTS = {
    "corpus": {"formal-task": "seqforge_formal.corpus:FormalTask"},
    "metric": {"by-length": "seqforge_formal.by_length:ByLength"},
}


@hookimpl
def seqforge_add_commands(commands: "typer.Typer") -> None:
    """Add the command, which imports torch only when it runs."""
    from seqforge_formal.command import formal

    commands.command()(formal)
