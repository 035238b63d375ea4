"""Reports about runs: what is read from a run, the examinations of its model, and the page that shows them."""

from seqforge.report.page import ReportPage
from seqforge.report.report import write_report
from seqforge.report.subject import Subject

__all__ = ["ReportPage", "Subject", "write_report"]
