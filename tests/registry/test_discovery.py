"""The states that an installed plugin can have, with real entry points."""

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import pytest

from seqforge.registry.discovery import GROUP, PluginState, discover
from seqforge.registry.hooks import Registration

MakeEntry = Callable[..., EntryPoint]

WORKING = """
from seqforge.registry import hookimpl

SEQFORGE_API = 1

COMPONENTS = {"cell": {"lstm": "nowhere.at_all:LSTM"}, "corpus": {"text": "nowhere.at_all:Text"}}

PRESETS = {"peephole-lstm": {"use": "lstm", "peepholes": True}}

@hookimpl
def seqforge_add_commands(commands):
    pass
"""


def install(folder: Path, distribution: str, plugin: str, module: str, *, version: str = "1.2") -> None:
    """Write the metadata that pip would write."""
    metadata = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{plugin} = {module}\n")


def test_a_plugin_that_works_is_ok_and_its_components_are_not_imported(make_entry: MakeEntry):
    [plugin] = discover([make_entry(WORKING)])
    assert (plugin.name, plugin.state, plugin.reason, plugin.traceback) == ("sample", PluginState.OK, "", "")
    assert plugin.module_name in sys.modules
    lstm, text, preset = plugin.registrations
    assert preset == Registration("cell", "sample", "peephole-lstm", "lstm", options=(("peepholes", True),))
    assert lstm == Registration("cell", "sample", "lstm", "nowhere.at_all:LSTM")
    assert text == Registration("corpus", "sample", "text", "nowhere.at_all:Text")


def test_a_plugin_without_components_is_ok(make_entry: MakeEntry):
    [plugin] = discover([make_entry("SEQFORGE_API = 1")])
    assert (plugin.state, plugin.registrations) == (PluginState.OK, ())


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("raise SystemExit", "SystemExit"),
        ("raise RuntimeError('no\\n  GPU\\nhere')", "RuntimeError: no GPU here"),
        (WORKING.replace("SEQFORGE_API = 1", "raise BaseException('odd')"), "BaseException: odd"),
        (WORKING.replace("(commands)", "(commands"), "SyntaxError: '(' was never closed"),
        (WORKING.replace("add_commands", "add_command"), "unknown hook 'seqforge_add_command'"),
        (WORKING.replace("@hookimpl", ""), "its function seqforge_add_commands is not marked with @hookimpl"),
        (WORKING.replace("(commands)", "(command)"), "{'command'} are declared in the hookimpl but can not be found"),
        (WORKING.replace("COMPONENTS = ", "1 / 0 #"), "ZeroDivisionError: division by zero"),
        (WORKING.replace('"cell"', '"sell"'), "no kind of component is called 'sell'; the kinds are corpus"),
        (WORKING.replace("COMPONENTS = ", "COMPONENTS = 3 #"), "TypeError: COMPONENTS must be a table, not 3"),
        (WORKING.replace('{"lstm": "nowhere.at_all:LSTM"}', '"lstm"'), "TypeError: cell must be a table, not 'lstm'"),
        (WORKING.replace('"use": "lstm", ', ""), "preset 'peephole-lstm' needs a name of its own, the key 'use'"),
        (WORKING.replace(', "peepholes": True', ""), "the key 'use' with a cell, and an option"),
        (WORKING.replace("peephole-lstm", "lstm"), "preset 'lstm' needs a name of its own"),
        (f"{WORKING}MODELS = {{'tiny': 'folder'}}", "TypeError: model 'tiny': its folder 'folder' must be a Path"),
        (f"{WORKING}MODELS = {{'Small': None}}", "model name 'Small' must be lower-case words joined by hyphens"),
        (WORKING.replace('{"lstm"', '{"LSTM"'), "cell name 'LSTM' must be lower-case words joined by hyphens"),
        (
            WORKING.replace(":LSTM", ".LSTM"),
            "cell 'lstm': target 'nowhere.at_all.LSTM' must have the form 'module:Class'",
        ),
    ],
)
def test_a_plugin_that_fails_is_broken_with_a_reason(make_entry: MakeEntry, source: str, reason: str):
    [plugin] = discover([make_entry(source)])
    assert plugin.state is PluginState.BROKEN
    assert reason in plugin.reason
    assert "\n" not in plugin.reason
    assert plugin.traceback.startswith("Traceback (most recent call last):")
    assert plugin.registrations == ()


def test_a_plugin_whose_module_is_missing_is_broken():
    [plugin] = discover([EntryPoint("sample", "no_such_module_anywhere", GROUP)])
    assert plugin.state is PluginState.BROKEN
    missing = "no_such_module_anywhere"
    assert plugin.reason == f"its entry point names {missing}, but there is no module {missing}."


def test_an_entry_point_with_a_typo_is_explained_with_the_nearest_module():
    [plugin] = discover([EntryPoint("sample", "seqforge_essentials.sampler", GROUP)])
    assert plugin.reason.endswith("there is no module seqforge_essentials.sampler. "
                                  "Did you mean 'seqforge_essentials.samplers'?")  # fmt: skip


def test_ctrl_c_is_not_a_broken_plugin(make_entry: MakeEntry):
    with pytest.raises(KeyboardInterrupt):
        discover([make_entry("raise KeyboardInterrupt")])


@pytest.mark.parametrize("name", ["session", "seqforge", "core", "my_cell.py"])
def test_a_plugin_with_a_reserved_name_cannot_be_used(name: str):
    [plugin] = discover([EntryPoint(name, "seqforge_essentials", GROUP)])
    assert (plugin.state, plugin.reason) == (PluginState.INCOMPATIBLE, f"the name {name!r} is reserved")


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("", "its entry module does not define SEQFORGE_API"),
        ("SEQFORGE_API = 2", "made for SEQFORGE_API 2, but this version of seqforge has 1; update seqforge"),
        ("SEQFORGE_API = 0", "made for SEQFORGE_API 0, but this version of seqforge has 1; update the plugin"),
        ("SEQFORGE_API = '1'", "made for SEQFORGE_API '1', but this version of seqforge has 1; update the plugin"),
    ],
)
def test_a_plugin_for_another_version_is_incompatible(make_entry: MakeEntry, statement: str, reason: str):
    source = WORKING.replace("SEQFORGE_API = 1", statement).replace('"lstm"', '"Not A Name"')
    [plugin] = discover([make_entry(source)])
    # Its tables are not read: with its invalid name, it would be broken instead.
    assert (plugin.state, plugin.reason, plugin.registrations) == (PluginState.INCOMPATIBLE, reason, ())


def test_two_distributions_with_one_plugin_name_conflict_and_neither_is_imported(tmp_path: Path):
    install(tmp_path, "alpha", "sample", "module_of_alpha")
    install(tmp_path, "beta", "sample", "module_of_beta", version="2.0")
    install(tmp_path, "gamma", "other", "module_of_gamma")
    entries = [entry for found in distributions(path=[str(tmp_path)]) for entry in found.entry_points]
    other, *samples = discover(entries)
    assert [(plugin.distribution, plugin.version) for plugin in samples] == [("alpha", "1.2"), ("beta", "2.0")]
    for plugin in samples:
        assert plugin.state is PluginState.CONFLICTING
        assert plugin.reason == "alpha and beta contain a plugin of this name; uninstall all but one"
    assert other.state is PluginState.BROKEN


def test_a_broken_plugin_does_not_affect_others_and_order_does_not_matter(make_entry: MakeEntry):
    entries = [make_entry(WORKING, name="zebra"), make_entry("1/0", name="mule"), make_entry(WORKING, name="ant")]
    plugins = discover(entries)
    states = [(plugin.name, plugin.state.value) for plugin in plugins]
    assert states == [("ant", "ok"), ("mule", "broken"), ("zebra", "ok")]
    assert plugins == discover(reversed(entries))


def test_an_installed_distribution_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install(tmp_path, "seqforge-sample", "installed-for-a-test", "module_installed_for_a_test")
    (tmp_path / "module_installed_for_a_test.py").write_text(WORKING)
    monkeypatch.syspath_prepend(tmp_path)
    plugins = {plugin.name: plugin for plugin in discover()}
    plugin = plugins["installed-for-a-test"]
    assert (plugin.state, plugin.distribution, plugin.version) == (PluginState.OK, "seqforge-sample", "1.2")
    names = [found.qualified_name for found in plugin.registrations]
    assert names == [f"installed-for-a-test/{name}" for name in ("lstm", "text", "peephole-lstm")]
    assert plugins["essentials"].state is PluginState.OK
    del sys.modules["module_installed_for_a_test"]


@pytest.mark.parametrize("metadata", [None, b"", b"\xff"], ids=["gone", "empty", "damaged"])
def test_a_distribution_whose_metadata_is_damaged_is_still_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metadata: bytes | None
):
    install(tmp_path, "half-removed", "half", "module_that_is_gone")
    file = tmp_path / "half_removed-1.2.dist-info" / "METADATA"
    file.unlink()
    if metadata is not None:
        file.write_bytes(metadata)
    monkeypatch.syspath_prepend(tmp_path)
    [plugin] = [plugin for plugin in discover() if plugin.name == "half"]
    assert (plugin.state, plugin.distribution, plugin.version) == (PluginState.BROKEN, "", "")
