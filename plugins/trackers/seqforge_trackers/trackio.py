"""Trackio: a local database, shown by `trackio show`."""

from typing import Annotated, Any

from pydantic import Field

from seqforge.interfaces import Tracker


class Trackio(Tracker):
    """A run of Trackio: values, the experiment as config, samples as text, and the report as an artifact."""

    def __init__(
        self, project: Annotated[str, Field(min_length=1, description="Name of the project.")] = "seqforge"
    ) -> None:
        self._project = project
        self._library: Any = None
        self._run: Any = None
