"""The check of an exported model: the program that reads it computes what the run computes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqforge.evaluation.likelihood import bits_per_character
from seqforge.faults import component_fault
from seqforge.generation.generator import encode_prompt, generate
from seqforge.kinds import ExportedModel, Exporter, TrainedModel, Vocabulary
from seqforge.kinds.exporter import logits_fault
from seqforge.model.sequence_model import SequenceModel

SYMBOLS = 1000
"""Number of symbols that both score, and that both generate."""

_SAME_BITS = 5e-5
"""Largest difference in bits per character: four digits are equal."""

_TIE = 1e-3
"""Difference of two logits that rounding may reverse, so that either symbol is the most probable one."""


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """The comparison of an exported model with its run.

    Attributes:
        program: Program that ran the exported model.
        symbols: Number of symbols that both scored: a sample of the run. Both also continued its first symbol with as
            many of the most probable symbols.
        run_bits: Bits per character of the run.
        exported_bits: Bits per character of the exported model.
        first_difference: Number of the first generated symbol that is not the run's, from 1; None if all are equal,
            except where rounding decides between two symbols.
    """

    program: str
    symbols: int
    run_bits: float
    exported_bits: float
    first_difference: int | None

    def line(self) -> str:
        """Return the comparison in one sentence."""
        if (fault := self.fault()) is not None:
            return f"{fault[0].upper()}{fault[1:]}."
        scored = f"{self.exported_bits:.4f} bits per character on {self.symbols:,} symbols"
        return f"{self.program} computes what the run computes: {scored}, and the same most probable text."

    def fault(self) -> str | None:
        """Return how the exported model differs from its run, or None."""
        if not abs(self.exported_bits - self.run_bits) <= _SAME_BITS:
            bits = f"{self.exported_bits:.4f} bits per character on {self.symbols:,} symbols"
            return f"the model has {bits} in {self.program}, but {self.run_bits:.4f} in the run"
        if self.first_difference is not None:
            most_probable = f"symbol {self.first_difference:,} of the most probable text"
            return f"{most_probable} in {self.program} differs from that of the run"
        return None


def trained_model(name: str, model: SequenceModel, vocabulary: Vocabulary, **facts: Mapping[str, Any]) -> TrainedModel:
    """Return a language model in float32 as exporters receive it, with the `tables` and `facts` of its run."""
    parts = (model.input, model.stack.layers, model.norm, model.head, model.initial_states(1))
    return TrainedModel(name, vocabulary, *parts, **facts).eval()


def check_exported(model: SequenceModel, vocabulary: Vocabulary, exporter: Exporter, folder: Path) -> ExportCheck:
    """Compare an exported model in a folder with the model of its run, which is in float32.

    The two are compared on a sample of the run and on the most probable text.

    Raises:
        PluginError: If the exported model cannot be opened, or returns something else than its interface requires.
        RunError: If the logits of the run are not finite.
    """
    prompt = encode_prompt(vocabulary, None)
    drawn = generate(model, vocabulary, [], prompt, count=1, length=SYMBOLS, seed=0)
    sample = torch.cat([prompt, *(chunk[:, 0] for chunk in drawn)])
    exported = exporter.open(folder)
    read, targets = sample[:-1], sample[1:]
    characters = len(vocabulary.decode(cast("list[int]", targets.tolist())).decode("utf-8", "replace"))
    bits = [
        bits_per_character(nn.functional.cross_entropy(logits, targets).item(), max(characters, 1) / len(targets))
        for logits in (_read_run(model, read), _read(exporter, exported, read, vocabulary.size))
    ]
    exported, text = exporter.open(folder), prompt
    logits = _read(exporter, exported, prompt, vocabulary.size)
    for _ in range(SYMBOLS):
        text = torch.cat([text, logits[-1:].argmax(-1)])
        logits = _read(exporter, exported, text[-1:], vocabulary.size)
    own = _read_run(model, text[:-1])[len(prompt) - 1 :]
    chosen = own.gather(1, text[len(prompt) :, None])[:, 0]
    differing = (chosen < own.amax(1) - _TIE).nonzero().flatten()
    first = int(differing[0].item()) + 1 if len(differing) else None
    return ExportCheck(exported.program, SYMBOLS, bits[0], bits[1], first)


def _read_run(model: SequenceModel, symbols: Int[Tensor, " length"]) -> Float[Tensor, "length symbols"]:
    with torch.inference_mode():
        return model(symbols[:, None], model.initial_states(1))[0][:, 0].double()


def _read(
    exporter: Exporter, exported: ExportedModel, symbols: Int[Tensor, " length"], size: int
) -> Float[Tensor, "length symbols"]:
    logits = exported.read(symbols.numpy())
    if fault := logits_fault(logits, len(symbols), size):
        raise component_fault(exporter, f"read {fault}")
    return torch.from_numpy(logits.astype(np.float64))
