"""Initializers: the weights before the first step."""
