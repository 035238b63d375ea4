"""Run directories: their layout, the metrics log, the recorded backends, and the rules of resuming."""

from seqforge.runs.directory import RunDirectory, locate

__all__ = ["RunDirectory", "locate"]
