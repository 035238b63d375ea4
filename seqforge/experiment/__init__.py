"""Experiments: strict settings from TOML or Python, overrides, checks, and the JSON Schema of experiment files."""
