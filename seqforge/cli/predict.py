"""`seqforge predict`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from seqforge.cli.options import CheckpointName, Device, RunPath, SetOfRun, open_run
from seqforge.errors import DataError

MAXIMUM_LINE = 16 * 1024 * 1024
"""Maximum number of characters in a line, so that a wrong file does not fill the memory."""


def predict(
    context: typer.Context,
    run: RunPath,
    examples: Annotated[
        list[str] | None,
        typer.Argument(metavar="[EXAMPLE]…", help="Inputs, such as Tanaka. Default: the lines of --file."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with one input per line; - is standard input, the default."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per line: input, output, confidence.")
    ] = False,
    beam: Annotated[
        int | None,
        typer.Option(min=1, help="Width of the beam search that decodes sequences, such as 5. Default: the run's."),
    ] = None,
    length: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of symbols to decode, such as 50. Default: the run's.")
    ] = None,
    sampler: Annotated[
        list[str],
        typer.Option(
            "--sampler",
            metavar="NAME",
            help="Draw sequences with this sampler, such as temperature, instead of the beam search. Repeatable.",
        ),
    ] = [],  # noqa: B006 - typer copies it
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the samplers.")] = 0,
    assignments: SetOfRun = [],  # noqa: B006
    checkpoint: CheckpointName = "best",
    device: Device = "auto",
) -> None:
    """Predict the targets of new inputs with a model that was trained on labelled examples.

    Write an input of numbers as a JSON list such as [0, 0.5, 1], and a sequence of vectors as a list of such lists.

    [bold]Examples[/]

      seqforge predict runs/names Tanaka "O'Neill" --json

      seqforge predict runs/pronounce --beam 5 < words.txt

      seqforge predict runs/digits --file images.jsonl
    """
    from seqforge.api.progress import printable
    from seqforge.interfaces import Text

    opened_run, checkpoint = open_run(run, context.obj, checkpoint, overrides=assignments, samplers=sampler)
    lines = list(examples) if examples else list(_read_lines(file))
    spec = opened_run.spec()
    inputs = lines if spec is None or isinstance(spec.input, Text) else [_parse_numbers(line) for line in lines]
    predictions = opened_run.predict(
        inputs,
        beam=beam,
        length=length,
        samplers=opened_run.experiment.samplers if sampler else (),
        seed=seed,
        checkpoint=checkpoint,
        device=device,
    )
    # Control characters could change the state of a terminal. Other programs receive the text unchanged.
    display = printable if sys.stdout.isatty() else str
    for line, prediction in zip(lines, predictions, strict=True):
        if as_json:
            record = {"input": line, "output": prediction.output, "confidence": prediction.confidence}
            typer.echo(json.dumps(record))
        else:
            typer.echo(display(prediction.text))


def _read_lines(file: Path | None) -> Iterator[str]:
    name = "standard input" if file is None or str(file) == "-" else str(file)
    try:
        if file is None or str(file) == "-":
            yield from _read_bounded_lines(sys.stdin, name)
        else:
            with file.open(encoding="utf-8") as opened_file:
                yield from _read_bounded_lines(opened_file, name)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        raise DataError(f"{name}: cannot be read: {reason}") from error


def _read_bounded_lines(file: TextIO, name: str) -> Iterator[str]:
    number = 0
    while line := file.readline(MAXIMUM_LINE):
        number += 1
        if not line.endswith("\n") and len(line) == MAXIMUM_LINE:
            raise DataError(f"{name}: line {number} is longer than {MAXIMUM_LINE:,} characters")
        # Some editors add carriage returns or a byte order mark, which are not part of the input.
        yield line.removesuffix("\n").removesuffix("\r").removeprefix("\ufeff" if number == 1 else "")


def _parse_numbers(line: str) -> Any:
    import numpy as np

    try:
        return np.asarray(json.loads(line), dtype=np.float32)
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(
            f"{line[:60]!r} is not a list of numbers", hint="Write JSON: [0, 0.5, 1], or a list of such lists."
        ) from error
