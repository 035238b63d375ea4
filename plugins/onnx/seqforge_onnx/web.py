"""The format `web`: a page on which a visitor types a beginning, and the model goes on in the browser."""

import subprocess
from importlib.resources import files
from pathlib import Path

from seqforge.errors import PluginError
from seqforge.kinds import Exporter, TrainedModel
from seqforge.storage.cache import load_or_write
from seqforge.storage.paths import cache_folder
from seqforge_onnx.browser_runtime import FILES, VERSION, fetch_runtime
from seqforge_onnx.exporter import DESCRIPTION, OnnxModel, describe
from seqforge_onnx.graphs import model_graph

PAGE = "index.html"


class Web(Exporter):
    """A folder for any web server: a page that writes text with the model, and asks no other server.

    ONNX Runtime computes the model in the browser. The export checks the same graph with ONNX Runtime for Python.
    """

    def write(self, model: TrainedModel, folder: Path) -> None:
        """Write the page, the graph of a step, its description, and ONNX Runtime for browsers.

        Raises:
            PluginError: If ONNX Runtime is neither bundled nor in the cache, and npm cannot download it.
        """
        for name, content in _runtime().items():  # first, since the graph takes seconds, and npm may be missing
            (folder / name).write_bytes(content)
        (folder / "step.onnx").write_bytes(model_graph(model, "batch"))
        (folder / DESCRIPTION).write_text(describe(model), "utf-8")
        (folder / PAGE).write_bytes(files("seqforge_onnx").joinpath("web.html").read_bytes())

    def open(self, folder: Path) -> OnnxModel:
        """Return the model as ONNX Runtime for Python computes it."""
        return OnnxModel(folder)


class _Runtime(dict[str, bytes]):
    """The files of ONNX Runtime, by their names."""

    def __init__(self, folder: Path) -> None:
        super().__init__((name, (folder / name).read_bytes()) for name in FILES)


def _runtime() -> _Runtime:
    """Return the files of ONNX Runtime: those of the package, or those that npm downloads once."""
    bundled = Path(__file__).with_name("browser")
    if bundled.is_dir():
        return _Runtime(bundled)

    def write(folder: Path) -> str:
        fetch_runtime(folder)
        return f"onnxruntime-web {VERSION}"

    try:
        return load_or_write(cache_folder() / "browser-runtime" / VERSION, _Runtime, write)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or "npm is not installed"
        raise PluginError(
            f"npm cannot download onnxruntime-web {VERSION}, which the page needs: {reason.strip().splitlines()[0]}",
            hint="Install npm and try again. A wheel of seqforge-onnx contains these files.",
        ) from error
