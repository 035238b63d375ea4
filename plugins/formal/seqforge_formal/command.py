"""`seqforge formal`. Every command of seqforge imports this module, so it imports torch inside functions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqforge.cli.options import PluginFiles, Set
from seqforge.cli.terminal import Column, print_table, stderr, stdout
from seqforge.errors import ExperimentError, RunError, did_you_mean, printable
from seqforge.registry.registry import Registry

if TYPE_CHECKING:
    from seqforge_formal.study import Trial

PAGE = "formal.html"

STEPS, QUICK_STEPS = 2_000, 1_000
"""Number of steps of a run."""


def formal(
    context: typer.Context,
    cell: Annotated[
        list[str],
        typer.Option(
            metavar="NAME",
            help="Cell, such as lstm, or cell and block, such as mlstm+xlstm-block. Repeatable. Default: eleven cells, "
            "or two with --quick.",
        ),
    ] = [],  # noqa: B006 - typer copies it
    task: Annotated[
        list[str], typer.Option(metavar="NAME", help="Task, such as parity. Repeatable. Default: every task.")
    ] = [],  # noqa: B006
    seeds: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=1, help="Number of seeds. Default: 3, or 1 with --quick.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Train two cells, shorter and with one seed: a first look.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=1, help="Number of runs at the same time. Default: the cores.")
    ] = None,
    assignments: Set = [],  # noqa: B006
    plugin: PluginFiles = [],  # noqa: B006
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of the study. Default: runs/formal, or runs/formal-quick."),
    ] = None,
) -> None:
    """Show what a recurrence can compute: train cells on formal languages, state tracking and recall.

    Every cell is trained on inputs of 3 to 40 steps, and tested on longer ones. The page of the study has the accuracy
    of each cell and task for the longest inputs, and curves of the accuracy by length.

    The same command continues a study that was interrupted.

    [bold]Examples[/]

      seqforge formal --quick --cell lstm --cell min-gru --task parity

      seqforge formal --quick --plugin my_cell.py --cell my-cell
    """
    from seqforge.hardware import own_cores
    from seqforge_formal.study import CELLS, QUICK_CELLS, check, plan
    from seqforge_formal.tasks import TASKS

    registry: Registry = context.obj
    for name in task:
        if name not in TASKS:
            raise ExperimentError(f"--task: there is no task {name!r}", hint=did_you_mean(name, TASKS))
    tasks = list(dict.fromkeys(task or TASKS))
    cells = list(dict.fromkeys(cell or (QUICK_CELLS if quick else CELLS)))
    folder = output or Path("runs/formal-quick" if quick else "runs/formal")
    steps = QUICK_STEPS if quick else STEPS
    trials = plan(tasks, cells, seeds or (1 if quick else 3), steps, assignments, folder)
    check(trials, registry)
    _run(trials, workers or own_cores(), registry)
    _print(trials, cells, folder)


def _run(trials: "list[Trial]", workers: int, registry: Registry) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from seqforge_formal.study import run_trials

    left = [trial for trial in trials if not trial.is_finished]
    with Progress(BarColumn(), MofNCompleteColumn(), TextColumn("runs"), TimeElapsedColumn(), console=stderr()) as bar:
        done = bar.add_task("", total=len(trials), completed=len(trials) - len(left))
        try:
            for trial, error in run_trials(left, workers, registry):
                bar.advance(done)
                if error:
                    bar.console.print(printable(f"{trial.folder}: {error}"))
        except KeyboardInterrupt:
            bar.console.print("Interrupted. The runs are saved. The same command continues the study.")
            raise typer.Exit(130) from None


def _print(trials: "list[Trial]", cells: list[str], folder: Path) -> None:
    from statistics import median

    from seqforge_formal.study import read_accuracies, write_page
    from seqforge_formal.tasks import TASKS

    accuracies = read_accuracies(trials)
    if not accuracies:
        raise RunError(
            "no run of the study has ended with answers in a range of lengths",
            hint="Correct the cause. The same command runs those again that have not ended.",
        )
    limits = [0, *sorted({limit for _, _, limit in accuracies})]
    tasks, (*_, shorter, last) = list(dict.fromkeys(trial.task for trial in trials)), limits
    columns = [Column("task"), Column("chance", is_number=True), *(Column(cell, is_number=True) for cell in cells)]
    rows: list[list[str]] = []
    for task in tasks:
        found = [accuracies.get((task, cell, last)) for cell in cells]
        rows.append([task, f"{TASKS[task].chance:.2f}", *(f"{median(seeds):.2f}" if seeds else "–" for seeds in found)])
    print_table(columns, rows)
    write_page(accuracies, folder / PAGE)
    stdout().print(f"\nAccuracy for inputs of {shorter + 1} to {last} steps; the median of the seeds.")
    stdout().print(f"Table and curves: {folder / PAGE}")
