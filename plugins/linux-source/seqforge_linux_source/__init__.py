"""The source of Linux as a corpus. This module names it; importing it imports no torch."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Name the corpus, with where its class is."""
    register.corpus("linux-source", "seqforge_linux_source.corpus:LinuxSource")
