"""Vocabularies of parts of words. Importing this module registers names and does not import the library tokenizers."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the vocabularies."""
    register.add("vocabulary", "bpe", "seqforge_subwords.byte_pairs:BytePairs")
    register.add("vocabulary", "unigram", "seqforge_subwords.unigram:Unigram")
