"""The commands `seqforge sweep` and `seqforge find-rate`.

Every command of seqforge imports this module, so it imports Optuna and torch inside functions.
"""

import json
import math
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqforge.cli.compare import draw_curves, has_colors
from seqforge.cli.options import PluginFiles, Set, compose_experiment, with_experiment_options
from seqforge.cli.terminal import Column, print_table, short_unit, stderr, stdout
from seqforge.errors import ExperimentError, RunError, printable
from seqforge.registry.local_plugins import plugin_options
from seqforge.registry.registry import Registry

if TYPE_CHECKING:
    import optuna

    from seqforge_sweeps.sweep_file import Sweep


STYLES = {"finished": "green", "pruned": "yellow", "failed": "red", "running": "cyan", "waiting": "dim"}


def sweep(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="SWEEP.toml", help="Sweep file.")],
    trials: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=1, help="Number of trials. Default: that of the sweep file.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Database for workers on several machines, such as postgresql+psycopg://user@host/sweeps, or "
            "journal:PATH on a shared file system. Default: that of the sweep file, or SQLite in the sweep's folder.",
        ),
    ] = None,
    assignments: Set = [],  # noqa: B006 - typer copies it
    plugin: PluginFiles = [],  # noqa: B006
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder in which the folder of the sweep is created.")
    ] = Path("runs"),
    show: Annotated[bool, typer.Option("--show", help="Run no trial: print the table, and write the page.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the trials as a JSON array at the end.")] = False,
) -> None:
    r"""Train one experiment many times with other settings, to find the best.

    A sweep file names a base experiment, and the values of some of its keys:

      base = "first-run.toml"
      trials = 20

      \[parameters]
      model.cells.0.hidden_size = [128, 256, 512]
      optimizer.learning_rate = { log = [1e-4, 1e-1] }
      model.dropout = { range = [0.0, 0.5] }

    Every trial is a run directory in runs/NAME. A trial that is worse than others at the same progress is stopped
    at an evaluation. Ctrl-C saves the trial under way, and the same command continues the sweep. Start the command
    several times to run several trials at once.

    [bold]Examples[/]

      seqforge sweep sweep.toml

      seqforge sweep sweep.toml --trials 100 --set training.steps=500

      seqforge sweep sweep.toml --storage postgresql+psycopg://user@host/sweeps
    """
    from seqforge_sweeps.study import lock_folder, open_study, plan_trials, reported_storage
    from seqforge_sweeps.sweep_file import read_sweep

    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise RunError(
            "a trial of a sweep is trained by one process, and torchrun has started several",
            hint="Start `seqforge sweep` without torchrun, once for each trial that runs at the same time.",
        )
    registry: Registry = context.obj
    settings = read_sweep(file, assignments, trials)
    settings.check(registry)
    folder = output / settings.name
    storage = storage or settings.settings.storage
    with reported_storage(storage, folder):
        with lock_folder(folder):
            study = open_study(settings, storage, folder)
            if not show:
                plan_trials(study, settings)
        if not show:
            _run(study, settings, folder, registry)
        _print_study(study, settings, folder, registry, as_json=as_json)


def _run(study: "optuna.Study", settings: "Sweep", folder: Path, registry: Registry) -> None:
    from seqforge.api.progress import ProgressDisplay
    from seqforge.hardware import keep_freed_memory
    from seqforge.interrupts import Interrupted
    from seqforge_sweeps.results import count_trials, describe_trial
    from seqforge_sweeps.study import planned
    from seqforge_sweeps.trials import run_trials

    keep_freed_memory()
    ran = False
    with ProgressDisplay(stderr(), title=lambda: count_trials(study)) as display:
        try:
            for trial in run_trials(study, settings, folder, registry, [display]):
                ran = True
                display.close()
                stderr().print(printable(describe_trial(trial, study)))
        except KeyboardInterrupt as interrupt:
            display.close()
            stderr().print("Interrupted. The trial is saved and queued again. The same command continues the sweep.")
            raise typer.Exit(interrupt.exit_status if isinstance(interrupt, Interrupted) else 130) from None
    if not ran:
        is_complete = settings.combinations is not None and len(planned(study)) >= settings.combinations
        more = "All combinations have a trial." if is_complete else "A larger --trials adds some."
        stderr().print(f"No trial of this sweep is left to start. {more}")


def _print_study(study: "optuna.Study", settings: "Sweep", folder: Path, registry: Registry, *, as_json: bool) -> None:
    from seqforge_sweeps.results import format_row, tabulate_trials, write_page

    rows = tabulate_trials(study)
    page = write_page(study, rows, folder)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    keys = list(settings.parameters)
    names = [key.rpartition(".")[2] for key in keys]
    shown = [name if names.count(name) == 1 else key for key, name in zip(keys, names, strict=True)]
    units = sorted({row["unit"] for row in rows if row["unit"]})
    columns = [Column("trial", is_number=True), *(Column(name, is_number=True) for name in shown)]
    columns += [Column(f"best {'/'.join(map(short_unit, units))}".strip(), is_number=True)]
    columns += [Column("steps", is_number=True), Column("time", is_number=True), Column("state", styles=STYLES)]
    print_table(columns, [format_row(row, keys) for row in rows])
    console = stdout()
    console.print(f"\nPlots: {page}")
    best = next((row for row in rows if row["state"] == "finished"), None)
    if best is not None and best["run"] is not None:
        run = Path(best["run"])
        shown_run = run.relative_to(Path.cwd()) if run.is_relative_to(Path.cwd()) else run
        console.print(f"Best run: {shown_run}. To train it again: seqforge run "
                      f"{shlex.quote(str(shown_run / 'experiment.toml'))}{plugin_options(registry)}")  # fmt: skip


LONGEST_LINE = 100
"""Maximum width of the picture, in characters."""


@with_experiment_options
def find_rate(
    context: typer.Context,
    experiment: Annotated[
        Path | None,
        typer.Argument(metavar="[EXPERIMENT.toml|TEXT|FOLDER]", help="Experiment file, or text to train on."),
    ] = None,
    rates: Annotated[
        tuple[float, float], typer.Option(metavar="LOW HIGH", help="Learning rates of the first and the last step.")
    ] = (1e-5, 1.0),
    test_steps: Annotated[int, typer.Option(metavar="NUMBER", min=20, help="Number of steps of the test.")] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Show at which learning rates the loss of an experiment falls.

    The learning rate rises from step to step, until the loss grows (Smith 2017). Nothing of the run is kept.

    [bold]Examples[/]

      seqforge find-rate experiments/first-run.toml

      seqforge find-rate notes.txt --cell gru --optimizer sgd --rates 0.001 100
    """
    from seqforge.api.progress import ProgressDisplay
    from seqforge_sweeps.range_test import run_range_test

    if not 0 < rates[0] < rates[1] < math.inf:
        raise ExperimentError(
            f"--rates {rates[0]:g} {rates[1]:g}: not two ascending numbers above 0", hint="Such as 1e-5 1."
        )
    composed = compose_experiment(context, experiment)
    with ProgressDisplay(stderr(), title=lambda: "learning rate range test") as display:
        test = run_range_test(composed, *rates, test_steps, [display])
    if as_json:
        typer.echo(json.dumps({"lowest": test.lowest, "rates": test.rates, "losses": test.losses}, indent=2))
        return
    console = stdout()
    points = [(math.log10(rate), loss) for rate, loss in zip(test.rates, test.losses, strict=True)]
    width = min(console.width, LONGEST_LINE)
    axis = "log10 of the learning rate"
    console.print(draw_curves({"training loss": points}, axis, width=width, colored=has_colors(console)))
    low, high = test.lowest / 10, test.lowest / 2
    usual = f"between a tenth and a half of this: {low:.1g} to {high:.1g}"
    console.print(f"The loss is lowest at {test.lowest:.2g}. The best rate of a run is usually {usual}.")
