"""Reports about runs: what is read of a run, what its model is examined for, and the page that shows it."""

from seqforge.report.page import ReportPage
from seqforge.report.report import write_report
from seqforge.report.subject import Subject

__all__ = ["ReportPage", "Subject", "write_report"]
