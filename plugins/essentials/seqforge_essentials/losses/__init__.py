"""Losses: cross-entropy."""
