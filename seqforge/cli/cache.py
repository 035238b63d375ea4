"""`seqforge cache list` and `seqforge cache prune`."""

import json
import time
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal

from seqforge.cli.terminal import print_error, stdout
from seqforge.figures import describe_count

if TYPE_CHECKING:
    from seqforge.storage.cache import Entry

cache_app = typer.Typer(help="Show the entries of the cache, or remove some.", no_args_is_help=True)

CONTENTS = {"backends": "measured times of cells", "listings": "names of files at URLs"}
"""Contents of the entries of a kind that do not record their source."""

SECONDS_PER_DAY = 24 * 60 * 60


@cache_app.command("list")
def list_cache(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False) -> None:
    """List the entries of the cache: kind, size, last use, and what each was made from.

    Small entries that do not record it, such as measured times of cells on backends, are counted by kind.

    [bold]Examples[/]

      seqforge cache list

      seqforge cache list --json
    """
    from seqforge.storage.cache import list_entries
    from seqforge.storage.paths import cache_folder

    entries = list_entries()
    if as_json:
        typer.echo(json.dumps([{**asdict(entry), "path": str(entry.path)} for entry in entries], indent=2))
        return
    stdout().print(f"{cache_folder()}: {decimal(sum(entry.size for entry in entries))}")
    for line in _lines(entries):
        stdout().print(line)


@cache_app.command()
def prune(
    older_than: Annotated[
        float, typer.Option(metavar="DAYS", min=0, help="Keep entries that were used in the last days.")
    ] = 0,
) -> None:
    """Remove all entries from the cache, or the old ones. A run that needs one later makes it again.

    An entry that a process is using or writing stays.

    [bold]Examples[/]

      seqforge cache prune

      seqforge cache prune --older-than 30
    """
    from seqforge.storage.cache import list_entries, remove_entry

    limit = time.time() - SECONDS_PER_DAY * older_than
    chosen = [entry for entry in list_entries() if entry.used <= limit]
    removed: list[Entry] = []
    for entry in chosen:
        try:
            if remove_entry(entry.path):
                removed.append(entry)
            else:
                print_error(f"{entry.path}: in use, not removed", kind="warning")
        except OSError as error:
            print_error(f"{entry.path}: cannot be removed: {error.strerror or error}", kind="warning")
    for line in _lines(removed):
        stdout().print(line)
    total = decimal(sum(entry.size for entry in removed))
    stdout().print(f"Removed: {len(removed)} of {len(chosen)} entries, {total}")
    if len(removed) < len(chosen):
        raise typer.Exit(1)


def _lines(entries: "list[Entry]") -> "list[str]":
    """Return a line for each entry with a known origin, and one for all others of the same kind."""
    rows = [(entry.kind, entry.size, entry.used, entry.origin) for entry in entries if entry.origin]
    others: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if not entry.origin:
            others[entry.kind].append(entry)
    for kind, group in others.items():
        size, used = sum(one.size for one in group), max(one.used for one in group)
        files = describe_count(len(group), "file")
        rows.append((kind, size, used, f"{CONTENTS[kind]}, {files}" if kind in CONTENTS else files))
    width = max((len(kind) for kind, *_ in rows), default=0)
    return [
        f"{kind:<{width}}  {decimal(size):>10}  {time.strftime('%Y-%m-%d %H:%M', time.localtime(used))}  {origin}"
        for kind, size, used, origin in sorted(rows)
    ]
