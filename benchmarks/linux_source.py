"""How much longer it takes to read Linux than to decompress it.

Alternates, on one core each: `xz -T1 -dc ARCHIVE`, every .c and .h of the archive as documents, and those of
`kernel/` only. Then times the fingerprint. Prints medians, and medians of the ratios to the xz beside.

    python benchmarks/linux_source.py [ARCHIVE.tar.xz] [--rounds 5]
"""

import argparse
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from seqforge_linux_source.corpus import LinuxSource
from seqforge_linux_source.locate import Places


def seconds(action: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def default_archive() -> Path | None:
    """Find the archive that `source = "auto"` would take, if it is one."""
    named = os.environ.get("SEQFORGE_LINUX_SOURCE")
    found = [Path(named)] if named else sorted(Places().sources.glob("linux-source-*.tar.xz"))
    return found[-1] if found else None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, nargs="?", default=default_archive(), help="a .tar.xz of Linux")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    archive: Path | None = arguments.archive
    if archive is None or not archive.is_file():
        parser.error("no archive found; name one, or set SEQFORGE_LINUX_SOURCE")

    whole = LinuxSource(source=archive, exclude=())
    part = LinuxSource(source=archive, include=("kernel/**",))

    def read(corpus: LinuxSource) -> None:
        counts = [len(document.content) for document in corpus.documents()]
        print(f"    {len(counts):,} documents, {sum(counts):,} bytes")

    command = ["xz", "-T1", "-dc", os.fspath(archive)]
    measured: dict[str, list[float]] = {"xz -T1 -dc": [], "every .c and .h": [], "kernel/**": []}
    for number in range(1, arguments.rounds + 1):
        print(f"round {number} of {arguments.rounds}")
        measured["xz -T1 -dc"].append(seconds(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True)))
        measured["every .c and .h"].append(seconds(lambda: read(whole)))
        measured["kernel/**"].append(seconds(lambda: read(part)))

    yardstick = measured["xz -T1 -dc"]
    for name, times in measured.items():
        ratio = statistics.median(own / xz for own, xz in zip(times, yardstick, strict=True))
        print(f"{name:16} {statistics.median(times):6.2f} s   {ratio:.2f} times xz")
    print(f"{'fingerprint':16} {statistics.median(seconds(whole.fingerprint) for _ in range(5)):6.2f} s")


if __name__ == "__main__":
    main()
