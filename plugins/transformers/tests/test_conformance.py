"""Conformance of the exporter. Without the library transformers, the tests are skipped; `make extras` runs them."""

from typing import ClassVar

from seqforge_transformers.exporter import Transformers

from seqforge.testing.exporter_suite import ExporterSuite


class TestTransformers(ExporterSuite):
    exporters: ClassVar = {"transformers": Transformers}
