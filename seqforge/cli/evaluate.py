"""`seqforge evaluate`."""

import enum
import json
from typing import Annotated

import typer

from seqforge.cli.options import CheckpointName, Device, PluginFiles, RunPath, SetOfRun, open_run
from seqforge.cli.terminal import stderr


class Split(enum.StrEnum):
    """The splits that can be scored."""

    training = "training"
    validation = "validation"
    test = "test"


def evaluate(
    context: typer.Context,
    run: RunPath,
    split: Annotated[Split, typer.Option(help="Split to score, as a whole.")] = Split.validation,
    assignments: SetOfRun = [],  # noqa: B006 - typer copies it
    plugin: PluginFiles = [],  # noqa: B006
    checkpoint: CheckpointName = "best",
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Score a trained model on held-out data, and by the metrics of its experiment.

    A metric of samples is shown with its baseline, which is its value for held-out text of the same length.

    [bold]Examples[/]

      seqforge evaluate runs/first-run

      seqforge evaluate runs/first-run --split test --checkpoint latest --json

      seqforge evaluate runs/first-run --set corpus.files=moved/*.txt
    """
    from seqforge.api.progress import ProgressDisplay, format_scores
    from seqforge.evaluation import with_baselines

    opened_run, checkpoint = open_run(run, context.obj, checkpoint, overrides=assignments, samplers=[])
    with ProgressDisplay(stderr()) as display:
        score = opened_run.evaluate(split.value, checkpoint=checkpoint, device=device, report=display.report)
        samples, baseline = opened_run.score_samples(checkpoint=checkpoint, device=device, report=display.report)
    if as_json:
        source = {"run": str(run), "split": split.value, "checkpoint": checkpoint}
        typer.echo(json.dumps({**source, **score.record(), **with_baselines(samples, baseline)}))
        return
    typer.echo(f"{split.value} split, {score.size}, {checkpoint} checkpoint")
    for line in score.lines():
        typer.echo(line)
    for line in format_scores(samples, baseline):
        typer.echo(f"  {line}")
