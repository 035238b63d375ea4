"""Experiments: strict settings from TOML or Python, overrides, checks, and the JSON Schema of experiment files."""

from seqforge.experiment.compatibility import TOPOLOGIES
from seqforge.experiment.experiment import Experiment
from seqforge.experiment.schema import json_schema
from seqforge.experiment.settings import AUTO_BACKEND, Training
from seqforge.experiment.tables import override, read_table, replace_components

__all__ = [
    "AUTO_BACKEND",
    "TOPOLOGIES",
    "Experiment",
    "Training",
    "json_schema",
    "override",
    "read_table",
    "replace_components",
]
