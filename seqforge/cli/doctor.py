"""`seqforge doctor`."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from seqforge.cli.options import PluginFiles, Set
from seqforge.cli.terminal import print_error, stderr, stdout
from seqforge.figures import format_figure
from seqforge.registry.registry import Registry

if TYPE_CHECKING:
    from rich.table import Table


def doctor(
    context: typer.Context,
    experiment: Annotated[
        Path | None,
        typer.Argument(metavar="EXPERIMENT.toml", help="Measure the backends on the cells of this experiment."),
    ] = None,
    assignments: Set = [],
    plugin: PluginFiles = [],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Describe what this machine can do, or measure the backends on an experiment.

    Without an experiment: instruction sets, torch's build, threads and cores, GPU and compiler; plugins add what they
    know, such as which kernels were built. With one: a table of the backends, with the speed of each that can run the
    experiment's cells, and the reason for each that cannot.

    [bold]Examples[/]

      seqforge doctor

      seqforge doctor experiments/first-run.toml --set training.precision=float32
    """
    registry: Registry = context.obj
    if experiment is not None:
        _print_backends(experiment, assignments, registry, as_json=as_json)
        return
    from seqforge.hardware import diagnose_machine
    from seqforge.kinds import Diagnosis

    found = diagnose_machine()
    for implementation in registry.new_hooks().hook.seqforge_diagnose.get_hookimpls():
        try:
            diagnoses = cast("list[Any]", implementation.function())
            if not all(isinstance(one, Diagnosis) for one in diagnoses):
                raise TypeError("it returns something other than a Diagnosis")
            found.extend(diagnoses)
        except Exception as error:  # noqa: BLE001 - a plugin that fails must not hide the others
            reason = f"{type(error).__name__}: {error}"
            print_error(f"the diagnosis of the plugin {implementation.plugin_name!r} failed: {reason}", kind="warning")
    if as_json:
        typer.echo(json.dumps([asdict(diagnosis) for diagnosis in found], indent=2))
        return
    width = max(len(diagnosis.subject) for diagnosis in found)
    for diagnosis in found:
        stdout().print("!" if diagnosis.advice else "✓", style="yellow" if diagnosis.advice else "green", end=" ")
        stdout().print(f"{diagnosis.subject:<{width}}  {diagnosis.finding}", soft_wrap=True, markup=False)
        if diagnosis.advice:
            stdout().print(f"  {'':<{width}}  {diagnosis.advice}", style="yellow", soft_wrap=True, markup=False)


def _print_backends(path: Path, assignments: list[str], registry: Registry, *, as_json: bool) -> None:
    """Measure every backend that can run the cells of an experiment, on its batch shape and without the cache."""
    from seqforge.distribution.world import ALONE
    from seqforge.events import no_report
    from seqforge.experiment.experiment import Experiment
    from seqforge.hardware import choose_device
    from seqforge.model.choose_backend import measure_cells
    from seqforge.tasks import task_of

    experiment = Experiment.load(path, assignments, registry)
    stderr().print("Measuring the backends, which takes a minute or more if one of them compiles.")
    device = choose_device(experiment.training.device)
    task = task_of(experiment).prepare_training(experiment, device, no_report, ALONE)
    shape = task.batch_shape
    cells: list[dict[str, Any]] = [
        {
            "module": module,
            "cell": cell,
            "steps": shape.steps,
            "rows": shape.rows,
            "seconds": found.seconds,
            "refused": {name: refusal.reason for name, refusal in found.refused.items()},
        }
        for module, cell, found in measure_cells(task.new_state().model, registry, shape)
    ]
    if as_json:
        typer.echo(json.dumps(cells, indent=2))
        return
    for cell in cells:
        stdout().print(_table(**cell))


def _table(
    module: str, cell: str, steps: int, rows: int, seconds: Mapping[str, float], refused: Mapping[str, str]
) -> "Table":
    from rich.table import Table

    table = Table(title=f"{module}: {cell}, batch of {rows} × {steps}", title_justify="left")
    table.add_column("backend")
    table.add_column("ms per batch", justify="right")
    table.add_column("characters/s", justify="right")
    table.add_column("", overflow="fold")
    fastest = min(seconds.values(), default=None)
    for name, time in sorted(seconds.items(), key=lambda item: item[1]):
        speed = rows * steps / time
        table.add_row(name, format_figure(1000 * time), f"{speed:,.0f}", "fastest" if time == fastest else "")
    for name, reason in sorted(refused.items()):
        table.add_row(name, "–", "–", reason)
    return table
