"""Resolving a table of an experiment to a component: options, nested components, and building."""

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from seqforge.errors import DataError, PluginError
from seqforge.interfaces import Cell, ExperimentPath, Initializer, Loss, Sampler
from seqforge.registry import Component, Registry, resolve

MakeRegistry = Callable[..., Registry]

FOLDER = Path("/experiments")


class Identity(Sampler):
    def transform(self, logits: Tensor, memory: Any) -> Tensor:
        return logits


class NoOptions(Identity): ...


class Configured(Identity):
    """Has an option of every type that a plugin may use."""

    def __init__(
        self,
        size: Annotated[PositiveInt, Field(description="How many.")] = 3,
        part: Annotated[float, Field(ge=0, lt=1, description="How much.")] = 0.5,
        enabled: bool = True,
        text: Annotated[str, Field(min_length=1)] = "a",
        mode: Literal["fast", "slow"] = "fast",
        lengths: Annotated[tuple[PositiveInt, ...], Field(max_length=5)] = (1, 2),
        names: Annotated[list[str], Field(min_length=1)] = ["a"],  # noqa: B006 - nothing changes it
        weights: dict[str, float] = {},  # noqa: B006
        limit: int | None = None,
        steps: Literal["auto"] | PositiveInt = "auto",
        rates: float | list[PositiveFloat] = 0.1,
        path: ExperimentPath | None = None,
        cache: ExperimentPath = Path("cache"),
    ) -> None:
        self.given = {name: value for name, value in locals().items() if name not in ("self", "__class__")}


class Required(Identity):
    def __init__(self, size: PositiveInt, inner: Sampler, others: list[Sampler]) -> None:
        self.size, self.inner, self.others = size, inner, others


class Exemplary(Identity):
    def __init__(
        self,
        files: Annotated[list[str], Field(examples=["a.txt"])],
        rates: Annotated[list[float], Field(examples=[[0.1, 1]])],
        size: int,
    ) -> None: ...


class Wrapper(Identity):
    def __init__(
        self,
        inner: Annotated[Sampler, Field(description="What is wrapped.")],
        before: Annotated[list[Sampler] | None, Field(description="What comes before.")] = None,
        after: Annotated[Sampler, Field(description="What comes after.")] | None = None,
        several: Sequence[Annotated[Sampler, Field()]] = (),
    ) -> None:
        self.inner, self.before, self.after, self.several = inner, before, after, several


class Layer(Cell[tuple[Tensor, ...]]):
    """A cell with a nested cell and a nested initializer."""

    def __init__(
        self,
        input_size: int,
        hidden_size: PositiveInt = 4,
        inner: Cell[Any] | None = None,
        weights: Initializer | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.inner = inner
        self.weights = weights

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        return ()

    def step(self, projected: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return projected, state


class Zeros(Initializer):
    def __init__(self, value: float = 0.0) -> None:
        if value < 0:
            raise ValueError("the value is negative")
        if value > 1:
            raise DataError("no such value", hint="Take another.")

    def initialize(self, name: str, parameter: Tensor) -> None:
        parameter.zero_()


class PlainLoss(Loss):
    """Inherits the __init__ of torch.nn.Module, which accepts any argument."""

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.mean()


@pytest.fixture(scope="session")
def registry(make_registry: MakeRegistry) -> Registry:
    samplers = {
        f"sampler/{kind.__name__.lower()}": f"{__name__}:{kind.__name__}"
        for kind in (NoOptions, Configured, Exemplary, Required, Wrapper)
    }
    others = {"cell/layer": f"{__name__}:Layer", "initializer/zeros": f"{__name__}:Zeros"}
    return make_registry({**samplers, **others, "loss/plain": f"{__name__}:PlainLoss"})


def resolved_component(registry: Registry, toml: str, kind: str = "sampler") -> Component:
    found = resolve(registry, kind, tomllib.loads(toml), "key", FOLDER)
    assert isinstance(found, Component), found
    return found


def problems(registry: Registry, toml: str, kind: str = "sampler") -> list[str]:
    found = resolve(registry, kind, tomllib.loads(toml), "key", FOLDER)
    assert isinstance(found, list), found
    return [str(problem) for problem in found]


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
        ('size = "3"', "key.size: should be a valid integer, not '3'"),
        ("size = 3.0", "key.size: should be a valid integer, not 3.0"),
        ("size = 0", "key.size: should be greater than 0, not 0"),
        ("part = 1", "key.part: should be less than 1, not 1"),
        ('part = "0.5"', "key.part: should be a valid number, not '0.5'"),
        ("part = true", "key.part: should be a valid number, not true"),
        ("part = inf", "key.part: should be a finite number, not inf"),
        ("part = nan", "key.part: should be a finite number, not nan"),
        ("enabled = 1", "key.enabled: should be a valid boolean, not 1"),
        ('enabled = "yes"', "key.enabled: should be a valid boolean, not 'yes'"),
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
        "key.siez: sample/required has no option 'siez'. Did you mean 'size'?",
        'key.inner: sample/required needs this option. Write inner = { use = "SAMPLER" }.',
        "key.others.0.use: no sampler is called 'noptions'. Did you mean 'nooptions'?",
        'key.others.1: must be a table with the name of a sampler, not 3. Write { use = "NAME" }.',
        "key.size: should be greater than 0, not 0",
    ]
    assert problems(registry, 'use = "required"\ninner = 1\nothers = {}') == [
        'key.inner: must be a table with the name of a sampler, not 1. Write { use = "NAME" }.',
        'key.others: must be a list of tables, each with the name of a sampler. Write [{ use = "SAMPLER" }].',
        "key.size: sample/required needs this option",
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


@pytest.mark.parametrize(("value", "name"), [("lstm", "lstm"), (3, "NAME"), ([], "NAME")])
def test_a_component_must_be_a_table(registry: Registry, value: Any, name: str):
    [problem] = resolve(registry, "optimizer", value, "optimizer", FOLDER)
    assert (
        str(problem)
        == f'optimizer: must be a table with the name of an optimizer, not {value!r}. Write {{ use = "{name}" }}.'
    )


@pytest.mark.parametrize("table", ["", "use = 3", "use = []"])
def test_a_component_must_have_a_name(registry: Registry, table: str):
    message = "key.use: must name a sampler. Known: configured, exemplary, nooptions, required, wrapper."
    assert problems(registry, table) == [message]
    assert problems(registry, table, "optimizer") == ["key.use: must name an optimizer. None is installed."]


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
    assert (built.inner.before, built.inner.several) == (None, ())
    types = [type(part) for part in (built.inner, *built.before, built.after)]
    assert types == [Wrapper, NoOptions, Configured, NoOptions]
    assert [part.given["size"] for part in (built.inner.inner, built.several[0])] == [9, 8]


def test_a_problem_of_a_nested_component_has_its_full_key(registry: Registry):
    toml = 'use = "wrapper"\n[inner]\nuse = "wrapper"\n[inner.inner]\nuse = "configured"\nsize = 0'
    assert problems(registry, toml) == ["key.inner.inner.size: should be greater than 0, not 0"]
    message = 'key.inner: sample/wrapper needs this option. Write inner = { use = "SAMPLER" }.'
    assert problems(registry, 'use = "wrapper"') == [message]


def test_an_option_that_the_engine_sets_cannot_be_set(registry: Registry):
    [problem] = problems(registry, 'use = "layer"\ninput_size = 3', "cell")
    assert problem == "key.input_size: the engine sets this option of sample/layer. Leave it out."


def test_options_that_the_engine_sets_reach_nested_components_of_the_same_kind(registry: Registry):
    toml = 'use = "layer"\ninner = { use = "layer", hidden_size = 2, weights = { use = "zeros" } }'
    layer = resolved_component(registry, toml, "cell").build(input_size=5)
    assert (layer.input_size, layer.inner.input_size, layer.inner.hidden_size) == (5, 5, 2)
    assert isinstance(layer.inner.weights, Zeros)


def test_a_component_lists_the_plugins_of_its_nested_components(make_registry: MakeRegistry):
    registries = [make_registry({"sampler/wrapper": f"{__name__}:Wrapper"}, plugin="alpha")]
    registries += [make_registry({"sampler/one": f"{__name__}:NoOptions"}, plugin=name) for name in ("beta", "gamma")]
    registry = Registry([plugin for one in registries for plugin in one.plugins])
    toml = 'use = "wrapper"\ninner = {use = "beta/one"}\nbefore = [{use = "gamma/one"}]'
    assert resolved_component(registry, toml).plugins == {"alpha", "beta", "gamma"}


def test_an_error_in_a_constructor_names_the_component(registry: Registry):
    with pytest.raises(PluginError, match=r"^initializer 'sample/zeros': the value is negative$"):
        resolved_component(registry, 'use = "zeros"\nvalue = -1', "initializer").build()
    with pytest.raises(DataError, match=r"^no such value\nTake another\.$"):
        resolved_component(registry, 'use = "zeros"\nvalue = 2', "initializer").build()


_words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
_positive = st.integers(1, 2**70)
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
        "limit": st.integers(-(2**70), 2**70),
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
