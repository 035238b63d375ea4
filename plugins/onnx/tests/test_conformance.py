"""Conformance of the exporters. Without the libraries of ONNX, the tests are skipped; `make extras` runs them."""

import shutil
from typing import Any, ClassVar

import pytest
import seqforge_onnx.graphs
from seqforge_onnx.exporter import Onnx, OnnxInt8
from seqforge_onnx.web import Web

from seqforge.testing.exporter_suite import ExporterSuite

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")

pytestmark = pytest.mark.usefixtures("compilable")

TRACE = seqforge_onnx.graphs._trace
GRAPHS: dict[str, bytes] = {}


@pytest.fixture(autouse=True)
def _traced_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trace equal models once, except for the format `onnx`, whose suite tests that a graph depends on the model only.

    To trace a graph takes seconds, and the other formats have the same graphs.
    """

    def trace(module: Any, arguments: Any, *names_and_shapes: Any) -> bytes:
        parameters = [(name, tensor.numpy().tobytes()) for name, tensor in module.state_dict().items()]
        key = repr((module, parameters, names_and_shapes))
        if key not in GRAPHS or request.cls is TestOnnx:
            GRAPHS[key] = TRACE(module, arguments, *names_and_shapes)
        return GRAPHS[key]

    monkeypatch.setattr(seqforge_onnx.graphs, "_trace", trace)


class TestOnnx(ExporterSuite):
    exporters: ClassVar = {"onnx": Onnx}


class TestOnnxInt8(ExporterSuite):
    exporters: ClassVar = {"onnx-int8": OnnxInt8}


@needs_npm
class TestWeb(ExporterSuite):
    exporters: ClassVar = {"web": Web}
