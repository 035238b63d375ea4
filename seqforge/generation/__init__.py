"""Generation: the sampling loop, over any chain of samplers."""

from seqforge.generation.generator import encode_prompt, generate
from seqforge.generation.text import sample_texts, stream_text

__all__ = ["encode_prompt", "generate", "sample_texts", "stream_text"]
