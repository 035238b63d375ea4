"""`seqforge evaluate`."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from seqforge.cli.options import CheckpointName, Device, PluginFiles, RunName, SetOfRun, open_run
from seqforge.cli.terminal import Column, print_table, stderr
from seqforge.errors import RunError
from seqforge.figures import describe_count, format_estimate

if TYPE_CHECKING:
    from seqforge.evaluation.metrics import TextScores


def evaluate(
    context: typer.Context,
    run: RunName,
    split: Annotated[
        Literal["training", "validation", "test"], typer.Option(help="Split to score, as a whole.")
    ] = "validation",
    assignments: SetOfRun = [],
    plugin: PluginFiles = [],
    temperature: Annotated[
        list[float],
        typer.Option(
            metavar="NUMBER", help="Draw the samples at this temperature. Repeat the option to compare several."
        ),
    ] = [],
    dynamic: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            help="Learn from each sequence after it was scored, with this learning rate (dynamic evaluation). "
            "The run keeps its weights.",
        ),
    ] = None,
    checkpoint: CheckpointName = "best",
    device: Device = "auto",
    details: Annotated[
        bool,
        typer.Option(
            "--details", help="Print a sentence about every value of the metrics, and a table with the excess."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Score a trained model on held-out data, and by the metrics of its experiment.

    Sentences say what the samples get wrong, and how often held-out text of the same length has the same. `--details`
    and `--temperature` show a table of every value. 95 % intervals are shown in brackets: those of the loss are
    over blocks of text, those of metrics over samples, of which they need at least 20.

    The corpus must be the one of the run. `Run.probabilities` in Python scores any other text with a language model,
    and `seqforge report RUN --text TEXT` shows it.

    [bold]Examples[/]

      seqforge evaluate runs/first-run

      seqforge evaluate runs/first-run --details

      seqforge evaluate runs/first-run --split test --checkpoint latest --json

      seqforge evaluate runs/first-run --set sampling.count=50 --temperature 0.5 --temperature 1

      seqforge evaluate runs/first-run --dynamic 0.5

      seqforge evaluate runs/first-run --set corpus.files=/new/place/*.txt
    """
    from seqforge.api.progress import ProgressDisplay
    from seqforge.evaluation.baseline import with_baselines
    from seqforge.tasks.language_model import score_samples

    opened_run, checkpoint = open_run(context, run, checkpoint)
    if temperature and (opened_run.experiment.labelled or not opened_run.experiment.metrics):
        raise RunError("--temperature: the run has no metric of samples", hint="Add one: --set metrics.0=NAME.")
    heated = [opened_run.experiment.with_temperature(one, opened_run.path) for one in temperature]
    chains = [experiment.samplers for experiment in heated or [opened_run.experiment]]
    with ProgressDisplay(stderr()) as display:
        report = display.on_work_progressed
        score = opened_run.evaluate(split, dynamic=dynamic, checkpoint=checkpoint, device=device, report=report)
        loaded = opened_run.load(checkpoint, device, report=report)
        samples, baseline = score_samples(loaded, chains, 0)
    if as_json:
        record: dict[str, Any] = {"run": str(run), "split": split, "checkpoint": checkpoint, "dynamic": dynamic}
        record |= score.record()
        records = [with_baselines(each, baseline) for each in samples]
        if temperature:
            pairs = zip(temperature, records, strict=True)
            record["samples"] = [{"temperature": value, **each} for value, each in pairs]
        else:
            intervals = [each["intervals"] for each in (record, records[0]) if "intervals" in each]
            record |= {**records[0], "intervals": {name: pair for each in intervals for name, pair in each.items()}}
        typer.echo(json.dumps(record))
        return
    learning = "" if dynamic is None else f", dynamic evaluation with a learning rate of {dynamic:g}"
    typer.echo(f"{split} split, {score.size}, {checkpoint} checkpoint{learning}")
    for line in score.lines():
        typer.echo(line)
    sentences = (*samples[0].summary, *(samples[0].details if details else ()))
    if sentences and not temperature:
        typer.echo(f"\nIn {describe_count(opened_run.experiment.sampling.count, 'sample')} of this model:")
        for line in sentences:
            typer.echo(f"  {line}")
        if not details:
            typer.echo("Every value, with intervals: --details")
    if samples[0].values and (details or temperature):
        typer.echo()
        _print_samples(samples, baseline, temperature)


def _print_samples(samples: "Sequence[TextScores]", baseline: "TextScores", temperatures: Sequence[float]) -> None:
    """Print a row for each value, with a column for each temperature, and one for held-out text.

    Without temperatures, the last column is the value of the samples less that of held-out text.
    """
    from seqforge.evaluation.intervals import estimate_difference

    headings = [f"temperature {value:g}" for value in temperatures] or ["samples"]
    columns = [Column("metric"), *map(Column, headings), Column("held-out text")]
    if not temperatures:
        columns.append(Column("excess", is_number=True))
    rows: list[list[str]] = []
    for name in dict.fromkeys(name for each in samples for name in each.values):
        estimates = [(each.values.get(name), each.intervals.get(name)) for each in (*samples, baseline)]
        row = [name, *(format_estimate(*estimate) for estimate in estimates)]
        if not temperatures:
            own, other = estimates
            row.append(format_estimate(*estimate_difference(*own, *other), "+"))
        rows.append(row)
    print_table(columns, rows)
    if not any(each.intervals for each in samples):
        typer.echo(
            "\nIntervals of metrics need at least 20 samples. To draw so many: --set sampling.count=20", err=True
        )
