"""One trial of an initializer, a loss, an optimizer, a schedule, a sampler, and a tracker."""

from pathlib import Path
from typing import Any

import torch

from seqforge.errors import DataError
from seqforge.experiment.check import DEFAULT_COMPONENTS
from seqforge.generation.generator import draw
from seqforge.generation.validate_automaton import first_automaton
from seqforge.kinds import (
    Sampler,
    SamplingContext,
)
from seqforge.registry import Component, Registry, resolve

TEXT = "The quick brown fox jumps over 12 lazy dogs; (a) {b} [c]\n"


def try_sampler(component: Component, registry: Registry) -> str:
    """Draw two symbols for two samples.

    Raises:
        PluginError: If the result is not logits, or every symbol is forbidden.
        DataError: If no vocabulary is installed.
    """
    sampler: Sampler = component.build()
    name = DEFAULT_COMPONENTS["vocabulary"]
    found = resolve(registry, "vocabulary", {"use": name}, "", Path.cwd())
    if not isinstance(found, Component):
        raise DataError(f"imported and built; to draw symbols, the vocabulary {name!r} is needed")
    vocabulary: Any = found.build()
    vocabulary.learn([TEXT.encode()])
    prompt = torch.as_tensor(vocabulary.encode("The ").astype("int64"))
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        memory = sampler.start(SamplingContext(prompt, 2, 8, vocabulary))
        for _ in range(2):
            logits = torch.randn(2, vocabulary.size, generator=generator)
            tokens = draw(logits, [sampler], [memory], torch.rand(2, generator=generator))
            memory = sampler.advance(memory, tokens)
    first_automaton(sampler, memory, 2, vocabulary.size)
    rule = sampler.logit_rule()
    return "2 draws" + (", and a rule for compiled code" if rule else "")
