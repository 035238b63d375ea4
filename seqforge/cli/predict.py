"""`seqforge predict`."""

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from io import BufferedReader
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from seqforge.cli.options import CheckpointName, Device, PluginFiles, RunName, SetOfRun, open_run
from seqforge.cli.terminal import stderr
from seqforge.errors import DataError, printable

MAXIMUM_LINE = 16 * 1024 * 1024
"""Maximum number of bytes in a line, so that a wrong file does not fill the memory."""

_CHUNK = 4 * 1024 * 1024
"""Maximum number of bytes that are read at once: many batches, so that each has examples of similar length."""


def predict(
    context: typer.Context,
    run: RunName,
    examples: Annotated[
        list[str] | None,
        typer.Argument(metavar="EXAMPLE", help="Inputs, such as Tanaka. Default: the lines of --file."),
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
        typer.Option(
            min=1, max=10**6, help="Width of the beam search that decodes sequences, such as 5. Default: the run's."
        ),
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(min=1, max=10**12, help="Maximum number of symbols to decode, such as 50. Default: the run's."),
    ] = None,
    assignments: SetOfRun = [],
    plugin: PluginFiles = [],
    checkpoint: CheckpointName = "best",
    device: Device = "auto",
) -> None:
    """Predict the targets of new inputs with a model that was trained on labelled examples.

    Lines from a pipe are answered as they arrive.
    Write an input of numbers as a JSON list such as [0, 0.5, 1], and a sequence of vectors as a list of such lists.

    [bold]Examples[/]

      seqforge predict runs/names Tanaka "O'Neill" --json

      seqforge predict runs/pronounce --beam 5 < words.txt

      seqforge predict runs/digits --file images.jsonl
    """
    from seqforge.api.progress import ProgressDisplay
    from seqforge.kinds import Numbers
    from seqforge.tasks.labelled_examples import decoding_options, load_predictor

    if examples and file is not None:
        raise DataError("there are inputs as arguments and by --file", hint="Leave out one of the two.")
    opened_run, checkpoint = open_run(context, run, checkpoint)
    decoding = decoding_options(opened_run.experiment, beam=beam, length=length)
    loaded = opened_run.load(checkpoint, device)
    predictor, spec = load_predictor(loaded, decoding), loaded.example_spec
    reads_numbers = spec is not None and isinstance(spec.input, Numbers)
    # Control characters could change the state of a terminal. Other programs receive the text unchanged.
    display = printable if sys.stdout.isatty() else str
    batches = iter([examples]) if examples else _read_batches(file)
    count = 0
    for lines in batches:
        with ProgressDisplay(stderr()) as progress:
            numbered = enumerate(lines, start=count + 1)
            inputs = [_parse_numbers(line, number) for number, line in numbered] if reads_numbers else lines
            predictions = predictor(inputs, progress.on_work_progressed)
        count += len(lines)
        for line, prediction in zip(lines, predictions, strict=True):
            if as_json:
                record = {"input": line, "output": prediction.output, "confidence": prediction.confidence}
                typer.echo(json.dumps(record))
            else:
                typer.echo(display(prediction.text))
        sys.stdout.flush()


def _read_batches(file: Path | None) -> Iterator[list[str]]:
    """Yield the lines of a file, or those that have arrived from a pipe or a terminal."""
    path = None if str(file) == "-" else file
    name = path or "standard input"
    try:
        with path.open("rb") if path else nullcontext(cast("BufferedReader", sys.stdin.buffer)) as opened_file:
            number, rest = 1, b""
            while chunk := opened_file.read1(_CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                while lines and not lines[-1].rstrip(b"\r"):  # An empty line at the end of the file is no input.
                    rest = lines.pop() + b"\n" + rest
                if len(rest) > MAXIMUM_LINE:
                    raise DataError(f"{name}: line {number + len(lines)} is longer than {MAXIMUM_LINE:,} bytes")
                if lines:
                    yield [_decode(line, number + index) for index, line in enumerate(lines)]
                    number += len(lines)
            if rest.strip(b"\r\n"):
                yield [_decode(line, number + index) for index, line in enumerate(rest.split(b"\n"))]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        raise DataError(f"{name}: cannot be read: {reason}") from error


def _decode(line: bytes, number: int) -> str:
    # Some editors add carriage returns or a byte order mark, which are not part of the input.
    return line.decode().removesuffix("\r").removeprefix("\ufeff" if number == 1 else "")


def _parse_numbers(line: str, number: int) -> Any:
    import numpy as np

    try:
        return np.asarray(json.loads(line), dtype=np.float32)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        hint = "Write JSON: [0, 0.5, 1], or a list of such lists."
        raise DataError(f"example {number}: {line[:60]!r} is not a list of numbers", hint=hint) from error
