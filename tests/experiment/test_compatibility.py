"""What goes together, and what is refused in which words."""

from typing import Any

import pytest

from seqforge.errors import ExperimentError

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


@pytest.mark.parametrize("topology", FITTING)
@pytest.mark.parametrize("both", [False, True])
def test_every_topology_takes_examples_of_its_form(labelled_experiment: Any, topology: str, both: bool) -> None:
    both = both and not topology.startswith("one")
    experiment = labelled_experiment(**FITTING[topology], model={"topology": topology, "bidirectional": both})
    assert experiment.labelled
    assert experiment.topology.name == topology
    assert experiment.data.split == "document"
    assert experiment.sampling.count == 5
    # What a run keeps is what it was made of.
    assert labelled_experiment(**experiment.table).table == experiment.table


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a stream for one label": (
        {"corpus": STREAM, "data": {"split": "position"}},
        "model.topology: topology many-to-one needs one label an example; inline gives an unlabelled stream. "
        "Use synced, which predicts the next symbol on every step.",
    ),
    "a stream for a sequence": (
        {"corpus": STREAM, "model": {"topology": "many-to-many"}},
        "model.topology: topology many-to-many needs a sequence to write for each example; inline gives an unlabelled "
        "stream. Use synced, which predicts the next symbol on every step.",
    ),
    "a language model both ways": (
        {"corpus": STREAM, "model": {"topology": "synced", "bidirectional": True}},
        "model.bidirectional: a language model cannot read backwards: it would see the symbol that it is to predict. "
        "Leave it out.",
    ),
    "a language model that attends": (
        {"corpus": STREAM, "model": {"topology": "synced", "attention": {"use": "additive"}}},
        "model.attention: a writer attends; with inline there is nothing to write. Leave it out.",
    ),
    "a language model by squares": (
        {"corpus": STREAM, "model": {"topology": "synced"}, "loss": {"use": "mean-squared-error"}},
        "loss.use: essentials/mean-squared-error cannot compare symbols one by one. Use cross-entropy.",
    ),
    "a language model's answers": (
        {"corpus": STREAM, "model": {"topology": "synced"}, "metrics": [{"use": "exact"}]},
        "metrics.0.use: made/exact judges answers to labelled examples; inline gives an unlabelled stream",
    ),
    "a language model's beam": (
        {"corpus": STREAM, "model": {"topology": "synced"}, "prediction": {"beam": 4}},
        "prediction.beam: is for labelled examples; inline gives an unlabelled stream. Leave it out.",
    ),
    "labels of steps for one label": (
        {"corpus": made(written="every step")},
        "model.topology: topology many-to-one reads a sequence and writes once; made gives examples of a text and a "
        "label for each step. Use synced.",
    ),
    "one vector for a sequence": (
        {"corpus": made(reads="numbers", read="vector", writes="text", written="sequence")},
        "model.topology: topology many-to-one reads a sequence and writes once; made gives examples of one vector and "
        "a text to write. Use one-to-many.",
    ),
    "an alignment": (
        {"corpus": made(written="sequence"), "model": {"topology": "many-to-many"}, "loss": {"use": "ctc"}},
        "model.topology: topology many-to-many reads a sequence and writes a new sequence; made gives examples of a "
        "text and a sequence of labels to write, which essentials/ctc aligns. Use synced.",
    ),
    "numbers by cross-entropy": (
        {"corpus": made(writes="numbers")},
        "loss.use: essentials/cross-entropy cannot compare numbers, which made gives to write. Use mean-squared-error.",
    ),
    "a label by alignment": (
        {"loss": {"use": "ctc"}},
        "loss.use: essentials/ctc cannot compare symbols one by one, which made gives to write. Use cross-entropy.",
    ),
    "a vector backwards": (
        {"corpus": made(reads="numbers", read="vector"), "model": {"topology": "one-to-one", "bidirectional": True}},
        "model.bidirectional: made gives one vector to read, which has no other direction",
    ),
    "a label that attends": (
        {"model": {"attention": {"use": "additive"}}},
        "model.attention: only many-to-many writes with a sequence to look back at. Leave it out.",
    ),
    "examples by position": (
        {"data": {"split": "position"}},
        "data.split: labelled examples are split by their names, or as their corpus says. Leave it out.",
    ),
    "examples judged as samples": (
        {"metrics": [{"use": "distinct"}]},
        "metrics.0.use: essentials/distinct judges samples of a language model; made gives labelled examples",
    ),
    "a metric that does not fit": (
        {"corpus": made(writes="numbers"), "loss": {"use": "mean-squared-error"}, "metrics": [{"use": "exact"}]},
        "metrics.0.use: made/exact cannot judge what made gives: examples of a text and numbers",
    ),
    "examples in lanes": (
        {"training": {"sequence_length": 7}},
        "training.sequence_length: is for streams of text; made gives labelled examples. Leave it out.",
    ),
    "a label by a beam": (
        {"prediction": {"beam": 7}},
        "prediction.beam: is for writing new sequences, of which made gives none. Leave it out.",
    ),
    "a form that cannot be": (
        {"corpus": made(read="vector")},
        "corpus: corpus 'made/made': text is a sequence: set input_kind to 'sequence'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_together_is_refused_in_words(labelled_experiment: Any, case: str) -> None:
    tables, said = REFUSED[case]
    with pytest.raises(ExperimentError) as caught:
        labelled_experiment(**tables)
    assert str(caught.value) == f"the experiment: {said}"
