"""`seqforge watch`."""


def watch() -> None:
    """Follow a run."""
