"""The command line: `python -m benchmarks TABLE`."""

import argparse
import shlex
import sys
from pathlib import Path

from benchmarks.machine import available_cores, use_cores
from benchmarks.report import heading, replace_tables
from benchmarks.sizes import SIZES
from benchmarks.tables import backends, cells, corpus, distributed, run, sampling, startup, training
from benchmarks.tables.settings import Settings

TABLES = {
    "backends": backends.tables,
    "cells": cells.tables,
    "training": training.tables,
    "sampling": sampling.tables,
    "run": run.tables,
    "corpus": corpus.tables,
    "startup": startup.tables,
    "distributed": distributed.tables,
}


def main() -> None:
    """Measure, print each table when it is complete, and write all tables to a file if `--markdown` names one."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the speed of seqforge and of other libraries."
    )
    parser.add_argument("table", choices=[*TABLES, "all"])
    parser.add_argument("--size", nargs="+", choices=SIZES, default=list(SIZES), help="model sizes (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds of each program (default: 5)")
    parser.add_argument(
        "--threads",
        type=int,
        default=min(2, available_cores()),
        help="number of threads and of cores (default: 2, or 1 if there is one core)",
    )
    parser.add_argument(
        "--archive",
        type=Path,
        default=corpus.find_archive(),
        help="a .tar.xz of the Linux source (default: the newest in /usr/src)",
    )
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file, between its two markers")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or not 1 <= arguments.threads <= available_cores():
        parser.error(
            f"--rounds must be at least 1, and --threads between 1 and {available_cores()}, the number of cores"
        )
    if arguments.markdown and not arguments.markdown.is_file():
        parser.error(f"--markdown: {arguments.markdown} is not a file")

    use_cores(arguments.threads)
    settings = Settings(
        [SIZES[name] for name in arguments.size], arguments.rounds, arguments.threads, arguments.archive
    )
    command = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
    parts = [heading(command, settings.threads, settings.rounds)]
    print(parts[0], end="\n\n")
    for name in TABLES if arguments.table == "all" else [arguments.table]:
        for table in TABLES[name](settings):
            parts.append(table.markdown())
            print(parts[-1], end="\n\n", flush=True)
    if arguments.markdown is not None:
        replace_tables(arguments.markdown, "\n\n".join(parts))


if __name__ == "__main__":
    main()
