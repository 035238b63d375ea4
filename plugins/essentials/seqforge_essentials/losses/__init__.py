"""Losses: cross-entropy, mean squared error, and connectionist temporal classification."""
