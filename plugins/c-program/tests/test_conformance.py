"""Conformance of the exporter."""

from typing import ClassVar

from seqforge_c_program.exporter import CProgram, CProgramInt8

from seqforge.testing.exporter_suite import ExporterSuite


class TestCProgram(ExporterSuite):
    exporters: ClassVar = {"c": CProgram, "c-int8": CProgramInt8}
