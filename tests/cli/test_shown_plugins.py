"""What `seqforge plugins list`, `show` and `check` print about plugins of known contents."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field
from typer.testing import CliRunner

from seqforge.cli.app import build_app
from seqforge.errors import PluginError
from seqforge.kinds import Metric, Quantity, Schedule, Score
from seqforge.registry.discovery import Plugin, PluginState
from seqforge.registry.hooks import PretrainedModel, Registration
from seqforge.registry.registry import Registry


class Lines(Metric):
    """The number of
    lines.

    Empty lines count.
    """

    quantities: ClassVar = {
        "wide": Quantity("lines that are too wide", "share", "less", "{} of the lines are too wide"),
        "number": Quantity("lines", "number", "neither", "there are {} lines"),
    }

    def __init__(
        self,
        limit: Annotated[int, Field(gt=0, le=200, description="Largest width.")],
        names: list[str] = [],
        sizes: list[float] | None = None,
        mode: Literal["all", "first"] = "all",
        folder: Path = Path("é"),
        schedule: Schedule | None = None,
        metrics: list[Metric] = [],
        strict: bool = False,
        table: dict[str, Any] = {},
        share: Annotated[float, Field(ge=0, lt=1)] = 0.5,
    ) -> None: ...

    def score(self, texts: Any) -> Score:
        return Score({"wide": 0.0, "number": float(len(texts))})


class Half(Schedule):
    """Half of the learning rate."""

    def factor(self, progress: Any) -> float:
        return 0.5


def registration(kind: str, plugin: str, component: type[Any]) -> Registration:
    target = f"{component.__module__}:{component.__qualname__}"
    return Registration(kind, plugin, component.__name__.lower(), target, component)


@pytest.fixture
def call(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Call a command in a registry of four plugins, and return its exit status and its output."""
    entries = tuple(registration(kind, "mine", each) for kind, each in (("metric", Lines), ("schedule", Half)))
    (tmp_path / "README.md").write_text("# A model\x07\n")
    preset = Registration("cell", "other", "narrow", "essentials/lstm", options=(("hidden_siz", 4),))
    registry = Registry(
        [
            Plugin("mine", "json", "my-distribution", "1.2", PluginState.OK, registrations=entries),
            Plugin(
                "other", "", "", "", PluginState.OK, registrations=(registration("schedule", "other", Half), preset)
            ),
            Plugin(
                "broken", "broken_module", "", "0", PluginState.BROKEN, "ImportError: no", traceback="line 1\nline 2"
            ),
            Plugin("models", "", "", "3", PluginState.OK, models=(PretrainedModel("models", "tiny", tmp_path),)),
            Plugin("empty", "", "", "4", PluginState.OK),
        ]
    )

    def run(*arguments: str, registry: Registry = registry) -> tuple[int, str]:
        result = CliRunner().invoke(build_app(registry), ["plugins", *arguments])
        if isinstance(result.exception, PluginError):
            return 1, str(result.exception)
        return result.exit_code, result.stdout

    return run


def test_the_list_names_the_contents_or_the_fault_of_each_plugin(call: Callable[..., tuple[int, str]]) -> None:
    assert call("list")[1].splitlines() == [
        "mine    1.2      ok  1 schedule, 1 metric",
        "other            ok  1 cell, 1 schedule",
        "broken  0        broken  ImportError: no",
        "models  3        ok  model tiny",
        "empty   4        ok  ",
    ]
    first, _, broken, models, _ = json.loads(call("list", "--json")[1])
    assert [each["name"] for each in first["components"]] == ["mine/lines", "mine/half"]
    assert (broken["state"], broken["reason"]) == ("broken", "ImportError: no")
    assert models["models"][0]["name"] == "models/tiny"
    assert call("list", registry=Registry([]))[1].startswith("No plugin is installed. ")


def test_a_component_is_shown_with_its_options_and_values(call: Callable[..., tuple[int, str]]) -> None:
    assert call("show", "lines")[1].splitlines() == [
        "mine/lines: metric",
        "  The number of lines.",
        "  plugin        mine",
        f"  class         {Lines.__module__}:Lines",
        "  names         lines, mine/lines",
        "  options",
        "    limit     integer > 0 and ≤ 200, required",
        "              Largest width.",
        "    names     text or list of text, default []",
        "    sizes     list of number, absent by default",
        '    mode      "all" or "first", default "all"',
        '    folder    path, default "é"',
        "    schedule  schedule, absent by default",
        "    metrics   list of metrics, default []",
        "    strict    true or false, default false",
        "    table     table, default {}",
        "    share     number ≥ 0 and < 1, default 0.5",
        "  values",
        "    wide    lines that are too wide (share; less is better)",
        "    number  lines (number)",
    ]
    assert "  options       none\n" in call("show", "mine/half")[1]
    assert "See also" not in call("show", "lines")[1]
    plugins = [
        Plugin(name, "", "", "", PluginState.OK, registrations=(registration("schedule", name, Half),))
        for name in ("essentials", "mine", "other")
    ]
    shown = call("show", "half", registry=Registry(plugins))[1]
    assert shown.startswith("essentials/half: schedule\n")
    assert shown.endswith("See also: mine/half, other/half\n")
    both = call("show", "half", registry=Registry(plugins[1:]))[1]
    assert [line for line in both.splitlines() if line.endswith(": schedule")] == [
        "mine/half: schedule",
        "other/half: schedule",
    ]


def test_a_plugin_is_shown_with_its_components_and_faults(call: Callable[..., tuple[int, str]]) -> None:
    assert call("show", "mine")[1].splitlines() == [
        "mine: ok",
        "  distribution  my-distribution 1.2",
        "  module        json",
        "  schedule      half",
        "  metric        lines",
    ]
    assert call("show", "broken")[1].splitlines() == [
        "broken: broken: ImportError: no",
        "  distribution  none 0",
        "  module        broken_module",
        "  To see the whole error, add --traceback.",
    ]
    assert call("show", "broken", "--traceback")[1].endswith("  module        broken_module\nline 1\nline 2\n")
    assert call("show", "models")[1].endswith("  model         tiny\n")
    shown = call("show", "other")[1]
    assert shown.startswith("other: 1 of 2 components cannot be used\n")
    assert shown.splitlines()[-1].startswith("  no cell is called 'essentials/lstm'")
    model = call("show", "tiny")[1]
    assert model.startswith("models/tiny: model\n  folder        ")
    assert model.endswith("\n\n# A model\\x07\n\n")


def test_a_check_counts_what_is_wrong(call: Callable[..., tuple[int, str]]) -> None:
    assert call("check", "mine/half") == (
        0,
        "✓ schedule     mine/half  3 tests\n"
        "                          The name 'half' is that of other/half: choose another one, or write 'mine/half'.\n"
        "1 right, 0 wrong, 0 not tried\n",
    )
    status, output = call("check", "broken")
    assert status == 1
    assert output.splitlines() == [
        "✗ plugin       broken  broken: ImportError: no",
        "                       See `seqforge plugins show broken --traceback`.",
        "0 right, 1 wrong, 0 not tried",
    ]
    status, output = call("check", "empty")
    assert (status, output.splitlines()[0]) == (0, "✓ plugin       empty  it registers no component")
    status, output = call("check", "models", "--json")
    assert (status, [each["verdict"] for each in json.loads(output)]) == (1, ["wrong"])
    assert call("check", "mine", "--set", "half=1")[1].startswith("--set half: names no option\nWrite COMPONENT.OPTION")
    assert call("check", "mine", "--set", "hal.a=1")[1].startswith("--set: mine has no component 'hal'\nDid you mean")
    assert "'losse'" in call("show", "losse")[1]
    assert call("show", "losses")[1].partition("\n")[2].startswith("It is a kind of components: ")
