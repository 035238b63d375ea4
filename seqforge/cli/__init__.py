"""The command line: typer commands, one file each."""

import errno
import io
import os
import sys
import warnings
from pathlib import Path

from seqforge.cli.app import build_app
from seqforge.cli.terminal import print_error
from seqforge.errors import SeqforgeError, is_out_of_memory
from seqforge.registry import Registry


def main() -> None:
    """Run the command line; a mistake of the user's is told in words, and never by a traceback."""
    try:
        _run()
    except SeqforgeError as error:
        print_error(error.message, hint=error.hint)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        print_error("the disk is full" if full else str(error), hint="Free some space." if full else None)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        print_error(
            "there is not enough memory",
            hint="Lower training.batch_size, training.sequence_length or the cells' hidden_size; of samples, --count.",
        )
    sys.exit(1)


def _run() -> None:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for as long as we run
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A model writes, and a prompt holds, what a terminal's encoding may not.
            stream.reconfigure(errors="replace")
    warnings.showwarning = _show_warning
    registry = Registry.installed()
    for plugin in registry.unusable:
        print_error(
            f"the plugin {plugin.name!r} is {plugin.state}: {plugin.reason} (`seqforge plugins show {plugin.name}`)",
            kind="warning",
        )
    build_app(registry)()


def _show_warning(message: Warning | str, *_: object) -> None:
    # Without its place in the code, which is nothing to a user.
    print_error(str(message), kind="warning")
