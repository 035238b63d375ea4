"""One trial of a corpus, a vocabulary, and a metric."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from seqforge.data.encoding import read_items
from seqforge.data.example_values import convert_input, convert_target
from seqforge.errors import DataError, describe_type
from seqforge.evaluation.metrics import validate_score
from seqforge.events import no_report
from seqforge.experiment.compatibility import example_spec_of
from seqforge.faults import plugin_fault
from seqforge.figures import format_figure
from seqforge.kinds import (
    Classes,
    Corpus,
    Document,
    Example,
    ExamplePrediction,
    ExampleSpec,
    FittedMetric,
    IndexedMetric,
    LabelledCorpus,
    Metric,
    Numbers,
    PredictionMetric,
    Score,
    Text,
    Value,
)
from seqforge.registry import Component, Registry

TEXT = "def area(width, height):\n    return width * height  # in m²\n"

SPECS: tuple[tuple[ExampleSpec, Value, Value], ...] = (
    (ExampleSpec(Text(), "sequence", Classes(("no", "yes")), "once"), 1, 0),
    (ExampleSpec(Text(), "sequence", Classes(("no", "yes")), "every step"), np.array([0, 1]), np.array([1, 1])),
    (ExampleSpec(Text(), "sequence", Text(), "sequence"), "abc", "abd"),
    (ExampleSpec(Numbers(2), "sequence", Numbers(2), "once"), np.zeros(2), np.ones(2)),
    (ExampleSpec(Numbers(2), "sequence", Numbers(2), "every step"), np.zeros((3, 2)), np.ones((3, 2))),
)
"""Shapes of examples, each with a predicted value and a target."""

ItemT = TypeVar("ItemT")


def try_corpus(component: Component, registry: Registry) -> str:
    """Read the first document or example.

    Raises:
        PluginError: If it is wrong.
        DataError: If the data is not on this machine.
    """
    corpus: Corpus | LabelledCorpus = component.build()
    digest: Any = corpus.fingerprint()
    if not isinstance(digest, str):
        raise plugin_fault("corpus", component.name, f"fingerprint returned {describe_type(digest)}, not text")
    if digest != corpus.fingerprint():
        raise plugin_fault("corpus", component.name, "fingerprint must return the same text in every call")
    if not isinstance(description := corpus.describe(), str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise plugin_fault("corpus", component.name, f"describe returned {describe_type(description)}, not text")
    if isinstance(corpus, LabelledCorpus):
        return _try_example(corpus, component)
    document = _first(lambda: read_items(corpus.read(no_report), Document, corpus.documents), component)
    try:
        document.content.decode()
    except UnicodeDecodeError as error:
        reason = f"the document {document.name!r} is not UTF-8 ({error.reason} at byte {error.start})"
        raise plugin_fault("corpus", component.name, reason) from error
    return f"document {document.name!r}, {len(document.content):,} bytes"


def _try_example(corpus: LabelledCorpus, component: Component) -> str:
    spec = example_spec_of(component)
    example = _first(lambda: read_items(corpus.examples(), Example, corpus.examples), component)
    try:
        assert spec is not None  # noqa: S101 - it is None only for a stream of text
        convert_input(spec, example.input)
        for target in (example.target, *example.alternatives):
            convert_target(spec, target)
    except DataError as error:
        reason = f"the example {example.name!r} does not fit example_spec: {error.message}"
        raise plugin_fault("corpus", component.name, reason) from error
    kinds = f"{type(spec.input).__name__} to {type(spec.target).__name__}, {spec.output_mode}"
    return f"example {example.name!r}: {kinds}"


def _first(read: Callable[[], Any], component: Component) -> Any:
    for item in read():
        if not isinstance(item.name, str):
            raise plugin_fault("corpus", component.name, f"the name {item.name!r} is not text")
        return item
    raise plugin_fault("corpus", component.name, "it has no document or example")


def try_metric(component: Component, registry: Registry) -> str:
    """Score texts, one of which is empty, or a prediction.

    Raises:
        PluginError: If the result is not a `Score` of finite values with findings inside the texts.
        DataError: If it fits no shape of examples that is tried.
    """
    metric: Metric | PredictionMetric = component.build()
    if isinstance(metric, PredictionMetric):
        return _try_prediction_metric(metric, component)
    if isinstance(metric, FittedMetric):
        metric.fit(iter([TEXT, ""]))
        state, metric = metric.state(), component.build()
        if not isinstance(state, bytes) or not isinstance(metric, FittedMetric):  # pyright: ignore
            raise plugin_fault("metric", component.name, f"state returned {describe_type(state)}, not bytes")
        metric.restore(state)
    elif isinstance(metric, IndexedMetric):
        with tempfile.TemporaryDirectory() as folder:
            metric.write_index(iter([TEXT, ""]), Path(folder))
            metric.open_index(Path(folder))
            return _score_metric(metric, component)
    return _score_metric(metric, component)


def _score_metric(metric: Metric, component: Component) -> str:
    texts = [TEXT, "", "\x00}{\n"]
    score = _validated(metric.score(texts), component)
    for finding in score.findings:
        if not (0 <= finding.text < len(texts) and 0 <= finding.start <= finding.stop <= len(texts[finding.text])):
            raise plugin_fault("metric", component.name, f"the finding {finding} is outside of the texts")
    return _shown(score)


def _try_prediction_metric(metric: PredictionMetric, component: Component) -> str:
    fitting = [(spec, predicted, target) for spec, predicted, target in SPECS if type(metric).fits(spec)]
    if not fitting:
        raise DataError("imported and built; it fits none of the shapes of examples that are tried")
    scores = [
        _validated(metric.score(spec, [ExamplePrediction("one", predicted, (target,))]), component)
        for spec, predicted, target in fitting
    ]
    return _shown(scores[-1])


def _validated(score: Any, component: Component) -> Score:
    try:
        return validate_score(score)
    except (TypeError, ValueError) as error:
        raise plugin_fault("metric", component.name, str(error)) from error


def _shown(score: Score) -> str:
    return "scored " + (
        ", ".join(f"{name} {format_figure(value)}" for name, value in score.values.items()) or "no values"
    )
