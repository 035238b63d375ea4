"""`seqforge sample`."""

import dataclasses
import sys
from itertools import chain
from typing import Annotated, Any, Literal

import typer

from seqforge.cli.options import CheckpointName, Device, PluginFiles, RunName, Samplers, SetOfRun, open_run
from seqforge.cli.terminal import stderr
from seqforge.errors import printable


def sample(
    context: typer.Context,
    run: RunName,
    prompt: Annotated[
        str | None, typer.Option(help="Text that each sample starts with. Default: the beginning of a line.")
    ] = None,
    length: Annotated[int, typer.Option(min=1, max=10**12, help="Number of symbols to draw for each sample.")] = 1000,
    count: Annotated[int, typer.Option(min=1, max=10**6, help="Number of samples, drawn as one batch.")] = 1,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Seed of the draws. The same seed and count give the same text.")
    ] = 0,
    temperature: Annotated[
        float | None,
        typer.Option(help="Temperature of the samplers that have one. Lower values give more likely text."),
    ] = None,
    sampler: Samplers = [],
    assignments: SetOfRun = [],
    plugin: PluginFiles = [],
    checkpoint: CheckpointName = "best",
    device: Device = "auto",
    precision: Annotated[
        Literal["float32", "bfloat16", "int8", "auto"] | None,
        typer.Option(help="Precision of matrix products. Default: the run's. int8 is the fastest on a CPU."),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Do not escape control characters on a terminal. Files never have escapes.")
    ] = False,
) -> None:
    """Generate text from a trained language model.

    A single sample is printed while it is drawn. --sampler replaces the samplers of the run.

    [bold]Examples[/]

      seqforge sample runs/first-run --prompt "static int " --length 500

      seqforge sample runs/first-run --temperature 0.5

      seqforge sample runs/first-run --sampler temperature --sampler top-p --set sampler.1.p=0.9

      seqforge sample runs/first-run --count 4 --seed 1 --checkpoint latest

      seqforge sample runs/first-run --precision int8 --length 100000
    """
    from seqforge.api.progress import ProgressDisplay

    opened_run, checkpoint = open_run(context, run, checkpoint)
    if temperature is not None:
        chosen = opened_run.experiment.with_temperature(temperature, opened_run.path)
        opened_run = dataclasses.replace(opened_run, experiment=chosen)
    # Other programs receive the text unchanged.
    display = printable if sys.stdout.isatty() and not raw else str
    options: Any = {"length": length, "seed": seed, "checkpoint": checkpoint, "device": device, "precision": precision}
    if count == 1:
        pieces = opened_run.stream(prompt, **options)
        pieces = chain([next(pieces, "")], pieces)  # An error comes before the prompt.
        typer.echo(display(prompt or ""), nl=False)
        for piece in pieces:
            typer.echo(display(piece), nl=False)
            sys.stdout.flush()
        typer.echo()
        return
    with ProgressDisplay(stderr()) as progress:
        texts = opened_run.sample(prompt, count=count, report=progress.on_work_progressed, **options)
    for number, text in enumerate(texts, start=1):
        typer.echo(f"--- sample {number} of {count}")
        typer.echo(display(text))
