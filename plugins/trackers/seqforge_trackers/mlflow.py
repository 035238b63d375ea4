"""MLflow: a SQLite file, another database or a server."""

import logging
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import Field

from seqforge.errors import import_library
from seqforge.kinds import TrackedRun, Tracker
from seqforge.runs.comparison import flatten

DATABASE, ARTIFACTS = "mlflow.db", "mlartifacts"

_PACKAGE = "seqforge-trackers[mlflow]"

LONGEST_PARAMETER = 500
"""Largest number of characters of a parameter that every version of MLflow accepts."""

PARAMETERS_OF_BATCH = 100


class MLflow(Tracker):
    """A run in an MLflow experiment: metrics, the settings as parameters, samples and the report as artifacts."""

    def __init__(
        self,
        uri: Annotated[
            str | None,
            Field(
                min_length=1,
                description="Tracking URI, such as http://localhost:5000. By default, the file mlflow.db in the folder "
                "of the run directory.",
            ),
        ] = None,
        experiment: Annotated[str, Field(min_length=1, description="Name of the MLflow experiment.")] = "seqforge",
    ) -> None:
        self._uri = uri
        self._experiment = experiment
        self._client: Any = None
        self._run = ""

    def start(self, run: TrackedRun) -> str:
        """Create a run, or set the state of the existing run to running."""
        folder = run.directory.absolute().parent
        library = import_library("mlflow", _PACKAGE)
        # Messages about the tables of a new database.
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = library.MlflowClient(tracking_uri=self._uri or database_uri(folder / DATABASE))
        if run.identifier is not None:
            self._run = run.identifier
            self._client.update_run(self._run, status="RUNNING")
            return self._run
        found = self._client.get_experiment_by_name(self._experiment)
        artifacts = (folder / ARTIFACTS).as_uri() if self._uri is None else None
        experiment = found.experiment_id if found else self._client.create_experiment(self._experiment, artifacts)
        self._run = self._client.create_run(experiment, run_name=run.name).info.run_id
        # Long values are cut, since the whole experiment is an artifact.
        parameters = [(_name(key), _shorten(str(value))) for key, value in flatten(run.experiment)]
        entity = import_library("mlflow.entities", _PACKAGE).Param
        for start in range(0, len(parameters), PARAMETERS_OF_BATCH):
            batch = [entity(name, value) for name, value in parameters[start : start + PARAMETERS_OF_BATCH]]
            self._client.log_batch(self._run, params=batch)
        self._client.log_text(self._run, tomli_w.dumps(run.experiment), "experiment.toml")
        return self._run

    def log_values(self, step: int, values: Mapping[str, float]) -> None:
        """Log metrics in one call."""
        entity, now = import_library("mlflow.entities", _PACKAGE).Metric, int(1000 * time.time())
        metrics = [entity(_name(name), value, now, step) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def log_texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Log each text as an artifact."""
        for name, text in texts.items():
            folder, _, number = name.partition("/")
            self._client.log_text(self._run, text, f"{folder}/step-{step:08}-{number}.txt")

    def log_file(self, path: Path) -> None:
        """Log the file as an artifact."""
        self._client.log_artifact(self._run, str(path))

    def finish(self, *, complete: bool) -> None:
        """Set the state of the run."""
        self._client.set_terminated(self._run, "FINISHED" if complete else "KILLED")


def database_uri(path: Path) -> str:
    """Return the URI of a SQLite file. SQLAlchemy quotes the characters of a path that have a meaning in a URI."""
    uri: str = import_library("sqlalchemy", _PACKAGE).URL.create("sqlite", database=str(path)).render_as_string()
    return uri


def _name(name: str) -> str:
    """Return a name without the characters that MLflow does not accept."""
    return re.sub(r"[^\w./ -]", "_", name).replace("/", "." if name.count("/") > 1 else "/")


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_PARAMETER else f"{text[: LONGEST_PARAMETER - 1]}…"
