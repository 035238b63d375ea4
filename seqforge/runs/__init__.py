"""Run directories: their layout, the metrics log, the recorded backends, and the rules of resuming."""

from seqforge.runs.directory import RunDirectory
from seqforge.runs.locate import find_run, locate

__all__ = ["RunDirectory", "find_run", "locate"]
