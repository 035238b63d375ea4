"""The option `--seqforge-plugin` of pytest, which runs the suites of `seqforge.testing` on an installed plugin.

pytest imports this module in every session, so it imports nothing large.
"""

from pathlib import Path
from typing import Any, cast

import pytest

_OPTION = "--seqforge-plugin"
_TESTS = Path(__file__).parent / "testing" / "installed_plugin.py"


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

    Raises:
        UsageError: If a plugin is not installed or cannot be used.
    """
    names = cast("list[str]", config.getoption(_OPTION))
    if names:
        _check_plugins(names)
        is_named = config.args_source is pytest.Config.ArgsSource.ARGS
        config.args[:] = [*(config.args if is_named else ()), str(_TESTS)]


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Add the suites of the plugins to the module that pytest collects."""
    names = cast("list[str]", parent.config.getoption(_OPTION))
    if module_path != _TESTS or not names:
        return None
    module = pytest.Module.from_parent(parent, path=module_path)
    content: Any = module.obj
    vars(content).update(content.suites_of(names))
    return module


def _check_plugins(names: list[str]) -> None:
    from seqforge.errors import did_you_mean
    from seqforge.registry import PluginState, Registry

    plugins = {plugin.name: plugin for plugin in Registry.installed().plugins}
    for name in names:
        if name not in plugins:
            raise pytest.UsageError(f"no plugin {name!r} is installed. {did_you_mean(name, list(plugins))}")
        if plugins[name].state is not PluginState.OK:
            raise pytest.UsageError(f"the plugin {name!r} is {plugins[name].state}: {plugins[name].reason}")
