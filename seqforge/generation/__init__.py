"""Generation: the sampling loop over any chain of samplers, and answers to examples."""

from seqforge.generation.beam import Written, beam_search
from seqforge.generation.decode import draw_sequences
from seqforge.generation.generator import encode_prompt, generate
from seqforge.generation.predictions import Decoding, RawAnswer, write_answers
from seqforge.generation.target_vocabulary import WrittenSymbols
from seqforge.generation.text import sample_texts, stream_text

__all__ = [
    "Decoding",
    "RawAnswer",
    "Written",
    "WrittenSymbols",
    "beam_search",
    "draw_sequences",
    "encode_prompt",
    "generate",
    "sample_texts",
    "stream_text",
    "write_answers",
]
