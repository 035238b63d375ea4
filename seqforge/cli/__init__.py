"""The command line: typer commands, one file each."""

import sys

from seqforge.cli.app import build_app
from seqforge.cli.terminal import print_error
from seqforge.errors import SeqforgeError
from seqforge.registry import Registry


def main() -> None:
    """Run the command line; a mistake of the user's is told in words, and never by a traceback."""
    registry = Registry.installed()
    for plugin in registry.unusable:
        print_error(
            f"the plugin {plugin.name!r} is {plugin.state}: {plugin.reason} (`seqforge plugins show {plugin.name}`)",
            kind="warning",
        )
    try:
        build_app(registry)()
    except SeqforgeError as error:
        print_error(error.message, hint=error.hint)
        sys.exit(1)
