"""The campaign of full disks: runs on file systems of every size end with one error, and lose nothing.

A disk of n pages of 4 KiB, or of n files, makes another write fail for each n. The disk is then enlarged, and the run
is resumed, or started again.
"""

import random
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

from tests.campaigns.experiments import EXPERIMENTS, install_corpus
from tests.campaigns.kills import COMPARED, Reference, import_everything, resumable, temporary_files
from tests.campaigns.processes import Ended
from tests.campaigns.table import print_table

FAULTS = [*COMPARED, "temporary files", "messages"]
"""What must not happen: differences, temporary files after the failure or at the end, anything but one clear error."""

_PAGE = 4096
_LARGE = ("size=64m", "nr_inodes=4096")


def run_disk(folder: Path, trials: int, seed: int) -> int:
    """Run the campaign, print its table, and return the exit status."""
    install_corpus(folder)
    import_everything(folder / "imports")
    generator, started = random.Random(seed), time.monotonic()
    counts: dict[tuple[str, str], Counter[str]] = {}
    for name, text in EXPERIMENTS.items():
        reference = Reference(name, text, folder / "references" / name)
        used = folder / "references" / name
        files = [path for path in used.rglob("*") if path.is_relative_to(used / "runs") or "cache" in path.parts]
        # A run needs more while it writes than at its end: files are written twice before the old one is deleted.
        pages = 2 * sum(1 + path.lstat().st_size // _PAGE for path in files)
        sizes = [("bytes", f"size={number * _PAGE}") for number in range(2, pages)]
        sizes += [("files", f"nr_inodes={number}") for number in range(4, 2 * len(files))]
        for kind, option in sizes if trials >= len(sizes) else generator.sample(sizes, trials):
            found = _attempt(reference, folder / "trial", option)
            counts.setdefault((name, kind), Counter()).update(found)
            if any(found[fault] for fault in FAULTS):
                print(f"{name}, {option}: {dict(found)}", flush=True)
    columns = ["trials", "full", *FAULTS]
    rows = [[name, kind, *(str(count[column]) for column in columns)] for (name, kind), count in counts.items()]
    print_table(["run", "limit", *columns], rows)
    print(f"{sum(count['trials'] for count in counts.values())} trials in {time.monotonic() - started:.0f} s")
    return int(any(count[fault] for count in counts.values() for fault in FAULTS))


def _attempt(reference: Reference, folder: Path, option: str) -> Counter[str]:
    """Start a run on a small disk, enlarge the disk, resume the run, and count the faults."""
    disk = folder / "disk"
    disk.mkdir(parents=True)
    _mount("-t", "tmpfs", "-o", option, "tmpfs", disk)
    try:
        for name in ("runs", "cache"):
            (disk / name).mkdir()
            (folder / name).symlink_to(disk / name)
        found = Counter({"trials": 1})
        ended = reference.start(folder, None, None)
        found["full"] += ended.status != 0
        found["messages"] += _is_wrong(ended)
        found["temporary files"] += bool(temporary_files(disk))
        _mount("-o", f"remount,{','.join(_LARGE)}", disk)
        run = resumable(folder)
        if ended.status:
            ended = reference.start(folder, run, None)
        if ended.status:
            found["messages"] += 1
            print(ended.output)
            return found
        found.update(reference.differences(folder / "runs" / reference.name))
        found["temporary files"] += bool(temporary_files(disk))
        return found
    finally:
        subprocess.run(["umount", disk], check=True)
        shutil.rmtree(folder)


def _is_wrong(ended: Ended) -> bool:
    is_clear = ended.status == 1 and ended.output.count("error:") == 1 and "the disk is full" in ended.output
    if ended.status == 0 or (is_clear and "Traceback" not in ended.output and "Exception" not in ended.output):
        return False
    print(f"status {ended.status}: {ended.output}")
    return True


def _mount(*arguments: str | Path) -> None:
    try:
        subprocess.run(["mount", *arguments], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"a file system cannot be mounted, which needs Linux and root: {error}") from error
