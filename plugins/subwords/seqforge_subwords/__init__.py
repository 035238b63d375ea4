"""Vocabularies of parts of words. Importing this module registers names and does not import the library tokenizers."""

SEQFORGE_API = 1

COMPONENTS = {
    "vocabulary": {
        "bpe": "seqforge_subwords.subwords:BytePairs",
        "unigram": "seqforge_subwords.subwords:Unigram",
    },
}
