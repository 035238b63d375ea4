"""Trained models, each in a folder with its model card."""

from pathlib import Path

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the models of this plugin."""
    register.model("linux-small", Path(__file__).parent / "linux-small")
    register.model("shakespeare", Path(__file__).parent / "shakespeare")
