"""The commands `seqforge c-structure` and `seqforge c-lexicon`.

Every command of seqforge imports this module, so it imports all else inside functions. None of it needs torch.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqforge.errors import DataError, did_you_mean, printable
from seqforge.figures import describe_count

if TYPE_CHECKING:
    from seqforge_code_structure.sources import Analyzed


_Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATH", help="C files, and folders of files *.c and *.h; - reads standard input."),
]


def c_structure(
    files: _Paths,
    cut: Annotated[
        bool,
        typer.Option(
            "--cut",
            help="Each file is an excerpt, which may begin and end inside a function: brackets may lack their match.",
        ),
    ] = False,
    select: Annotated[
        list[str],
        typer.Option(metavar="RULE", help="Report only this rule, or this kind of rules. Repeatable."),
    ] = [],  # noqa: B006 - typer copies it
    ignore: Annotated[
        list[str], typer.Option(metavar="RULE", help="Do not report this rule, or this kind of rules. Repeatable.")
    ] = [],  # noqa: B006
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Every name must be declared in its file, except names of called functions and in capital letters.",
        ),
    ] = False,
    lexicon: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Lexicon file, written by `seqforge c-lexicon`. Default: the lexicon of Linux, except for files "
            "with other headers than those of Linux.",
        ),
    ] = None,
    rates: Annotated[
        bool,
        typer.Option("--rates", help="Print the rate of each error instead, with its interval. Each file is a text."),
    ] = False,
    reference: Annotated[
        list[str],
        typer.Option(metavar="PATH", help="With --rates: file or folder of real code to compare with. Repeatable."),
    ] = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find structural errors in C, for example in samples of a model, and print them in the format of a compiler.

    The command reports brackets, comments and literals that are not closed,
    lines whose indentation does not match their braces, statements in wrong
    places, and undefined, unused and redeclared names. Only declarations in the
    same file count: the command reads no headers and compiles nothing. Which names
    code of Linux must declare is known from a lexicon, which is a part of seqforge.

    Each line ends with the name of its rule, for --select and --ignore. The
    kinds are brackets, literals, indentation, syntax, statements and names.

    The exit status is 1 if there are findings, and 2 if an option is wrong or a
    file cannot be read.

    [bold]Examples[/]

      seqforge c-structure runs/first-run/samples/*.txt --cut --ignore indentation

      seqforge sample runs/first-run | seqforge c-structure - --select names

      seqforge c-structure my-samples/ --rates --reference linux/kernel/
    """
    from seqforge_code_structure.identifiers.lexicon_file import read_lexicon
    from seqforge_code_structure.sources import analyze_file, find_files, map_files

    try:
        if rates:
            if strict or select or ignore:
                raise DataError("--rates always uses all rules and a lexicon", hint="Leave the other option out.")
            from seqforge_code_structure.rates import show_rates

            show_rates(files, reference, lexicon, as_json=as_json)
            return
        if reference:
            raise DataError("--reference needs --rates", hint="Add --rates.")
        rules = _select_rules(select, ignore)
        own = read_lexicon(lexicon) if lexicon else None
        names = find_files(files)
    except DataError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    results = map_files(lambda name: analyze_file(name, own, cut=cut, strict=strict), names)
    raise typer.Exit(_report(results, rules, as_json=as_json))


def _select_rules(select: list[str], ignore: list[str]) -> frozenset[str]:
    """Return the names of the rules to report."""
    from seqforge_code_structure.defects import RULES

    def expand(names: list[str], option: str) -> set[str]:
        found: set[str] = set()
        for name in (part.strip() for value in names for part in value.split(",")):
            matches = {key for key, rule in RULES.items() if name == key or (name == rule.kind and rule.default)}
            if not matches:
                hint = did_you_mean(name, {*RULES, *(rule.kind for rule in RULES.values())})
                raise DataError(f"{option}: there is no rule {name!r}", hint=hint)
            found |= matches
        return found

    defaults = {name for name, rule in RULES.items() if rule.default}
    return frozenset((expand(select, "--select") if select else defaults) - expand(ignore, "--ignore"))


_COLORS = {"error": "red", "warning": "yellow"}


def _report(results: "Iterable[Analyzed]", rules: frozenset[str], *, as_json: bool) -> int:
    """Print the findings of rules in files, and on standard error what was found and what was not analyzed.

    As JSON, the findings are one array at the end instead of lines.

    Returns:
        The exit status.
    """
    files = findings = unread = unchecked = 0
    records: list[dict[str, Any]] = []
    for result in results:
        if result.problem:
            typer.echo(f"error: {result.problem}", err=True)
            unread += 1
            continue
        found = [record for record in result.findings if record["rule"] in rules]
        files += 1
        findings += len(found)
        unchecked += not result.names_checked
        if as_json:
            records += found
        else:
            for record in found:
                _print_line(**record)
    if as_json:
        typer.echo(json.dumps(records))
    if unchecked and rules & {"undefined-name", "undefined-return"}:
        count = describe_count(unchecked, "file")
        note = f"undefined names were not checked in {count} without a header of Linux: --lexicon or --strict does"
        typer.echo(f"note: {note}", err=True)
    if findings:
        typer.echo(f"{describe_count(findings, 'finding')} in {describe_count(files, 'file')}", err=True)
    return 2 if unread else int(findings > 0)


def _print_line(file: str, line: int, column: int, severity: str, message: str, rule: str, **_: Any) -> None:
    # Not rich, whose import takes longer than the analysis of a file.
    color = False if os.environ.get("NO_COLOR") else True if os.environ.get("FORCE_COLOR") else None
    where = typer.style(f"{printable(file)}:{line}:{column}: ", bold=True)
    kind = typer.style(f"{severity}: ", fg=_COLORS[severity])
    typer.echo(f"{where}{kind}{message}{typer.style(f' [{rule}]', dim=True)}", color=color)


def c_lexicon(
    paths: _Paths,
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
    from seqforge.storage.files import check_output, reported_failures, write_atomically
    from seqforge_code_structure.identifiers.lexicon_building import build_lexicon, count_names
    from seqforge_code_structure.identifiers.lexicon_file import encode_lexicon
    from seqforge_code_structure.sources import find_files, map_files, read_text

    check_output(output)
    lexicon = build_lexicon(map_files(lambda file: count_names(read_text(file)), find_files(paths)))
    if not lexicon.table:
        raise DataError(
            f"{' '.join(paths)}: no C function uses or declares a variable, so the lexicon would be empty",
            hint="Name the code that your model is trained on. It must contain C.",
        )
    with reported_failures(f"writing the lexicon {output}"):
        write_atomically(output, encode_lexicon(lexicon))
    typer.echo(f"{output}: {describe_count(lexicon.names, 'name')} from {describe_count(lexicon.files, 'file')}")
