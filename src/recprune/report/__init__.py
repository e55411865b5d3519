"""A report of a smaller model: one file to read, from what its folder, the larger one's and their data hold."""

from recprune.report.found import Found, find
from recprune.report.make import Report, report
from recprune.report.write import FORMATS, write

__all__ = ["FORMATS", "Found", "Report", "find", "report", "write"]
