"""Generation: the sampling loop with any chain of samplers, decoding of sequences, and predictions for examples."""

from seqforge.generation.decoding import TargetVocabulary, beam_search, draw_sequences
from seqforge.generation.generator import generate
from seqforge.generation.predictions import Decoding, Prediction, Predictor, RawPrediction, predict_examples
from seqforge.generation.text import encode_prompt, encode_text, sample_texts, stream_text

__all__ = [
    "Decoding",
    "Prediction",
    "Predictor",
    "RawPrediction",
    "TargetVocabulary",
    "beam_search",
    "draw_sequences",
    "encode_prompt",
    "encode_text",
    "generate",
    "predict_examples",
    "sample_texts",
    "stream_text",
]
