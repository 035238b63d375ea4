"""The commands `seqforge sweep` and `seqforge find-rate`. Importing this module imports neither torch nor Optuna."""

from typing import TYPE_CHECKING

from seqforge.registry import hookimpl

if TYPE_CHECKING:
    import typer

SEQFORGE_API = 1


@hookimpl
def seqforge_add_commands(commands: "typer.Typer") -> None:
    """Add the commands, which import Optuna and torch only when they run."""
    from seqforge_sweeps.command import find_rate, sweep

    commands.command()(sweep)
    commands.command()(find_rate)
