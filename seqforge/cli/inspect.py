"""`seqforge trace`."""

from typing import TYPE_CHECKING, Annotated

import typer

from seqforge.cli.options import RunPath, SetOfRun, open_run
from seqforge.cli.terminal import stdout

if TYPE_CHECKING:
    from rich.table import Table

    from seqforge.api import Inspection

WHOLE_VOCABULARY = 8
"""Up to so many symbols, all are shown, where the terminal is as wide; of more, the right one and the likeliest."""

_FIRST_COLUMNS, _COLUMN = 18, 15
"""Characters of a line that the read and the wanted symbol take, and each further one with its confidences."""


def inspect(
    context: typer.Context,
    run: RunPath,
    text: Annotated[str, typer.Argument(help='The text to walk through, such as "hello".')],
    checkpoint: Annotated[
        str, typer.Option(metavar="WHICH", help="latest, best, a step, or initial: the weights before the first step.")
    ] = "latest",
    assignments: SetOfRun = [],  # noqa: B006 - typer copies it
) -> None:
    """Show what the model expects on every step of a text, before and after one parameter update.

    The confidence given to the right next symbol is green, the others' are red. The run is left as it is.

    [bold]Example[/]

      seqforge trace runs/hello hello --checkpoint initial
    """
    from seqforge.api import inspect as trace_text

    opened, checkpoint = open_run(run, context.obj, checkpoint, overrides=assignments, samplers=[])
    traced = trace_text(opened, text, checkpoint)
    vocabulary = opened.vocabulary()
    symbols = [shown(vocabulary.decode([token])) for token in range(vocabulary.size)]
    stdout().print(_table(traced, symbols))
    right_before = traced.before.gather(1, traced.targets.unsqueeze(1)).mean().item()
    right_after = traced.after.gather(1, traced.targets.unsqueeze(1)).mean().item()
    stdout().print(f"One update moves the right symbols' mean confidence from {right_before:.3f} to {right_after:.3f}.")
    for line in _ambiguities(traced, symbols):
        stdout().print(line)


def shown(symbol: bytes) -> str:
    """Write a symbol so that it can be seen.

    Args:
        symbol: Its UTF-8 text, or part of a character.
    """
    text = symbol.decode("utf-8", "backslashreplace")
    return text if text.isprintable() and not text.isspace() else repr(text)[1:-1].replace(" ", "␣")


def _table(traced: "Inspection", symbols: list[str]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(title="confidence in the next symbol, before → after one update")
    table.add_column("reads", no_wrap=True)
    table.add_column("wants", no_wrap=True)
    count = max(2, min(WHOLE_VOCABULARY, (stdout().width - _FIRST_COLUMNS) // _COLUMN))
    whole = len(symbols) <= count
    columns = symbols if whole else ["right", *(f"other {rank}" for rank in range(1, count))]
    for column in columns:
        table.add_column(Text(column), justify="right", no_wrap=True)
    for step in range(len(traced.inputs)):
        target = int(traced.targets[step])
        order = range(len(symbols)) if whole else _likeliest(traced, step, target)[:count]
        cells = [
            Text(
                ("" if whole else f"{symbols[symbol]} ")
                + f"{traced.before[step, symbol]:.3f}→{traced.after[step, symbol]:.3f}",
                style="green" if symbol == target else "red",
            )
            for symbol in order
        ]
        table.add_row(Text(symbols[int(traced.inputs[step])]), Text(symbols[target]), *cells)
    return table


def _likeliest(traced: "Inspection", step: int, target: int) -> list[int]:
    """The right symbol, and then the likeliest of the others."""
    order = [int(symbol) for symbol in traced.before[step].argsort(descending=True)]
    return [target, *(symbol for symbol in order if symbol != target)]


def _ambiguities(traced: "Inspection", symbols: list[str]) -> list[str]:
    """Name symbols that want different things at different steps: what a model without a state cannot know."""
    wants: dict[int, list[int]] = {}
    for symbol, target in zip(traced.inputs, traced.targets, strict=True):
        wants.setdefault(int(symbol), []).append(int(target))
    return [
        f'"{symbols[symbol]}" is read {len(targets)} times and wants '
        + ", then ".join(f'"{symbols[target]}"' for target in targets)
        + ": only the state can tell them apart."
        for symbol, targets in wants.items()
        if len(set(targets)) > 1
    ]
