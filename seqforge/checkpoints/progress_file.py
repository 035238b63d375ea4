"""`progress.json`: what a checkpoint holds beside tensors."""

from pathlib import Path
from typing import Any

import pydantic_core
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, ValidationError

from seqforge.errors import RunError
from seqforge.files import read_bounded

FORMAT_VERSION = 1
PROGRESS = "progress.json"


class SavedProgress(BaseModel):
    """A checkpoint's plain values; a file is trusted only as far as it fits this.

    Attributes:
        version: Of the checkpoint's format.
        step: Optimizer steps done.
        seconds: Training time so far.
        best_loss: The lowest validation loss so far, in nats a token; None before the first evaluation.
        stale_evaluations: Evaluations since then.
        schedule: The schedule's memory.
        optimizer: The optimizer's values that are no tensors, by parameter and name.
        batches: How many batches' recurrent states there are; 0 before the first step.
        rows: The rows of each.
        corpus: The digest of the tokens.
    """

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    version: int
    step: NonNegativeInt
    seconds: NonNegativeFloat
    best_loss: float | None
    stale_evaluations: NonNegativeInt
    schedule: dict[str, Any]
    optimizer: dict[str, dict[str, bool | int | float | str | None]]
    batches: NonNegativeInt
    rows: NonNegativeInt
    corpus: str

    def encoded(self) -> bytes:
        """Write it as JSON."""
        return self.model_dump_json().encode()


def read_progress(checkpoint: Path) -> SavedProgress:
    """Read a checkpoint's `progress.json`.

    Args:
        checkpoint: The checkpoint's folder.

    Raises:
        RunError: Where it is damaged, or of a version that this program does not know.
    """
    file = checkpoint / PROGRESS
    try:
        content = read_bounded(file)
        version = pydantic_core.from_json(content)["version"]
        if version == FORMAT_VERSION:
            return SavedProgress.model_validate_json(content)
    except (OSError, ValidationError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{file}: damaged: {_first_line(error)}",
            hint="Use another checkpoint of the run, or delete this one's folder.",
        ) from error
    raise RunError(f"{file}: version {version}; this program knows version {FORMAT_VERSION}")


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        detail = error.errors(include_url=False)[0]
        return f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}"
    return str(error).partition("\n")[0]
