"""Vocabularies: bytes and characters."""
