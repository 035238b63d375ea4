"""Which parts of an experiment are compatible, and the messages for those that are not."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import pytest

from seqforge import Experiment, Registry, use
from seqforge.errors import ExperimentError
from seqforge.interfaces import Classes, Example, ExampleSpec, LabelledCorpus, Text
from seqforge.registry import Component

CLASSES = ("vowel", "consonant", "other")
STREAM = {"use": "inline", "text": "hello"}


def made(**options: Any) -> dict[str, Any]:
    return {"use": "made", **options}


FITTING: dict[str, dict[str, Any]] = {
    "one-to-one": {"corpus": made(reads="numbers", read="vector")},
    "one-to-many": {"corpus": made(reads="numbers", read="vector", writes="text", written="sequence")},
    "many-to-one": {"corpus": made(), "metrics": [{"use": "exact"}]},
    "many-to-many": {"corpus": made(written="sequence"), "prediction": {"beam": 3}},
    "synced": {"corpus": made(written="every step")},
}


def test_a_loss_that_aligns_makes_a_sequence_synced(labelled_experiment: Any) -> None:
    experiment = labelled_experiment(corpus=made(written="sequence"), loss={"use": "ctc"})
    assert experiment.topology.name == "synced"
    assert experiment.table["model"]["topology"] == "synced"


def test_a_check_builds_nothing(labelled_experiment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a check builds a component")

    monkeypatch.setattr(Component, "build", refuse)
    experiment = labelled_experiment(**FITTING["many-to-one"], model={"bidirectional": True})
    assert experiment.example_spec == experiment.corpus.component.example_spec(experiment.corpus.options)


class Around(LabelledCorpus):
    """A labelled corpus that wraps another one."""

    def __init__(self, inner: LabelledCorpus, first: int = 3) -> None:
        self.inner, self.first = inner, first

    @classmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        assert options["first"] == 3
        return options["inner"]

    def examples(self) -> Iterator[Example]:
        return islice(self.inner.examples(), self.first)

    def fingerprint(self) -> str:
        return self.inner.fingerprint()

    def describe(self) -> str:
        return self.inner.describe()


class Broken(Around):
    """A labelled corpus whose example spec fails."""

    @classmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        raise KeyError(options["first"])


class Wrong(Around):
    """A labelled corpus whose example spec is of another type."""

    @classmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        return options["first"]


def test_the_example_spec_of_a_wrapping_corpus(labelled: Registry) -> None:
    experiment = Experiment(corpus=use(Around, inner=use("made", written="every step")), registry=labelled)
    assert experiment.example_spec == ExampleSpec(Text(), "sequence", Classes(CLASSES), "every step")


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        (Broken, r"its example_spec fails: KeyError: 3 \(test_compatibility.py, line \d+\). Correct the class Broken."),
        (Wrong, "its example_spec returns a int, not an ExampleSpec. Correct the class Wrong."),
    ],
)
def test_a_corpus_without_an_example_spec_is_an_error(labelled: Registry, corpus: Any, message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        Experiment(corpus=use(corpus, inner=use("made")), registry=labelled)


@pytest.mark.parametrize("topology", FITTING)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("stated", [False, True])
def test_a_topology_follows_from_the_examples(
    labelled_experiment: Any, topology: str, both: bool, stated: bool
) -> None:
    model: dict[str, Any] = {"bidirectional": both and not topology.startswith("one")}
    if stated:
        model["topology"] = topology
    experiment = labelled_experiment(**FITTING[topology], model=model)
    assert experiment.labelled
    assert experiment.topology.name == topology
    assert experiment.data.split == "document"
    assert experiment.sampling.count == 5
    # The resolved experiment resolves to itself.
    assert labelled_experiment(**experiment.table).table == experiment.table


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a stream for one label": (
        {"corpus": STREAM, "model": {"topology": "many-to-one"}},
        "model.topology: many-to-one needs one target for each example, but inline is a stream of text "
        "without targets. Leave it out: a language model is synced, which means that it predicts the next symbol "
        "on every step.",
    ),
    "a stream for a sequence": (
        {"corpus": STREAM, "model": {"topology": "many-to-many"}},
        "model.topology: many-to-many needs a target sequence for each example, but inline is a stream of "
        "text without targets. Leave it out: a language model is synced, which means that it predicts the next "
        "symbol on every step.",
    ),
    "a bidirectional language model": (
        {"corpus": STREAM, "model": {"bidirectional": True}},
        "model.bidirectional: a language model cannot read backwards, since it would read the symbols that it"
        " has to predict. Leave it out.",
    ),
    "a language model with attention": (
        {"corpus": STREAM, "model": {"attention": {"use": "additive"}}},
        "model.attention: attention needs a decoder, and a language model has none. Leave it out.",
    ),
    "a language model with squared errors": (
        {"corpus": STREAM, "loss": {"use": "mean-squared-error"}},
        "loss.use: essentials/mean-squared-error cannot compare single symbols, the targets of a language model. "
        "Use cross-entropy.",
    ),
    "predictions of a language model": (
        {"corpus": STREAM, "metrics": [{"use": "exact"}]},
        "metrics.0.use: made/exact scores predictions for labelled examples, but inline is a stream of text. "
        "Leave it out.",
    ),
    "beam search of a language model": (
        {"corpus": STREAM, "prediction": {"beam": 4}},
        "prediction.beam: applies to labelled examples only, but inline is a stream of text. Leave it out.",
    ),
    "labels of steps for one label": (
        {"corpus": made(written="every step"), "model": {"topology": "many-to-one"}},
        "model.topology: many-to-one reads a sequence and predicts one target, but made has text as input and"
        " a class for every step as target. Leave it out, or use synced.",
    ),
    "one vector for a sequence": (
        {
            "corpus": made(reads="numbers", read="vector", writes="text", written="sequence"),
            "model": {"topology": "many-to-one"},
        },
        "model.topology: many-to-one reads a sequence and predicts one target, but made has one vector as "
        "input and a text as target. Leave it out, or use one-to-many.",
    ),
    "an alignment": (
        {"corpus": made(written="sequence"), "model": {"topology": "many-to-many"}, "loss": {"use": "ctc"}},
        "model.topology: many-to-many reads a sequence and predicts a new sequence, but made has text as "
        "input and a sequence of classes as target, which essentials/ctc aligns with the input. Leave it out,"
        " or use synced.",
    ),
    "cross-entropy of numbers": (
        {"corpus": made(writes="numbers")},
        "loss.use: essentials/cross-entropy cannot compare numbers, the targets of made. Use mean-squared-error.",
    ),
    "alignment of a single class": (
        {"loss": {"use": "ctc"}},
        "loss.use: essentials/ctc cannot compare single symbols, the targets of made. Use cross-entropy.",
    ),
    "a vector that is read backwards": (
        {"corpus": made(reads="numbers", read="vector"), "model": {"bidirectional": True}},
        "model.bidirectional: only a sequence can be read backwards, but an input of made is one vector. Leave it out.",
    ),
    "a classifier with attention": (
        {"model": {"attention": {"use": "additive"}}},
        "model.attention: only the decoder of a many-to-many model can attend to an input sequence. Leave it out.",
    ),
    "examples by position": (
        {"data": {"split": "position"}},
        "data.split: labelled examples are split by their names, or as their corpus assigns them. Leave it out.",
    ),
    "a metric of samples for examples": (
        {"metrics": [{"use": "distinct"}]},
        "metrics.0.use: essentials/distinct scores samples of a language model, but made has labelled "
        "examples. Leave it out.",
    ),
    "a metric that does not fit": (
        {"corpus": made(writes="numbers"), "loss": {"use": "mean-squared-error"}, "metrics": [{"use": "exact"}]},
        "metrics.0.use: made/exact cannot score predictions for made, which has text as input and numbers as "
        "target. Leave it out.",
    ),
    "a sequence length for examples": (
        {"training": {"sequence_length": 7}},
        "training.sequence_length: applies to streams of text only, but made has labelled examples. Leave it out.",
    ),
    "beam search of a classifier": (
        {"prediction": {"beam": 7}},
        "prediction.beam: applies to decoders only, but a model of made has no decoder. Leave it out.",
    ),
    "an impossible example spec": (
        {"corpus": made(read="vector")},
        "corpus: corpus 'made/made': text is a sequence: set input_kind to 'sequence'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_incompatible_parts_are_an_error(labelled_experiment: Any, case: str) -> None:
    tables, message = REFUSED[case]
    with pytest.raises(ExperimentError) as caught:
        labelled_experiment(**tables)
    assert str(caught.value) == f"the experiment: {message}"
