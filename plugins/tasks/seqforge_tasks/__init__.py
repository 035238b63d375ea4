"""Labelled corpora and metrics of predictions. Importing this module registers names and does not import torch."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register every component by name and import path."""
    register.add("corpus", "digits", "seqforge_tasks.digits:Digits")
    register.add("corpus", "digit-captions", "seqforge_tasks.digits:DigitCaptions")
    register.add("corpus", "name-origins", "seqforge_tasks.name_origins:NameOrigins")
    register.add("corpus", "cmudict", "seqforge_tasks.pronunciations:Pronunciations")

    register.add("metric", "accuracy", "seqforge_tasks.metrics:Accuracy")
    register.add("metric", "confusion", "seqforge_tasks.metrics:Confusion")
    register.add("metric", "exact-match", "seqforge_tasks.metrics:ExactMatch")
    register.add("metric", "edit-distance", "seqforge_tasks.metrics:EditDistance")
    register.add("metric", "pronunciation", "seqforge_tasks.metrics:Pronunciation")
