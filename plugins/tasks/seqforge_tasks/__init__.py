"""Labelled corpora and metrics of predictions. Importing this module registers names and does not import torch."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register every component by name and import path."""
    register.corpus("digits", "seqforge_tasks.digits:Digits")
    register.corpus("digit-captions", "seqforge_tasks.digit_captions:DigitCaptions")
    register.corpus("name-origins", "seqforge_tasks.name_origins:NameOrigins")
    register.corpus("cmudict", "seqforge_tasks.pronunciations:Pronunciations")

    register.metric("accuracy", "seqforge_tasks.label_metrics:Accuracy")
    register.metric("confusion", "seqforge_tasks.label_metrics:Confusion")
    register.metric("exact-match", "seqforge_tasks.sequence_metrics:ExactMatch")
    register.metric("edit-distance", "seqforge_tasks.sequence_metrics:EditDistance")
    register.metric("pronunciation", "seqforge_tasks.sequence_metrics:Pronunciation")
