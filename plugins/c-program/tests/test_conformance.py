"""Conformance of the exporter."""

from typing import ClassVar

from seqforge_c_program.exporter import CProgram

from seqforge.testing.exporter_suite import ExporterSuite


class TestCProgram(ExporterSuite):
    exporters: ClassVar = {"c": CProgram}
