"""Campaigns against the promises of docs/explanation/reliability.md, such as `python -m tests.campaigns kills`.

Each prints a table, and exits with status 1 if a promise does not hold. `kills` starts real runs and kills them;
`flips` flips bits of the files of a run; `workers` kills one of two processes that torchrun then restarts.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"  # Processes with threads cannot be forked.


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    kills = commands.add_parser("kills", help="kill runs, resume them, and compare them with runs that were not killed")
    kills.add_argument("--trials", type=int, default=1000)
    kills.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    kills.add_argument("--seed", type=int, default=0)
    flips = commands.add_parser("flips", help="flip bits of the files of a run")
    flips.add_argument("--bits", type=int, default=0, help="bits of each file, drawn at random; 0 flips every bit")
    flips.add_argument(
        "--large-bits", type=int, default=2000, help="bits of all tensors, and of all token files, drawn at random"
    )
    flips.add_argument("--seed", type=int, default=0)
    fuzz = commands.add_parser("fuzz", help="read changed files")
    fuzz.add_argument("reader", choices=["archives", "encoded", "experiments", "runs", "texts"])
    fuzz.add_argument("--seconds", type=float, default=600)
    fuzz.add_argument("--seed", type=int, default=0)
    disk = commands.add_parser("disk", help="run on disks of every size, which are full at another write each")
    disk.add_argument("--trials", type=int, default=10**6, help="disks for each run, drawn at random; all by default")
    disk.add_argument("--seed", type=int, default=0)
    commands.add_parser("clock", help="change the clock while runs train, and before they are resumed")
    workers = commands.add_parser("workers", help="kill processes that torchrun restarts")
    workers.add_argument("--trials", type=int, default=50)
    workers.add_argument("--seed", type=int, default=0)
    mutations = commands.add_parser("mutations", help="change the code, and count the changes that a test notices")
    mutations.add_argument("--parts", nargs="+", default=["core", "essentials"], help="also native, code-structure")
    mutations.add_argument("--coverage", type=Path, help="folder of the measured coverage, to be used again")
    mutations.add_argument("--trials", type=int, default=300)
    mutations.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    mutations.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seqforge-campaign-") as name:
        folder = Path(name)
        os.environ["SEQFORGE_CACHE"] = str(folder / "cache")
        # The commands may not be imported before the number of threads is set.
        if arguments.command == "kills":
            from tests.campaigns.kills import run_kills

            return run_kills(folder, arguments.trials, arguments.seconds, arguments.seed)
        if arguments.command == "disk":
            from tests.campaigns.disk import run_disk

            return run_disk(folder, arguments.trials, arguments.seed)
        if arguments.command == "clock":
            from tests.campaigns.clock import run_clock

            return run_clock(folder)
        if arguments.command == "fuzz":
            from tests.campaigns.fuzz import run_fuzz

            return run_fuzz(folder.resolve(), arguments.reader, arguments.seconds, arguments.seed)
        if arguments.command == "mutations":
            from tests.campaigns.mutants import run_mutants

            return run_mutants(
                folder, arguments.parts, arguments.coverage, arguments.trials, arguments.seconds, arguments.seed
            )
        if arguments.command == "workers":
            from tests.campaigns.workers import run_workers

            return run_workers(folder, arguments.trials, arguments.seed)
        from tests.campaigns.flips import run_flips

        return run_flips(folder, arguments.bits, arguments.large_bits, arguments.seed)


if __name__ == "__main__":
    sys.exit(main())
