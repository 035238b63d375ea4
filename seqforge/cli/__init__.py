"""The command line: commands of typer, one file for each."""

import gc
import io
import os
import sys
import warnings
from pathlib import Path

import typer

from seqforge.cli.app import build_app, report_usage
from seqforge.cli.terminal import print_error
from seqforge.errors import RunError, SeqforgeError, is_out_of_memory
from seqforge.faults import blame_components
from seqforge.interrupts import keep_interrupts
from seqforge.registry.registry import Registry
from seqforge.storage.files import describe_failure

BROKEN_PIPE = 141
"""Exit status of a program whose output nobody reads any more, as shells show it."""


def main() -> None:
    """Run the command line, and exit. An error that the user can correct is printed without a traceback."""
    try:
        try:
            status = _run_reporting_errors()
        except SystemExit as stop:
            # typer and rich exit with another status when nobody reads the output any more.
            if isinstance(stop.__context__, BrokenPipeError):
                raise stop.__context__ from None
            status = stop.code
        sys.stdout.flush()
        sys.stderr.flush()
    except KeyboardInterrupt:
        status = 130
    except OSError as error:
        # Not even a message can be written. Python would write the rest of the output at its exit, and fail again.
        for descriptor in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        status = BROKEN_PIPE if isinstance(error, BrokenPipeError) else 1
    sys.exit(status)


def _run_reporting_errors() -> int:
    """Run the command line, print the error that ends it, and return the exit status.

    Raises:
        SystemExit: At the end of a command.
        OSError: If the output cannot be written.
    """
    try:
        with blame_components():
            return _run()
    except typer.TyperException as error:
        report_usage(error)
        return error.exit_code
    except SeqforgeError as error:
        print_error(error.message, hint=error.hint)
    except BrokenPipeError:
        raise
    except OSError as error:
        failure = describe_failure(error)
        print_error(failure.message, hint=failure.hint)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        print_error(
            "there is not enough memory",
            hint="Lower training.batch_size, training.sequence_length, the cells' hidden_size, or --count for samples.",
        )
    return 1


def collect_old_objects_rarely() -> None:
    """Make full garbage collections a tenth as frequent.

    Each visits the 200,000 objects of the libraries, which takes a tenth of a second, and hardly finds any garbage.
    """
    youngest, young, _ = gc.get_threshold()
    gc.set_threshold(youngest, young, 100)


def _run() -> int:
    collect_old_objects_rarely()
    keep_interrupts()
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by the parent process
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open until the process ends
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Samples and prompts may contain characters that the encoding of the terminal does not have.
            stream.reconfigure(errors="replace")
    warnings.showwarning = _show_warning
    try:
        Path.cwd()
    except FileNotFoundError as error:  # Without one, MKL ends the process with a message about torch.
        raise RunError("the current folder was deleted", hint="Change to a folder that exists: cd ~") from error
    registry = Registry.installed()
    problems = [
        f"the plugin {plugin.name!r} is {plugin.state}: {plugin.reason} (`seqforge plugins show {plugin.name}`)"
        for plugin in registry.unusable
    ]
    for problem in dict.fromkeys(problems):  # Two plugins of one name have the same problem.
        print_error(problem, kind="warning")
    return build_app(registry)(prog_name="seqforge", standalone_mode=False) or 0


def _show_warning(message: Warning | str, *_: object) -> None:
    # A user needs only the message, not the line of code.
    print_error(str(message), kind="warning")
