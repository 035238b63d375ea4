"""The extras of the core: those in `pyproject.toml`, and `all`, with every first-party plugin of the same clone."""

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Extras(MetadataHookInterface):
    """Adds the extra `all`.

    A path names each plugin, so that pip installs those of one commit from any address. It is valid while pip runs.
    Package indexes refuse such references; an archive of the core has no plugins beside it, and so no extra `all`.
    """

    def update(self, metadata: dict[str, Any]) -> None:
        """Write the extras into the metadata of the project."""
        extras = {name: value for name, value in self.config.items() if isinstance(value, list)}
        plugins = sorted(Path(self.root).glob("plugins/*/pyproject.toml"))
        if plugins:
            extras["all"] = [f"seqforge-{file.parent.name} @ {file.parent.as_uri()}" for file in plugins]
        metadata["optional-dependencies"] = extras
