"""The command `seqforge c-brackets`.

Every command of seqforge imports this module, so it imports whatever needs torch inside functions.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from seqforge.errors import DataError

if TYPE_CHECKING:
    from seqforge_code_structure.bracket_distances.measure import Measurement


def c_brackets(
    context: typer.Context,
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Run directory of a language model of C, or a model: linux-small.")
    ],
    bracket: Annotated[
        list[str], typer.Option(metavar="BRACKET", help="Measure only this closing bracket: ), ] or }. Repeatable.")
    ] = [],  # noqa: B006 - typer copies it
    order: Annotated[
        list[int],
        typer.Option(min=1, max=50, help="Compare with n-gram models that read so many characters. Repeatable."),
    ] = [5, 10, 20],  # noqa: B006
    windows: Annotated[int, typer.Option(min=1, max=4096, help="Number of windows of held-out text.")] = 64,
    length: Annotated[int, typer.Option(min=2, max=100_000, help="Characters of each window.")] = 2000,
    checkpoint: Annotated[str, typer.Option(help="best, latest, a step such as 500, or initial.")] = "best",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Measure how well a model closes brackets, against the distance to the opening bracket.

    For each closing bracket of held-out text, the command takes the probability
    of this bracket after the true text before it. A model that only knows the
    last few characters, such as an n-gram model, cannot know which brackets are
    open farther away. Karpathy, Johnson and Li 2015, "Visualizing and
    Understanding Recurrent Networks", compare LSTMs with n-gram models in this
    way.

    The command prints a picture, and a table with the mean probability of the
    right bracket with its 95 % bootstrap interval.

    [bold]Examples[/]

      seqforge c-brackets runs/linux

      seqforge c-brackets runs/linux --bracket } --order 20 --windows 256 --json
    """
    from seqforge.api import Run
    from seqforge.api.progress import ProgressDisplay
    from seqforge.cli.terminal import stderr
    from seqforge.runs import locate
    from seqforge_code_structure.bracket_distances.measure import measure
    from seqforge_code_structure.bracket_distances.pairs import CLOSING

    if unknown := [each for each in bracket if each not in tuple(CLOSING)]:
        raise DataError(f"--bracket: {unknown[0]!r} is no closing bracket", hint="Use ), ] or }.")
    path, step = locate(run, context.obj)
    opened = Run.open(path, registry=context.obj)
    with ProgressDisplay(stderr()) as display:
        found = measure(
            opened,
            "".join(bracket) or CLOSING,
            sorted(set(order)),
            windows=windows,
            length=length,
            checkpoint=step or checkpoint,
            report=display.report,
        )
    if as_json:
        fields = ("shortest", "longest", "brackets", "probability", "accuracy", "intervals")
        rows = [{name: getattr(each, name) for name in fields} for each in found]
        typer.echo(json.dumps({"run": run, "distances": rows}))
    else:
        _print(found)


def _print(found: "Sequence[Measurement]") -> None:
    """Print a picture and a table."""
    from seqforge.cli.curves import draw_curves, has_colors
    from seqforge.cli.tables import Column, print_table
    from seqforge.cli.terminal import stdout

    console = stdout()
    colored = has_colors(console)
    names = list(found[0].probability)
    curves = {name: [(each.shortest.bit_length() - 1.0, each.probability[name]) for each in found] for name in names}
    console.print("probability of the right closing bracket", style="bold")
    axis = "logarithm to base 2 of the distance to the opening bracket"
    console.print(draw_curves(curves, axis, width=min(console.width, 100), colored=colored, encoding=console.encoding))
    console.print()
    columns = [Column("distance"), Column("brackets", is_number=True), *map(Column, names)]
    print_table(
        columns, [[_range(each), f"{each.brackets:,}", *(_cell(each, name) for name in names)] for each in found]
    )


def _range(each: "Measurement") -> str:
    return f"{each.shortest}" if each.shortest == each.longest else f"{each.shortest:,}–{each.longest:,}"


def _cell(each: "Measurement", name: str) -> str:
    interval = each.intervals.get(name)
    return f"{each.probability[name]:.3f}" + (f" [{interval.low:.3f}, {interval.high:.3f}]" if interval else "")
