"""Errors of several processes, of which one is printed."""

import traceback
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from seqforge.cli.terminal import print_error
from seqforge.errors import SeqforgeError

if TYPE_CHECKING:
    from seqforge.distribution import World


@contextmanager
def reported_once(world: "World") -> Generator[None]:
    """Print the error that ends the block in one process only, with its rank if it is not the first process.

    If a process fails, the others lose the connection to it, or stop because its result is missing; if all have the
    same mistake, all fail.

    Raises:
        Exit: If the block raises an error, and this process is one of several.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, typer.Exit) or world.launch is None:
            raise
        failure = error
        from seqforge.distribution import FailedElsewhereError

        world.launch.report(lambda: _print(failure, world), knows_reason=not isinstance(failure, FailedElsewhereError))
        raise typer.Exit(1) from None


def _print(error: Exception, world: "World") -> None:
    origin = "" if world.is_first else f"process {world.rank} of {world.size}: "
    if isinstance(error, SeqforgeError):
        print_error(f"{origin}{error.message}", hint=error.hint)
    else:
        print_error(f"{origin}{''.join(traceback.format_exception(error))}")
