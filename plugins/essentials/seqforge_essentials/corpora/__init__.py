"""Corpora that need nothing but the user's own text."""
