"""Weights & Biases: offline files in the run directory, or a server."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from seqforge.errors import import_library
from seqforge.kinds import TrackedRun, Tracker


class WeightsAndBiases(Tracker):
    """A run of Weights & Biases: values, the experiment as config, samples as tables, and the report as an artifact."""

    def __init__(
        self,
        project: Annotated[str, Field(min_length=1, description="Name of the project.")] = "seqforge",
        entity: Annotated[str | None, Field(min_length=1, description="User or team; by default, your own.")] = None,
        mode: Annotated[
            Literal["offline", "online"],
            Field(description="Whether values are sent to the server, or written for a later `wandb sync`."),
        ] = "offline",
    ) -> None:
        self._options = {"project": project, "entity": entity, "mode": mode}
        self._library: Any = None
        self._run: Any = None

    def start(self, run: TrackedRun) -> str:
        """Start a run, or continue the one with the same id."""
        self._library = import_library("wandb", "seqforge-trackers[wandb]")
        identifier = run.identifier or uuid.uuid4().hex[:12]
        self._run = self._library.init(
            **self._options,
            id=identifier,
            name=run.name,
            resume="allow",
            dir=str(run.directory),
            config=dict(run.experiment),
            settings=self._library.Settings(silent=True, console="off", x_disable_stats=True),
        )
        # The axis is a value of its own, because the steps of the library must not decrease in a resumed run.
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")
        return identifier

    def log_values(self, step: int, values: Mapping[str, float]) -> None:
        """Log values."""
        self._run.log({**values, "step": step})

    def log_texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Log texts as a table."""
        rows = [[step, name, text] for name, text in texts.items()]
        self._run.log({"samples": self._library.Table(columns=["step", "name", "text"], data=rows), "step": step})

    def log_file(self, path: Path) -> None:
        """Log the file as an artifact."""
        artifact = self._library.Artifact(f"{path.stem}-{self._run.id}", type=path.stem)
        artifact.add_file(str(path))
        self._run.log_artifact(artifact)

    def finish(self, *, complete: bool) -> None:
        """End the run."""
        self._run.finish(exit_code=0 if complete else 1)
