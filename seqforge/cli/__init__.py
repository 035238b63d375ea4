"""The command line: commands of typer, one file for each."""

import errno
import io
import os
import sys
import warnings
from pathlib import Path

from seqforge.cli.app import build_app
from seqforge.cli.terminal import print_error
from seqforge.errors import SeqforgeError, is_out_of_memory
from seqforge.faults import blame_components
from seqforge.registry import Registry


def main() -> None:
    """Run the command line, and exit. An error that the user can correct is printed without a traceback."""
    try:
        with blame_components():
            _run()
    except SeqforgeError as error:
        print_error(error.message, hint=error.hint)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        place = f"{error.filename}: " if error.filename else ""
        reason = "the disk is full" if full else error.strerror or str(error)
        print_error(f"{place}{reason}", hint="Free some space." if full else None)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        print_error(
            "there is not enough memory",
            hint="Lower training.batch_size, training.sequence_length, the cells' hidden_size, or --count for samples.",
        )
    sys.exit(1)


def _run() -> None:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by the parent process
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open until the process ends
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Samples and prompts may contain characters that the encoding of the terminal does not have.
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
    # A user needs only the message, not the line of code.
    print_error(str(message), kind="warning")
