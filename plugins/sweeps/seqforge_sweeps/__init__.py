"""The command `seqforge sweep`. Importing this module imports neither torch nor Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqforge.registry import hookimpl

if TYPE_CHECKING:
    import typer

SEQFORGE_API = 1


@hookimpl
def seqforge_add_commands(commands: typer.Typer) -> None:
    """Add the command, which imports Optuna and torch only when it runs."""
    from seqforge_sweeps.command import sweep

    commands.command()(sweep)
