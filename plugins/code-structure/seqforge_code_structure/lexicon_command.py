"""The command `seqforge c-lexicon`.

Every command of seqforge imports this module, so it imports all else inside functions. None of it needs torch.
"""

from pathlib import Path
from typing import Annotated

import typer

from seqforge.errors import DataError


def c_lexicon(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH", help="C files, and folders of files *.c and *.h; - reads standard input."),
    ],
    output: Annotated[Path, typer.Option(metavar="FILE", help="Lexicon file to write.")] = Path("c.lexicon"),
) -> None:
    """Count the names in C files, for `seqforge c-structure --lexicon`.

    The lexicon stores which names functions always declare, and which macros
    take arguments that are no expressions. It contains names only, no code. The
    metric `identifiers` needs no lexicon file: it counts the names of the run's
    training text itself.

    [bold]Examples[/]

      seqforge c-lexicon my-project/ --output my-project.lexicon

      seqforge c-lexicon linux/kernel linux/mm
    """
    from seqforge.figures import describe_count
    from seqforge.storage.files import check_output, reported_failures, write_atomically
    from seqforge_code_structure.identifiers.lexicon_building import LexiconBuilder, count_names
    from seqforge_code_structure.identifiers.lexicon_file import encode_lexicon
    from seqforge_code_structure.sources import find_files, map_files, read_text, show_progress

    check_output(output)
    files = find_files(paths)
    builder = LexiconBuilder()
    for counts in show_progress(map_files(lambda file: count_names(read_text(file)), files), len(files)):
        builder.add(counts)
    lexicon = builder.build()
    if not lexicon.table:
        raise DataError(
            f"{' '.join(paths)}: no C function uses or declares a variable, so the lexicon would be empty",
            hint="Name the code that your model is trained on. It must contain C.",
        )
    with reported_failures(f"writing the lexicon {output}"):
        write_atomically(output, encode_lexicon(lexicon))
    typer.echo(f"{output}: {describe_count(lexicon.names, 'name')} from {describe_count(lexicon.files, 'file')}")
