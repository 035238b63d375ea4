"""Resolving a table of an experiment to a component: options, nested components, and building."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from seqforge.errors import DataError, PluginError
from seqforge.registry.component import Component
from seqforge.registry.options import resolve
from seqforge.registry.registry import Registry
from tests.registry.sample_components import COMPONENTS, FOLDER, Configured, PlainLoss, problems, resolved_component

MakeRegistry = Callable[..., Registry]


@pytest.fixture(scope="session")
def registry(make_registry: MakeRegistry) -> Registry:
    return make_registry(COMPONENTS)


def test_a_resolved_table_contains_every_default(registry: Registry):
    component = resolved_component(registry, 'use = "configured"')
    assert component.name == "sample/configured"
    assert component.table == {
        "use": "sample/configured",
        "size": 3,
        "part": 0.5,
        "enabled": True,
        "text": "a",
        "mode": "fast",
        "lengths": [1, 2],
        "names": ["a"],
        "weights": {},
        "steps": "auto",
        "rates": 0.1,
        "cache": "/experiments/cache",
    }


def test_a_component_is_built_with_the_options_of_its_table(registry: Registry):
    built = resolved_component(
        registry, 'use = "configured"\nsize = 7\npart = 0\nlengths = [3]\nlimit = -1\nmode = "slow"'
    ).build()
    assert isinstance(built, Configured)
    assert built.given["size"] == 7
    assert built.given["part"] == 0.0
    assert isinstance(built.given["part"], float)
    assert built.given["lengths"] == (3,)
    assert built.given["limit"] == -1
    assert built.given["path"] is None


def test_a_default_that_a_notebook_changes_in_place_is_used(registry: Registry, monkeypatch: pytest.MonkeyPatch):
    assert resolved_component(registry, 'use = "configured"').table["size"] == 3
    # What `%autoreload 2` does when the file of a class has another default.
    defaults = Configured.__init__.__defaults__
    assert defaults[0] == 3
    monkeypatch.setattr(Configured.__init__, "__defaults__", (5, *defaults[1:]))
    assert resolved_component(registry, 'use = "configured"').table["size"] == 5


def test_paths_are_relative_to_the_experiment(registry: Registry, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    for text, path in (("a/../b", "/experiments/a/../b"), ("/a", "/a"), ("~/a", "/home/somebody/a")):
        built = resolved_component(registry, f'use = "configured"\npath = "{text}"').build()
        assert built.given["path"] == Path(path)
        assert built.given["cache"] == Path("/experiments/cache")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("size = true", "key.size: should be a valid integer, not true"),
        ('size = "3"', "key.size: should be a valid integer, not '3'. Write a number without quotation marks."),
        ("size = 3.0", "key.size: should be a valid integer, not 3.0"),
        ("size = 0", "key.size: should be greater than 0, not 0"),
        ("part = 1", "key.part: should be less than 1, not 1"),
        ('part = "0.5"', "key.part: should be a valid number, not '0.5'. Write a number without quotation marks."),
        ("part = true", "key.part: should be a valid number, not true"),
        ("part = inf", "key.part: should be a finite number, not inf"),
        ("part = nan", "key.part: should be a finite number, not nan"),
        ("enabled = 1", "key.enabled: should be true or false, not 1"),
        ('enabled = "yes"', "key.enabled: should be true or false, not 'yes'"),
        ("text = 3", "key.text: should be a valid string, not 3"),
        ('text = ""', "key.text: should have at least 1 character, not ''"),
        ('mode = "fat"', "key.mode: should be 'fast' or 'slow', not 'fat'. Did you mean 'fast'?"),
        ("lengths = 3", "key.lengths: should be a list, not 3"),
        ('lengths = [1, "a"]', "key.lengths.1: should be a valid integer, not 'a'"),
        ("lengths = [1, 1, 1, 1, 1, 1]", "key.lengths: should have at most 5 items, not [1, 1, 1, 1, 1, 1]"),
        ("names = []", "key.names: should have at least 1 item, not []"),
        ("weights = 3", "key.weights: should be a table, not 3"),
        ("weights = {a-b = false}", "key.weights.a-b: should be a valid number, not false"),
        ("limit = 1.5", "key.limit: should be a valid integer, not 1.5"),
        ('steps = "some"', "key.steps: should be 'auto' or be a valid integer, not 'some'"),
        ("steps = 0", "key.steps: should be 'auto' or be greater than 0, not 0"),
        ('rates = "a"', "key.rates: should be a valid number or be a list, not 'a'"),
        ("path = 3", "key.path: should be a valid string, not 3"),
        (f'weights = "{"a" * 80}"', f"key.weights: should be a table, not '{'a' * 56}..."),
        ("siez = 3", "key.siez: sample/configured has no option 'siez'. Did you mean 'size'?"),
        ("si-ze = 3", "key.si-ze: sample/configured has no option 'si-ze'. Did you mean 'size'?"),
    ],
)
def test_a_wrong_option_is_reported_with_its_key(registry: Registry, option: str, message: str):
    assert problems(registry, f'use = "configured"\n{option}')[-1] == message


def test_all_wrong_options_are_reported_at_once(registry: Registry):
    assert problems(registry, 'use = "required"\nsiez = 1\nsize = 0\nothers = [{use = "noptions"}, 3]') == [
        "key.others.0.use: no sampler is called 'noptions'. Did you mean 'nooptions'?",
        "key.others.1: must be the name of a sampler or a table with it, not 3. "
        'Write { use = "NAME" }, or use("NAME") in Python.',
        "key.size: should be greater than 0, not 0",
        'key.inner: sample/required needs this option. Write inner = { use = "SAMPLER" }, or use("SAMPLER") in Python.',
        "key.siez: sample/required has no option 'siez'. Did you mean 'size'?",
    ]
    assert problems(registry, 'use = "required"\ninner = 1\nothers = {}') == [
        "key.inner: must be the name of a sampler or a table with it, not 1. "
        'Write { use = "NAME" }, or use("NAME") in Python.',
        "key.size: sample/required needs this option",
        'key.others: should be a list, not {}. Write others = [{ use = "SAMPLER" }], or [use("SAMPLER")] in Python.',
    ]


def test_a_missing_option_is_reported_with_its_example(registry: Registry):
    assert problems(registry, 'use = "exemplary"') == [
        "key.files: sample/exemplary needs this option. "
        'For example, write files = "a.txt", or add --set key.files=a.txt.',
        "key.rates: sample/exemplary needs this option. "
        "For example, write rates = [0.1, 1], or add --set 'key.rates=[0.1, 1]'.",
        "key.size: sample/exemplary needs this option",
    ]


def test_a_component_without_options_takes_none(registry: Registry):
    assert resolved_component(registry, 'use = "nooptions"').table == {"use": "sample/nooptions"}
    message = "key.size: sample/nooptions has no option 'size'. sample/nooptions takes no options."
    assert problems(registry, 'use = "nooptions"\nsize = 1') == [message]
    # Although the __init__ of torch.nn.Module takes *args and **kwargs.
    assert resolved_component(registry, 'use = "plain"', "loss").table == {"use": "sample/plain"}
    assert isinstance(resolved_component(registry, 'use = "plain"', "loss").build(), PlainLoss)


@pytest.mark.parametrize("value", [3, []])
def test_a_component_must_be_a_name_or_a_table(registry: Registry, value: Any):
    [problem] = resolve(registry, "optimizer", value, "optimizer", FOLDER)
    hint = 'Write { use = "NAME" }, or use("NAME") in Python.'
    assert str(problem) == f"optimizer: must be the name of an optimizer or a table with it, not {value!r}. {hint}"


def test_a_name_alone_stands_for_a_table_without_options(registry: Registry):
    alone = resolve(registry, "sampler", "configured", "sampler", FOLDER)
    assert alone == resolved_component(registry, 'use = "configured"')
    wrapper = resolved_component(registry, 'use = "wrapper"\ninner = "configured"\nbefore = ["nooptions"]')
    assert wrapper.table["inner"]["use"] == "sample/configured"
    assert wrapper.table["before"] == [{"use": "sample/nooptions"}]


@pytest.mark.parametrize("table", ["", "use = 3", "use = []"])
def test_a_component_must_have_a_name(registry: Registry, table: str):
    message = "key.use: must name a sampler. Known: configured, exemplary, nooptions, required, wrapper."
    assert problems(registry, table) == [message]
    assert problems(registry, table, "optimizer") == ["key.use: must name an optimizer. None is installed."]


def test_an_option_that_the_engine_sets_cannot_be_set(registry: Registry):
    [problem] = problems(registry, 'use = "layer"\ninput_size = 3', "cell")
    assert problem == "key.input_size: the engine sets this option of sample/layer. Leave it out."


def test_an_error_in_a_constructor_names_the_component(registry: Registry):
    with pytest.raises(PluginError, match=r"^initializer 'sample/zeros': the value is negative$"):
        resolved_component(registry, 'use = "zeros"\nvalue = -1', "initializer").build()
    with pytest.raises(DataError, match=r"^no such value\nTake another\.$"):
        resolved_component(registry, 'use = "zeros"\nvalue = 2', "initializer").build()


_words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
_positive = st.integers(1, 2**63 - 1)
_finite = st.floats(allow_nan=False, allow_infinity=False)
_configured = st.fixed_dictionaries(
    {"use": st.just("configured")},
    optional={
        "size": _positive,
        "part": st.floats(0, 1, exclude_max=True),
        "enabled": st.booleans(),
        "text": _words,
        "mode": st.sampled_from(["fast", "slow"]),
        "lengths": st.lists(_positive, max_size=5),
        "names": st.lists(_words, min_size=1, max_size=4),
        "weights": st.dictionaries(_words, _finite, max_size=4),
        "limit": st.integers(-(2**63), 2**63 - 1),
        "steps": st.just("auto") | _positive,
        "rates": _finite | st.lists(st.floats(0, exclude_min=True, allow_infinity=False), max_size=3),
        "path": st.from_regex(r"[a-zà-ö]{1,5}(/[a-z.]{1,5})?", fullmatch=True),
    },
)
_samplers = st.recursive(
    _configured | st.just({"use": "nooptions"}),
    lambda inner: st.fixed_dictionaries(
        {"use": st.just("wrapper"), "inner": inner},
        optional={"before": st.lists(inner, max_size=2), "after": inner, "several": st.lists(inner, max_size=2)},
    ),
    max_leaves=4,
)


@given(table=_samplers)
@settings(deadline=None)
def test_a_resolved_table_resolves_to_itself_through_a_file(registry: Registry, table: dict[str, Any]):
    first = resolve(registry, "sampler", table, "key", FOLDER)
    assert isinstance(first, Component)
    read = tomllib.loads(tomli_w.dumps(first.table))
    assert read == first.table
    assert resolve(registry, "sampler", read, "key", Path("/elsewhere")) == first
    _assert_holds(first.table, table)


def _assert_holds(resolved: Any, stated: Any) -> None:
    if isinstance(stated, dict):
        for name, value in stated.items():
            if name not in ("use", "path"):
                _assert_holds(resolved[name], value)
    elif isinstance(stated, list):
        assert len(resolved) == len(stated)
        for one, other in zip(resolved, stated, strict=True):
            _assert_holds(one, other)
    else:
        assert resolved == stated
