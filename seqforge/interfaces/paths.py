"""Paths in an experiment file are relative to the file."""

from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import AfterValidator, ValidationInfo

from seqforge.files import expand_home


def _resolve(path: Path, info: ValidationInfo) -> Path:
    """Join a path to the experiment's folder, and expand a leading `~`."""
    context = cast("dict[str, Any]", info.context or {})
    folder: Path = context.get("folder", Path.cwd())
    return folder / expand_home(path)


ExperimentPath = Annotated[Path, AfterValidator(_resolve)]
"""A path option of a component: relative to the experiment file, or to the current folder where there is none."""
