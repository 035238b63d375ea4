"""Trackio: a local database, shown by `trackio show`."""

import contextlib
import io
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from seqforge.errors import import_library
from seqforge.kinds import TrackedRun, Tracker


class Trackio(Tracker):
    """A run of Trackio: values, the experiment as config, samples as text, and the report as an artifact."""

    def __init__(
        self, project: Annotated[str, Field(min_length=1, description="Name of the project.")] = "seqforge"
    ) -> None:
        self._project = project
        self._library: Any = None
        self._run: Any = None

    def start(self, run: TrackedRun) -> str:
        """Start a run, or continue the one with the same name."""
        self._library = import_library("trackio", "seqforge-trackers[trackio]")
        short = re.sub(r"[^\w.-]", "-", run.name)[:100]
        name = run.identifier or f"{short}-{uuid.uuid4().hex[:8]}"
        with _quiet():
            self._run = self._library.init(
                self._project,
                name=name,
                config=dict(run.experiment),
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        return name

    def log_values(self, step: int, values: Mapping[str, float]) -> None:
        """Log values."""
        self._run.log(dict(values), step=step)

    def log_texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Log each text as a code block of Markdown."""
        fence = "`" * (1 + max((len(run) for text in texts.values() for run in re.findall("`+", text)), default=2))
        blocks = {name: self._library.Markdown(f"{fence}\n{text}\n{fence}") for name, text in texts.items()}
        self._run.log(blocks, step=step)

    def log_file(self, path: Path) -> None:
        """Log the file as an artifact."""
        self._run.log_artifact(str(path), name=f"{path.stem}-{self._run.name}", type=path.stem)

    def finish(self, *, complete: bool) -> None:
        """End the run, after all values are written."""
        with _quiet():
            self._library.finish()


def _quiet() -> contextlib.redirect_stdout[io.StringIO]:
    """Return a context in which the library prints nothing."""
    return contextlib.redirect_stdout(io.StringIO())
