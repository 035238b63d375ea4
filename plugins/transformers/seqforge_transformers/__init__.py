"""Export for the library transformers. Importing this module registers a name and does not import torch."""

SEQFORGE_API = 1

COMPONENTS = {"exporter": {"transformers": "seqforge_transformers.exporter:Transformers"}}
