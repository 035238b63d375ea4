"""Data: encoding a corpus to token files or example files, the cache, splits, and batches."""
