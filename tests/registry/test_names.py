"""Finding components by name, and importing them."""

import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from seqforge.errors import PluginError
from seqforge.kinds import Vocabulary
from seqforge.kinds.table import FIRST_PARTY, KINDS
from seqforge.registry import hookimpl
from seqforge.registry.discovery import GROUP, Plugin, PluginState, discover
from seqforge.registry.hooks import Registration, read_components
from seqforge.registry.registry import Registry

SEQFORGE_API = 1

MakeModule = Callable[[str], str]
MakeRegistry = Callable[..., Registry]

REGISTRATIONS = {
    "alpha": [("cell", "lstm"), ("cell", "gru"), ("optimizer", "adam"), ("loss", "adam")],
    "beta": [("cell", "gru"), ("cell", "minimal")],
}


def plugin(
    name: str, state: PluginState = PluginState.OK, reason: str = "", traceback: str = "", distribution: str = ""
) -> Plugin:
    named = REGISTRATIONS.get(name, []) if state is PluginState.OK else []
    registrations = tuple(Registration(kind, name, component, "module:Class") for kind, component in named)
    return Plugin(name, "module", distribution, "1.0", state, reason, traceback, registrations=registrations)


REGISTRY = Registry([plugin("alpha"), plugin("beta")])


def error_message(registry: Registry, kind: str, name: str) -> str:
    with pytest.raises(PluginError) as caught:
        registry.find(kind, name)
    return str(caught.value)


def test_a_unique_short_name_finds_its_component():
    assert REGISTRY.find("cell", "lstm").qualified_name == "alpha/lstm"
    assert REGISTRY.find("optimizer", "adam").kind == "optimizer"
    assert REGISTRY.find("loss", "adam").kind == "loss"


def test_a_qualified_name_always_finds_its_component():
    for kind in KINDS:
        for registration in REGISTRY.registrations(kind):
            assert REGISTRY.find(kind, registration.qualified_name) == registration


def test_an_ambiguous_short_name_is_an_error_that_lists_the_plugins():
    for plugins in (REGISTRY.plugins, REGISTRY.plugins[::-1]):
        owners = ", ".join(f"{owner.name}/gru" for owner in plugins)
        message = error_message(Registry(plugins), "cell", "gru")
        assert message == f"cell 'gru' is offered by more than one plugin\nWrite one of: {owners}."


def test_a_short_name_belongs_to_the_recorded_plugin_and_then_to_the_first_party_one():
    gru = Registration("cell", "essentials", "gru", "module:Class")
    own = replace(plugin("essentials"), registrations=(gru,))
    for plugins in ([own, *REGISTRY.plugins], [*REGISTRY.plugins, own]):
        registry = Registry(plugins)
        assert registry.find("cell", "gru").plugin == "essentials"
        assert registry.names("cell") == ["alpha/gru", "beta/gru", "gru", "lstm", "minimal"]
        assert registry.find("cell", "beta/gru").plugin == "beta"
        assert Registry(plugins, preferred=["beta"]).find("cell", "gru").plugin == "beta"
        assert Registry(plugins, preferred=["beta", "essentials"]).find("cell", "gru").plugin == "essentials"
    assert Registry(REGISTRY.plugins, preferred=["alpha"]).find("cell", "gru").plugin == "alpha"


def test_the_first_party_plugins_are_those_of_the_repository():
    folders = (Path(__file__).parents[2] / "plugins").glob("*/pyproject.toml")
    names = {name for each in folders for name in tomllib.loads(each.read_text())["project"]["entry-points"][GROUP]}
    assert names | {"core"} == FIRST_PARTY


def test_every_listed_name_finds_its_component():
    assert REGISTRY.names("cell") == ["alpha/gru", "beta/gru", "lstm", "minimal"]
    assert REGISTRY.names("corpus") == []
    for kind in KINDS:
        for registration in REGISTRY.registrations(kind):
            for name in REGISTRY.names_of(registration):
                assert REGISTRY.find(kind, name) == registration


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        ("cell", "lstn", "Did you mean 'lstm'?"),
        ("cell", "LSTM", "Did you mean 'lstm'?"),
        ("cell", "minimall", "Did you mean 'minimal'?"),
        ("cell", "alpha/lstn", "Did you mean 'alpha/lstm'?"),
        (
            "cell",
            "transformer",
            "Known: alpha/gru, beta/gru, lstm, minimal. For your own, add --plugin FILE, or pass its class in Python.",
        ),
        ("cell", "adam", "'adam' is a loss and an optimizer."),
        ("cell", "alpha/adam", "'alpha/adam' is a loss and an optimizer."),
        ("metric", "spelling", "None is installed. For your own, add --plugin FILE, or pass its class in Python."),
    ],
)
def test_an_unknown_name_is_an_error_with_a_suggestion(kind: str, name: str, hint: str):
    assert error_message(REGISTRY, kind, name) == f"no {kind} is called {name!r}\n{hint}"


def test_an_unknown_name_is_an_error_that_lists_unusable_plugins():
    broken = plugin("native", PluginState.BROKEN, "ImportError: no compiler", "Traceback")
    old = plugin("tasks", PluginState.INCOMPATIBLE, "made for SEQFORGE_API 0")
    registry = Registry([*REGISTRY.plugins, broken, old])
    assert registry.unusable == [broken, old]
    assert error_message(registry, "metric", "spelling") == (
        "no metric is called 'spelling'\nNone is installed. Unusable plugins: native (broken), tasks (incompatible). "
        "For your own, add --plugin FILE, or pass its class in Python."
    )
    assert error_message(registry, "cell", "lstn") == "no cell is called 'lstn'\nDid you mean 'lstm'?"
    assert error_message(registry, "cell", "native/lstm") == (
        "no cell is called 'native/lstm'\nThe plugin 'native' is broken: ImportError: no compiler. "
        "See `seqforge plugins show native --traceback`."
    )
    assert error_message(registry, "cell", "tasks/lstm") == (
        "no cell is called 'tasks/lstm'\nThe plugin 'tasks' is incompatible: made for SEQFORGE_API 0."
    )


def test_a_component_is_imported_only_when_it_is_loaded(make_module: MakeModule, make_registry: MakeRegistry):
    module = make_module("from seqforge.kinds import Metric\nclass Count(Metric):\n  def score(self, texts): ...")
    registry = make_registry({"metric/count": f"{module}:Count"})
    assert module not in sys.modules
    component = registry.load(registry.find("metric", "count"))
    assert component is sys.modules[module].Count


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        (
            "seqforge_essentials.cell.lstm:LSTM",
            "but there is no module seqforge_essentials.cell. Did you mean 'seqforge_essentials.cells'?",
        ),
        ("seqforge_essentials.cells.lstm:Lstm", "but the module has no class Lstm. Did you mean 'LSTM'?"),
        ("{module}:Any", "{module} needs the module no_such_module, which is not installed."),
    ],
)
def test_a_target_with_a_typo_is_explained_to_the_author(
    make_module: MakeModule, make_registry: MakeRegistry, target: str, advice: str
):
    names = {"module": make_module("import no_such_module")}
    registry = make_registry({"cell/odd": target.format(**names)})
    with pytest.raises(PluginError) as caught:
        registry.load(registry.find("cell", "odd"))
    assert caught.value.hint is not None
    assert advice.format(**names) in caught.value.hint
    assert caught.value.hint.endswith("Report this to the author of the plugin 'sample'.")


class Unfinished(Vocabulary):
    def encode_bytes(self, content: bytes) -> object:
        return content


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("no_such_module:Any", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        ("{module}:Missing", "cannot be imported: AttributeError: module '{module}' has no attribute 'Missing'"),
        ("{exits}:Any", "cannot be imported: SystemExit: 2"),
        ("{module}:function", "is not a vocabulary: {module}:function does not derive from "),
        ("{module}:Plain", "is not a vocabulary: {module}:Plain does not derive from seqforge.kinds.vocabulary:"),
        ("{here}:Registration", "is not a vocabulary: {here}:Registration does not derive from "),
        (
            "{here}:Unfinished",
            "is unfinished: {here}:Unfinished does not implement decode_tokens, restore, size, state",
        ),
    ],
)
def test_a_component_that_cannot_be_loaded_is_an_error_with_reason_and_plugin(
    make_module: MakeModule, make_registry: MakeRegistry, target: str, reason: str
):
    module = make_module("class Plain: ...\ndef function(): ...")
    exits = make_module("raise SystemExit(2)")
    names = {"module": module, "exits": exits, "here": __name__}
    registry = make_registry({"vocabulary/odd": target.format(**names)})
    with pytest.raises(PluginError) as caught:
        registry.load(registry.find("vocabulary", "odd"))
    assert caught.value.message.startswith(f"vocabulary 'sample/odd' {reason.format(**names)}")
    assert caught.value.hint is not None
    assert "plugin 'sample'" in caught.value.hint


def test_ctrl_c_while_a_component_is_imported_is_not_caught(make_module: MakeModule, make_registry: MakeRegistry):
    registry = make_registry({"cell/slow": f"{make_module('raise KeyboardInterrupt')}:Slow"})
    with pytest.raises(KeyboardInterrupt):
        registry.load(registry.find("cell", "slow"))


calls: list[str] = []


@hookimpl
def seqforge_callbacks() -> list[object]:
    calls.append("done")
    return []


def test_usable_plugins_are_called_and_a_module_with_two_names_only_once():
    entries = [EntryPoint(name, __name__, "seqforge.plugins") for name in ("first", "second")]
    plugins = discover(entries)
    assert {found.state for found in plugins} == {PluginState.OK}
    hooks = Registry([*plugins, plugin("third", PluginState.BROKEN)]).new_hooks()
    hooks.hook.seqforge_callbacks()
    assert calls == ["done"]


def test_the_installed_registry_contains_the_discovered_plugins():
    names = [found.name for found in Registry.installed().plugins]
    assert names == [found.name for found in discover()]
    assert "essentials" in names


@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_can_register_components_of_every_kind(kind: str):
    assert read({kind: {"some-name2": "package.module:Class"}}) == (
        Registration(kind, "sample", "some-name2", "package.module:Class"),
    )


def test_the_core_has_a_backend_without_any_plugin():
    assert Registry([]).names("backend") == ["eager"]
    assert Registry([]).load(Registry([]).find("backend", "eager")).__name__ == "EagerBackend"


@pytest.mark.parametrize("name", ["", "LSTM", "min_p", "top p", "top--k", "-top", "top-", "2nd", "naïve", "a/b"])
def test_a_name_must_be_lower_case_words_joined_by_hyphens(name: str):
    with pytest.raises(ValueError, match="must be lower-case words joined by hyphens"):
        read({"sampler": {name: "module:Class"}})


@pytest.mark.parametrize("target", ["", "module", "module.Class", ":Class", "module:", "module:A.B", "a-b:C", "a:B "])
def test_a_target_must_be_a_module_and_a_class(target: str):
    with pytest.raises(ValueError, match="must have the form 'module:Class'"):
        read({"sampler": {"some": target}})


def test_a_plugin_may_use_a_name_once_for_each_kind():
    found = read({"sampler": {"some": "module:Class"}, "metric": {"some": "module:Class"}})
    assert [(one.kind, one.name) for one in found] == [("sampler", "some"), ("metric", "some")]


def read(components: dict[str, dict[str, str]]) -> tuple[Registration, ...]:
    """Return the components of a plugin with this table."""
    module = ModuleType("sample")
    vars(module)["COMPONENTS"] = components
    return read_components("sample", module)
