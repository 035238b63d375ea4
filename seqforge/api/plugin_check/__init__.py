"""The check of a plugin: every component is imported, built with its defaults, and tried once."""

from seqforge.api.plugin_check.report import ComponentReport, Verdict, check_component, check_model, imports_torch

__all__ = ["ComponentReport", "Verdict", "check_component", "check_model", "imports_torch"]
