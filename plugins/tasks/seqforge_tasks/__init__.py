"""Real tasks for the five topologies, and their scores. This module names them; importing it imports no torch."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Name the components, each with where its class is."""
    register.corpus("digits", "seqforge_tasks.corpora.digits:Digits")
    register.corpus("digit-captions", "seqforge_tasks.corpora.digit_captions:DigitCaptions")
    register.corpus("name-origins", "seqforge_tasks.corpora.name_origins:NameOrigins")
    register.corpus("cmudict", "seqforge_tasks.corpora.pronunciations:Pronunciations")

    register.metric("accuracy", "seqforge_tasks.metrics.accuracy:Accuracy")
    register.metric("confusion", "seqforge_tasks.metrics.confusion:Confusion")
    register.metric("exact-match", "seqforge_tasks.metrics.exact_match:ExactMatch")
    register.metric("edit-distance", "seqforge_tasks.metrics.edit_distance:EditDistance")
    register.metric("pronunciation", "seqforge_tasks.metrics.pronunciation:Pronunciation")
