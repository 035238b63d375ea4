"""Run directories: their files, the metrics log, the history, summaries and comparisons, and the rules of resuming."""

from seqforge.runs.directory import RunDirectory
from seqforge.runs.locate import find_run, locate

__all__ = ["RunDirectory", "find_run", "locate"]
