"""Checkpoints: the training state and its files."""
