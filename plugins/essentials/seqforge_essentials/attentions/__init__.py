"""Attentions: additive and multiplicative."""
