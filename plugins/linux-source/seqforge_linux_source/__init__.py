"""The source of Linux as a corpus. Importing this module does not import torch."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the corpus by name and import path."""
    register.add("corpus", "linux-source", "seqforge_linux_source.corpus:LinuxSource")
