"""Samplers: from logits to the distribution that the next symbol is drawn from."""
