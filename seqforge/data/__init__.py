"""Data: encoding a corpus to token files or example files, the cache, splits, and batches."""

from seqforge.data.batches import Batch, TokenStream, TrainingBatches, evaluation_batches
from seqforge.data.bucketed_batches import BucketedBatches, evaluation_examples
from seqforge.data.cache import load_token_file
from seqforge.data.dataset import Dataset, LabelledDataset, prepare, prepare_examples
from seqforge.data.encoding import encode_corpus, read_vocabulary
from seqforge.data.example_encoding import encode_examples
from seqforge.data.example_file import EXAMPLE_SPEC, ExampleFile, read_example_spec
from seqforge.data.padded_batch import PaddedBatch, pad_inputs, read_batch
from seqforge.data.splits import Spans, SplitName, check_split, hash_to_unit_interval, split
from seqforge.data.token_file import VOCABULARY, TokenFile
from seqforge.kinds.example_values import decode_target, encode_input, to_json_value, to_text

__all__ = [
    "EXAMPLE_SPEC",
    "VOCABULARY",
    "Batch",
    "BucketedBatches",
    "Dataset",
    "ExampleFile",
    "LabelledDataset",
    "PaddedBatch",
    "Spans",
    "SplitName",
    "TokenFile",
    "TokenStream",
    "TrainingBatches",
    "check_split",
    "decode_target",
    "encode_corpus",
    "encode_examples",
    "encode_input",
    "evaluation_batches",
    "evaluation_examples",
    "hash_to_unit_interval",
    "load_token_file",
    "pad_inputs",
    "prepare",
    "prepare_examples",
    "read_batch",
    "read_example_spec",
    "read_vocabulary",
    "split",
    "to_json_value",
    "to_text",
]
