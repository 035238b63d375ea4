"""Experiments on made examples, of every topology."""

from typing import Any

VECTOR = {"inputs": "numbers", "input_kind": "vector"}
CASES: dict[str, dict[str, Any]] = {
    "one-to-one": {"corpus": {"use": "made", **VECTOR}, "model": {"topology": "one-to-one"}},
    "one-to-many": {
        "corpus": {"use": "made", **VECTOR, "targets": "text", "output_mode": "sequence"},
        "model": {"topology": "one-to-many"},
    },
    "many-to-one": {"corpus": {"use": "made"}, "model": {"embedding_size": 4}},
    "many-to-one, bidirectional": {"corpus": {"use": "made"}, "model": {"bidirectional": True}},
    "many-to-many": {
        "corpus": {"use": "made", "output_mode": "sequence", "longest": 4, "alternatives": 1},
        "model": {"topology": "many-to-many", "attention": {"use": "additive"}},
    },
    "synced": {"corpus": {"use": "made", "output_mode": "every step"}, "model": {"topology": "synced"}},
    "drawn": {"corpus": {"use": "made", "endless": True}},
    "drawn sequences": {
        "corpus": {"use": "made", "output_mode": "sequence", "targets": "text", "longest": 4, "endless": True},
    },
    "aligned": {
        "corpus": {"use": "made", "output_mode": "sequence"},
        "model": {"topology": "synced"},
        "loss": {"use": "ctc"},
    },
}
