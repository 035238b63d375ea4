"""`seqforge inspect`."""

from typing import TYPE_CHECKING, Annotated

import typer

from seqforge.cli.options import CheckpointName, PluginFiles, RunName, SetOfRun, open_run
from seqforge.cli.terminal import stdout

if TYPE_CHECKING:
    from rich.table import Table

    from seqforge.report.inspection import Inspection

MOST_COLUMNS = 8
"""Most symbols on a step: the whole vocabulary if it has no more, or else the target and the most probable others."""

_FIRST_COLUMNS, _COLUMN = 18, 14
"""Width in characters of the first two columns together, and of each column with two probabilities."""


def inspect(
    context: typer.Context,
    run: RunName,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Text to inspect, such as [bold]hello[/].")],
    checkpoint: CheckpointName = "best",
    assignments: SetOfRun = [],
    plugin: PluginFiles = [],
) -> None:
    """Show the predictions of a language model on each step of a text, before and after one parameter update.

    The probability of the target, which is the next symbol of the text, is green. The probabilities of other symbols
    are red. The run is not changed.

    [bold]Examples[/]

      seqforge inspect runs/hello hello

      seqforge inspect runs/hello hello --checkpoint initial
    """
    opened_run, checkpoint = open_run(context, run, checkpoint)
    inspection = opened_run.inspect(text, checkpoint)
    vocabulary = opened_run.vocabulary()
    symbols = [visible(vocabulary.decode([token])) for token in range(vocabulary.size)]
    stdout().print(_table(inspection, symbols))
    targets = inspection.targets.unsqueeze(1)
    before, after = (part.gather(1, targets).mean().item() for part in (inspection.before, inspection.after))
    stdout().print(f"One update changes the mean probability of the targets from {before:.3f} to {after:.3f}.")
    for line in _ambiguities(inspection, symbols):
        stdout().print(line)


def visible(symbol: bytes) -> str:
    """Convert a symbol, which is UTF-8 text or a part of a character, to visible text."""
    text = symbol.decode("utf-8", "backslashreplace")
    return text if text.isprintable() and not text.isspace() else repr(text)[1:-1].replace(" ", "␣")


def _table(inspection: "Inspection", symbols: list[str]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(title="probability of the next symbol, before → after one update")
    table.add_column("input", no_wrap=True)
    table.add_column("target", no_wrap=True)
    whole = len(symbols) <= _column_count(_COLUMN)
    orders = [_most_probable(inspection, step, int(target)) for step, target in enumerate(inspection.targets)]
    widest = max(len(symbols[symbol]) for order in orders for symbol in order[:MOST_COLUMNS])
    count = _column_count(_COLUMN + widest + 1)
    columns = symbols if whole else ["target", *(f"other {rank}" for rank in range(1, count))]
    for column in columns:
        table.add_column(Text(column), justify="right", no_wrap=True)
    for step in range(len(inspection.inputs)):
        target = int(inspection.targets[step])
        order = range(len(symbols)) if whole else orders[step][:count]
        cells = [
            Text(
                ("" if whole else f"{symbols[symbol]} ")
                + f"{inspection.before[step, symbol]:.3f}→{inspection.after[step, symbol]:.3f}",
                style="green" if symbol == target else "red",
            )
            for symbol in order
        ]
        table.add_row(Text(symbols[int(inspection.inputs[step])]), Text(symbols[target]), *cells)
    return table


def _column_count(width: int) -> int:
    """Return how many columns of this width fit the terminal: at least 2, and at most `MOST_COLUMNS`."""
    return max(2, min(MOST_COLUMNS, (stdout().width - _FIRST_COLUMNS) // width))


def _most_probable(inspection: "Inspection", step: int, target: int) -> list[int]:
    """Return the target, then all other symbols in descending order of probability."""
    order = [int(symbol) for symbol in inspection.before[step].argsort(descending=True)]
    return [target, *(symbol for symbol in order if symbol != target)]


def _ambiguities(inspection: "Inspection", symbols: list[str]) -> list[str]:
    """Describe the symbols that have several targets, which a model cannot predict without a state."""
    targets: dict[int, list[int]] = {}
    for symbol, target in zip(inspection.inputs, inspection.targets, strict=True):
        targets.setdefault(int(symbol), []).append(int(target))
    return [
        f'"{symbols[symbol]}" is read {len(following)} times, and its target is '
        + ", then ".join(f'"{symbols[target]}"' for target in following)
        + ": only the state distinguishes the steps."
        for symbol, following in targets.items()
        if len(set(following)) > 1
    ]
