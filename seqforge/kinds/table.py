"""The table of the kinds of component. Everything that is done for each kind iterates over it.

A new kind is one row here, and one file of the same name in this folder. Neither torch nor a kind is imported here.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from seqforge.errors import with_article


@dataclass(frozen=True, slots=True)
class Interface:
    """An abstract class from which the components of a kind derive.

    Attributes:
        name: Name, such as `labelled-corpus`. It determines the module `seqforge.kinds.labelled_corpus`, the class
            `LabelledCorpus`, and the template of `seqforge plugins new`.
        data: Data for which it is: streams of text, labelled examples, those whose target is a sequence, or any.
        suite: Class of the conformance suite, if it is not named after this class.
    """

    name: str
    data: Literal["text", "labelled", "sequences", "any"] = "any"
    suite: str = ""

    @property
    def module(self) -> str:
        """Name of the module, without packages: `labelled_corpus`."""
        return self.name.replace("-", "_")

    @property
    def class_name(self) -> str:
        """Name of the class: `LabelledCorpus`."""
        return "".join(word.capitalize() for word in self.name.split("-"))

    @property
    def suite_name(self) -> str:
        """Name of the conformance suite: `CorpusSuite`."""
        return self.suite or f"{self.class_name}Suite"

    def load(self) -> type[Any]:
        """Import and return the class."""
        return getattr(importlib.import_module(f"seqforge.kinds.{self.module}"), self.class_name)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of component.

    Attributes:
        name: Name in plugins and messages.
        key: Dotted key of an experiment whose value is a component of this kind, or a list of them; None if a setting
            contains only its name.
        many: Whether the value is a list.
        default: Qualified name of the component if the experiment does not have the key; "" if there is none.
        supplied: Arguments of `__init__` that the engine passes. An experiment cannot set them.
        has_state: Whether a checkpoint contains a state of the component, so that a resumed run must keep it.
        observes: Whether components of this kind only observe a run, so that its results do not depend on them.
        interfaces: Interfaces; a component implements one of them. By default, one with the name of the kind.
        irregular_plural: Plural of the name, if it does not end with "s".
    """

    name: str
    key: str | None
    many: bool = False
    default: str = ""
    supplied: tuple[str, ...] = ()
    has_state: bool = False
    observes: bool = False
    interfaces: tuple[Interface, ...] = ()
    irregular_plural: str = ""

    def __post_init__(self) -> None:
        if not self.interfaces:
            object.__setattr__(self, "interfaces", (Interface(self.name),))

    @property
    def plural(self) -> str:
        """Plural of the name: "cells", "corpora"."""
        return self.irregular_plural or f"{self.name}s"

    @property
    def suite_module(self) -> str:
        """Module with the conformance suites of its interfaces: `seqforge.testing.cell_suite`."""
        return f"seqforge.testing.{self.name}_suite"

    @property
    def attribute(self) -> str:
        """Attribute of an `Experiment` with the components of this kind: `corpus`, `cells`."""
        return self.plural if self.many else self.name

    @property
    def table(self) -> str:
        """Heading of a table of this kind in an experiment file: `[corpus]`, `[[model.cells]]`."""
        return f"[[{self.key}]]" if self.many else f"[{self.key}]"

    @property
    def with_article(self) -> str:
        """Name with its article: "a cell", "an optimizer"."""
        return with_article(self.name)

    def load_interfaces(self) -> tuple[type[Any], ...]:
        """Import and return the interfaces."""
        return tuple(interface.load() for interface in self.interfaces)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind(
                "corpus",
                "corpus",
                interfaces=(
                    Interface("corpus", "text"),
                    Interface("labelled-corpus", "labelled", suite="CorpusSuite"),
                ),
                irregular_plural="corpora",
            ),
            Kind("vocabulary", "vocabulary", default="essentials/characters", irregular_plural="vocabularies"),
            Kind(
                "cell",
                "model.cells",
                many=True,
                default="essentials/lstm",
                supplied=("input_size",),
            ),
            Kind(
                "attention",
                "model.attention",
                supplied=("query_size", "memory_size"),
                interfaces=(Interface("attention", "sequences"),),
            ),
            Kind("backend", None),
            Kind("initializer", "model.initializer", default="essentials/default"),
            Kind("loss", "loss", default="essentials/cross-entropy", irregular_plural="losses"),
            Kind("optimizer", "optimizer", default="essentials/adam", has_state=True),
            Kind("schedule", "schedule", default="essentials/constant", has_state=True),
            Kind(
                "sampler",
                "sampler",
                many=True,
                default="essentials/temperature",
                interfaces=(Interface("sampler", "text"),),
            ),
            Kind(
                "metric",
                "metrics",
                many=True,
                interfaces=(Interface("metric", "text"), Interface("prediction-metric", "labelled")),
            ),
            Kind("tracker", "trackers", many=True, observes=True),
            Kind("exporter", None, interfaces=(Interface("exporter", "text"),)),
        )
    }
)
"""The kinds by name, in the order in which data flows through them."""

INTERFACES: Mapping[str, tuple[Kind, Interface]] = MappingProxyType(
    {interface.name: (kind, interface) for kind in KINDS.values() for interface in kind.interfaces}
)
"""The interfaces by name, each with its kind."""

OBSERVER_KEYS = tuple(kind.key for kind in KINDS.values() if kind.observes and kind.key)
"""Keys of the components that only observe a run. Exports and comparisons of runs leave them out."""

FIRST_PARTY = frozenset(
    {
        "c-program",
        "c-samplers",
        "code-structure",
        "code-syntax",
        "core",
        "cudnn",
        "essentials",
        "formal",
        "linux-source",
        "matrix-cells",
        "native",
        "onnx",
        "parallel-cells",
        "pretrained",
        "subwords",
        "sweeps",
        "tasks",
        "trackers",
        "transformers",
    }
)
"""Names of the plugins of seqforge itself, and of its core. Their components own their short names."""
