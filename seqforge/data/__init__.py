"""Data: encoding documents to token files, splits, streams and batches."""

from seqforge.data.batches import Batch, TrainingBatches, evaluation_batches
from seqforge.data.cache import CACHE_VARIABLE, cache_folder, encoded_corpus
from seqforge.data.dataset import Dataset, prepare
from seqforge.data.encoding import Report, encode_corpus, read_vocabulary
from seqforge.data.splits import Spans, SplitName, split
from seqforge.data.stream import TokenStream
from seqforge.data.token_file import FORMAT_VERSION, VOCABULARY, TokenFile

__all__ = [
    "CACHE_VARIABLE",
    "FORMAT_VERSION",
    "VOCABULARY",
    "Batch",
    "Dataset",
    "Report",
    "Spans",
    "SplitName",
    "TokenFile",
    "TokenStream",
    "TrainingBatches",
    "cache_folder",
    "encode_corpus",
    "encoded_corpus",
    "evaluation_batches",
    "prepare",
    "read_vocabulary",
    "split",
]
