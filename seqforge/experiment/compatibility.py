"""Whether topology, corpus, loss and metrics go together: what is refused, in words, before anything is read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqforge.errors import PluginError, SeqforgeError, did_you_mean
from seqforge.experiment.settings import SECTIONS
from seqforge.experiment.topology import TOPOLOGIES, Topology
from seqforge.interfaces import Classes, ExampleSpec, LabelledCorpus, Loss, Numbers, PredictionMetric, Text
from seqforge.registry import Component, Problem, blame_plugin, join, plugin_fault

_OF_STREAMS = ("training.sequence_length", "sampling.length", "sampling.prompt")
_OF_EXAMPLES = ("training.batch_tokens", "training.scheduled_sampling", "prediction.beam",
                "prediction.length_normalization", "prediction.length")  # fmt: skip
_OF_WRITING = ("training.scheduled_sampling", "prediction.beam", "prediction.length_normalization", "prediction.length")


@dataclass(frozen=True, slots=True)
class Selection:
    """What has to go together.

    Attributes:
        sections: Every section, as plain values, by name.
        corpus: Where text or examples come from.
        loss: What training makes small.
        attention: Where a writer looks, if it does.
        metrics: What samples, or predictions, are judged by.
    """

    sections: Mapping[str, Mapping[str, Any]]
    corpus: Component
    loss: Component
    attention: Component | None
    metrics: Sequence[Component]


def is_labelled(corpus: Component) -> bool:
    """Say whether a corpus gives labelled examples, and not a stream of text.

    Args:
        corpus: As the experiment chose it.
    """
    return issubclass(corpus.component, LabelledCorpus)


def example_spec_of(corpus: Component) -> ExampleSpec:
    """Ask a labelled corpus what its examples are made of.

    Args:
        corpus: As the experiment chose it.

    Raises:
        SeqforgeError: Where it cannot say.
    """
    built: LabelledCorpus = corpus.build()
    with blame_plugin("corpus", corpus.name, corpus.component, "it cannot say its form"):
        try:
            spec: Any = built.spec
        except ValueError as error:
            raise PluginError(f"corpus {corpus.name!r}: {error}") from error
    if not isinstance(spec, ExampleSpec):
        raise plugin_fault("corpus", corpus.name, f"its form is a {type(spec).__name__}, not a Form")
    return spec


def unknown_topology(name: str) -> Problem | None:
    """Refuse a name that no topology has.

    Args:
        name: As the experiment has it.
    """
    if name in TOPOLOGIES:
        return None
    return Problem("model.topology", f"no topology is called {name!r}", did_you_mean(name, TOPOLOGIES))


def incompatibilities(selection: Selection) -> Iterator[Problem]:
    """Refuse what does not go together.

    Args:
        selection: What the experiment chose; its topology has a known name.

    Yields:
        Everything that is wrong.
    """
    topology = TOPOLOGIES[selection.sections["model"]["topology"]]
    if not is_labelled(selection.corpus):
        yield from _stream_incompatibilities(selection, topology)
        return
    try:
        spec = example_spec_of(selection.corpus)
    except SeqforgeError as error:
        yield Problem("corpus", error.message, error.hint or "")
        return
    yield from _labelled_incompatibilities(selection, topology, spec)


def _stream_incompatibilities(selection: Selection, topology: Topology) -> Iterator[Problem]:
    corpus = selection.corpus.registration.name
    if topology.name != "synced":
        needs = "one label an example" if topology.output_mode == "once" else "a sequence to write for each example"
        yield Problem(
            "model.topology",
            f"topology {topology.name} needs {needs}; {corpus} gives an unlabelled stream",
            "Use synced, which predicts the next symbol on every step.",
        )
        return
    if selection.sections["model"]["bidirectional"]:
        yield Problem(
            "model.bidirectional",
            "a language model cannot read backwards: it would see the symbol that it is to predict",
            "Leave it out.",
        )
    if selection.attention is not None:
        yield Problem("model.attention", f"a writer attends; with {corpus} there is nothing to write", "Leave it out.")
    loss: type[Loss] = selection.loss.component
    if loss.compares != "symbols" or loss.aligns:
        yield Problem("loss.use", f"{selection.loss.name} cannot compare symbols one by one", "Use cross-entropy.")
    for index, metric in enumerate(selection.metrics):
        if issubclass(metric.component, PredictionMetric):
            wanted = f"{metric.name} judges answers to labelled examples; {corpus} gives an unlabelled stream"
            yield Problem(join("metrics", index, "use"), wanted)
    yield from _changed(selection, _OF_EXAMPLES, f"is for labelled examples; {corpus} gives an unlabelled stream")


def _labelled_incompatibilities(selection: Selection, topology: Topology, spec: ExampleSpec) -> Iterator[Problem]:
    corpus = selection.corpus.registration.name
    loss: type[Loss] = selection.loss.component
    aligned = spec.input_kind == spec.output_mode == "sequence" and loss.aligns
    wanted = next(
        known.name
        for known in TOPOLOGIES.values()
        if (known.input_kind, known.output_mode) == (spec.input_kind, "every step" if aligned else spec.output_mode)
    )
    if topology.name != wanted:
        yield Problem(
            "model.topology",
            f"topology {topology.name} reads {_READS[topology.input_kind]} and writes {_WRITES[topology.output_mode]}; "
            f"{corpus} gives {_described(spec)}" + (f", which {selection.loss.name} aligns" if aligned else ""),
            f"Use {wanted}.",
        )
    numbers = isinstance(spec.target, Numbers)
    if numbers != (loss.compares == "numbers") or (loss.aligns and not aligned):
        what = "numbers" if numbers else "symbols one by one"
        fitting = "mean-squared-error" if numbers else "cross-entropy"
        yield Problem(
            "loss.use", f"{selection.loss.name} cannot compare {what}, which {corpus} gives to write", f"Use {fitting}."
        )
    if selection.sections["model"]["bidirectional"] and spec.input_kind == "vector":
        yield Problem("model.bidirectional", f"{corpus} gives one vector to read, which has no other direction")
    writes = spec.output_mode == "sequence" and not aligned
    if selection.attention is not None and not (writes and spec.input_kind == "sequence"):
        yield Problem("model.attention", "only many-to-many writes with a sequence to look back at", "Leave it out.")
    if selection.sections["data"]["split"] != "document":
        yield Problem(
            "data.split", "labelled examples are split by their names, or as their corpus says", "Leave it out."
        )
    for index, metric in enumerate(selection.metrics):
        yield from _metric_incompatibilities(metric, join("metrics", index, "use"), corpus, spec)
    yield from _changed(selection, _OF_STREAMS, f"is for streams of text; {corpus} gives labelled examples")
    if not writes:
        yield from _changed(selection, _OF_WRITING, f"is for writing new sequences, of which {corpus} gives none")


def _metric_incompatibilities(metric: Component, key: str, corpus: str, spec: ExampleSpec) -> Iterator[Problem]:
    if not issubclass(metric.component, PredictionMetric):
        yield Problem(key, f"{metric.name} judges samples of a language model; {corpus} gives labelled examples")
        return
    built: PredictionMetric = metric.build()
    if not built.fits(spec):
        yield Problem(key, f"{metric.name} cannot judge what {corpus} gives: {_described(spec)}")


def _changed(selection: Selection, keys: Sequence[str], reason: str) -> Iterator[Problem]:
    """Refuse settings that would do nothing, where they are not at their defaults."""
    for key in keys:
        section, name = key.split(".")
        value = selection.sections[section].get(name)
        if value != SECTIONS[section].model_fields[name].default:
            yield Problem(key, reason, "Leave it out.")


_READS = {"vector": "one vector", "sequence": "a sequence"}
_WRITES = {"once": "once", "every step": "on every step", "sequence": "a new sequence"}


def _described(spec: ExampleSpec) -> str:
    read = "a text" if isinstance(spec.input, Text) else _READS[spec.input_kind]
    what = "numbers" if isinstance(spec.target, Numbers) else "label"
    written = {
        "once": "numbers" if what == "numbers" else "one label",
        "every step": "numbers for each step" if what == "numbers" else "a label for each step",
        "sequence": "a sequence of labels to write" if isinstance(spec.target, Classes) else "a text to write",
    }[spec.output_mode]
    return f"examples of {read} and {written}"
