"""`seqforge c-lexicon`."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqforge.errors import DataError, ExperimentError
from seqforge.registry import Component, Registry

if TYPE_CHECKING:  # it imports torch, and every command of seqforge imports this one
    from seqforge.interfaces import Document

_REPORT_SECONDS = 10.0
"""How often a line is printed where there is no terminal."""

_REDRAW_SECONDS = 0.1


def c_lexicon(
    context: typer.Context,
    experiment: Annotated[
        Path | None, typer.Argument(metavar="EXPERIMENT.toml", help="The experiment whose corpus is read.")
    ] = None,
    output: Annotated[Path, typer.Option(metavar="FILE", help="Where the lexicon is written.")] = Path("lexicon.json"),
    corpus: Annotated[str | None, typer.Option(metavar="NAME", help="Read this corpus.")] = None,
    assignments: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the corpus. Repeatable.")
    ] = [],  # noqa: B006 - typer copies it
) -> None:
    """Count the names of a corpus of C, for `seqforge c-structure --lexicon`.

    For each name: in how many files functions use it undeclared, and in how many they declare it. The metric
    `identifiers` does so by itself, with the text that its run is trained on.

    [bold]Examples[/]

      seqforge c-lexicon experiments/linux-post.toml --output linux.lexicon.json

      seqforge c-lexicon --corpus linux-source --set corpus.source=linux.tar.xz --output linux.lexicon.json
    """
    from seqforge.files import reported_failures, write_atomically
    from seqforge.interfaces import Corpus
    from seqforge_code_structure.identifiers.building import build_lexicon
    from seqforge_code_structure.identifiers.lexicon_file import encode_lexicon

    if output.is_dir() or not output.parent.is_dir() or (output.exists() and not output.is_file()):
        raise DataError(f"{output}: not a place for a file", hint="Name another by --output.")
    chosen = _corpus(context.obj, experiment, corpus, assignments).build()
    if not isinstance(chosen, Corpus):
        raise ExperimentError(
            "the corpus gives labelled examples, and a lexicon is made from files of C",
            hint="Name the corpus of text itself: --corpus linux-source",
        )
    typer.echo(chosen.describe(), err=True)
    progress = _Progress()
    lexicon = build_lexicon(progress.followed(chosen.documents()))
    progress.end()
    if not lexicon.counts:
        raise DataError(
            "the corpus has no function of C that names a variable, so its lexicon would be empty",
            hint="A lexicon is made from the text that a model is trained on, which must be C.",
        )
    with reported_failures(f"writing the lexicon {output}"):
        write_atomically(output, encode_lexicon(lexicon))
    typer.echo(f"{output}: {len(lexicon.counts):,} names of {lexicon.files:,} files")


def _corpus(registry: Registry, path: Path | None, corpus: str | None, assignments: list[str]) -> Component:
    from seqforge.experiment import override, read_table, replace_components
    from seqforge.registry import resolve

    table = override(replace_components(read_table(path) if path else {}, registry, corpus=corpus), assignments)
    if "corpus" not in table:
        raise ExperimentError(
            "no corpus to make a lexicon from", hint="Name an experiment file, or a corpus: --corpus linux-source"
        )
    resolved = resolve(registry, "corpus", table["corpus"], "corpus", path.parent if path else Path.cwd())
    if isinstance(resolved, list):
        raise ExperimentError("\n".join(str(problem) for problem in resolved))
    return resolved


class _Progress:
    """A line on stderr that is drawn anew, or now and then a line where there is no terminal."""

    def __init__(self) -> None:
        import sys

        self._terminal = sys.stderr.isatty()
        self._shown = time.monotonic()

    def followed(self, documents: "Iterable[Document]") -> Iterator[str]:
        size = 0
        for number, document in enumerate(documents, start=1):
            size += len(document.content)
            yield document.content.decode("utf-8", "replace")
            self._show(number, size)

    def _show(self, files: int, size: int) -> None:
        now = time.monotonic()
        if now - self._shown < (_REDRAW_SECONDS if self._terminal else _REPORT_SECONDS):
            return
        self._shown = now
        line = f"reading: {files:,} files, {size / 1e6:,.1f} MB"
        typer.echo(f"\r{line} " if self._terminal else line, err=True, nl=not self._terminal)

    def end(self) -> None:
        if self._terminal:
            typer.echo("\r\033[K", err=True, nl=False)
