"""Build the lexicon of Linux that is a part of the plugin `code-structure`.

It leaves out 5% of the files, chosen by a hash of their names, on which the benchmarks measure.

    python -m benchmarks.c_linux_lexicon ARCHIVE.tar.xz
"""

import argparse
from pathlib import Path

from seqforge_code_structure.identifiers.lexicon_building import build_lexicon, count_names
from seqforge_code_structure.identifiers.lexicon_file import encode_lexicon
from seqforge_linux_source.corpus import LinuxSource

from benchmarks.c_identifiers import HELD_OUT
from seqforge.data.splits import hash_to_unit_interval


def main() -> None:
    """Build the lexicon, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--output", type=Path, default=Path("linux.lexicon"))
    arguments = parser.parse_args()
    names = (
        count_names(document.content.decode())
        for document in LinuxSource(source=arguments.archive, suffixes=(".c",)).documents()
        if hash_to_unit_interval(document.name) >= HELD_OUT
    )
    arguments.output.write_bytes(encode_lexicon(build_lexicon(names, fewest_files=2)))


if __name__ == "__main__":
    main()
