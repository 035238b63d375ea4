"""One trial of an initializer, a loss, an optimizer, a schedule, a sampler, and a tracker."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seqforge.errors import DataError
from seqforge.experiment.check import DEFAULT_COMPONENTS
from seqforge.faults import checked_state, plugin_fault
from seqforge.generation.generator import draw
from seqforge.generation.validate_automaton import first_automaton
from seqforge.kinds import (
    IGNORED_TARGET,
    Initializer,
    Loss,
    Optimizer,
    Progress,
    Sampler,
    SamplingContext,
    Schedule,
)
from seqforge.kinds.initializer import initialize_parameter
from seqforge.kinds.optimizer import build_optimizer
from seqforge.kinds.schedule import learning_rate_factor
from seqforge.registry import Component, Registry, resolve
from seqforge.runs.optimizer_state import split_optimizer_state

TEXT = "The quick brown fox jumps over 12 lazy dogs; (a) {b} [c]\n"


def try_initializer(component: Component, registry: Registry) -> str:
    """Fill a recurrent weight, an input weight and a bias.

    Raises:
        PluginError: If it returns other values, or a number is not finite.
    """
    initializer: Initializer = component.build()
    parameters = {"recurrent_weight": torch.zeros(16, 4), "input_weight": torch.zeros(16, 3), "bias": torch.zeros(16)}
    with torch.random.fork_rng(), torch.no_grad():
        for name, parameter in parameters.items():
            initialize_parameter(initializer, f"stack.cells.0.{name}", parameter)
    return "filled a recurrent weight, an input weight and a bias"


def try_loss(component: Component, registry: Registry) -> str:
    """Compute the loss of random outputs, with a target that is ignored, and its gradient.

    Raises:
        PluginError: If the loss is not a finite scalar, or an ignored target changes it.
    """
    loss: Loss = component.build()
    outputs = torch.randn(6, 2, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    targets: Tensor = torch.arange(12).reshape(6, 2) % 5
    ignored: float = IGNORED_TARGET
    if loss.aligns:
        targets = torch.tensor([[1, 2], [3, IGNORED_TARGET]])
    elif loss.compares == "numbers":
        targets, ignored = torch.ones(6, 2, 5), torch.nan
    if not loss.aligns:
        targets[-1, -1] = ignored
    value = loss(outputs, targets)
    (gradient,) = torch.autograd.grad(value, outputs)
    if not value.isfinite() or not gradient.isfinite().all():
        raise plugin_fault("loss", component.name, f"its value is {value.item()}, or its gradient is not finite")
    if not loss.aligns and gradient[-1, -1].any():
        raise plugin_fault("loss", component.name, f"a target that is ignored ({ignored}) has a gradient")
    return f"{value.item():.3g} for random outputs, with its gradient"


def try_optimizer(component: Component, registry: Registry) -> str:
    """Take one step on a quadratic.

    Raises:
        PluginError: If it returns no torch optimizer, changes nothing, or has a state that no checkpoint can hold.
    """
    builder: Optimizer = component.build()
    model = nn.Linear(4, 3)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = build_optimizer(builder, model.named_parameters())
    model(torch.ones(2, 4)).square().sum().backward()
    optimizer.step()
    after = list(model.parameters())
    if not all(parameter.isfinite().all() for parameter in after):
        raise plugin_fault("optimizer", component.name, "a parameter is not finite after a step")
    if all(torch.equal(old, new) for old, new in zip(before, after, strict=True)):
        raise plugin_fault("optimizer", component.name, "a step with a gradient changes no parameter")
    tensors, _ = split_optimizer_state(optimizer)
    names = sorted({name.rpartition(".")[2] for name in tensors})
    return f"one step; its state holds {', '.join(names) or 'nothing'}"


def try_schedule(component: Component, registry: Registry) -> str:
    """Return the factors of a run of 100 steps, and restore the state.

    Raises:
        PluginError: If a factor is negative or not finite, or the state is not plain JSON.
    """
    schedule: Schedule = component.build()
    factors: list[float] = []
    for step in range(101):
        factors.append(learning_rate_factor(schedule, Progress(step, step / 50, step / 100)))
        if step % 25 == 0:
            schedule.observe(2.0)
    restored: Schedule = component.build()
    restored.restore(checked_state(schedule.state))
    end = Progress(100, 2.0, 1.0)
    if learning_rate_factor(restored, end) != learning_rate_factor(schedule, end):
        raise plugin_fault("schedule", component.name, "its factor differs after its state is restored")
    return f"factors {factors[0]:.3g}, {factors[50]:.3g} and {factors[100]:.3g} at 0%, 50% and 100%"


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


def try_tracker(component: Component, registry: Registry) -> str:
    """Build a tracker. It is not started, because it may connect to a server."""
    component.build()
    return "built, but not started, because it may connect to a server"
