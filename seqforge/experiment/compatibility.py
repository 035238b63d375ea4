"""Topologies, and the check that the parts of an experiment and the sizes of its cells fit. It reads no data."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from seqforge.errors import PluginError, SeqforgeError
from seqforge.experiment.model import Model
from seqforge.experiment.settings import Data, Decoding, Sampling, Training
from seqforge.faults import blame_plugin, plugin_fault
from seqforge.kinds import (
    Cell,
    Classes,
    ExampleSpec,
    LabelledCorpus,
    Loss,
    Numbers,
    PredictionMetric,
    RedrawingSampler,
    Sampler,
    Text,
)
from seqforge.kinds.labelled_corpus import example_spec_fault
from seqforge.kinds.table import KINDS
from seqforge.registry.component import Component, UnfitOptionsError
from seqforge.registry.problems import Problem, join_key

UNKNOWN_SIZES: Sequence[int] = (64, 97)
"""Input sizes for which the lowest cell is tried if it reads symbols of a vocabulary whose size is not known yet."""


def layer_problems(model: Model, input_size: int | None) -> Iterator[Problem]:
    """Yield the problem of the lowest layer that cannot be built, at the option that causes it, or of tied weights.

    A cell states it with a `ValueError`, whose message names the option first. Other errors are those of its author,
    and are reported when the model is built. The input size of the lowest layer is None if it is that of a vocabulary,
    which is not known yet.
    """
    sizes: Sequence[int] = UNKNOWN_SIZES if input_size is None else (input_size,)
    index = -1
    previous: Component | None = None
    built_for: Sequence[int] = ()
    for component in model.cells:
        if component is previous and sizes == built_for:
            continue
        index += component is not previous  # A table with `repeat` stands for several layers.
        previous, built_for = component, sizes
        outputs: set[int] = set()
        problems: set[Problem] = set()
        for size in sizes:
            try:
                with torch.device("meta"):  # without memory and numbers, so that a large cell is built in a millisecond
                    cell: Cell[Any] = component.build(input_size=size)
                outputs.add(cell.hidden_size)
            except UnfitOptionsError as error:
                problems.add(_problem(component, error, index))
            except Exception:  # noqa: BLE001 - the error of an author, which is reported when the model is built
                return
        if len(problems) == 1 and not outputs:
            yield from problems
        if len(outputs) != 1 or problems:
            return  # It depends on the size of the vocabulary.
        (hidden_size,) = outputs
        sizes = (hidden_size * 2 if model.bidirectional else hidden_size,)
    if model.tied_weights and model.embedding_size and sizes != (model.embedding_size,):
        difference = f"the embedding has {model.embedding_size} features, and the highest layer has {sizes[0]} outputs"
        yield Problem("model.tied_weights", difference, f"Use model.embedding_size = {sizes[0]}.")


def _problem(layer: Component, error: UnfitOptionsError, index: int) -> Problem:
    """Return the problem at the first option that the message names, or at the component."""
    named = [word for word in re.findall(r"\w+", error.reason) if word in error.component.options]
    return Problem(join_key("model.cells", index, *(layer.path_to(error.component) or []), *named[:1]), error.reason)


TOPOLOGIES = {
    "one-to-one": ("vector", "once"),
    "one-to-many": ("vector", "sequence"),
    "many-to-one": ("sequence", "once"),
    "many-to-many": ("sequence", "sequence"),
    "synced": ("sequence", "every step"),
}
"""Kind of the input and mode of the output of each shape of model, as in Karpathy's blog post (2015)."""


def is_labelled(corpus: Component) -> bool:
    """Return whether a corpus yields labelled examples, and not a stream of text."""
    return issubclass(corpus.component, LabelledCorpus)


def example_spec_of(corpus: Component) -> ExampleSpec | None:
    """Return the example spec of a corpus, or None for a stream of text. The corpus is not built.

    Raises:
        PluginError: If the corpus cannot compute its example spec.
    """
    if not is_labelled(corpus):
        return None
    labelled: type[LabelledCorpus] = corpus.component
    specs = {
        name: example_spec_of(part)
        for name, part in corpus.options.items()
        if isinstance(part, Component) and is_labelled(part)
    }
    with blame_plugin("corpus", corpus.name, labelled, "its example_spec fails"):
        try:
            spec: Any = labelled.example_spec({**corpus.options, **specs})
        except ValueError as error:
            raise PluginError(f"corpus {corpus.name!r}: {error}") from error
    if fault := example_spec_fault(spec):
        raise plugin_fault("corpus", corpus.name, fault)
    return spec


def derive_topology(spec: ExampleSpec | None, loss: type[Loss]) -> str:
    """Return the name of the topology that a corpus and a loss need.

    A model of a stream of text, which has no example spec, predicts the next symbol on every step. With a loss that
    aligns sequences, the model has an output on every step of the input.
    """
    if spec is None:
        return "synced"
    output_mode = "every step" if _is_aligned(spec, loss) else spec.output_mode
    return next(name for name, modes in TOPOLOGIES.items() if modes == (spec.input_kind, output_mode))


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of an experiment that must be compatible. An absent one has defaults, which fit any corpus."""

    corpus: Component
    loss: Component
    vocabulary: Component | None = None
    samplers: list[Component] = field(default_factory=list[Component])
    metrics: list[Component] = field(default_factory=list[Component])
    model: Model = field(default_factory=Model.model_construct)
    data: Data = field(default_factory=Data.model_construct)
    training: Training = field(default_factory=Training.model_construct)
    prediction: Decoding = field(default_factory=Decoding.model_construct)
    sampling: Sampling = field(default_factory=Sampling.model_construct)


def incompatibilities(valid: Mapping[str, Any]) -> list[Problem]:
    """Return a problem, with its key, for each part of an experiment that is incompatible with the others.

    Args:
        valid: Fields of an experiment that are valid by themselves. Nothing is compared without the corpus, on which
            every part depends, and the loss, on which the topology depends.
    """
    if "corpus" not in valid or "loss" not in valid:
        return []
    parts = _Parts(**{part.name: valid[part.name] for part in fields(_Parts) if part.name in valid})
    try:
        spec = example_spec_of(parts.corpus)
    except SeqforgeError as error:
        return [Problem("corpus", error.message, error.hint or "")]
    problems = _stream_incompatibilities(parts) if spec is None else _labelled_incompatibilities(parts, spec)
    found = [problem for problem in problems if problem.key.partition(".")[0] in valid]
    found += _chain_incompatibilities(parts.samplers)
    if "model" in valid:
        size = spec.input.size if spec is not None and isinstance(spec.input, Numbers) else None
        found += layer_problems(parts.model, parts.model.embedding_size or size)
    return found


def _stream_incompatibilities(parts: _Parts) -> Iterator[Problem]:
    corpus = parts.corpus.registration.name
    topology_name = parts.model.topology or "synced"
    if topology_name != "synced":
        needs = "one target" if TOPOLOGIES[topology_name][1] == "once" else "a target sequence"
        yield Problem(
            "model.topology",
            f"{topology_name} needs {needs} for each example, but {corpus} is a stream of text without targets",
            "Leave it out: a language model is synced, which means that it predicts the next symbol on every step.",
        )
        return
    if parts.model.bidirectional:
        yield Problem(
            "model.bidirectional",
            "a language model cannot read backwards, since it would read the symbols that it has to predict",
            "Leave it out.",
        )
    if parts.model.tied_weights and parts.model.embedding_size is None:
        problem = "needs model.embedding_size, the size of the outputs of the highest layer"
        yield Problem("model.tied_weights", problem, "Add --set model.embedding_size=SIZE.")
    if parts.model.initial_state == "learned" and parts.data.reset_state != "document":
        yield Problem(
            "model.initial_state",
            "a learned state is trained where the state is reset, which is once in an epoch here",
            "Add --set data.reset_state=document.",
        )
    yield from _decoder_incompatibilities(parts.model)
    loss: type[Loss] = parts.loss.component
    if loss.compares != "symbols" or loss.aligns:
        problem = f"{parts.loss.name} cannot compare single symbols, the targets of a language model"
        yield Problem("loss.use", problem, "Use cross-entropy.")
    for name in () if parts.data.validation_fraction else ("patience", "average_after"):
        if getattr(parts.training, name) is not None:
            problem = "needs evaluations, but data.validation_fraction is 0, so that there is no validation split"
            yield Problem(f"training.{name}", problem, "Leave it out, or set data.validation_fraction.")
    for index, metric in enumerate(parts.metrics):
        if issubclass(metric.component, PredictionMetric):
            problem = f"{metric.name} scores predictions for labelled examples, but {corpus} is a stream of text"
            yield Problem(join_key("metrics", index, "use"), problem, "Leave it out.")
        elif metric.component.exact_text and parts.vocabulary and parts.vocabulary.options.get("unknown") is not None:
            problem = f"{metric.name} cannot score texts in which vocabulary.unknown replaces what it does not know"
            yield Problem(join_key("metrics", index, "use"), problem, "Leave out one of the two.")
    yield from _ineffective_settings(
        parts, _EXAMPLE_SETTINGS, f"applies to labelled examples only, but {corpus} is a stream of text"
    )


def _decoder_incompatibilities(model: Model) -> Iterator[Problem]:
    """Yield a problem for each component of a model that needs a decoder over a sequence."""
    for kind in KINDS.values():
        needs_decoder = all(interface.data == "sequences" for interface in kind.interfaces)
        if kind.key and needs_decoder and getattr(model, kind.attribute) is not None:
            problem = f"{kind.name} needs a decoder over a sequence, as only a many-to-many model has"
            yield Problem(kind.key, problem, "Leave it out.")


def _chain_incompatibilities(samplers: Sequence[Component]) -> Iterator[Problem]:
    """Yield a problem for each sampler that cannot go back with one that lets symbols be drawn again."""
    first = next((sampler for sampler in samplers if issubclass(sampler.component, RedrawingSampler)), None)
    for index, sampler in enumerate(samplers):
        redraws = issubclass(sampler.component, RedrawingSampler)
        if first is not None and sampler is not first and (redraws or sampler.component.start is not Sampler.start):
            reason = "does so, too" if redraws else "remembers them"
            problem = f"{first.name} lets symbols be drawn again, but {sampler.name} {reason}"
            yield Problem(join_key("sampler", index, "use"), problem, "Leave out one of the two.")


def _labelled_incompatibilities(parts: _Parts, spec: ExampleSpec) -> Iterator[Problem]:
    corpus = parts.corpus.registration.name
    loss: type[Loss] = parts.loss.component
    aligned = _is_aligned(spec, loss)
    derived = derive_topology(spec, loss)
    topology_name = parts.model.topology or derived
    if topology_name != derived:
        input_kind, output_mode = TOPOLOGIES[topology_name]
        shape = f"{_INPUTS[input_kind]} and predicts {_OUTPUTS[output_mode]}"
        examples = _describe(spec) + (f", which {parts.loss.name} aligns with the input" if aligned else "")
        problem = f"{topology_name} reads {shape}, but {corpus} has {examples}"
        yield Problem("model.topology", problem, f"Leave it out, or use {derived}.")
    numbers = isinstance(spec.target, Numbers)
    if numbers != (loss.compares == "numbers") or (loss.aligns and not aligned):
        targets, suitable = ("numbers", "mean-squared-error") if numbers else ("single symbols", "cross-entropy")
        problem = f"{parts.loss.name} cannot compare {targets}, the targets of {corpus}"
        yield Problem("loss.use", problem, f"Use {suitable}.")
    if parts.model.tied_weights:
        problem = "only a language model has one vocabulary for its inputs and outputs"
        yield Problem("model.tied_weights", problem, "Leave it out.")
    if parts.model.bidirectional and spec.input_kind == "vector":
        problem = f"only a sequence can be read backwards, but an input of {corpus} is one vector"
        yield Problem("model.bidirectional", problem, "Leave it out.")
    has_decoder = spec.output_mode == "sequence" and not aligned
    if not (has_decoder and spec.input_kind == "sequence"):
        yield from _decoder_incompatibilities(parts.model)
    if parts.data.split != "document":
        problem = "labelled examples are split by their names, or as their corpus assigns them"
        yield Problem("data.split", problem, "Leave it out.")
    for index, metric in enumerate(parts.metrics):
        key = join_key("metrics", index, "use")
        if not issubclass(metric.component, PredictionMetric):
            problem = f"{metric.name} scores samples of a language model, but {corpus} has labelled examples"
            yield Problem(key, problem, "Leave it out.")
        elif not metric.component.fits(spec):
            problem = f"{metric.name} cannot score predictions for {corpus}, which has {_describe(spec)}"
            yield Problem(key, problem, "Leave it out.")
    yield from _ineffective_settings(
        parts, _STREAM_SETTINGS, f"applies to streams of text only, but {corpus} has labelled examples"
    )
    if not has_decoder:
        yield from _ineffective_settings(
            parts, _DECODER_SETTINGS, f"applies to decoders only, but a model of {corpus} has no decoder"
        )


_STREAM_SETTINGS = (
    "model.activation_penalty",
    "model.temporal_activation_penalty",
    "data.piece_length",
    "data.reset_state",
    "training.sequence_length",
    "sampling.length",
    "sampling.prompt",
)
_DECODER_SETTINGS = (
    "training.scheduled_sampling",
    "prediction.beam",
    "prediction.length_normalization",
    "prediction.length",
)
_EXAMPLE_SETTINGS = ("training.batch_tokens", *_DECODER_SETTINGS)


def _ineffective_settings(parts: _Parts, keys: Sequence[str], reason: str) -> Iterator[Problem]:
    """Yield a problem for each of the keys that is set, although it has no effect."""
    for key in keys:
        section, name = key.split(".")
        settings = getattr(parts, section)
        if getattr(settings, name) != type(settings).model_fields[name].default:
            yield Problem(key, reason, "Leave it out.")


def _is_aligned(spec: ExampleSpec, loss: type[Loss]) -> bool:
    return loss.aligns and spec.input_kind == spec.output_mode == "sequence"


_INPUTS = {"vector": "one vector", "sequence": "a sequence"}
_OUTPUTS = {"once": "one target", "every step": "a target for every step", "sequence": "a new sequence"}


def _describe(spec: ExampleSpec) -> str:
    vectors = {"vector": "one vector", "sequence": "a sequence of vectors"}
    source = "text" if isinstance(spec.input, Text) else vectors[spec.input_kind]
    target = "numbers" if isinstance(spec.target, Numbers) else "a class"
    targets = {
        "once": target,
        "every step": f"{target} for every step",
        "sequence": "a sequence of classes" if isinstance(spec.target, Classes) else "a text",
    }
    return f"{source} as input and {targets[spec.output_mode]} as target"
