"""Reports about runs: the data of a run, the examinations of its model, and the HTML page."""

from seqforge.report.report import ReportPage, write_report

__all__ = ["ReportPage", "write_report"]
