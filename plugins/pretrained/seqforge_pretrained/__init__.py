"""Trained models, each in a folder with its model card."""

from pathlib import Path

SEQFORGE_API = 1

MODELS = {name: Path(__file__).parent / name for name in ("linux-blocks", "linux-small", "shakespeare")}
