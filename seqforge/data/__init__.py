"""Data: encoding documents to token files, splits, streams and batches."""

from seqforge.data.batches import Batch, TrainingBatches, evaluation_batches
from seqforge.data.bucketed_batches import BucketedBatches, evaluation_examples
from seqforge.data.cache import encoded_corpus, encoded_examples
from seqforge.data.dataset import Dataset, prepare
from seqforge.data.encoding import Report, encode_corpus, read_vocabulary
from seqforge.data.example_encoding import encode_examples
from seqforge.data.example_file import ExampleFile
from seqforge.data.example_spec_file import EXAMPLE_SPEC, read_example_spec
from seqforge.data.example_values import as_text, decode_target, encode_input, readable
from seqforge.data.labelled_dataset import LabelledDataset, prepare_examples
from seqforge.data.padded_batch import PaddedBatch, pad_inputs, pad_targets, read_batch
from seqforge.data.splits import Spans, SplitName, place, split
from seqforge.data.stream import TokenStream
from seqforge.data.token_file import FORMAT_VERSION, VOCABULARY, TokenFile

__all__ = [
    "EXAMPLE_SPEC",
    "FORMAT_VERSION",
    "VOCABULARY",
    "Batch",
    "BucketedBatches",
    "Dataset",
    "ExampleFile",
    "LabelledDataset",
    "PaddedBatch",
    "Report",
    "Spans",
    "SplitName",
    "TokenFile",
    "TokenStream",
    "TrainingBatches",
    "as_text",
    "decode_target",
    "encode_corpus",
    "encode_examples",
    "encode_input",
    "encoded_corpus",
    "encoded_examples",
    "evaluation_batches",
    "evaluation_examples",
    "pad_inputs",
    "pad_targets",
    "place",
    "prepare",
    "prepare_examples",
    "read_batch",
    "read_example_spec",
    "read_vocabulary",
    "readable",
    "split",
]
