"""Metrics of any text."""
