"""The option `--seqforge-plugin` of pytest, which runs the suites of `seqforge.testing` on an installed plugin.

pytest imports this module in every session, so it imports nothing large.
"""

import tempfile
from pathlib import Path
from typing import cast

import pytest

_OPTION = "--seqforge-plugin"
_TESTS = """from seqforge.testing.component_trial import suites_of
globals().update(suites_of({names!r}))
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("seqforge").addoption(
        _OPTION,
        action="append",
        default=[],
        metavar="NAME",
        help="Test every component of an installed plugin of seqforge with the suite of its kind.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect the suites, together with the tests that the command line names, if any.

    The module with the suites is in a folder of its own, so that pytest reads no `conftest.py` of seqforge.

    Raises:
        UsageError: If a plugin is not installed or cannot be used.
    """
    names = cast("list[str]", config.getoption(_OPTION))
    if names and not hasattr(config, "workerinput"):  # A process of pytest-xdist receives the arguments.
        _check_plugins(names)
        folder = tempfile.TemporaryDirectory(prefix="seqforge-")
        config.add_cleanup(folder.cleanup)
        tests = Path(folder.name) / "test_plugins.py"
        tests.write_text(_TESTS.format(names=names), encoding="utf-8")
        is_named = config.args_source is pytest.Config.ArgsSource.ARGS
        config.args[:] = [*(config.args if is_named else ()), str(tests)]


def _check_plugins(names: list[str]) -> None:
    from seqforge.errors import did_you_mean
    from seqforge.registry.discovery import PluginState
    from seqforge.registry.registry import Registry

    plugins = {plugin.name: plugin for plugin in Registry.installed().plugins}
    for name in names:
        if name not in plugins:
            raise pytest.UsageError(f"no plugin {name!r} is installed. {did_you_mean(name, list(plugins))}")
        if plugins[name].state is not PluginState.OK:
            raise pytest.UsageError(f"the plugin {name!r} is {plugins[name].state}: {plugins[name].reason}")
