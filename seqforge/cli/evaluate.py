"""`seqforge evaluate`."""

import enum
import json
import math
from typing import TYPE_CHECKING, Annotated

import typer

from seqforge.cli.figures import figure_lines
from seqforge.cli.options import CheckpointName, Device, RunPath, open_run

if TYPE_CHECKING:
    from seqforge.evaluation import ExampleScore


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
    """Score a trained model on what was held out, and by the experiment's metrics.

    Beside each figure of the samples stands its control: the same of real text that was held out, as much at a time.

    [bold]Examples[/]

      seqforge evaluate runs/first-run

      seqforge evaluate runs/first-run --split test --checkpoint latest --json
    """
    from seqforge.cli.progress import ProgressDisplay
    from seqforge.evaluation import ExampleScore, with_baselines

    opened, checkpoint = open_run(run, context.obj, checkpoint, overrides=[], samplers=[])
    what = {"run": str(run), "split": split.value, "checkpoint": checkpoint}
    with ProgressDisplay() as display:
        report = display.seqforge_documents_encoded
        score = opened.evaluate(split.value, checkpoint=checkpoint, device=device, report=report)
        if isinstance(score, ExampleScore):
            _print_examples(score, what, as_json)
            return
        samples, baseline = opened.score_samples(checkpoint=checkpoint, device=device, report=report)
    figures: dict[str, float] = {
        "loss": score.loss,
        "bits_per_character": score.bits_per_character,
        "perplexity": score.perplexity,
        "tokens": score.tokens,
    }
    if as_json:
        typer.echo(json.dumps({**what, **_finite(figures), **with_baselines(samples, baseline)}))
        return
    typer.echo(f"{split.value} split, {score.tokens:,} tokens, {checkpoint} checkpoint")
    typer.echo(f"  loss                {score.loss:.4f} nats a token")
    typer.echo(f"  bits per character  {score.bits_per_character:.4f}")
    typer.echo(f"  perplexity          {score.perplexity:.4f} a token")
    for line in figure_lines(samples, baseline):
        typer.echo(f"  {line}")


def _finite(figures: dict[str, float]) -> dict[str, float | None]:
    """Put None, which JSON can write, in the place of what is not finite."""
    return {key: value if math.isfinite(value) else None for key, value in figures.items()}


def _print_examples(score: "ExampleScore", what: dict[str, str], as_json: bool) -> None:
    if as_json:
        figures = {"loss": score.loss, "examples": score.examples, **score.figures}
        typer.echo(json.dumps({**what, **_finite(figures), "reports": dict(score.reports)}))
        return
    typer.echo(f"{what['split']} split, {score.examples:,} examples, {what['checkpoint']} checkpoint")
    width = max(len(name) for name in ("loss", *score.figures))
    typer.echo(f"  {'loss':<{width}}  {score.loss:.4f}")
    for name, value in score.figures.items():
        typer.echo(f"  {name:<{width}}  {value:.4f}")
    for name, report in score.reports.items():
        typer.echo(f"\n{name}\n{report}")
