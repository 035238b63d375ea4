"""`seqforge find-rate`. Every command of seqforge imports this module, so it imports torch inside functions."""

import json
import math
from pathlib import Path
from typing import Annotated

import typer

from seqforge.cli.compare import draw_curves, has_colors
from seqforge.cli.options import compose_experiment, with_experiment_options
from seqforge.cli.terminal import stderr, stdout
from seqforge.errors import ExperimentError

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
