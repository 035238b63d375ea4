"""Labelled corpora and metrics of predictions. Importing this module registers names and does not import torch."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register every component by name and import path."""
    register.add("corpus", "digits", "seqforge_tasks.digits:Digits")
    register.add("corpus", "digit-captions", "seqforge_tasks.digit_captions:DigitCaptions")
    register.add("corpus", "name-origins", "seqforge_tasks.name_origins:NameOrigins")
    register.add("corpus", "cmudict", "seqforge_tasks.pronunciations:Pronunciations")

    register.add("metric", "accuracy", "seqforge_tasks.label_metrics:Accuracy")
    register.add("metric", "confusion", "seqforge_tasks.label_metrics:Confusion")
    register.add("metric", "exact-match", "seqforge_tasks.sequence_metrics:ExactMatch")
    register.add("metric", "edit-distance", "seqforge_tasks.sequence_metrics:EditDistance")
    register.add("metric", "pronunciation", "seqforge_tasks.sequence_metrics:Pronunciation")
