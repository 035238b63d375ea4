"""Experiments: strict settings from TOML or Python, overrides, checks, and the JSON Schema of experiment files."""

from seqforge.experiment.compatibility import TOPOLOGIES
from seqforge.experiment.experiment import Experiment
from seqforge.experiment.samplers import with_samplers, with_temperature
from seqforge.experiment.schema import json_schema
from seqforge.experiment.settings import AUTO_BACKEND, Training
from seqforge.experiment.tables import merge_tables, override, read_table, replace_components

__all__ = [
    "AUTO_BACKEND",
    "TOPOLOGIES",
    "Experiment",
    "Training",
    "json_schema",
    "merge_tables",
    "override",
    "read_table",
    "replace_components",
    "with_samplers",
    "with_temperature",
]
