"""Whether topology, corpus, loss and metrics go together: what is refused, in words, before anything is read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqforge.errors import PluginError, SeqforgeError, did_you_mean
from seqforge.experiment.settings import SECTIONS
from seqforge.experiment.topology import TOPOLOGIES, Topology
from seqforge.interfaces import Classes, Form, LabelledCorpus, Loss, Numbers, PredictionMetric, Text
from seqforge.registry import Component, Problem, blamed, fault, join

_OF_STREAMS = ("training.sequence_length", "sampling.length", "sampling.prompt")
_OF_EXAMPLES = ("training.batch_tokens", "training.scheduled_sampling", "prediction.beam",
                "prediction.length_normalization", "prediction.length")  # fmt: skip
_OF_WRITING = ("training.scheduled_sampling", "prediction.beam", "prediction.length_normalization", "prediction.length")


@dataclass(frozen=True, slots=True)
class Choice:
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


def form_of(corpus: Component) -> Form:
    """Ask a labelled corpus what its examples are made of.

    Args:
        corpus: As the experiment chose it.

    Raises:
        SeqforgeError: Where it cannot say.
    """
    built: LabelledCorpus = corpus.build()
    with blamed("corpus", corpus.name, corpus.component, "it cannot say its form"):
        try:
            form: Any = built.form
        except ValueError as error:
            raise PluginError(f"corpus {corpus.name!r}: {error}") from error
    if not isinstance(form, Form):
        raise fault("corpus", corpus.name, f"its form is a {type(form).__name__}, not a Form")
    return form


def unknown_topology(name: str) -> Problem | None:
    """Refuse a name that no topology has.

    Args:
        name: As the experiment has it.
    """
    if name in TOPOLOGIES:
        return None
    return Problem("model.topology", f"no topology is called {name!r}", did_you_mean(name, TOPOLOGIES))


def misfits(choice: Choice) -> Iterator[Problem]:
    """Refuse what does not go together.

    Args:
        choice: What the experiment chose; its topology has a known name.

    Yields:
        Everything that is wrong.
    """
    topology = TOPOLOGIES[choice.sections["model"]["topology"]]
    if not is_labelled(choice.corpus):
        yield from _stream_misfits(choice, topology)
        return
    try:
        form = form_of(choice.corpus)
    except SeqforgeError as error:
        yield Problem("corpus", error.message, error.hint or "")
        return
    yield from _labelled_misfits(choice, topology, form)


def _stream_misfits(choice: Choice, topology: Topology) -> Iterator[Problem]:
    corpus = choice.corpus.registration.name
    if topology.name != "synced":
        needs = "one label an example" if topology.writes == "once" else "a sequence to write for each example"
        yield Problem(
            "model.topology",
            f"topology {topology.name} needs {needs}; {corpus} gives an unlabelled stream",
            "Use synced, which predicts the next symbol on every step.",
        )
        return
    if choice.sections["model"]["bidirectional"]:
        yield Problem(
            "model.bidirectional",
            "a language model cannot read backwards: it would see the symbol that it is to predict",
            "Leave it out.",
        )
    if choice.attention is not None:
        yield Problem("model.attention", f"a writer attends; with {corpus} there is nothing to write", "Leave it out.")
    loss: type[Loss] = choice.loss.component
    if loss.compares != "symbols" or loss.aligns:
        yield Problem("loss.use", f"{choice.loss.name} cannot compare symbols one by one", "Use cross-entropy.")
    for index, metric in enumerate(choice.metrics):
        if issubclass(metric.component, PredictionMetric):
            wanted = f"{metric.name} judges answers to labelled examples; {corpus} gives an unlabelled stream"
            yield Problem(join("metrics", index, "use"), wanted)
    yield from _changed(choice, _OF_EXAMPLES, f"is for labelled examples; {corpus} gives an unlabelled stream")


def _labelled_misfits(choice: Choice, topology: Topology, form: Form) -> Iterator[Problem]:
    corpus = choice.corpus.registration.name
    loss: type[Loss] = choice.loss.component
    aligned = form.read == form.written == "sequence" and loss.aligns
    wanted = next(
        known.name
        for known in TOPOLOGIES.values()
        if (known.reads, known.writes) == (form.read, "every step" if aligned else form.written)
    )
    if topology.name != wanted:
        yield Problem(
            "model.topology",
            f"topology {topology.name} reads {_READS[topology.reads]} and writes {_WRITES[topology.writes]}; "
            f"{corpus} gives {_described(form)}" + (f", which {choice.loss.name} aligns" if aligned else ""),
            f"Use {wanted}.",
        )
    numbers = isinstance(form.writes, Numbers)
    if numbers != (loss.compares == "numbers") or (loss.aligns and not aligned):
        what = "numbers" if numbers else "symbols one by one"
        fitting = "mean-squared-error" if numbers else "cross-entropy"
        yield Problem(
            "loss.use", f"{choice.loss.name} cannot compare {what}, which {corpus} gives to write", f"Use {fitting}."
        )
    if choice.sections["model"]["bidirectional"] and form.read == "vector":
        yield Problem("model.bidirectional", f"{corpus} gives one vector to read, which has no other direction")
    writes = form.written == "sequence" and not aligned
    if choice.attention is not None and not (writes and form.read == "sequence"):
        yield Problem("model.attention", "only many-to-many writes with a sequence to look back at", "Leave it out.")
    if choice.sections["data"]["split"] != "document":
        yield Problem(
            "data.split", "labelled examples are split by their names, or as their corpus says", "Leave it out."
        )
    for index, metric in enumerate(choice.metrics):
        yield from _metric_misfits(metric, join("metrics", index, "use"), corpus, form)
    yield from _changed(choice, _OF_STREAMS, f"is for streams of text; {corpus} gives labelled examples")
    if not writes:
        yield from _changed(choice, _OF_WRITING, f"is for writing new sequences, of which {corpus} gives none")


def _metric_misfits(metric: Component, key: str, corpus: str, form: Form) -> Iterator[Problem]:
    if not issubclass(metric.component, PredictionMetric):
        yield Problem(key, f"{metric.name} judges samples of a language model; {corpus} gives labelled examples")
        return
    built: PredictionMetric = metric.build()
    if not built.fits(form):
        yield Problem(key, f"{metric.name} cannot judge what {corpus} gives: {_described(form)}")


def _changed(choice: Choice, keys: Sequence[str], reason: str) -> Iterator[Problem]:
    """Refuse settings that would do nothing, where they are not at their defaults."""
    for key in keys:
        section, name = key.split(".")
        value = choice.sections[section].get(name)
        if value != SECTIONS[section].model_fields[name].default:
            yield Problem(key, reason, "Leave it out.")


_READS = {"vector": "one vector", "sequence": "a sequence"}
_WRITES = {"once": "once", "every step": "on every step", "sequence": "a new sequence"}


def _described(form: Form) -> str:
    read = "a text" if isinstance(form.reads, Text) else _READS[form.read]
    what = "numbers" if isinstance(form.writes, Numbers) else "label"
    written = {
        "once": "numbers" if what == "numbers" else "one label",
        "every step": "numbers for each step" if what == "numbers" else "a label for each step",
        "sequence": "a sequence of labels to write" if isinstance(form.writes, Classes) else "a text to write",
    }[form.written]
    return f"examples of {read} and {written}"
