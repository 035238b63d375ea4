"""The check of an exported model: the program that reads it computes what the run computes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqforge.data.padded_batches import PaddedBatch
from seqforge.evaluation.likelihood import bits_per_character
from seqforge.faults import component_fault
from seqforge.generation.generator import encode_prompt, generate
from seqforge.kinds import (
    ExampleSpec,
    ExportedModel,
    ExportedPredictor,
    Exporter,
    Numbers,
    PredictorExporter,
    TrainedModel,
    TrainedPredictor,
    Vocabulary,
)
from seqforge.kinds.exporter import logits_fault, name_states
from seqforge.model.sequence_model import DecoderContext, SequenceModel
from seqforge.model.stack import EncoderOutput

SYMBOLS = 1000
"""Number of symbols that both score, and that both generate."""

_SAME_BITS = 5e-5
"""Largest difference in bits per character: four digits are equal."""

_SAME_OUTPUTS = 1e-4
"""Largest difference of two outputs, as a fraction of the largest output: four digits are equal."""

_TIE = 1e-3
"""Difference of two logits that rounding may reverse, so that either symbol is the most probable one."""


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """The comparison of an exported model with its run.

    Attributes:
        program: Program that ran the exported model.
        result: What it computed, such as "1.4174 bits per character on 1,000 symbols, and the same most probable text".
        fault: How this differs from what the run computes by more than rounding, or None.
    """

    program: str
    result: str
    fault: str | None

    def line(self) -> str:
        """Return the comparison in one sentence."""
        if self.fault is not None:
            return f"{self.fault[0].upper()}{self.fault[1:]}."
        return f"{self.program} computes what the run computes: {self.result}."


def trained_model(name: str, model: SequenceModel, vocabulary: Vocabulary, **facts: Mapping[str, Any]) -> TrainedModel:
    """Return a language model in float32 as exporters receive it, with the `tables` and `facts` of its run."""
    parts = (model.input, model.stack.layers, model.norm, model.head, model.initial_states(1))
    return TrainedModel(name, vocabulary, *parts, **facts).eval()


def trained_predictor(name: str, model: SequenceModel, vocabulary: Vocabulary, spec: ExampleSpec) -> TrainedPredictor:
    """Return a model of labelled examples in float32 as exporters receive it."""
    model.output_layer = None  # torch cannot trace that of a backend.
    decoder = None if model.decoder is None else _DecoderStep(model)
    return TrainedPredictor(name, vocabulary, spec, _Encoder(model, spec.output_mode == "once"), decoder)


class _Encoder(nn.Module):
    """The outputs for examples, or what a decoder reads on every step besides the last symbol."""

    def __init__(self, model: SequenceModel, once: bool) -> None:
        super().__init__()
        self.model, self.once = model, once

    def forward(self, inputs: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        encoded, decoder = self.model.encode(inputs, lengths), self.model.decoder
        if decoder is None:
            return {"outputs": self.model.predict(encoded.last if self.once else encoded.outputs)}
        context = self.model.decoder_context(encoded)
        memory = {"summary": context.summary, **name_states(self.model.decoder_states(lengths.shape[0]))}
        if decoder.attention is not None:
            memory |= {"steps": lengths, "encoded": encoded.outputs, "projected": context.projected}
        return memory


class _DecoderStep(nn.Module):
    """A step of the decoder after a symbol, from the tensors of the encoder with the states after the last step."""

    def __init__(self, model: SequenceModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, symbols: Tensor, memory: Mapping[str, Tensor]) -> dict[str, Tensor]:
        initial, summary = self.model.decoder_states(symbols.shape[0]), memory["summary"]
        tensors = iter([memory[name] for name in name_states(initial)])
        states = tuple(type(state)(*(next(tensors) for _ in state)) for state in initial)
        encoded = EncoderOutput(memory.get("encoded", summary[None]), summary, memory.get("steps", symbols))
        context = DecoderContext(summary, encoded, memory.get("projected", summary[None]))
        logits, after = self.model.decoder_stepper()(symbols, context, states)
        return {"logits": logits, **{f"next_{name}": tensor for name, tensor in name_states(after).items()}}


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
    result, fault = f"{bits[1]:.4f} bits per character on {SYMBOLS:,} symbols", None
    if not abs(bits[1] - bits[0]) <= _SAME_BITS:
        fault = f"the model has {result} in {exported.program}, but {bits[0]:.4f} in the run"
    elif len(differing):
        symbol = f"symbol {int(differing[0]) + 1:,} of the most probable text"
        fault = f"{symbol} in {exported.program} differs from that of the run"
    return ExportCheck(exported.program, f"{result}, and the same most probable text", fault)


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


def check_predictor(
    model: TrainedPredictor, batches: Iterable[PaddedBatch], exporter: PredictorExporter, folder: Path, length: int
) -> ExportCheck:
    """Compare an exported model in a folder with the model of its run on examples.

    A decoder writes at most `length` symbols for an example, the most probable ones of the run.

    Raises:
        PluginError: If the exported model cannot be opened.
    """
    exported = exporter.open_predictor(folder)
    with torch.inference_mode():
        pairs = [pair for batch in batches for pair in _predict_both(model, exported, batch, length)]
    own, other = (torch.cat(rows) for rows in zip(*pairs, strict=True))
    difference, tolerance = (own - other).abs(), _SAME_OUTPUTS * max(1.0, own.abs().max().item())
    numbers = isinstance(model.spec.target, Numbers)
    differing = int((difference.amax(1) > tolerance if numbers else own.argmax(1) != other.argmax(1)).sum())
    largest, count = difference.max().item(), f"{len(own):,} predictions for held-out examples"
    result, fault = f"the same {count}, from outputs that differ by {largest:.0e} at most", None
    if not largest <= tolerance:
        fault = f"{differing:,} of {count} differ in {exported.program}, whose outputs differ by up to {largest:.4f}"
    return ExportCheck(exported.program, result, fault)


def _predict_both(
    model: TrainedPredictor, exported: ExportedPredictor, batch: PaddedBatch, length: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield outputs `[predictions, outputs]` of the run and of the exported model, without those for padding."""

    def run(part: Literal["encoder", "decoder"], **tensors: Tensor) -> dict[str, Tensor]:
        arrays = exported.run(part, {name: tensor.numpy() for name, tensor in tensors.items()})
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    inputs, lengths = batch.inputs, batch.lengths
    memories = model.encoder(inputs, lengths), run("encoder", inputs=inputs, lengths=lengths)
    if model.decoder is None:
        own, other = (memory["outputs"] for memory in memories)
        counted = torch.arange(len(own))[:, None] < lengths if own.ndim == 3 else ...
        yield own[counted], other[counted]
        return
    end = model.spec.output_size(model.vocabulary.size)
    symbols, live = torch.full_like(lengths, end), lengths > 0
    for _ in range(length + 1):
        after = model.decoder(symbols, memories[0]), run("decoder", symbols=symbols, **memories[1])
        own, other = (tensors.pop("logits") for tensors in after)
        yield own[live], other[live]
        symbols = own.argmax(-1)
        live = live & (symbols != end)
        if not live.any():
            return
        for memory, tensors in zip(memories, after, strict=True):
            memory |= {name.removeprefix("next_"): tensor for name, tensor in tensors.items()}
