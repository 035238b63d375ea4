"""The source of Linux as a corpus. Importing this module does not import torch."""

SEQFORGE_API = 1

COMPONENTS = {"corpus": {"linux-source": "seqforge_linux_source.corpus:LinuxSource"}}
