"""The build: a wheel of this package contains ONNX Runtime for browsers, if npm can download it."""

import runpy
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = Path(__file__).parent / "seqforge_onnx"


class BuildHook(BuildHookInterface[Any]):
    """Adds the files to a wheel. In an editable installation, the first export of a page downloads them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Download the files before the build."""
        if version == "editable" or self.target_name != "wheel" or (PACKAGE / "browser").exists():
            return
        folder = PACKAGE / "browser"
        folder.mkdir()
        try:
            runpy.run_path(str(PACKAGE / "browser_runtime.py"))["fetch_runtime"](folder)
        except (OSError, subprocess.CalledProcessError) as error:
            folder.rmdir()
            self.app.display_warning(f"onnxruntime-web is not bundled, so that exports of pages need npm: {error}")
