"""The extra `all` of the core, for pip, has the plugins of an installation in place."""

import re
import shutil
from pathlib import Path

from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

ROOT = Path(__file__).parents[1]


def extras(folder: Path) -> dict[str, list[str]]:
    return ProjectMetadata(str(folder), PluginManager()).core.optional_dependencies


def test_the_extra_has_the_plugins_of_an_installation_in_place() -> None:
    in_place = re.findall(r"^-e \./plugins/(.+)$", (ROOT / "plugins/requirements.txt").read_text("utf-8"), re.MULTILINE)
    expected = {f"seqforge-{name} @ {(ROOT / 'plugins' / name).as_uri()}" for name in in_place}
    assert set(extras(ROOT)["all"]) == expected


def test_an_archive_of_the_core_has_no_plugins_and_the_other_extras(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    assert set(extras(tmp_path)) == set(extras(ROOT)) - {"all"}
