"""Conformance of the exporters. Without the libraries of ONNX, the tests are skipped; `make extras` runs them."""

from typing import ClassVar

from seqforge_onnx.exporter import Onnx, OnnxInt8

from seqforge.testing.exporter_suite import ExporterSuite


class TestOnnx(ExporterSuite):
    exporters: ClassVar = {"onnx": Onnx, "onnx-int8": OnnxInt8}
