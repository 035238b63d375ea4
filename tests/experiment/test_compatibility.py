"""Which settings are compatible, and the message for each incompatibility."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import pytest

from seqforge import Experiment, Registry, use
from seqforge.errors import ExperimentError
from seqforge.kinds import Classes, Example, ExampleSpec, LabelledCorpus, Text
from seqforge.registry.component import Component

CLASSES = ("vowel", "consonant", "other")
STREAM = {"use": "inline", "text": "hello"}


def made(**options: Any) -> dict[str, Any]:
    return {"use": "made", **options}


COMPATIBLE: dict[str, dict[str, Any]] = {
    "one-to-one": {"corpus": made(inputs="numbers", input_kind="vector")},
    "one-to-many": {"corpus": made(inputs="numbers", input_kind="vector", targets="text", output_mode="sequence")},
    "many-to-one": {"corpus": made(), "metrics": [{"use": "exact"}]},
    "many-to-many": {"corpus": made(output_mode="sequence"), "prediction": {"beam": 3}},
    "synced": {"corpus": made(output_mode="every step")},
}


def test_with_a_loss_that_aligns_a_target_sequence_is_synced(labelled_experiment: Any) -> None:
    experiment = labelled_experiment(corpus=made(output_mode="sequence"), loss={"use": "ctc"})
    assert experiment.topology == "synced"
    assert experiment.table["model"]["topology"] == "synced"


def test_a_check_builds_nothing(labelled_experiment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a check builds a component")

    monkeypatch.setattr(Component, "build", refuse)
    experiment = labelled_experiment(**COMPATIBLE["many-to-one"], model={"bidirectional": True})
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


def test_a_nested_corpus_may_derive_its_spec_from_the_inner_one(labelled: Registry) -> None:
    experiment = Experiment(corpus=use(Around, inner=use("made", output_mode="every step")), registry=labelled)
    assert experiment.example_spec == ExampleSpec(Text(), "sequence", Classes(CLASSES), "every step")


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        (Broken, r"its example_spec fails: KeyError: 3 \(test_compatibility.py, line \d+\). Correct the class Broken."),
        (Wrong, "its example_spec returns an int, not an ExampleSpec. Correct the class Wrong."),
    ],
)
def test_a_corpus_whose_example_spec_fails_is_an_error(labelled: Registry, corpus: Any, message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        Experiment(corpus=use(corpus, inner=use("made")), registry=labelled)


@pytest.mark.parametrize("topology", COMPATIBLE)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("stated", [False, True])
def test_the_topology_follows_from_the_example_spec(
    labelled_experiment: Any, topology: str, bidirectional: bool, stated: bool
) -> None:
    model: dict[str, Any] = {"bidirectional": bidirectional and not topology.startswith("one")}
    if stated:
        model["topology"] = topology
    experiment = labelled_experiment(**COMPATIBLE[topology], model=model)
    assert experiment.labelled
    assert experiment.topology == topology
    assert experiment.data.split == "document"
    assert experiment.sampling.count == 5
    # The resolved table gives the same experiment again.
    assert labelled_experiment(**experiment.table).table == experiment.table


INCOMPATIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "many-to-one for a stream": (
        {"corpus": STREAM, "model": {"topology": "many-to-one"}},
        "model.topology: many-to-one needs one target for each example, but inline is a stream of text "
        "without targets. Leave it out: a language model is synced, which means that it predicts the next symbol "
        "on every step.",
    ),
    "many-to-many for a stream": (
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
        "model.attention: attention needs a decoder over a sequence, as only a many-to-many model has. Leave it out.",
    ),
    "a language model with a squared error": (
        {"corpus": STREAM, "loss": {"use": "mean-squared-error"}},
        "loss.use: essentials/mean-squared-error cannot compare single symbols, the targets of a language model. "
        "Use cross-entropy.",
    ),
    "a prediction metric for a language model": (
        {"corpus": STREAM, "metrics": [{"use": "exact"}]},
        "metrics.0.use: made/exact scores predictions for labelled examples, but inline is a stream of text. "
        "Leave it out.",
    ),
    "beam search for a language model": (
        {"corpus": STREAM, "prediction": {"beam": 4}},
        "prediction.beam: applies to labelled examples only, but inline is a stream of text. Leave it out.",
    ),
    "many-to-one for a class on every step": (
        {"corpus": made(output_mode="every step"), "model": {"topology": "many-to-one"}},
        "model.topology: many-to-one reads a sequence and predicts one target, but made has text as input and"
        " a class for every step as target. Leave it out, or use synced.",
    ),
    "many-to-one for an input vector": (
        {
            "corpus": made(inputs="numbers", input_kind="vector", targets="text", output_mode="sequence"),
            "model": {"topology": "many-to-one"},
        },
        "model.topology: many-to-one reads a sequence and predicts one target, but made has one vector as "
        "input and a text as target. Leave it out, or use one-to-many.",
    ),
    "many-to-many with a loss that aligns": (
        {"corpus": made(output_mode="sequence"), "model": {"topology": "many-to-many"}, "loss": {"use": "ctc"}},
        "model.topology: many-to-many reads a sequence and predicts a new sequence, but made has text as "
        "input and a sequence of classes as target, which essentials/ctc aligns with the input. Leave it out,"
        " or use synced.",
    ),
    "numbers with cross-entropy": (
        {"corpus": made(targets="numbers")},
        "loss.use: essentials/cross-entropy cannot compare numbers, the targets of made. Use mean-squared-error.",
    ),
    "one class with a loss that aligns": (
        {"loss": {"use": "ctc"}},
        "loss.use: essentials/ctc cannot compare single symbols, the targets of made. Use cross-entropy.",
    ),
    "bidirectional for an input vector": (
        {"corpus": made(inputs="numbers", input_kind="vector"), "model": {"bidirectional": True}},
        "model.bidirectional: only a sequence can be read backwards, but an input of made is one vector. Leave it out.",
    ),
    "attention without a decoder": (
        {"model": {"attention": {"use": "additive"}}},
        "model.attention: attention needs a decoder over a sequence, as only a many-to-many model has. Leave it out.",
    ),
    "labelled examples split by position": (
        {"data": {"split": "position"}},
        "data.split: labelled examples are split by their names, or as their corpus assigns them. Leave it out.",
    ),
    "a metric of samples for labelled examples": (
        {"metrics": [{"use": "distinct"}]},
        "metrics.0.use: essentials/distinct scores samples of a language model, but made has labelled "
        "examples. Leave it out.",
    ),
    "a metric that does not fit": (
        {"corpus": made(targets="numbers"), "loss": {"use": "mean-squared-error"}, "metrics": [{"use": "exact"}]},
        "metrics.0.use: made/exact cannot score predictions for made, which has text as input and numbers as target. "
        "Leave it out.",
    ),
    "a sequence length for labelled examples": (
        {"training": {"sequence_length": 7}},
        "training.sequence_length: applies to streams of text only, but made has labelled examples. Leave it out.",
    ),
    "beam search without a decoder": (
        {"prediction": {"beam": 7}},
        "prediction.beam: applies to decoders only, but a model of made has no decoder. Leave it out.",
    ),
    "an inconsistent example spec": (
        {"corpus": made(input_kind="vector")},
        "corpus: corpus 'made/made': text is a sequence: set input_kind to 'sequence'",
    ),
}


@pytest.mark.parametrize("case", INCOMPATIBLE)
def test_incompatible_settings_are_an_error(labelled_experiment: Any, case: str) -> None:
    tables, message = INCOMPATIBLE[case]
    with pytest.raises(ExperimentError) as caught:
        labelled_experiment(**tables)
    assert str(caught.value) == f"the experiment: {message}"


def test_incompatibilities_are_reported_with_the_errors_of_other_tables(labelled_experiment: Any):
    with pytest.raises(ExperimentError) as caught:
        labelled_experiment(
            model={"bidirectional": True, "attention": "additive"},
            metrics=["distinct"],
            training={"sequence_length": 7, "steps": 0},
            data={"split": "neither"},
        )
    keys = [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]]
    # Nothing is said about the other settings of a table that is wrong itself.
    assert keys == ["data.split", "training.steps", "model.attention", "metrics.0.use"]


def test_nothing_is_compared_with_a_loss_that_does_not_exist(labelled_experiment: Any):
    with pytest.raises(ExperimentError, match=r"^the experiment: loss: no loss is called 'entropy'"):
        labelled_experiment(loss="entropy", metrics=["distinct"])
