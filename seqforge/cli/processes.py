"""Errors of several processes, of which one is reported."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from seqforge.errors import SeqforgeError

if TYPE_CHECKING:
    from seqforge.distribution import World


@contextmanager
def reported_once(world: "World") -> Generator[None]:
    """Let one process report the error that ends the block, and name the process if it is not the first.

    If a process fails, the others lose the connection to it, and all fail if they have the same mistake.

    Raises:
        Exit: If another process reports the error.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, typer.Exit) or world.launch is None:
            raise
        if not world.launch.claim_report():
            raise typer.Exit(1) from None
        if isinstance(error, SeqforgeError) and not world.is_first:
            error.message = f"process {world.rank} of {world.size}: {error.message}"
        raise
