"""Generation: the sampling loop over any chain of samplers, and answers to examples."""

from seqforge.generation.beam import DecodedSequence, beam_search
from seqforge.generation.decode import draw_sequences
from seqforge.generation.generator import encode_prompt, generate
from seqforge.generation.predictions import Decoding, RawPrediction, predict_examples
from seqforge.generation.target_vocabulary import TargetVocabulary
from seqforge.generation.text import sample_texts, stream_text

__all__ = [
    "DecodedSequence",
    "Decoding",
    "RawPrediction",
    "TargetVocabulary",
    "beam_search",
    "draw_sequences",
    "encode_prompt",
    "generate",
    "predict_examples",
    "sample_texts",
    "stream_text",
]
