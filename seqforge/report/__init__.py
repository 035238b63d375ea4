"""Reports about runs: the data of a run, the examinations of its model, and the HTML page."""

from seqforge.report.page import ReportPage
from seqforge.report.report import write_report
from seqforge.report.subject import Subject

__all__ = ["ReportPage", "Subject", "write_report"]
