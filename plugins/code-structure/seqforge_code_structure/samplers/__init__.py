"""A sampler that keeps the brackets of C right while it is written."""
