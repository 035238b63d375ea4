"""Evaluation: the likelihood of text, scores of examples and samples, and the baseline on held-out text."""
