"""Reports about runs: the data of a run, the examinations of its model, and the HTML page."""

from seqforge.report.page import ReportPage
from seqforge.report.report import write_report

__all__ = ["ReportPage", "write_report"]
