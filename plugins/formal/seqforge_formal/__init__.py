"""Tasks that show what a recurrence can compute. Importing this module imports neither torch nor numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqforge.registry import Register, hookimpl

if TYPE_CHECKING:
    import typer

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the corpus and the metric."""
    register.add("corpus", "formal-task", "seqforge_formal.corpus:FormalTask")
    register.add("metric", "by-length", "seqforge_formal.by_length:ByLength")


@hookimpl
def seqforge_add_commands(commands: typer.Typer) -> None:
    """Add the command, which imports torch only when it runs."""
    from seqforge_formal.command import formal

    commands.command()(formal)
