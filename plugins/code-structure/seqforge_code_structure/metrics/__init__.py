"""Metrics of the structure of C, each with the places behind its figures."""
