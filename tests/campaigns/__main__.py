"""Campaigns against the promises of docs/reliability.md: `python -m tests.campaigns kills`, `… flips`, `… workers`.

Each prints a table, and exits with status 1 if a promise does not hold. `kills` starts real runs and kills them;
`flips` flips bits of the files of a run; `workers` kills one of two processes that torchrun then restarts.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    kills = commands.add_parser("kills", help="kill runs, resume them, and compare them with runs that were not killed")
    kills.add_argument("--trials", type=int, default=1000)
    kills.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    kills.add_argument("--seed", type=int, default=0)
    flips = commands.add_parser("flips", help="flip bits of the files of a run")
    flips.add_argument("--bits", type=int, default=0, help="bits of each file, drawn at random; 0 flips every bit")
    flips.add_argument("--tensor-bits", type=int, default=2000, help="bits of all tensors, drawn at random")
    flips.add_argument("--seed", type=int, default=0)
    workers = commands.add_parser("workers", help="kill processes that torchrun restarts")
    workers.add_argument("--trials", type=int, default=50)
    workers.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seqforge-campaign-") as name:
        folder = Path(name)
        os.environ["SEQFORGE_CACHE"] = str(folder / "cache")
        # The commands may not be imported before the number of threads is set.
        if arguments.command == "kills":
            from tests.campaigns.kills import run_kills

            return run_kills(folder, arguments.trials, arguments.seconds, arguments.seed)
        if arguments.command == "workers":
            from tests.campaigns.workers import run_workers

            return run_workers(folder, arguments.trials, arguments.seed)
        from tests.campaigns.flips import run_flips

        return run_flips(folder, arguments.bits, arguments.tensor_bits, arguments.seed)


if __name__ == "__main__":
    sys.exit(main())
