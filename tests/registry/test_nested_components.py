"""Components inside the tables of other components."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seqforge.kinds import Cell
from seqforge.registry.hooks import Registration
from seqforge.registry.options import resolve
from seqforge.registry.registry import Registry
from tests.registry.sample_components import (
    COMPONENTS,
    Configured,
    Layer,
    NoOptions,
    Wrapper,
    Zeros,
    problems,
    resolved_component,
)

MakeRegistry = Callable[..., Registry]


@pytest.fixture(scope="session")
def registry(make_registry: MakeRegistry) -> Registry:
    return make_registry(COMPONENTS)


def test_components_can_be_nested(registry: Registry):
    table = """
        use = "wrapper"
        inner = { use = "wrapper", inner = { use = "configured", size = 9 } }
        before = [{ use = "nooptions" }, { use = "configured" }]
        after = { use = "nooptions" }
        several = [{ use = "configured", size = 8 }]"""
    component = resolved_component(registry, table)
    assert component.table["inner"]["inner"]["size"] == 9
    assert [part["use"] for part in component.table["before"]] == ["sample/nooptions", "sample/configured"]
    built = component.build()
    assert (built.inner.before, built.inner.several) == (None, [])
    types = [type(part) for part in (built.inner, *built.before, built.after)]
    assert types == [Wrapper, NoOptions, Configured, NoOptions]
    assert [part.given["size"] for part in (built.inner.inner, built.several[0])] == [9, 8]


def test_a_problem_of_a_nested_component_has_its_full_key(registry: Registry):
    toml = 'use = "wrapper"\n[inner]\nuse = "wrapper"\n[inner.inner]\nuse = "configured"\nsize = 0'
    assert problems(registry, toml) == ["key.inner.inner.size: should be greater than 0, not 0"]
    message = (
        'key.inner: sample/wrapper needs this option. Write inner = { use = "SAMPLER" }, or use("SAMPLER") in Python.'
    )
    assert problems(registry, 'use = "wrapper"') == [message]


def test_options_that_the_engine_sets_reach_nested_components_of_the_same_kind(registry: Registry):
    toml = 'use = "layer"\ninner = { use = "layer", hidden_size = 2, weights = { use = "zeros" } }'
    layer = resolved_component(registry, toml, "cell").build(input_size=5)
    assert (layer.input_size, layer.inner.input_size, layer.inner.hidden_size) == (5, 5, 2)
    assert isinstance(layer.inner.weights, Zeros)


class Doubled(Layer):
    """A cell that chooses the input size of the cells within it."""

    def __init__(
        self, input_size: int, first: Callable[[int], Cell[Any]], others: list[Callable[[int], Cell[Any]]]
    ) -> None:
        super().__init__(input_size)
        self.parts = [build(2 * input_size) for build in (first, *others)]


def test_a_component_may_build_those_within_it_for_another_size(registry: Registry):
    toml = 'use = "session/Doubled"\nfirst = { use = "layer", hidden_size = 2 }\nothers = [{ use = "layer" }]'
    session = registry.with_components([Doubled])
    component = resolved_component(session, toml, "cell")
    assert [(part.input_size, part.hidden_size) for part in component.build(input_size=5).parts] == [(10, 2), (10, 4)]
    assert component.table["first"] == {"use": "sample/layer", "hidden_size": 2}
    assert problems(session, toml.replace("= 2", "= 0"), "cell") == [
        "key.first.hidden_size: should be greater than 0, not 0"
    ]
    assert problems(session, toml.replace("hidden_size", "input_size"), "cell") == [
        "key.first.input_size: the engine sets this option of sample/layer. Leave it out."
    ]


def test_a_preset_is_not_the_cell_of_a_preset(registry: Registry):
    circle = Registration("cell", "fused", "circle", "fused/circle", options=(("hidden_size", 3),))
    fused = replace(registry.plugins[0], name="fused", registrations=(circle,))
    both = Registry([*registry.plugins, fused])
    (problem,) = resolve(both, "cell", "fused/circle", "key", Path())
    assert "is a preset of 'fused/circle', which is a preset too" in str(problem)


def test_a_component_lists_the_plugins_of_its_nested_components(make_registry: MakeRegistry):
    registries = [make_registry({"sampler/wrapper": COMPONENTS["sampler/wrapper"]}, plugin="alpha")]
    registries += [
        make_registry({"sampler/one": COMPONENTS["sampler/nooptions"]}, plugin=name) for name in ("beta", "gamma")
    ]
    registry = Registry([plugin for one in registries for plugin in one.plugins])
    toml = 'use = "wrapper"\ninner = {use = "beta/one"}\nbefore = [{use = "gamma/one"}]'
    assert resolved_component(registry, toml).plugins == {"alpha", "beta", "gamma"}
