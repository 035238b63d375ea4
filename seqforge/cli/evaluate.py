"""`seqforge evaluate`."""

import enum
import json
from typing import Annotated

import typer

from seqforge.cli.figures import figure_lines
from seqforge.cli.options import CheckpointName, Device, RunPath, open_run


class Split(enum.StrEnum):
    """The splits that can be scored."""

    training = "training"
    validation = "validation"
    test = "test"


def evaluate(
    context: typer.Context,
    run: RunPath,
    split: Annotated[Split, typer.Option(help="Which split to score, all of it.")] = Split.validation,
    checkpoint: CheckpointName = "best",
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Score a trained model on held-out text, and its samples by the experiment's metrics.

    Beside each figure of the samples stands its control: the same of real text that was held out, as much at a time.

    [bold]Examples[/]

      seqforge evaluate runs/first-run

      seqforge evaluate runs/first-run --split test --checkpoint latest --json
    """
    from seqforge.cli.progress import ProgressDisplay
    from seqforge.training import beside

    opened, checkpoint = open_run(run, context.obj, checkpoint, overrides=[], samplers=[])
    with ProgressDisplay() as display:
        report = display.seqforge_documents_encoded
        score = opened.evaluate(split.value, checkpoint=checkpoint, device=device, report=report)
        samples, control = opened.score_samples(checkpoint=checkpoint, device=device, report=report)
    figures: dict[str, float] = {
        "loss": score.loss,
        "bits_per_character": score.bits_per_character,
        "perplexity": score.perplexity,
        "tokens": score.tokens,
    }
    if as_json:
        where = {"run": str(run), "split": split.value, "checkpoint": checkpoint}
        typer.echo(json.dumps({**where, **figures, **beside(samples, control)}))
        return
    typer.echo(f"{split.value} split, {score.tokens:,} tokens, {checkpoint} checkpoint")
    typer.echo(f"  loss                {score.loss:.4f} nats a token")
    typer.echo(f"  bits per character  {score.bits_per_character:.4f}")
    typer.echo(f"  perplexity          {score.perplexity:.4f} a token")
    for line in figure_lines(samples, control):
        typer.echo(f"  {line}")
