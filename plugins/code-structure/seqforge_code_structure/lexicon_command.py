"""The command `seqforge c-lexicon`.

Every command of seqforge imports this module, so it imports whatever needs torch inside functions.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqforge.errors import DataError, ExperimentError
from seqforge.registry import Registry

if TYPE_CHECKING:
    from seqforge.kinds import Document
    from seqforge.registry import Component


def c_lexicon(
    context: typer.Context,
    experiment: Annotated[
        Path | None, typer.Argument(metavar="EXPERIMENT.toml", help="Experiment file with the corpus.")
    ] = None,
    output: Annotated[Path, typer.Option(metavar="FILE", help="Lexicon file to write.")] = Path("c.lexicon"),
    corpus: Annotated[
        str | None, typer.Option(metavar="NAME", help="Corpus, such as linux-source. Default: that of the experiment.")
    ] = None,
    assignments: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override a key of the corpus. Repeatable. Example: corpus.source=linux.tar.xz.",
        ),
    ] = [],  # noqa: B006 - typer copies it
    leave_out: Annotated[
        float,
        typer.Option(
            metavar="FRACTION",
            min=0,
            max=1,
            help="Leave out this fraction of the files, chosen by a hash of their names, to measure on them.",
        ),
    ] = 0.0,
    fewest_files: Annotated[
        int,
        typer.Option(
            metavar="COUNT",
            min=1,
            help="Leave out the names that occur in fewer files, except those that functions only declare.",
        ),
    ] = 1,
    source: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Description of the corpus to store. Default: its own, with its path."),
    ] = None,
) -> None:
    """Count the names in a corpus of C, for `seqforge c-structure --lexicon`.

    The lexicon stores which names functions always declare, and which macros
    take arguments that are no expressions. It contains names only, no code. The
    metric `identifiers` needs no lexicon file: it counts the names of the run's
    training text itself.

    [bold]Examples[/]

      seqforge c-lexicon experiments/linux-post.toml --output core.lexicon

      seqforge c-lexicon --corpus linux-source --set corpus.source=linux.tar.xz --fewest-files 2
    """
    from seqforge.data.splits import hash_to_unit_interval
    from seqforge.figures import describe_count
    from seqforge.kinds import Corpus
    from seqforge.storage.files import check_output, reported_failures, write_atomically
    from seqforge_code_structure.identifiers.lexicon_building import LexiconBuilder
    from seqforge_code_structure.identifiers.lexicon_file import LONGEST_SOURCE, encode_lexicon

    check_output(output)
    chosen = _resolve_corpus(context.obj, experiment, corpus, assignments).build()
    if not isinstance(chosen, Corpus):
        raise ExperimentError(
            "corpus: it yields labelled examples, but a lexicon needs C files",
            hint="Choose a corpus of text, for example with --corpus linux-source.",
        )
    typer.echo(chosen.describe(), err=True)
    description = source or chosen.describe()
    if len(json.dumps(description)) > LONGEST_SOURCE:
        raise DataError(
            f"--source: the description is longer than {LONGEST_SOURCE:,} bytes of JSON, the limit",
            hint="Describe the corpus in a few words.",
        )
    documents = (document for document in chosen.documents() if hash_to_unit_interval(document.name) >= leave_out)
    builder = LexiconBuilder()
    for text in _read_texts(documents):
        builder.add_file(text)
    lexicon = builder.build(description, fewest_files)
    if not lexicon.table:
        raise DataError(
            "corpus: it contains no C function that uses or declares a variable, so the lexicon would be empty",
            hint="Choose the corpus that your model is trained on. It must contain C.",
        )
    with reported_failures(f"writing the lexicon {output}"):
        write_atomically(output, encode_lexicon(lexicon))
    typer.echo(f"{output}: {describe_count(lexicon.names, 'name')} from {describe_count(lexicon.files, 'file')}")


def _resolve_corpus(registry: Registry, path: Path | None, corpus: str | None, assignments: list[str]) -> "Component":
    from seqforge.experiment.tables import override, read_table, replace_components
    from seqforge.registry.options import resolve

    table = override(replace_components(read_table(path) if path else {}, registry, corpus=corpus), assignments)
    if "corpus" not in table:
        raise ExperimentError(
            "corpus: missing",
            hint="Name an experiment file, or choose a corpus, such as --corpus linux-source.",
        )
    resolved = resolve(registry, "corpus", table["corpus"], "corpus", path.parent if path else Path.cwd())
    if isinstance(resolved, list):
        raise ExperimentError("\n".join(str(problem) for problem in resolved))
    return resolved


def _read_texts(documents: "Iterable[Document]") -> Iterator[str]:
    """Yield the text of each document, and show the progress on a terminal."""
    from rich.progress import Progress, TextColumn

    from seqforge.cli.terminal import stderr

    size = 0
    with Progress(TextColumn("{task.description}"), console=stderr(), transient=True) as progress:
        task = progress.add_task("reading")
        for number, document in enumerate(documents, start=1):
            size += len(document.content)
            progress.update(task, description=f"reading: {number:,} files, {size / 1e6:,.1f} MB")
            yield document.content.decode("utf-8", "replace")
