"""TensorBoard: event files in the run directory."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from seqforge.errors import import_library
from seqforge.kinds import TrackedRun, Tracker

FOLDER = "tensorboard"


class TensorBoard(Tracker):
    """Event files in the folder `tensorboard` of the run directory, for `tensorboard --logdir runs`."""

    _writer: Any

    def start(self, run: TrackedRun) -> str:
        """Open an event file. TensorBoard ignores earlier values of the steps that are taken again.

        Raises:
            OSError: If the folder cannot be written.
        """
        folder = run.directory / FOLDER
        folder.mkdir(exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):  # A thread of the library would print a traceback.
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        writer = import_library("torch.utils.tensorboard", "seqforge-trackers[tensorboard]").SummaryWriter
        self._writer = writer(str(folder), purge_step=run.step + 1 if run.step else None)
        if not run.step:
            self._writer.add_text("experiment", _as_code(tomli_w.dumps(run.experiment)), 0)
        return FOLDER

    def log_values(self, step: int, values: Mapping[str, float]) -> None:
        """Write scalars."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def log_texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Write texts, and all events so far to the disk."""
        for name, text in texts.items():
            self._writer.add_text(name, _as_code(text), step)
        self._writer.flush()

    def log_file(self, path: Path) -> None:
        """Write the path of the file as text, since TensorBoard stores no files."""
        self._writer.add_text("files", str(path))

    def finish(self, *, complete: bool) -> None:
        """Close the event file."""
        self._writer.close()


def _as_code(text: str) -> str:
    """Return a text as a code block of Markdown, which TensorBoard displays without interpreting its content."""
    return "".join(f"    {line}" for line in text.splitlines(keepends=True))
