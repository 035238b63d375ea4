"""Conformance of the exporters. Without the libraries of ONNX, the tests are skipped; `make extras` runs them."""

import shutil
from typing import ClassVar

import pytest
from seqforge_onnx.exporter import Onnx, OnnxInt8
from seqforge_onnx.web import Web

from seqforge.testing.exporter_suite import ExporterSuite

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")

pytestmark = pytest.mark.usefixtures("compilable")


class TestOnnx(ExporterSuite):
    exporters: ClassVar = {"onnx": Onnx, "onnx-int8": OnnxInt8}


@needs_npm
class TestWeb(ExporterSuite):
    exporters: ClassVar = {"web": Web}
