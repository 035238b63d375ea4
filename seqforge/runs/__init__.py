"""Run directories: their layout, the metrics log, and what a resumed run may change."""

from seqforge.runs.directory import RunDirectory, locate

__all__ = ["RunDirectory", "locate"]
