"""The kinds of component that the core knows: a table, free of torch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of component.

    Attributes:
        name: What plugins and experiments call it.
        interfaces: Where its interface is, as `module:name`; several, where it comes in more than one shape.
        supplied: Arguments of `__init__` that the engine gives, and an experiment therefore cannot.
    """

    name: str
    interfaces: tuple[str, ...]
    supplied: frozenset[str] = frozenset()

    @property
    def with_article(self) -> str:
        """Its name in a sentence: "a cell", "an optimizer"."""
        return f"an {self.name}" if self.name[0] in "aeiou" else f"a {self.name}"


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "corpus",
            ("seqforge.interfaces.corpus:Corpus", "seqforge.interfaces.labelled_corpus:LabelledCorpus"),
        ),
        Kind("vocabulary", ("seqforge.interfaces.vocabulary:Vocabulary",)),
        Kind("cell", ("seqforge.interfaces.cell:Cell",), supplied=frozenset({"input_size"})),
        Kind(
            "attention",
            ("seqforge.interfaces.attention:Attention",),
            supplied=frozenset({"query_size", "memory_size"}),
        ),
        Kind("backend", ("seqforge.interfaces.backend:Backend",)),
        Kind("initializer", ("seqforge.interfaces.optimization:Initializer",)),
        Kind("loss", ("seqforge.interfaces.loss:Loss",)),
        Kind("optimizer", ("seqforge.interfaces.optimization:Optimizer",)),
        Kind("schedule", ("seqforge.interfaces.optimization:Schedule",)),
        Kind("sampler", ("seqforge.interfaces.sampler:Sampler",)),
        Kind(
            "metric",
            ("seqforge.interfaces.metric:Metric", "seqforge.interfaces.prediction_metric:PredictionMetric"),
        ),
    )
}
